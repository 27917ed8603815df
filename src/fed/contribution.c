#include "fed/contribution.h"

#include "base/file.h"
#include "base/mem.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void contributions_init(struct contributions *c, int n, bool global)
{
	int i;

	*c = (struct contributions){.n = n, .global = global};
	c->client = xcalloc((size_t)n, sizeof(*c->client));
	for (i = 0; i < n; i++)
		c->client[i].clip = 1;
}

void contributions_release(struct contributions *c)
{
	free(c->client);
	*c = (struct contributions){0};
}

void contributions_add(struct contributions *c, const float *v, size_t m, const double *result,
		       const float *global)
{
	size_t i;
	int k;

	for (i = 0; global && i < m; i++) {
		const double u = result[i] - (double)global[i];

		c->square += u * u;
	}
	for (k = 0; k < c->n; k++) {
		struct contribution *p = &c->client[k];

		for (i = 0; i < m; i++) {
			const double origin = global ? (double)global[i] : result[i];
			const double u = (double)v[(size_t)k * m + i] - origin;

			p->square += u * u;
			p->dot += u * (result[i] - origin);
		}
	}
}

static double distance(const struct contribution *p)
{
	return sqrt(p->square);
}

/* NaN: not known, or one of both did not move. */
static double cosine(const struct contributions *c, const struct contribution *p)
{
	const double norm = sqrt(p->square) * sqrt(c->square);

	return c->global && norm > 0 ? p->dot / norm : NAN;
}

static const char *verdict(const struct contribution *p)
{
	if (p->rejected)
		return "rejected";
	return p->clip < 1 ? "clipped" : "used";
}

/* A number in a column, "-" where there is none (NaN). */
static void cell(struct buf *out, int width, int decimals, double v)
{
	if (isnan(v))
		buf_printf(out, " %*s", width, "-");
	else
		buf_printf(out, " %*.*f", width, decimals, v);
}

static void table(const struct contributions *c, const struct cohort *files, struct buf *out)
{
	int i;

	buf_printf(out, "%-20s %10s %9s %12s %9s  %s\n", "client", "samples", "weight", "distance",
		   "cosine", "verdict");
	for (i = 0; i < c->n; i++) {
		const struct contribution *p = &c->client[i];
		const long samples = files->files[i].samples;

		buf_printf(out, "%-20s", files->files[i].client);
		cell(out, 10, 0, samples < 0 ? NAN : (double)samples);
		cell(out, 9, 6, p->weight);
		buf_printf(out, " %12.6g", distance(p));
		cell(out, 9, 4, cosine(c, p));
		buf_printf(out, "  %s", verdict(p));
		if (p->clip < 1)
			buf_printf(out, " to %.4f", p->clip);
		buf_add_str(out, "\n");
	}
}

static json_t *client_json(const struct contributions *c, const struct cohort_file *f, int i)
{
	const struct contribution *p = &c->client[i];
	const double cos = cosine(c, p);
	json_t *o = json_object();

	json_object_set_new(o, "client", json_string(f->client));
	json_object_set_new(o, "file", json_string(f->path));
	json_object_set_new(o, "sha256", json_string(f->digest));
	json_object_set_new(o, "samples", f->samples < 0 ? json_null() : json_integer(f->samples));
	json_object_set_new(o, "round", f->round < 0 ? json_null() : json_integer(f->round));
	json_object_set_new(o, "weight", json_real(p->weight));
	json_object_set_new(o, "distance", json_real(distance(p)));
	json_object_set_new(o, "cosine", isnan(cos) ? json_null() : json_real(cos));
	json_object_set_new(o, "clip", json_real(p->clip));
	json_object_set_new(o, "rejected", json_boolean(p->rejected));
	return o;
}

static void as_json(const struct contributions *c, const struct cohort *files, const char *strategy,
		    struct buf *out)
{
	json_t *top = json_object(), *list = json_array();
	char *text;
	int i;

	for (i = 0; i < c->n; i++)
		json_array_append_new(list, client_json(c, &files->files[i], i));
	json_object_set_new(top, "strategy", json_string(strategy));
	json_object_set_new(top, "reference", json_string(c->global ? "global" : "result"));
	json_object_set_new(top, "clients", list);
	text = json_text(top);
	buf_printf(out, "%s\n", text);
	free(text);
	json_decref(top);
}

int contributions_write(const struct contributions *c, const struct cohort *files,
			const char *strategy, const char *path, struct err *err)
{
	const size_t len = strlen(path);
	struct buf text = BUF_INIT;
	int rc;

	if (len >= 5 && !strcmp(path + len - 5, ".json"))
		as_json(c, files, strategy, &text);
	else
		table(c, files, &text);
	rc = file_write(path, text.data, text.len, err);
	buf_release(&text);
	return rc;
}
