/*
 * b-conv [n|s [BATCH [KERNEL [THREADS [SHAPE]]]]] - every convolution of YOLOv5n (or s) at 640
 * pixels, forward as in training (with batch-norm sums) and in evaluation (bias and SiLU),
 * backward-data and backward-weights, against sgemm timed in the same run. Tab-separated; GF are 2
 * * multiply-adds.
 */
#include "bench.h"
#include "conv-cases.h"
#include "nn/conv.h"

#define REPEATS 7
/* A measurement repeats the call until it has taken about this long. */
#define ENOUGH 0.01

enum pass { TRAIN, EVAL, DATA, WEIGHTS, PASSES };
static const char *const pass_names[] = {"forward+sums", "forward+bias+silu", "backward-data",
					 "backward-weights"};

struct bench {
	struct conv *c;
	struct conv_shape s;
	struct pool *pool;
	struct view x, y;
	float *xbuf, *ybuf, *w, *packed, *bias, *dw;
	double *sums;
	void *scratch;
};

static struct view whole(int n, int side, int c, int pad, float **buf)
{
	/* as a network lays it out: vectors on cache lines, but for the image's three channels */
	struct view v = {NULL, n, side, side, c, c < 16 ? c : (c + 15) / 16 * 16, pad};
	size_t lead, floats = view_floats(&v, &lead);
	int i;

	*buf = bench_floats(floats);
	v.p = *buf + lead;
	for (i = 0; i < n; i++)
		view_clear_pads(&v, i, 0, side);
	return v;
}

static void bench_make(struct bench *b, const struct conv_case *k, enum conv_path path,
		       struct pool *pool)
{
	const size_t weights = (size_t)(k->cout * k->cin * k->k * k->k);
	int x_pad, dy_pad;

	*b = (struct bench){.pool = pool};
	b->s = (struct conv_shape){k->cin, k->cout, k->k, k->k, k->stride, k->pad,
				   1,      k->h,    k->w, 0,    0};
	conv_shape_out(&b->s);
	conv_pads(&b->s, &x_pad, &dy_pad);
	b->c = conv_new(&b->s, path, k->n, true);
	b->x = whole(k->n, k->h, k->cin, x_pad, &b->xbuf);
	b->y = whole(k->n, b->s.oh, k->cout, dy_pad, &b->ybuf);
	b->w = bench_floats(weights);
	b->dw = bench_floats(weights);
	b->bias = bench_floats((size_t)k->cout);
	b->packed = bench_floats(conv_packed_floats(b->c));
	b->sums = xcalloc(2 * (size_t)k->cout, sizeof(double));
	b->scratch = xaligned(conv_scratch(b->c, pool_threads(pool)));
	conv_pack(b->c, pool, b->w, b->packed);
}

static void bench_free(struct bench *b)
{
	conv_free(b->c);
	free(b->xbuf);
	free(b->ybuf);
	free(b->w);
	free(b->dw);
	free(b->bias);
	free(b->packed);
	free(b->sums);
	free(b->scratch);
}

static void once(struct bench *b, enum pass pass)
{
	const struct conv_epilogue sums = {.sums = b->sums}, all = {.bias = b->bias, .silu = true};

	if (pass == TRAIN || pass == EVAL)
		conv_forward(b->c, b->pool, b->packed, &b->x, &b->y, pass == EVAL ? &all : &sums,
			     b->scratch);
	else if (pass == DATA)
		conv_backward_data(b->c, b->pool, b->packed, &b->y, &b->x, false, b->scratch);
	else
		conv_backward_weights(b->c, b->pool, &b->x, &b->y, b->dw, b->scratch);
}

static double seconds(struct bench *b, enum pass pass, int calls)
{
	const int threads = pool_threads(b->pool);
	const double start = bench_now(threads);
	int i;

	for (i = 0; i < calls; i++)
		once(b, pass);
	return (bench_now(threads) - start) / calls;
}

/* Medians of interleaved measurements: out[pass] in seconds, and the yardstick in GF. */
static double measure(struct bench *b, struct bench_gemm *gemm, int passes, double *out)
{
	double times[PASSES][REPEATS], yard[REPEATS];
	int calls[PASSES], i, p;

	for (p = 0; p < passes; p++) {
		const double t = seconds(b, p, 1);

		calls[p] = t < ENOUGH / 1000 ? 1000 : t < ENOUGH ? (int)(ENOUGH / t) : 1;
	}
	for (i = 0; i < REPEATS; i++) {
		yard[i] = bench_gemm_run(gemm, b->pool);
		for (p = 0; p < passes; p++)
			times[p][i] = seconds(b, p, calls[p]);
	}
	for (p = 0; p < passes; p++)
		out[p] = bench_median(times[p], REPEATS);
	return bench_median(yard, REPEATS);
}

struct total {
	double seconds, flops, yard_seconds;
};

static void run(const struct yolo_conv *y, bool small, int n, enum conv_path path,
		struct pool *pool, struct bench_gemm *gemm, struct total *totals)
{
	const struct conv_case k = yolo_case(y, small, n, 1);
	double times[PASSES] = {0}, yard, flops;
	struct bench b;
	int p;

	bench_make(&b, &k, path, pool);
	flops = conv_flops(&b.s) * n;
	yard = measure(&b, gemm, PASSES, times);
	for (p = 0; p < PASSES; p++) {
		printf("%d %d -> %d k%d s%d\t%d\t%s\t%.3f\t%.1f\t%.0f%%\n", k.cin, k.w, k.cout, k.k,
		       k.stride, y->times, pass_names[p], times[p] * 1e3, flops / times[p] * 1e-9,
		       100 * flops / times[p] * 1e-9 / yard);
		if (p == DATA && k.cin == 3)
			continue; /* nobody wants the image's gradient */
		totals[p].seconds += times[p] * y->times;
		totals[p].flops += flops * y->times;
		totals[p].yard_seconds += flops * 1e-9 / yard * y->times;
	}
	fflush(stdout);
	bench_free(&b);
}

static int number(int argc, char **argv, int at, int otherwise)
{
	return argc > at ? (int)strtol(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	const bool small = argc > 1 && strcmp(argv[1], "s") == 0;
	const int n = number(argc, argv, 2, 8), only = number(argc, argv, 5, -1);
	struct pool *pool = pool_new(number(argc, argv, 4, 0));
	struct total totals[PASSES] = {{0}};
	enum conv_path path = CONV_AUTO;
	struct err err = ERR_INIT;
	struct bench_gemm gemm;
	size_t i;
	int p;

	if ((argc > 3 && conv_path_parse(argv[3], &path, &err)) ||
	    conv_resolve(path, &path, &err)) {
		fprintf(stderr, "b-conv: %s\n", err.msg);
		return 2;
	}
	bench_print_processor();
	printf("# YOLOv5%s at 640, batch %d, kernel %s, %d threads\n", small ? "s" : "n", n,
	       conv_path_name(path), pool_threads(pool));
	printf("shape\ttimes\tpass\tms\tGF/s\tof sgemm\n");
	gemm = bench_gemm_new(pool_threads(pool));
	for (i = 0; i < ARRAY_LEN(yolo_convs); i++)
		if (only < 0 || (size_t)only == i)
			run(&yolo_convs[i], small, n, path, pool, &gemm, totals);
	for (p = 0; p < PASSES; p++)
		printf("all\t1\t%s\t%.1f\t%.1f\t%.1f%%\n", pass_names[p], totals[p].seconds * 1e3,
		       totals[p].flops * 1e-9 / totals[p].seconds,
		       100 * totals[p].yard_seconds / totals[p].seconds);
	bench_gemm_free(&gemm);
	pool_free(pool);
	return 0;
}
