#include "attack/whitebox.h"

#include "attack/canvas.h"
#include "attack/likelihood.h"
#include "attack/prior.h"
#include "nn/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pictures searched for at once: enough for the threads, little memory. */
#define BATCH 8
/* The mean of the last tenth of the steps is taken: what still wanders is noise. */
#define TAIL 10
/* Pictures on which spreads are measured. */
#define PROBES 4

struct whitebox {
	const struct model *m;
	const struct evidence *e;
	struct whitebox_options opt;
	struct pool *pool;
	struct net *net;
	struct canvas canvas;
	float *grad;                         /* of the canvas */
	float *spread[FEATURES_MAX_TENSORS]; /* per channel */
	float *sent;                         /* scratch: the largest tensor of each picture */
	size_t largest;
	double *loss; /* of each picture of the batch */
	float *waste; /* gradients of parameters: none are asked for */
};

void whitebox_defaults(struct whitebox_options *o)
{
	*o = (struct whitebox_options){
		.steps = 400, .rate = 0.02, .variation = -1, .sharpness = 0.5, .path = CONV_AUTO};
}

double whitebox_variation(const struct evidence *e)
{
	return e->encoding == ENCODING_BIT ? 1 : 500;
}

/* ------------------------------------------------------------------ making */

/* The deviation of each channel of a tensor over all pixels of all images. */
static void measure_spread(const struct view *v, float *spread)
{
	const double n = (double)v->n * v->h * v->w;
	int i, y, x, c;

	for (c = 0; c < v->c; c++) {
		double sum = 0, squares = 0, var;

		for (i = 0; i < v->n; i++)
			for (y = 0; y < v->h; y++)
				for (x = 0; x < v->w; x++) {
					const double a = (double)view_at(v, i, y, x)[c];

					sum += a;
					squares += a * a;
				}
		var = squares / n - sum / n * (sum / n);
		/* a channel that never moves says nothing: let it weigh little */
		spread[c] = (float)sqrt(var > 1e-6 ? var : 1e-6);
	}
}

static void measure_spreads(struct whitebox *w)
{
	const int n = PROBES < w->canvas.n ? PROBES : w->canvas.n;
	struct view in = net_input(w->net, 0, n);
	int t;

	canvas_noise(&w->canvas, w->opt.seed);
	canvas_to_view(&w->canvas, &in);
	net_forward(w->net, n, w->m->params);
	for (t = 0; t < w->e->ntensors; t++) {
		const struct view v = net_output(w->net, t, n);

		w->spread[t] = xcalloc((size_t)v.c, sizeof(float));
		measure_spread(&v, w->spread[t]);
	}
}

struct whitebox *whitebox_new(const struct model *m, const struct evidence *e,
			      const struct whitebox_options *opt, struct pool *pool,
			      struct err *err)
{
	const int n = e->n < BATCH ? e->n : BATCH;
	const struct net_options net = {.to = e->cut,
					.max_n = n,
					.h = e->img,
					.w = e->img,
					.path = opt->path,
					.train = true,
					.freeze = e->cut,
					.input_grad = true};
	struct whitebox *w = xcalloc(1, sizeof(*w));
	int t;

	w->m = m;
	w->e = e;
	w->opt = *opt;
	w->pool = pool;
	w->net = net_new(m->graph, &net, pool, err);
	if (!w->net) {
		free(w);
		return NULL;
	}
	net_load_params(w->net, m->params);
	canvas_init(&w->canvas, n, e->img, e->img);
	w->grad = xcalloc((size_t)n * 3 * (size_t)e->img * (size_t)e->img, sizeof(float));
	for (t = 0; t < e->ntensors; t++) {
		const size_t size =
			(size_t)e->shape[t].c * (size_t)e->shape[t].h * (size_t)e->shape[t].w;

		w->largest = size > w->largest ? size : w->largest;
	}
	w->sent = xcalloc((size_t)n * w->largest, sizeof(float));
	w->loss = xcalloc((size_t)n, sizeof(*w->loss));
	w->waste = xcalloc(m->graph->nfloats, sizeof(float));
	measure_spreads(w);
	return w;
}

void whitebox_free(struct whitebox *w)
{
	int t;

	if (!w)
		return;
	for (t = 0; t < w->e->ntensors; t++)
		free(w->spread[t]);
	canvas_release(&w->canvas);
	net_free(w->net);
	free(w->grad);
	free(w->sent);
	free(w->loss);
	free(w->waste);
	free(w);
}

/* ------------------------------------------------------------------ the objective */

struct job {
	struct whitebox *w;
	const float *x; /* pictures */
	float *dx;
	int first, n; /* samples of the evidence */
};

static void features_job(void *ctx, int i, int worker)
{
	struct job *j = ctx;
	struct whitebox *w = j->w;
	const int at = j->first + i;
	int t;

	(void)worker;
	w->loss[i] = 0;
	for (t = 0; t < w->e->ntensors; t++) {
		const struct likelihood l = {&w->e->gates.gate[t], w->spread[t], w->opt.sharpness};
		const struct view x = net_output(w->net, t, j->n);
		const struct view dx = net_output_grad(w->net, t, j->n);

		w->loss[i] += likelihood_of(&l, evidence_tensor(w->e, at, t), w->e->flip[at], &x,
					    &dx, i, w->sent + (size_t)i * w->largest);
	}
}

static void pixels_job(void *ctx, int i, int worker)
{
	struct job *j = ctx;
	struct whitebox *w = j->w;
	const struct view g = net_input_grad(w->net, 0, j->n);
	const size_t size = 3 * (size_t)g.h * (size_t)g.w;
	float *dx = j->dx + (size_t)i * size, *to = dx;
	int y, x;

	(void)worker;
	for (y = 0; y < g.h; y++)
		for (x = 0; x < g.w; x++, to += 3)
			memcpy(to, view_at(&g, i, y, x), 3 * sizeof(*to));
	w->loss[i] += prior_variation(j->x + (size_t)i * size, g.h, g.w, w->opt.variation, dx);
}

/* The net's input is filled. */
static double objective(struct whitebox *w, const float *x, int first, int n, float *dx)
{
	struct job j = {w, x, dx, first, n};
	double sum = 0;
	int i;

	net_forward(w->net, n, w->m->params);
	pool_run(w->pool, n, features_job, &j);
	net_backward(w->net, n, w->waste);
	pool_run(w->pool, n, pixels_job, &j);
	for (i = 0; i < n; i++)
		sum += w->loss[i];
	return sum;
}

double whitebox_objective(struct whitebox *w, const float *x, int n, float *dx)
{
	const struct view in = net_input(w->net, 0, n);
	int i, y, col;

	for (i = 0; i < n; i++) {
		const float *from = x + (size_t)i * 3 * (size_t)in.h * (size_t)in.w;

		for (y = 0; y < in.h; y++)
			for (col = 0; col < in.w; col++, from += 3)
				memcpy(view_at(&in, i, y, col), from, 3 * sizeof(*from));
		view_clear_pads(&in, i, 0, in.h);
	}
	return objective(w, x, 0, n, dx);
}

/* ------------------------------------------------------------------ the search */

static double rate_at(const struct whitebox_options *o, int step)
{
	/* down to a twentieth: enough to settle, never stuck */
	return o->rate * (0.05 + 0.95 * 0.5 * (1 + cos(M_PI * step / o->steps)));
}

static int search(struct whitebox *w, int first, int n, const struct whitebox_progress *progress,
		  struct err *err)
{
	const struct view in = net_input(w->net, 0, n);
	const int tail = w->opt.steps - w->opt.steps / TAIL;
	double loss;
	int step;

	for (step = 0; step < w->opt.steps; step++) {
		canvas_to_view(&w->canvas, &in);
		loss = objective(w, w->canvas.x, first, n, w->grad);
		if (!isfinite(loss))
			return err_set(err, STATUS_NONFINITE,
				       "the search through '%s' is not finite at step %d",
				       w->e->path, step + 1);
		canvas_step(&w->canvas, w->pool, w->grad, rate_at(&w->opt, step));
		if (step + 1 == tail)
			canvas_average(&w->canvas);
		if (progress && progress->step)
			progress->step(progress->ctx,
				       (long)first * w->opt.steps + (long)n * (step + 1));
	}
	return 0;
}

int whitebox_run(struct whitebox *w, const struct victims *v, const struct image *from,
		 const struct whitebox_progress *progress, struct image *out, struct err *err)
{
	int first, i;

	for (first = 0; first < w->e->n; first += w->canvas.n) {
		const int left = w->e->n - first, n = left < w->canvas.n ? left : w->canvas.n;

		canvas_clear(&w->canvas);
		for (i = 0; i < n; i++) {
			if (from)
				canvas_start(&w->canvas, i, &from[first + i]);
			canvas_frame(&w->canvas, i, &v->lb[first + i]);
		}
		if (search(w, first, n, progress, err)) {
			for (i = 0; i < first; i++)
				image_release(&out[i]);
			return -1;
		}
		for (i = 0; i < n; i++)
			canvas_image(&w->canvas, i, &out[first + i]);
	}
	return 0;
}
