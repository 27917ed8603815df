#include "attack/leaks.h"

#include "io/json.h"

#include <math.h>
#include <stdlib.h>

/* "f32", "bit", "bit e2". */
static void describe(const struct evidence *e, char out[48])
{
	if (e->mechanism == MECHANISM_NONE)
		snprintf(out, 48, "%s", encoding_names[e->encoding]);
	else
		snprintf(out, 48, "%s %s %g", encoding_names[e->encoding],
			 mechanism_names[e->mechanism], e->epsilon);
}

static void row(const char *stream, const char *setting, const struct outcome *o, bool best,
		struct buf *out)
{
	char weight[24] = "-", map50[24] = "-", map[24] = "-";

	if (isfinite(o->variation))
		snprintf(weight, sizeof(weight), "%g", o->variation);
	if (o->detected) {
		snprintf(map50, sizeof(map50), "%.3f", o->map50);
		snprintf(map, sizeof(map), "%.3f", o->map);
	}
	buf_printf(out, "%-24.24s %-14s %-9s %c %6s %7.3f %7.2f %7.3f %7.3f %7s %8s\n", stream,
		   setting, o->attack, best ? '*' : ' ', weight, o->mean.ssim, o->mean.psnr,
		   o->mean.edge_corr, o->mean.detail, map50, map);
}

void leaks_table(const struct inversion *v, struct buf *out)
{
	char setting[48];
	int i, k;

	buf_printf(out, "%-24s %-14s %-11s %6s %7s %7s %7s %7s %7s %8s\n", "Stream", "Setting",
		   "Attack", "TV", "SSIM", "PSNR", "Edges", "Detail", "mAP50", "mAP50-95");
	row("-", "-", &v->original, false, out);
	row("-", "-", &v->flat, false, out);
	for (i = 0; i < v->n; i++) {
		const struct setting *s = &v->setting[i];

		describe(&s->evidence, setting);
		for (k = 0; k < s->n; k++)
			row(path_base(s->evidence.path), setting, &s->outcome[k], k == s->best,
			    out);
	}
}

/* ------------------------------------------------------------------ TSV */

static void add_name(const char *name, struct buf *out)
{
	for (; *name; name++)
		buf_printf(out, "%c", (unsigned char)*name < ' ' ? ' ' : *name);
	buf_add_str(out, "\t");
}

void leaks_tsv(const struct inversion *v, struct buf *out)
{
	int i, k, p;

	buf_add_str(out, "stream\tencoding\tmechanism\tepsilon\tq\tattack\tvariation\tpicture\t"
			 "ssim\tpsnr\tedge_corr\tdetail\n");
	for (i = 0; i < v->n; i++)
		for (k = 0; k < v->setting[i].n; k++)
			for (p = 0; p < v->setting[i].outcome[k].n; p++) {
				const struct evidence *e = &v->setting[i].evidence;
				const struct outcome *o = &v->setting[i].outcome[k];
				const struct similarity *s = &o->each[p];

				add_name(path_base(e->path), out);
				buf_printf(out, "%s\t%s\t%.9g\t%.9g\t%s\t",
					   encoding_names[e->encoding],
					   mechanism_names[e->mechanism], e->epsilon, e->q,
					   o->attack);
				if (isfinite(o->variation))
					buf_printf(out, "%.9g", o->variation);
				buf_add_str(out, "\t");
				add_name(v->data->items[p].key, out);
				buf_printf(out, "%.6f\t%.4f\t%.6f\t%.6f\n", s->ssim,
					   fmin(s->psnr, 100), s->edge_corr, s->detail);
			}
}

/* ------------------------------------------------------------------ JSON */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *outcome_json(const struct outcome *o)
{
	json_t *j = json_object();

	json_object_set_new(j, "attack", json_string(o->attack));
	json_object_set_new(j, "variation", number(o->variation));
	json_object_set_new(j, "ssim", number(o->mean.ssim));
	json_object_set_new(j, "psnr", number(o->mean.psnr));
	json_object_set_new(j, "edge_corr", number(o->mean.edge_corr));
	json_object_set_new(j, "detail", number(o->mean.detail));
	json_object_set_new(j, "score", number(o->score));
	json_object_set_new(j, "mAP50", o->detected ? number(o->map50) : json_null());
	json_object_set_new(j, "mAP50-95", o->detected ? number(o->map) : json_null());
	return j;
}

static void set_largest(json_t *j, const struct setting *s)
{
	struct similarity most = s->outcome[0].mean;
	int k;

	for (k = 1; k < s->n; k++) {
		most.ssim = fmax(most.ssim, s->outcome[k].mean.ssim);
		most.psnr = fmax(most.psnr, s->outcome[k].mean.psnr);
		most.edge_corr = fmax(most.edge_corr, s->outcome[k].mean.edge_corr);
		most.detail = fmax(most.detail, s->outcome[k].mean.detail);
	}
	json_object_set_new(j, "ssim", number(most.ssim));
	json_object_set_new(j, "psnr", number(most.psnr));
	json_object_set_new(j, "edge_corr", number(most.edge_corr));
	json_object_set_new(j, "detail", number(most.detail));
}

static json_t *setting_json(const struct setting *s)
{
	const struct evidence *e = &s->evidence;
	json_t *j = json_object(), *attacks = json_array();
	int k;

	json_object_set_new(j, "stream", json_string(e->path));
	json_object_set_new(j, "encoding", json_string(encoding_names[e->encoding]));
	json_object_set_new(j, "mechanism", json_string(mechanism_names[e->mechanism]));
	json_object_set_new(j, "epsilon", number(e->epsilon));
	json_object_set_new(j, "q", number(e->q));
	for (k = 0; k < s->n; k++)
		json_array_append_new(attacks, outcome_json(&s->outcome[k]));
	json_object_set_new(j, "attacks", attacks);
	json_object_set_new(j, "best", outcome_json(&s->outcome[s->best]));
	set_largest(j, s);
	return j;
}

void leaks_json(const struct inversion *v, struct buf *out)
{
	json_t *j = json_object(), *settings = json_array();
	int i;

	json_object_set_new(j, "cut", json_integer(v->setting[0].evidence.cut));
	json_object_set_new(j, "img", json_integer(v->victims.img));
	json_object_set_new(j, "pictures", json_integer(v->victims.n));
	json_object_set_new(j, "original", outcome_json(&v->original));
	json_object_set_new(j, "flat", outcome_json(&v->flat));
	for (i = 0; i < v->n; i++)
		json_array_append_new(settings, setting_json(&v->setting[i]));
	json_object_set_new(j, "settings", settings);
	json_add_value(out, j, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}
