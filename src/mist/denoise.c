#include "mist/denoise.h"

#include "base/ints.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/batch.h"
#include "mist/features.h"
#include "mist/filter.h"
#include "nn/builder.h"
#include "nn/net.h"
#include "nn/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Places of the picture that a step looks at, about, whatever the pictures' size. */
#define PLACES 12800
#define MOST   32
/* Of Adam, at first; a cosine takes it to nothing. */
#define RATE  0.003
#define BETA1 0.9

struct graph *denoise_graph(int c, int width)
{
	const int channels[] = {width, width, c}, before = -1;
	struct builder b;
	struct err err;
	int i, rc = 0;

	builder_init(&b, c, 0, 0);
	for (i = 0; i < (int)ARRAY_LEN(channels); i++) {
		const struct arg args[] = {{.kind = ARG_NUMBER, .number = channels[i]},
					   {.kind = ARG_NUMBER, .number = 3}};
		const int from = i ? i - 1 : before;

		rc |= builder_add(&b, "nn.Conv2d", &from, 1, 1, args, (int)ARRAY_LEN(args), &err);
		/* a convolution with an activation and no batch norm has no name in YOLOv5's YAML */
		b.graph->steps[i].act = i == 2 ? ACT_NONE : ACT_SILU;
	}
	rc |= builder_finish(&b, &err);
	BUG_IF(rc);
	builder_release(&b);
	return b.graph;
}

/* ------------------------------------------------------------------ learning */

/* What one crossing tensor needs. */
struct pupil {
	struct gate *gate; /* with its filter, without a network */
	struct graph *graph;
	struct net *net;
	struct filter *filter;
	struct optim *optim;
	float *params, *grads, *deviation;
	struct view estimate; /* the filter's, of a batch */
	float *buffer;
	struct noise noise;
};

struct lesson {
	const struct model *m;
	const struct denoise_options *opt;
	struct pool *pool;
	struct hyp hyp;
	struct batches *batches;
	struct net *extractor;
	struct pupil pupil[FEATURES_MAX_TENSORS];
	int n, batch;
	uint64_t stream; /* of the noise: never used twice */
	unsigned char *scratch;
	double *loss; /* of each picture */
	long step;
};

static void lesson_release(struct lesson *l)
{
	int i;

	for (i = 0; i < l->n; i++) {
		struct pupil *p = &l->pupil[i];

		net_free(p->net);
		filter_free(p->filter);
		optim_free(p->optim);
		if (p->graph)
			graph_free(p->graph);
		noise_release(&p->noise);
		free(p->params);
		free(p->grads);
		free(p->deviation);
		free(p->buffer);
	}
	batches_free(l->batches);
	net_free(l->extractor);
	free(l->scratch);
	free(l->loss);
}

/* He et al. 2015; the last convolution begins at nothing, so that the filter's estimate stands. */
static void init_params(struct pupil *p, uint64_t seed, int index)
{
	struct rng r;
	int i;
	size_t k;

	p->params = xcalloc(p->graph->nfloats, sizeof(float));
	p->grads = xcalloc(p->graph->nfloats, sizeof(float));
	for (i = 0; i < p->graph->nparams - 2; i++) {
		const struct param *q = &p->graph->params[i];
		const double spread = sqrt(2.0 / (9.0 * q->dim[1]));

		rng_init(&r, seed, "denoise", (uint64_t)(64 * index + i));
		for (k = 0; q->kind == PARAM_WEIGHT && k < q->count; k++)
			p->params[q->offset + k] = (float)(spread * rng_normal(&r));
	}
}

/* The spread of a channel that has two levels: what there is to estimate. */
static void measure_spread(struct pupil *p)
{
	const struct gate *g = p->gate;
	int i;

	p->deviation = xreallocarray(NULL, (size_t)g->c, sizeof(float));
	for (i = 0; i < g->c; i++) {
		const float step = gate_high(g, i) - gate_low(g, i);

		p->deviation[i] = step > 0 ? step : 1;
	}
}

static int pupil_init(struct lesson *l, int i, struct err *err)
{
	struct pupil *p = &l->pupil[i];
	const struct view v = net_output(l->extractor, i, 1);
	const struct net_options net = {
		.max_n = l->batch, .h = v.h, .w = v.w, .path = l->opt->path, .train = true};
	size_t lead;

	measure_spread(p);
	p->graph = denoise_graph(v.c, l->opt->width);
	init_params(p, l->opt->seed, i);
	p->optim = optim_new(p->graph, OPTIM_ADAM, 0);
	p->filter = filter_new(p->gate, l->batch, v.h, v.w, l->opt->path, l->pool, false);
	p->estimate = (struct view){.n = l->batch, .h = v.h, .w = v.w, .c = v.c};
	p->estimate.ld = (int)round_up((size_t)v.c, 16);
	p->estimate.pad = 1;
	p->buffer = xaligned(view_floats(&p->estimate, &lead) * sizeof(float));
	p->estimate.p = p->buffer + lead;
	view_clear(&p->estimate);
	if (noise_init(&p->noise, p->gate->mechanism, p->gate->epsilon, &l->opt->seed, err))
		return -1;
	p->net = net_new(p->graph, &net, l->pool, err);
	return p->net ? 0 : -1;
}

static int open_pictures(struct lesson *l, const struct dataset *set, struct err *err)
{
	struct batch_options b = {.batch = l->batch,
				  .img = l->opt->img,
				  .hyp = &l->hyp,
				  .shuffle = true,
				  .seed = l->opt->seed,
				  .threads = pool_threads(l->pool),
				  .notices = l->opt->notices};

	hyp_default(&l->hyp);
	l->hyp.mosaic = 0.5; /* as they will come, and smaller */
	l->batches = batches_new(set, &b, err);
	return l->batches ? 0 : -1;
}

static int lesson_init(struct lesson *l, const struct dataset *set, struct gates *gates,
		       struct err *err)
{
	struct net_options before = {.to = gates->cut,
				     .max_n = 1,
				     .h = l->opt->img,
				     .w = l->opt->img,
				     .path = l->opt->path};
	struct shape shape;
	int layers[FEATURES_MAX_TENSORS], i, places = 0;
	size_t scratch = 0, bytes;

	l->n = gates->n;
	BUG_IF(graph_frontier(l->m->graph, gates->cut, layers, FEATURES_MAX_TENSORS) != l->n);
	for (i = 0; i < l->n; i++) {
		if (graph_shape(l->m->graph, layers[i], l->opt->img, l->opt->img, &shape, err))
			return -1;
		places = max_int(places, shape.h * shape.w);
		bytes = gate_packed_bytes(shape.c, shape.h, shape.w);
		scratch = bytes > scratch ? bytes : scratch;
	}
	l->batch = min_int(max_int(PLACES / places, 1), min_int(MOST, set->nitems));
	before.max_n = l->batch;
	l->extractor = net_new(l->m->graph, &before, l->pool, err);
	if (!l->extractor || open_pictures(l, set, err))
		return -1;
	net_load_params(l->extractor, l->m->params);
	l->scratch = xmalloc((size_t)l->batch * scratch);
	l->loss = xcalloc((size_t)l->batch, sizeof(*l->loss));
	for (i = 0; i < l->n; i++) {
		l->pupil[i].gate = &gates->gate[i];
		if (gates->gate[i].filter && pupil_init(l, i, err))
			return -1;
	}
	return 0;
}

struct row_job {
	struct lesson *l;
	struct pupil *p;
	struct view from, in, out, grad;
};

/* The network sees levels of one size. */
static void scale_picture(void *ctx, int i, int worker)
{
	const struct row_job *j = ctx;
	const struct view *v = &j->in;
	int y, x, c;

	(void)worker;
	for (y = 0; y < v->h; y++)
		for (x = 0; x < v->w; x++)
			for (c = 0; c < v->c; c++)
				view_at(v, i, y, x)[c] /= j->p->deviation[c];
}

/* The squares of what the estimates lack, in spreads, and half their slope. */
static void judge_picture(void *ctx, int i, int worker)
{
	const struct row_job *j = ctx;
	double sum = 0;
	int y, x, c;

	(void)worker;
	for (y = 0; y < j->out.h; y++)
		for (x = 0; x < j->out.w; x++) {
			const float *want = view_at(&j->from, i, y, x);
			const float *have = view_at(&j->p->estimate, i, y, x);
			const float *add = view_at(&j->out, i, y, x);
			float *g = view_at(&j->grad, i, y, x);

			for (c = 0; c < j->out.c; c++) {
				const float lack = (want[c] - have[c]) / j->p->deviation[c];

				g[c] = add[c] - lack;
				sum += (double)g[c] * (double)g[c];
			}
		}
	view_clear_pads(&j->grad, i, 0, j->grad.h);
	j->l->loss[i] = sum;
}

static int learn_step(struct lesson *l, struct pupil *p, const struct view *from, int n,
		      struct err *err)
{
	const double places = (double)n * from->h * from->w;
	const double rate = RATE * 0.5 * (1 + cos(M_PI * (double)l->step / (double)l->opt->steps));
	const struct optim_rates rates = {.lr = {rate, rate, rate}, .momentum = BETA1};
	struct row_job j = {.l = l, .p = p, .from = *from};
	const struct view estimate = view_batch(&p->estimate, n);
	double loss = 0;
	int i;

	j.in = net_input(p->net, 0, n);
	view_copy(l->pool, from, &j.in);
	gate_apply_noisy(p->gate, l->pool, &j.in, &p->noise, l->stream, l->scratch);
	l->stream += (uint64_t)n;
	view_copy(l->pool, &j.in, &estimate);
	filter_run(p->filter, l->pool, &estimate);
	pool_run(l->pool, n, scale_picture, &j);
	net_load_params(p->net, p->params);
	net_forward(p->net, n, p->params);
	j.out = net_output(p->net, 0, n);
	j.grad = net_output_grad(p->net, 0, n);
	pool_run(l->pool, n, judge_picture, &j);
	for (i = 0; i < n; i++)
		loss += l->loss[i];
	if (!isfinite(loss))
		return err_set(err, STATUS_NONFINITE,
			       "training the gate's network is not finite at step %ld",
			       l->step + 1);
	net_backward(p->net, n, p->grads);
	optim_step(p->optim, l->pool, &rates, p->params, p->grads, 1 / (places * from->c), NULL, 0);
	return 0;
}

static int learn_batch(struct lesson *l, int n, struct err *err)
{
	struct view in = net_input(l->extractor, 0, n);
	int t;

	batches_fill(l->batches, &in);
	net_forward(l->extractor, n, l->m->params);
	for (t = 0; t < l->n; t++) {
		const struct view from = net_output(l->extractor, t, n);

		if (l->pupil[t].net && learn_step(l, &l->pupil[t], &from, n, err))
			return -1;
	}
	l->step++;
	return 0;
}

static int learn(struct lesson *l, struct err *err)
{
	struct batch b;
	int epoch, rc = 0;

	for (epoch = 0; l->step < l->opt->steps; epoch++) {
		const long before = l->step;

		batches_start(l->batches, epoch, 0);
		while (l->step < l->opt->steps && (rc = batches_next(l->batches, &b, err)) > 0)
			if (b.n && learn_batch(l, b.n, err))
				return -1;
		if (rc < 0)
			return -1;
		if (l->step == before)
			return err_set(err, STATUS_INPUT,
				       "cannot learn the gate's network: no image was readable");
	}
	return 0;
}

/* The scales of input and output go into the first and last convolution. */
static void give(struct pupil *p, int width)
{
	const struct param *w1 = &p->graph->params[0];
	const struct param *w3 = &p->graph->params[4], *b3 = &p->graph->params[5];
	const size_t c = (size_t)p->gate->c;
	size_t i;

	for (i = 0; i < w1->count; i++)
		p->params[w1->offset + i] /= p->deviation[i / 9 % c];
	for (i = 0; i < w3->count; i++)
		p->params[w3->offset + i] *= p->deviation[i / (w3->count / c)];
	for (i = 0; i < b3->count; i++)
		p->params[b3->offset + i] *= p->deviation[i];
	p->gate->net_width = width;
	free(p->gate->net);
	p->gate->net = p->params;
	p->params = NULL;
}

int denoise_learn(const struct model *m, const struct dataset *set, struct gates *gates,
		  const struct denoise_options *opt, struct pool *pool, struct err *err)
{
	struct lesson l = {.m = m, .opt = opt, .pool = pool};
	int i, rc = lesson_init(&l, set, gates, err) || learn(&l, err) ? -1 : 0;

	for (i = 0; !rc && i < l.n; i++)
		if (l.pupil[i].net)
			give(&l.pupil[i], opt->width);
	lesson_release(&l);
	return rc;
}
