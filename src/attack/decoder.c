#include "attack/decoder.h"

#include "data/batch.h"
#include "nn/net.h"
#include "nn/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Channels where features have a quarter of the side or less, at a half and at the whole of it: as many
 * as a few minutes of two processors train. */
enum { WIDE = 96, QUARTER = 48, HALF = 24, WHOLE = 16 };
/* What the network paints is added to this: the mean of photographs, about. */
#define MIDDLE 0.45F
/* The corner of |d| in the loss, rounded off by a step of 8-bit pixels. */
#define ROUND (1 / 255.0F)
#define BETA1 0.9
#define BATCH 8 /* pictures at a time in decoder_apply */

struct decoder {
	struct model *model;
	int from;
	struct pool *pool;
	enum conv_path path;
};

void decoder_defaults(struct decoder_options *o)
{
	*o = (struct decoder_options){
		.split = "train", .epochs = 60, .batch = 8, .rate = 0.003, .path = CONV_AUTO};
}

/* ------------------------------------------------------------------ the network */

static int stride_of(const struct shape *s, int img, struct err *err)
{
	const int stride = s->h > 0 ? img / s->h : 0;

	if (s->h != s->w || stride < 1 || stride > 64 || stride * s->h != img ||
	    stride & (stride - 1))
		return err_set(err, STATUS_INPUT,
			       "a decoder cannot grow features of %dx%d to %dx%d pixels", s->h,
			       s->w, img, img);
	return stride;
}

/* Layers that stand for the tensors that cross: of their shapes, from the image. */
static void add_inputs(const struct shape *shape, const int *stride, int n, struct buf *text,
		       int *layer, int *first)
{
	int i;

	for (i = 0; i < n; i++) {
		int s = stride[i], from = 0;

		for (; s > 8; s /= 8, from = (*layer)++) /* 8 is the longest that a layer takes */
			buf_printf(text, "- [%d, 1, nn.Conv2d, [8, 1, 8]]\n", from);
		first[i] = (*layer)++;
		buf_printf(text, "- [%d, 1, nn.Conv2d, [%d, 1, %d]]\n", from, shape[i].c, s);
	}
}

static int channels_at(int stride)
{
	return stride >= 8 ? WIDE : stride == 4 ? QUARTER : stride == 2 ? HALF : WHOLE;
}

/* Each tensor through a convolution, grown to the finest, and all together. */
static void add_trunk(const int *stride, const int *first, int n, int finest, struct buf *text,
		      int *layer)
{
	struct buf list = BUF_INIT;
	int i, s;

	for (i = 0; i < n; i++) {
		buf_printf(text, "- [%d, 1, Conv, [%d, 3]]\n", first[i], WIDE);
		(*layer)++;
		for (s = stride[i]; s > finest; s /= 2, (*layer)++)
			buf_add_str(text, "- [-1, 1, nn.Upsample, [None, 2, nearest]]\n");
		buf_printf(&list, "%s%d", i ? ", " : "", *layer - 1);
	}
	if (n > 1) {
		buf_printf(text, "- [[%s], 1, Concat, [1]]\n- [-1, 1, Conv, [%d]]\n", list.data,
			   WIDE);
		*layer += 2;
	}
	buf_printf(text, "- [-1, 2, Bottleneck, [%d]]\n", WIDE);
	(*layer)++;
	buf_release(&list);
}

char *decoder_yaml(const struct shape *shape, int n, int img, int *from, struct err *err)
{
	int stride[FEATURES_MAX_TENSORS], first[FEATURES_MAX_TENSORS], i, s, finest = 64, layer = 1;
	struct buf text = BUF_INIT;

	for (i = 0; i < n; i++) {
		stride[i] = stride_of(&shape[i], img, err);
		if (stride[i] < 0)
			return NULL;
		finest = stride[i] < finest ? stride[i] : finest;
	}
	buf_add_str(&text, "width_multiple: 1.0\nbackbone:\n- [-1, 1, nn.Conv2d, [8, 1]]\n");
	add_inputs(shape, stride, n, &text, &layer, first);
	*from = layer;
	add_trunk(stride, first, n, finest, &text, &layer);
	for (s = finest / 2; s >= 1; s /= 2)
		buf_printf(&text,
			   "- [-1, 1, nn.Upsample, [None, 2, nearest]]\n- [-1, 1, Conv, [%d, 3]]\n",
			   channels_at(s));
	buf_add_str(&text, "- [-1, 1, nn.Conv2d, [3, 3]]\n");
	return buf_detach(&text);
}

/* ------------------------------------------------------------------ training */

struct lesson {
	const struct model *m;
	const struct evidence *e;
	const struct decoder_options *opt;
	struct decoder *d;
	struct pool *pool;
	struct dataset *set;
	struct hyp hyp;
	struct batches *batches;
	struct net *extractor, *net;
	struct optim *optim;
	float *grads;
	struct noise noise;
	uint64_t stream; /* of the noise: never used twice */
	unsigned char *scratch;
	float *target; /* the pictures of a batch, dense */
	double *loss;  /* of each */
	long step, steps;
};

static void lesson_release(struct lesson *l)
{
	batches_free(l->batches);
	dataset_free(l->set);
	net_free(l->extractor);
	net_free(l->net);
	optim_free(l->optim);
	noise_release(&l->noise);
	free(l->grads);
	free(l->scratch);
	free(l->target);
	free(l->loss);
}

/* Photographs at all sizes and places, in colours as they are. */
static void choose_pictures(struct hyp *h)
{
	hyp_default(h);
	h->mosaic = 0.5;
	h->hsv_h = 0;
	h->hsv_s = 0.3;
	h->hsv_v = 0.2;
}

static int open_nets(struct lesson *l, struct err *err)
{
	const struct net_options before = {.to = l->e->cut,
					   .max_n = l->opt->batch,
					   .h = l->e->img,
					   .w = l->e->img,
					   .path = l->opt->path};
	struct net_options behind = before;

	behind.from = behind.freeze = l->d->from;
	behind.to = 0;
	behind.train = true;
	l->extractor = net_new(l->m->graph, &before, l->pool, err);
	if (!l->extractor)
		return -1;
	net_load_params(l->extractor, l->m->params);
	l->net = net_new(l->d->model->graph, &behind, l->pool, err);
	return l->net ? 0 : -1;
}

static int open_pictures(struct lesson *l, struct err *err)
{
	const struct dataset_options d = {
		.split = l->opt->split, .any_class = true, .notices = l->opt->notices};
	struct batch_options b = {.batch = l->opt->batch,
				  .img = l->e->img,
				  .hyp = &l->hyp,
				  .shuffle = true,
				  .seed = l->opt->seed,
				  .threads = pool_threads(l->pool),
				  .notices = l->opt->notices};

	choose_pictures(&l->hyp);
	l->set = dataset_open(l->opt->public_set, &d, err);
	if (!l->set)
		return -1;
	l->batches = batches_new(l->set, &b, err);
	return l->batches ? 0 : -1;
}

static int lesson_init(struct lesson *l, struct err *err)
{
	const struct evidence *e = l->e;
	const size_t n = (size_t)l->opt->batch;
	size_t scratch = 0;
	int t;

	if (open_pictures(l, err) || open_nets(l, err) ||
	    noise_init(&l->noise, e->mechanism, e->epsilon, &l->opt->seed, err))
		return -1;
	for (t = 0; t < e->ntensors; t++) {
		const struct shape *s = &e->shape[t];
		const size_t bytes = n * gate_packed_bytes(s->c, s->h, s->w);

		scratch = bytes > scratch ? bytes : scratch;
	}
	l->scratch = xmalloc(scratch);
	l->target = xcalloc(n * 3 * (size_t)e->img * (size_t)e->img, sizeof(float));
	l->loss = xcalloc(n, sizeof(*l->loss));
	l->grads = xcalloc(l->d->model->graph->nfloats, sizeof(float));
	l->optim = optim_new(l->d->model->graph, OPTIM_ADAM, l->d->from);
	l->steps = (long)l->opt->epochs * batches_count(l->batches);
	return 0;
}

/* The batch through extractor and gate into the decoder's inputs. */
static void show_features(struct lesson *l, int n)
{
	struct view in = net_input(l->extractor, 0, n);
	float *to = l->target;
	int i, y, x, t;

	batches_fill(l->batches, &in);
	for (i = 0; i < n; i++)
		for (y = 0; y < in.h; y++)
			for (x = 0; x < in.w; x++, to += 3)
				memcpy(to, view_at(&in, i, y, x), 3 * sizeof(*to));
	net_forward(l->extractor, n, l->m->params);
	for (t = 0; t < l->e->ntensors; t++) {
		const struct view out = net_output(l->extractor, t, n);
		const struct view to_view = net_input(l->net, t, n);

		gate_apply_noisy(&l->e->gates.gate[t], l->pool, &out, &l->noise, l->stream,
				 l->scratch);
		l->stream += (uint64_t)n;
		view_copy(l->pool, &out, &to_view);
	}
}

/* |d|, rounded off at 0, and its slope. */
static double soft(float d, float *slope)
{
	const float s = sqrtf(d * d + ROUND * ROUND);

	*slope = d / s;
	return (double)(s - ROUND);
}

struct judge_job {
	struct lesson *l;
	struct view out, grad;
};

/* The difference of two pixels' errors: edges in their places. */
static double edge(const struct view *out, const struct view *grad, const float *target, int i,
		   int y, int x, int dy, int dx)
{
	const float *a = view_at(out, i, y, x), *b = view_at(out, i, y + dy, x + dx);
	const float *ta = target + 3 * ((size_t)y * (size_t)out->w + (size_t)x);
	const float *tb = ta + 3 * ((size_t)dy * (size_t)out->w + (size_t)dx);
	float *ga = view_at(grad, i, y, x), *gb = view_at(grad, i, y + dy, x + dx), slope;
	double sum = 0;
	int c;

	for (c = 0; c < 3; c++) {
		sum += soft((b[c] - tb[c]) - (a[c] - ta[c]), &slope);
		gb[c] += slope;
		ga[c] -= slope;
	}
	return sum;
}

static void judge_picture(void *ctx, int i, int worker)
{
	const struct judge_job *j = ctx;
	const struct view *out = &j->out, *grad = &j->grad;
	const float *target = j->l->target + (size_t)i * 3 * (size_t)out->h * (size_t)out->w;
	double sum = 0;
	int y, x, c;

	(void)worker;
	for (y = 0; y < out->h; y++)
		for (x = 0; x < out->w; x++)
			for (c = 0; c < 3; c++)
				sum += soft(MIDDLE + view_at(out, i, y, x)[c] -
						    target[3 * ((size_t)y * (size_t)out->w +
								(size_t)x) +
							   (size_t)c],
					    &view_at(grad, i, y, x)[c]);
	for (y = 0; y < out->h; y++)
		for (x = 0; x < out->w; x++) {
			if (x + 1 < out->w)
				sum += edge(out, grad, target, i, y, x, 0, 1);
			if (y + 1 < out->h)
				sum += edge(out, grad, target, i, y, x, 1, 0);
		}
	view_clear_pads(grad, i, 0, grad->h);
	j->l->loss[i] = sum;
}

static int learn_batch(struct lesson *l, int n, struct err *err)
{
	const double scale = 1.0 / ((double)n * l->e->img * l->e->img);
	const double rate =
		l->opt->rate *
		(0.01 + 0.99 * 0.5 * (1 + cos(M_PI * (double)l->step / (double)l->steps)));
	const struct optim_rates rates = {.lr = {rate, rate, rate}, .momentum = BETA1};
	float *params = l->d->model->params;
	struct judge_job j = {.l = l};
	double sum = 0;
	int i;

	show_features(l, n);
	net_load_params(l->net, params);
	net_forward(l->net, n, params);
	j.out = net_output(l->net, 0, n);
	j.grad = net_output_grad(l->net, 0, n);
	pool_run(l->pool, n, judge_picture, &j);
	for (i = 0; i < n; i++)
		sum += l->loss[i];
	if (!isfinite(sum))
		return err_set(err, STATUS_NONFINITE,
			       "training the decoder is not finite at step %ld", l->step + 1);
	net_backward(l->net, n, l->grads);
	optim_step(l->optim, l->pool, &rates, params, l->grads, scale, NULL, 0);
	l->step++;
	return 0;
}

static int learn(struct lesson *l, struct err *err)
{
	struct batch b;
	int epoch, rc = 0;

	for (epoch = 0; epoch < l->opt->epochs; epoch++) {
		batches_start(l->batches, epoch, 0);
		while ((rc = batches_next(l->batches, &b, err)) > 0) {
			if (b.n && learn_batch(l, b.n, err))
				return -1;
			if (l->opt->progress)
				l->opt->progress(l->opt->progress_ctx, (double)l->step *
									       l->opt->epochs /
									       (double)l->steps);
		}
		if (rc)
			return -1;
	}
	if (!l->step)
		return err_set(err, STATUS_INPUT, "'%s': no picture could be read",
			       l->opt->public_set);
	return 0;
}

struct decoder *decoder_train(const struct model *m, const struct evidence *e,
			      const struct decoder_options *opt, struct pool *pool, struct err *err)
{
	struct decoder *d = xcalloc(1, sizeof(*d));
	struct lesson l = {.m = m, .e = e, .opt = opt, .d = d, .pool = pool};
	char *yaml = decoder_yaml(e->shape, e->ntensors, e->img, &d->from, err);
	int rc = -1;

	d->pool = pool;
	d->path = opt->path;
	if (yaml)
		d->model = model_init(yaml, 0, NULL, opt->seed, err);
	if (d->model)
		rc = lesson_init(&l, err) || learn(&l, err);
	lesson_release(&l);
	free(yaml);
	if (rc) {
		decoder_free(d);
		return NULL;
	}
	return d;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	model_free(d->model);
	free(d);
}

/* ------------------------------------------------------------------ use */

static void paint(const struct view *v, int i, const struct letterbox *lb, struct image *out)
{
	int y, x, c;

	image_alloc(out, v->w, v->h);
	memset(out->rgb, LETTERBOX_GREY, 3 * (size_t)v->w * (size_t)v->h);
	for (y = lb->top; y < lb->top + lb->new_h; y++)
		for (x = lb->left; x < lb->left + lb->new_w; x++)
			for (c = 0; c < 3; c++) {
				const float p = 255 * (MIDDLE + view_at(v, i, y, x)[c]) + 0.5F;

				out->rgb[3 * ((size_t)y * (size_t)v->w + (size_t)x) + (size_t)c] =
					(unsigned char)(p > 0 ? p < 255 ? p : 255 : 0);
			}
}

int decoder_apply(struct decoder *d, const struct evidence *e, const struct victims *v,
		  struct image *out, struct err *err)
{
	const struct net_options opt = {
		.from = d->from, .max_n = BATCH, .h = e->img, .w = e->img, .path = d->path};
	struct net *net = net_new(d->model->graph, &opt, d->pool, err);
	int first, i, t;

	if (!net)
		return -1;
	net_load_params(net, d->model->params);
	for (first = 0; first < e->n; first += BATCH) {
		const int n = e->n - first < BATCH ? e->n - first : BATCH;
		struct view result;

		for (t = 0; t < e->ntensors; t++) {
			const struct view in = net_input(net, t, n);

			for (i = 0; i < n; i++)
				gate_decode(&e->gates.gate[t], evidence_tensor(e, first + i, t),
					    &in, i);
		}
		net_forward(net, n, d->model->params);
		result = net_output(net, 0, n);
		for (i = 0; i < n; i++)
			paint(&result, i, &v->lb[first + i], &out[first + i]);
	}
	net_free(net);
	return 0;
}
