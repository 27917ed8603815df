#include "eval/evaluate.h"

#include "base/clock.h"
#include "data/batch.h"

#include <stdlib.h>
#include <string.h>

struct evaluator {
	const struct model *model;
	const struct gates *gates;
	const struct dataset *data;
	struct evaluate_options opt;
	struct pool *pool;
	struct batches *batches;
	struct runner *runner; /* of the last batch's size */
	int w, h;              /* that size; 0 before the first */
	struct loss_ctx *loss;
	struct nms **nms; /* one per worker */
	struct det *dets; /* batch x max_det */
	int *ndets;       /* batch; -1: the network's output is not finite */
	struct view maps[5];
	int nl;
	struct profile *profile; /* NULL: not wanted */
	double images, spent;    /* for it */
};

void evaluate_defaults(struct evaluate_options *o)
{
	*o = (struct evaluate_options){.img = 640,
				       .batch = 32,
				       .conf = 0.001f,
				       .iou = 0.6f,
				       .max_det = 300,
				       .protocols = PROTOCOL_YOLO};
}

void evaluation_release(struct evaluation *e)
{
	metrics_release(&e->metrics);
	boxset_release(&e->set);
}

int evaluation_save(const struct evaluation *e, const struct dataset *d, const char *path,
		    bool coco91_ids, struct err *err)
{
	char **keys;
	int rc, i;

	if (coco91_ids && e->set.nclasses != (int)ARRAY_LEN(coco91))
		return err_set(err, STATUS_INPUT,
			       "COCO's category ids are for 80 classes, and the model has %d",
			       e->set.nclasses);
	keys = xcalloc((size_t)d->nitems + 1, sizeof(*keys));
	for (i = 0; i < d->nitems; i++) {
		const char *name = path_base(d->items[i].path), *dot = strrchr(name, '.');

		keys[i] = dot && dot > name ? xstrndup(name, (size_t)(dot - name)) : xstrdup(name);
	}
	rc = cocojson_write_results(path, &e->set, keys, coco91_ids ? coco91 : NULL, err);
	names_free(keys, (size_t)d->nitems);
	return rc;
}

static int judge_saved(struct evaluation *out, const struct annotations *a, const char *predictions,
		       const struct evaluate_options *opt, struct pool *pool, struct err *err)
{
	struct saved_by_val saved = {a->images, opt->img, GAIN_EXACT};
	struct metrics *m = &out->metrics;
	long skipped;

	if (cocojson_read_results(&out->set, predictions, a, &skipped, err))
		return -1;
	if (skipped && !out->set.ndets)
		return err_set(err, STATUS_INPUT,
			       "'%s': no detection has a category that the annotations know",
			       predictions);
	if (skipped)
		notice(opt->notices,
		       "'%s': %ld detections of categories that the annotations lack are left out",
		       predictions, skipped);
	m->images = a->nimages;
	m->with_labels = a->with_labels;
	m->backgrounds = a->nimages - a->with_labels;
	metrics_compute(m, &out->set, opt->protocols, &saved, pool);
	return 0;
}

int evaluate_saved(struct evaluation *out, struct annotations *a, const char *predictions,
		   const char *annotations, const struct evaluate_options *opt, struct pool *pool,
		   struct err *err)
{
	memset(out, 0, sizeof(*out));
	if (cocojson_read(a, &out->set, annotations, err))
		return -1;
	if (judge_saved(out, a, predictions, opt, pool, err) == 0)
		return 0;
	evaluation_release(out);
	annotations_release(a);
	return -1;
}

static void make_nms(struct evaluator *e)
{
	const struct nms_options opt = {.conf = e->opt.conf,
					.iou = e->opt.iou,
					.multi_label = e->model->graph->nc > 1,
					.max_det = e->opt.max_det,
					.max_candidates = 30000}; /* val.py's max_nms */
	int i;

	e->nms = xcalloc((size_t)pool_threads(e->pool), sizeof(struct nms *));
	for (i = 0; i < pool_threads(e->pool); i++)
		e->nms[i] = nms_new(e->model->graph, &opt);
	e->dets = xreallocarray(NULL, (size_t)e->opt.batch * (size_t)e->opt.max_det,
				sizeof(*e->dets));
	e->ndets = xcalloc((size_t)e->opt.batch, sizeof(*e->ndets));
}

struct evaluator *evaluator_new(const struct model *m, const struct gates *gates,
				const struct dataset *d, const struct evaluate_options *opt,
				struct pool *pool, struct err *err)
{
	struct batch_options b = {.batch = opt->batch,
				  .img = opt->img,
				  .rect = opt->rect,
				  .stride = m->graph->max_stride,
				  .threads = pool_threads(pool),
				  .strict = opt->strict,
				  .notices = opt->notices};
	struct evaluator *e;

	BUG_IF(!m->graph->nl);
	if (dataset_check_classes(d, m->graph->nc, err))
		return NULL;
	e = xcalloc(1, sizeof(*e));
	e->model = m;
	e->gates = gates;
	e->data = d;
	e->opt = *opt;
	if (e->opt.batch > d->nitems)
		e->opt.batch = d->nitems;
	e->pool = pool;
	e->batches = batches_new(d, &b, err);
	if (!e->batches) {
		evaluator_free(e);
		return NULL;
	}
	make_nms(e);
	e->profile = opt->profile ? profile_new() : NULL;
	return e;
}

void evaluator_free(struct evaluator *e)
{
	int i;

	if (!e)
		return;
	for (i = 0; e->nms && i < pool_threads(e->pool); i++)
		nms_free(e->nms[i]);
	free(e->nms);
	free(e->dets);
	free(e->ndets);
	batches_free(e->batches);
	loss_free(e->loss);
	runner_free(e->runner);
	profile_free(e->profile);
	free(e);
}

/* A network of the batch's size; rectangular batches of one shape come one after another. */
static int fit(struct evaluator *e, const struct batch *b, struct err *err)
{
	const struct runner_options opt = {.max_n = e->opt.batch,
					   .h = b->h,
					   .w = b->w,
					   .path = e->opt.path,
					   .gate = e->opt.gate,
					   .seed = e->opt.seed};

	if (b->w == e->w && b->h == e->h)
		return 0;
	runner_profile(e->runner, e->profile);
	runner_free(e->runner);
	loss_free(e->loss);
	e->loss = NULL;
	e->w = e->h = 0;
	e->runner = runner_new(e->model, e->gates, &opt, e->pool, err);
	if (!e->runner)
		return -1;
	if (e->opt.hyp)
		e->loss = loss_new(e->model->graph, e->opt.hyp, e->opt.batch, b->h, b->w);
	e->w = b->w;
	e->h = b->h;
	return 0;
}

static void suppress(void *ctx, int image, int worker)
{
	struct evaluator *e = ctx;
	struct det *out = e->dets + (size_t)image * (size_t)e->opt.max_det;

	e->ndets[image] = -1;
	if (runner_finite(e->maps, e->nl, image))
		e->ndets[image] = nms_run(e->nms[worker], e->maps, e->nl, image, out);
}

/* x1 y1 x2 y2, clipped to the image, to corner and size. */
static struct box clipped(double x1, double y1, double x2, double y2, int w, int h)
{
	x1 = x1 < 0 ? 0 : x1 > w ? w : x1;
	x2 = x2 < 0 ? 0 : x2 > w ? w : x2;
	y1 = y1 < 0 ? 0 : y1 > h ? h : y1;
	y2 = y2 < 0 ? 0 : y2 > h ? h : y2;
	return (struct box){x1, y1, x2 - x1, y2 - y1};
}

static void add_truths(struct boxset *s, const struct item *item, int image)
{
	int i;

	for (i = 0; i < item->nlabels; i++) {
		const struct label *l = &item->labels[i];
		double w = (double)l->w * item->w, h = (double)l->h * item->h;
		double x = (double)l->xc * item->w - w / 2, y = (double)l->yc * item->h - h / 2;
		struct truth t = {.image = image, .cls = l->cls};

		t.box = clipped(x, y, x + w, y + h, item->w, item->h);
		t.area = t.box.w * t.box.h;
		boxset_add_truth(s, &t);
	}
}

static void add_detections(struct boxset *s, struct det *dets, int n, const struct letterbox *lb,
			   int image)
{
	int i;

	for (i = 0; i < n; i++) {
		struct det *d = &dets[i];
		struct detection out = {.score = d->score, .image = image, .cls = d->cls};

		letterbox_unmap(lb, &d->x1, &d->y1, &d->x2, &d->y2);
		out.box = clipped(d->x1, d->y1, d->x2, d->y2, lb->src_w, lb->src_h);
		boxset_add_detection(s, &out);
	}
}

/* What one batch showed becomes boxes of its images. */
static int collect(const struct evaluator *e, const struct batch *b, struct evaluation *out,
		   struct err *err)
{
	int i;

	for (i = 0; i < b->n; i++) {
		const struct item *item = &e->data->items[b->items[i]];

		if (e->ndets[i] < 0)
			return err_set(err, STATUS_NONFINITE,
				       "'%s': the network's output is not finite", item->path);
		add_truths(&out->set, item, b->items[i]);
		add_detections(&out->set, e->dets + (size_t)i * (size_t)e->opt.max_det, e->ndets[i],
			       &b->letterboxes[i], b->items[i]);
		out->metrics.images++;
		out->metrics.with_labels += item->nlabels > 0;
	}
	return 0;
}

static void add_loss(struct evaluator *e, const struct batch *b, struct loss *sum)
{
	struct loss l;

	loss_detect(e->loss, e->pool, e->maps, b->n, b->targets, b->ntargets, &l);
	sum->box += l.box;
	sum->obj += l.obj;
	sum->cls += l.cls;
}

static int judge_batch(struct evaluator *e, const struct batch *b, struct evaluation *out,
		       struct err *err)
{
	struct metrics *m = &out->metrics;
	double t0 = clock_seconds(), t1, t2;
	struct view input;

	if (fit(e, b, err))
		return -1;
	input = runner_input(e->runner, b->n);
	batches_fill(e->batches, &input);
	t1 = profile_lap(e->profile, "input", t0);
	/* a data set has fewer than 2^31 pictures: their places number the noise */
	runner_forward(e->runner, b->n, (uint64_t)m->images);
	t2 = clock_seconds();
	e->nl = runner_maps(e->runner, b->n, e->maps);
	if (e->loss)
		add_loss(e, b, &out->loss);
	m->preprocess_ms += 1e3 * (t1 - t0);
	m->inference_ms += 1e3 * (t2 - t1);
	t1 = profile_lap(e->profile, "losses", t2);
	pool_run(e->pool, b->n, suppress, e);
	t2 = profile_lap(e->profile, "decoding and suppression", t1);
	m->nms_ms += 1e3 * (t2 - t1);
	return collect(e, b, out, err);
}

static int judge_all(struct evaluator *e, struct evaluation *out, struct err *err)
{
	struct batch b;
	int rc, batches = 0;
	double t = clock_seconds(), now;

	batches_start(e->batches, 0, 0);
	while ((rc = batches_next(e->batches, &b, err)) > 0) {
		now = profile_lap(e->profile, "reading of pictures", t);
		out->metrics.preprocess_ms += 1e3 * (now - t);
		if (b.n && judge_batch(e, &b, out, err))
			return -1;
		batches += b.n > 0;
		if (e->opt.progress)
			e->opt.progress(e->opt.progress_ctx, out->metrics.images);
		t = clock_seconds();
	}
	if (rc < 0)
		return -1;
	if (!batches)
		return err_set(err, STATUS_INPUT, "'%s': no picture could be read", e->data->path);
	out->loss.box /= batches;
	out->loss.obj /= batches;
	out->loss.cls /= batches;
	return 0;
}

static void finish(const struct evaluator *e, struct metrics *m)
{
	double n = (double)m->images;

	m->backgrounds = m->images - m->with_labels;
	m->corrupt = e->data->corrupt + batches_skipped(e->batches);
	m->timed = true;
	m->preprocess_ms /= n;
	m->inference_ms /= n;
	m->nms_ms /= n;
	m->batch = e->opt.batch;
	m->channels = e->model->graph->channels;
	m->height = m->width = e->opt.img;
}

int evaluator_run(struct evaluator *e, struct evaluation *out, struct err *err)
{
	double start = clock_seconds(), t;

	memset(out, 0, sizeof(*out));
	out->set.nimages = e->data->nitems;
	out->set.nclasses = e->model->graph->nc;
	if (e->runner)
		runner_load(e->runner);
	if (judge_all(e, out, err)) {
		evaluation_release(out);
		return -1;
	}
	finish(e, &out->metrics);
	t = clock_seconds();
	metrics_compute(&out->metrics, &out->set, e->opt.protocols, NULL, e->pool);
	e->spent += profile_lap(e->profile, "metrics", t) - start;
	e->images += (double)out->metrics.images;
	return 0;
}

char *evaluator_profile(struct evaluator *e)
{
	struct buf out = BUF_INIT;

	runner_profile(e->runner, e->profile);
	if (e->profile)
		profile_text(e->profile, e->pool, e->opt.path, e->spent, e->images, &out);
	return buf_detach(&out);
}

size_t evaluator_bytes(const struct evaluator *e)
{
	struct net_options o = {.max_n = e->opt.batch, .path = e->opt.path};
	size_t bytes;

	batches_largest(e->batches, &o.w, &o.h);
	if (e->opt.gate == GATE_OFF || !e->gates)
		return net_bytes(e->model->graph, &o, e->pool);
	o.to = e->gates->cut;
	bytes = net_bytes(e->model->graph, &o, e->pool);
	o.from = e->gates->cut;
	o.to = 0;
	return bytes + net_bytes(e->model->graph, &o, e->pool);
}
