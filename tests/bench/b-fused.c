/*
 * b-fused [BATCH [THREADS]] - what is fused, beside the same work in separate sweeps, and the operators
 * between convolutions, on maps of YOLOv5n at 640 pixels: a convolution's epilogues, pooling, upsampling,
 * head and loss, optimiser with moving average. GB are those that an operator cannot but read
 * and write, once each; 100 % is the speed of memcpy. Tab-separated.
 */
#include "base/rng.h"
#include "bench.h"
#include "model/head.h"
#include "model/model.h"
#include "nn/bnact.h"
#include "nn/maxpool.h"
#include "nn/net.h"
#include "nn/optim.h"
#include "nn/upsample.h"

enum { SIDE = 640, BOXES = 7, LEVELS = 3 };

struct bench {
	struct pool *pool;
	/* a convolution, 64 -> 64, 3 x 3 at 80 x 80 */
	struct conv *conv;
	struct view x, z, y;
	float *packed, *bias;
	double *sums;
	struct bn bn;
	void *scratch;
	/* pooling of SPPF and upsampling, at 20 x 20 x 128 */
	struct view small, pooled, large;
	struct maxpool sppf;
	uint8_t *argmax;
	/* what the head reads, and the parameters */
	struct model *model;
	struct head *head;
	struct view in[LEVELS], din[LEVELS];
	struct target *targets;
	int ntargets;
	struct optim *optim;
	float *grads, *ema;
	float *buf[6 + 2 * LEVELS];
	int nbuf;
};

static struct view map(struct bench *b, int n, int side, int c, int pad)
{
	struct view v = {NULL, n, side, side, c, (c + 15) / 16 * 16, pad};
	size_t lead, floats = view_floats(&v, &lead);
	int i;

	b->buf[b->nbuf] = bench_floats(floats);
	v.p = b->buf[b->nbuf++] + lead;
	for (i = 0; i < n; i++)
		view_clear_pads(&v, i, 0, side);
	return v;
}

static double bytes_of(const struct view *v)
{
	return (double)v->n * v->h * v->w * v->c * sizeof(float);
}

/* ------------------------------------------------------------------ tasks */

static void convolve(struct bench *b, const struct view *y, const struct conv_epilogue *epi)
{
	conv_forward(b->conv, b->pool, b->packed, &b->x, y, epi, b->scratch);
}

static void bare(void *bench)
{
	struct bench *b = bench;
	const struct conv_epilogue none = {0};

	convolve(b, &b->y, &none);
}

static void fused(void *bench)
{
	struct bench *b = bench;
	const struct conv_epilogue all = {.bias = b->bias, .silu = true, .residual = b->x};

	convolve(b, &b->y, &all);
}

static void apart(void *bench)
{
	struct bench *b = bench;
	const struct conv_epilogue none = {0};

	convolve(b, &b->z, &none);
	bnact_forward(b->pool, &b->bn, ACT_SILU, &b->z, &b->x, &b->y);
}

static void summed(void *bench)
{
	struct bench *b = bench;
	const struct conv_epilogue sums = {.sums = b->sums};

	convolve(b, &b->y, &sums);
}

static void pool_forward(void *bench)
{
	struct bench *b = bench;

	maxpool_forward(&b->sppf, b->pool, &b->small, &b->pooled, b->argmax);
}

static void pool_backward(void *bench)
{
	struct bench *b = bench;

	maxpool_backward(&b->sppf, b->pool, b->argmax, &b->pooled, &b->small, false);
}

static void up_forward(void *bench)
{
	struct bench *b = bench;

	upsample_forward(b->pool, &b->small, &b->large);
}

static void up_backward(void *bench)
{
	struct bench *b = bench;

	upsample_backward(b->pool, &b->large, &b->small, false);
}

static void head(void *bench)
{
	struct bench *b = bench;
	struct loss loss;

	head_step(b->head, b->model->params, b->in, 0, b->in[0].n, b->in[0].n, b->targets,
		  b->ntargets, b->din, b->grads, &loss);
}

static void optimise(void *bench)
{
	static const struct optim_rates rates = {{1e-5, 1e-5, 1e-5}, {0, 5e-4, 0}, .937};
	struct bench *b = bench;

	optim_step(b->optim, b->pool, &rates, b->model->params, b->grads, 1, b->ema, .999);
}

/* ------------------------------------------------------------------ set-up */

static void make_conv(struct bench *b, int n)
{
	struct conv_shape s = {64, 64, 3, 3, 1, 1, 1, 80, 80, 0, 0};
	const int c = s.cout;
	float *v = bench_floats(8 * (size_t)c), *w = bench_floats((size_t)(9 * c * c));
	int i;

	conv_shape_out(&s);
	b->conv = conv_new(&s, bench_kernel(), n, false);
	b->x = map(b, n, s.h, c, 1);
	b->z = map(b, n, s.h, c, 1);
	b->y = map(b, n, s.h, c, 1);
	b->packed = bench_floats(conv_packed_floats(b->conv));
	conv_pack(b->conv, b->pool, w, b->packed);
	free(w);
	b->bias = v;
	b->sums = xcalloc(2 * (size_t)c, sizeof(double));
	b->scratch = xaligned(conv_scratch(b->conv, pool_threads(b->pool)));
	b->bn = (struct bn){c,         1e-3f,     0.03f,     v,         v + c,     v + 2 * c,
			    v + 3 * c, v + 4 * c, v + 5 * c, v + 6 * c, v + 7 * c, bench_kernel()};
	for (i = 0; i < c; i++)
		v[3 * c + i] = 1; /* running variance */
	bn_prepare_eval(&b->bn);
}

static void make_head(struct bench *b, int n)
{
	const struct graph *g = b->model->graph;
	struct loss_hyp hyp;
	const struct head_options opt = {n, SIDE, SIDE, bench_kernel(), &hyp};
	struct rng r;
	int i;

	loss_hyp_default(&hyp);
	loss_hyp_scale(&hyp, LEVELS, 80, SIDE);
	b->head = head_new(g, &opt, b->pool);
	for (i = 0; i < LEVELS; i++) {
		const int c = g->values[g->steps[g->values[g->outs[i]].step].in[0]].c;

		b->in[i] = map(b, n, SIDE / g->strides[i], c, 0);
		b->din[i] = map(b, n, SIDE / g->strides[i], c, 0);
	}
	b->ntargets = n * BOXES;
	b->targets = xcalloc((size_t)b->ntargets, sizeof(*b->targets));
	rng_init(&r, 1, "targets", 0);
	for (i = 0; i < b->ntargets; i++)
		b->targets[i] = (struct target){.image = i / BOXES,
						.cls = (int)rng_below(&r, 80),
						.xc = (float)rng_range(&r, .2, .8),
						.yc = (float)rng_range(&r, .2, .8),
						.w = (float)rng_range(&r, .02, .32),
						.h = (float)rng_range(&r, .02, .32)};
}

static void bench_make(struct bench *b, int n, struct pool *pool)
{
	*b = (struct bench){.pool = pool, .model = bench_model('n')};
	make_conv(b, n);
	b->small = map(b, n, 20, 128, 0);
	b->pooled = map(b, n, 20, 128, 0);
	b->large = map(b, n, 40, 128, 0);
	b->sppf = (struct maxpool){5, 1, 2, bench_kernel()};
	b->argmax = xmalloc(maxpool_argmax_bytes(&b->pooled));
	b->optim = optim_new(b->model->graph, OPTIM_SGD, 0);
	b->grads = xcalloc(b->model->graph->nfloats, sizeof(float));
	b->ema = xcalloc(b->model->graph->nfloats, sizeof(float));
	make_head(b, n);
}

static void bench_release(struct bench *b)
{
	int i;

	for (i = 0; i < b->nbuf; i++)
		free(b->buf[i]);
	conv_free(b->conv);
	head_free(b->head);
	optim_free(b->optim);
	model_free(b->model);
	free(b->packed);
	free(b->bias);
	free(b->sums);
	free(b->scratch);
	free(b->argmax);
	free(b->targets);
	free(b->grads);
	free(b->ema);
}

int main(int argc, char **argv)
{
	const int n = bench_int(argc, argv, 1, bench_repeats(8));
	struct pool *pool = pool_new(bench_int(argc, argv, 2, 0));
	struct bench_copy copy;
	struct bench b;
	double heads = 0, conv, small, large, floats;
	int i;

	bench_make(&b, n, pool);
	for (i = 0; i < LEVELS; i++)
		heads += bytes_of(&b.in[i]);
	conv = bytes_of(&b.x);
	small = bytes_of(&b.small);
	large = bytes_of(&b.large);
	floats = (double)b.model->graph->nfloats * sizeof(float);
	const struct {
		const char *name;
		void (*fn)(void *ctx);
		double bytes;
	} rows[] = {
		{"convolution", bare, 2 * conv},
		{"convolution, sums of batch norm", summed, 2 * conv},
		{"convolution, bias, SiLU, residual", fused, 2 * conv},
		{"the same in two sweeps", apart, 2 * conv},
		{"SPPF's pooling", pool_forward, 2.25 * small}, /* and a byte of argmax */
		{"SPPF's pooling, backward", pool_backward, 2.25 * small},
		{"upsampling", up_forward, small + large},
		{"upsampling, backward", up_backward, small + large},
		{"head and loss, forward and backward", head, 2 * heads},
		/* parameters, gradients, momenta and averages, read and written */
		{"SGD and moving average", optimise, 8 * floats},
	};
	struct bench_task tasks[ARRAY_LEN(rows) + 1];
	double times[ARRAY_LEN(tasks)], rate;
	const int ntasks = (int)ARRAY_LEN(tasks), nrows = ntasks - 1;

	for (i = 0; i < nrows; i++)
		tasks[i] = (struct bench_task){rows[i].fn, &b};
	tasks[nrows] = (struct bench_task){bench_copy_once, &copy};
	bench_copy_init(&copy, pool, 32 << 20);
	bench_interleave(tasks, ntasks, pool_threads(pool), times);
	rate = 2 * (double)copy.bytes / times[nrows] * 1e-9;
	bench_print_processor();
	printf("# batch %d, kernel %s, %d threads\n", n, conv_path_name(bench_kernel()),
	       pool_threads(pool));
	printf("operator\tms\tGB/s\tof copy\n");
	for (i = 0; i < nrows; i++)
		printf("%s\t%.3f\t%.1f\t%.0f%%\n", rows[i].name, times[i] * 1e3,
		       rows[i].bytes / times[i] * 1e-9,
		       100 * rows[i].bytes / times[i] * 1e-9 / rate);
	printf("copy\t%.3f\t%.1f\t100%%\n", times[nrows] * 1e3, rate);
	bench_copy_release(&copy);
	bench_release(&b);
	pool_free(pool);
	return 0;
}
