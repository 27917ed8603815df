#include "eval/inspect.h"

#include "base/clock.h"
#include "base/nearest.h"
#include "base/num.h"
#include "data/letterbox.h"

#include <stdlib.h>
#include <string.h>

struct inspector {
	const struct detector *det;
	struct inspect_options opt;
	struct pool *pool;
	struct runner *runner; /* for the last picture's rectangle */
	int w, h;
	struct nms *nms;
	struct det *dets;
	uint64_t number; /* of pictures so far */
};

void inspect_defaults(struct inspect_options *o)
{
	*o = (struct inspect_options){
		.img = 640,
		.nms = {.conf = 0.25f, .iou = 0.45f, .max_det = 1000, .max_candidates = 30000}};
}

static int class_named(const struct model *m, const char *word)
{
	struct err ignored;
	long number;
	int c;

	for (c = 0; c < m->nnames; c++)
		if (!strcmp(m->names[c], word))
			return c;
	return num_long("", word, 0, m->graph->nc - 1, &number, &ignored) ? -1 : (int)number;
}

int inspect_classes(const struct model *m, const char *list, unsigned char *flags, struct err *err)
{
	char *words = xstrdup(list), *rest = words, *word;
	int rc = 0, c;

	while (!rc && (word = strsep(&rest, ","))) {
		const char *like =
			nearest_word(word, (const char *const *)m->names, (size_t)m->nnames);

		c = class_named(m, word);
		if (c >= 0)
			flags[c] = 1;
		else if (like)
			rc = err_set(err, STATUS_USAGE,
				     "the model has no class '%s'; did you mean '%s'?", word, like);
		else
			rc = err_set(err, STATUS_USAGE, "the model has no class '%s'", word);
	}
	free(words);
	return rc;
}

struct inspector *inspector_new(const struct detector *d, const struct inspect_options *opt,
				struct pool *pool)
{
	struct inspector *s = xcalloc(1, sizeof(*s));

	s->det = d;
	s->opt = *opt;
	s->pool = pool;
	s->nms = nms_new(d->model->graph, &opt->nms);
	s->dets = xreallocarray(NULL, (size_t)opt->nms.max_det, sizeof(*s->dets));
	return s;
}

void inspector_free(struct inspector *s)
{
	if (!s)
		return;
	runner_free(s->runner);
	nms_free(s->nms);
	free(s->dets);
	free(s);
}

static int up(int v, int stride)
{
	return (v + stride - 1) / stride * stride;
}

/* The smallest rectangle of whole strides, and a network for it. */
static int fit(struct inspector *s, const struct image *picture, struct letterbox *lb,
	       struct err *err)
{
	int stride = s->det->model->graph->max_stride;
	int img = up(s->opt.img, stride);
	struct runner_options opt = {
		.max_n = 1, .path = s->det->path, .gate = s->det->gate, .seed = s->opt.seed};

	letterbox_plan(lb, picture->w, picture->h, img, img, img);
	letterbox_plan(lb, picture->w, picture->h, img, up(lb->new_w, stride),
		       up(lb->new_h, stride));
	if (s->runner && lb->out_w == s->w && lb->out_h == s->h)
		return 0;
	runner_free(s->runner);
	opt.w = s->w = lb->out_w;
	opt.h = s->h = lb->out_h;
	s->runner = runner_new(s->det->model, &s->det->gates, &opt, s->pool, err);
	return s->runner ? 0 : -1;
}

static void fill(struct inspector *s, const struct image *picture, const struct letterbox *lb)
{
	struct view input = runner_input(s->runner, 1);
	struct image boxed;

	letterbox_apply(lb, picture, &boxed);
	letterbox_to_view(&boxed, &input, 0);
	image_release(&boxed);
}

static int look(struct inspector *s, const struct letterbox *lb, struct err *err)
{
	struct view maps[5];
	int nl, n, i;

	runner_forward(s->runner, 1, s->number++);
	nl = runner_maps(s->runner, 1, maps);
	if (!runner_finite(maps, nl, 0))
		return err_set(err, STATUS_NONFINITE, "the network's output is not finite");
	n = nms_run(s->nms, maps, nl, 0, s->dets);
	for (i = 0; i < n; i++)
		letterbox_unmap(lb, &s->dets[i].x1, &s->dets[i].y1, &s->dets[i].x2, &s->dets[i].y2);
	return n;
}

int inspector_run(struct inspector *s, const struct image *picture, struct inspection *out,
		  struct err *err)
{
	const double begun = clock_seconds();
	struct letterbox lb;

	if (fit(s, picture, &lb, err))
		return -1;
	fill(s, picture, &lb);
	out->n = look(s, &lb, err);
	out->ms = 1e3 * (clock_seconds() - begun);
	out->dets = s->dets;
	out->w = s->w;
	out->h = s->h;
	return out->n < 0 ? -1 : 0;
}

void inspection_summary(const struct inspection *in, char *const *names, struct buf *out)
{
	int most = 0, c, i;

	buf_printf(out, "%dx%d ", in->h, in->w);
	if (!in->n)
		buf_add_str(out, "(no detections), ");
	for (i = 0; i < in->n; i++)
		most = in->dets[i].cls > most ? in->dets[i].cls : most;
	for (c = 0; c <= most; c++) {
		int count = 0;

		for (i = 0; i < in->n; i++)
			count += in->dets[i].cls == c;
		if (count)
			buf_printf(out, "%d %s%s, ", count, names[c], count > 1 ? "s" : "");
	}
	buf_printf(out, "%.1f ms", in->ms);
}
