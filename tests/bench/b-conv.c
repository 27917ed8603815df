/*
 * b-conv [n|s [BATCH [KERNEL [THREADS [SHAPE]]]]] - every convolution of YOLOv5n (or s) at 640
 * pixels, forward as in training (with batch-norm sums) and in evaluation (bias and SiLU),
 * backward-data and backward-weights, against sgemm timed in the same run. Tab-separated; GF are 2
 * * multiply-adds.
 */
#include "bench.h"
#include "nn/conv.h"

#define REPEATS 7
/* A measurement repeats the call until it has taken about this long. */
#define ENOUGH 0.01

static const struct {
	int cin, size, cout, k, stride, times;
} shapes[] = {
	/* YOLOv5n; s has twice the channels but for the image's and the head's */
	{3, 640, 16, 6, 2, 1},   {16, 320, 32, 3, 2, 1},  {32, 160, 16, 1, 1, 2},
	{16, 160, 16, 1, 1, 1},  {16, 160, 16, 3, 1, 1},  {32, 160, 32, 1, 1, 1},
	{32, 160, 64, 3, 2, 1},  {64, 80, 32, 1, 1, 2},   {32, 80, 32, 1, 1, 3},
	{32, 80, 32, 3, 1, 3},   {64, 80, 64, 1, 1, 2},   {64, 80, 128, 3, 2, 1},
	{128, 40, 64, 1, 1, 5},  {64, 40, 64, 1, 1, 5},   {64, 40, 64, 3, 1, 5},
	{128, 40, 128, 1, 1, 3}, {128, 40, 256, 3, 2, 1}, {256, 20, 128, 1, 1, 6},
	{128, 20, 128, 1, 1, 2}, {128, 20, 128, 3, 1, 2}, {256, 20, 256, 1, 1, 2},
	{512, 20, 256, 1, 1, 1}, {256, 40, 64, 1, 1, 2},  {128, 80, 32, 1, 1, 2},
	{64, 80, 64, 3, 2, 1},   {128, 40, 128, 3, 2, 1}, {64, 80, 255, 1, 1, 1},
	{128, 40, 255, 1, 1, 1}, {256, 20, 255, 1, 1, 1},
};

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

static void bench_make(struct bench *b, int cin, int size, int cout, int k, int stride, int n,
		       enum conv_path path, struct pool *pool)
{
	int x_pad, dy_pad;

	*b = (struct bench){.pool = pool};
	b->s = (struct conv_shape){cin, cout, k,    k, stride, k == 6 ? 2 : k / 2,
				   1,   size, size, 0, 0};
	conv_shape_out(&b->s);
	conv_pads(&b->s, &x_pad, &dy_pad);
	b->c = conv_new(&b->s, path, n, true);
	b->x = whole(n, size, cin, x_pad, &b->xbuf);
	b->y = whole(n, b->s.oh, cout, dy_pad, &b->ybuf);
	b->w = bench_floats((size_t)(cout * cin * k * k));
	b->dw = bench_floats((size_t)(cout * cin * k * k));
	b->bias = bench_floats((size_t)cout);
	b->packed = bench_floats(conv_packed_floats(b->c));
	b->sums = xcalloc(2 * (size_t)cout, sizeof(double));
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

static void run(size_t i, bool small, int n, enum conv_path path, struct pool *pool,
		struct bench_gemm *gemm, struct total *totals)
{
	const int scale = small ? 2 : 1, cin = shapes[i].cin == 3 ? 3 : shapes[i].cin * scale;
	const int cout = shapes[i].cout == 255 ? 255 : shapes[i].cout * scale;
	double times[PASSES] = {0}, yard, flops;
	struct bench b;
	int p;

	bench_make(&b, cin, shapes[i].size, cout, shapes[i].k, shapes[i].stride, n, path, pool);
	flops = conv_flops(&b.s) * n;
	yard = measure(&b, gemm, PASSES, times);
	for (p = 0; p < PASSES; p++) {
		printf("%d %d -> %d k%d s%d\t%d\t%s\t%.3f\t%.1f\t%.0f%%\n", cin, shapes[i].size,
		       cout, shapes[i].k, shapes[i].stride, shapes[i].times, pass_names[p],
		       times[p] * 1e3, flops / times[p] * 1e-9,
		       100 * flops / times[p] * 1e-9 / yard);
		if (p == DATA && i == 0)
			continue; /* nobody wants the image's gradient */
		totals[p].seconds += times[p] * shapes[i].times;
		totals[p].flops += flops * shapes[i].times;
		totals[p].yard_seconds += flops * 1e-9 / yard * shapes[i].times;
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
	for (i = 0; i < ARRAY_LEN(shapes); i++)
		if (only < 0 || (size_t)only == i)
			run(i, small, n, path, pool, &gemm, totals);
	for (p = 0; p < PASSES; p++)
		printf("all\t1\t%s\t%.1f\t%.1f\t%.1f%%\n", pass_names[p], totals[p].seconds * 1e3,
		       totals[p].flops * 1e-9 / totals[p].seconds,
		       100 * totals[p].yard_seconds / totals[p].seconds);
	bench_gemm_free(&gemm);
	pool_free(pool);
	return 0;
}
