/*
 * b-conv [n|s [BATCH [KERNEL [THREADS [SHAPE]]]]] - every convolution of YOLOv5n (or s) at 640
 * pixels, forward as in training (with batch-norm sums) and in evaluation (bias and SiLU),
 * backward-data and backward-weights, against sgemm timed in the same run. Tab-separated; GF are 2
 * * multiply-adds.
 */
#include "bench.h"
#include "conv-cases.h"
#include "nn/conv.h"

enum pass { TRAIN, EVAL, DATA, WEIGHTS, PASSES };
static const char *const pass_names[] = {"forward+sums", "forward+bias+silu", "backward-data",
					 "backward-weights"};
static const enum conv_pass directions[] = {CONV_FORWARD, CONV_FORWARD, CONV_DATA, CONV_WEIGHTS};

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

static void train(void *bench)
{
	struct bench *b = bench;
	const struct conv_epilogue sums = {.sums = b->sums};

	conv_forward(b->c, b->pool, b->packed, &b->x, &b->y, &sums, b->scratch);
}

static void eval(void *bench)
{
	struct bench *b = bench;
	const struct conv_epilogue all = {.bias = b->bias, .silu = true};

	conv_forward(b->c, b->pool, b->packed, &b->x, &b->y, &all, b->scratch);
}

static void data(void *bench)
{
	struct bench *b = bench;

	conv_backward_data(b->c, b->pool, b->packed, &b->y, &b->x, false, b->scratch);
}

static void weights(void *bench)
{
	const struct bench *b = bench;
	const struct conv_grads dw = {.w = b->dw};

	conv_backward_weights(b->c, b->pool, &b->x, &b->y, &dw, b->scratch);
}

struct total {
	double seconds, flops, yard_seconds;
};

static void run(const struct yolo_conv *y, bool small, int n, enum conv_path path,
		struct pool *pool, struct bench_gemm *gemm, struct total *totals)
{
	const struct conv_case k = yolo_case(y, small, n, 1);
	struct bench b;
	const struct bench_task tasks[PASSES + 1] = {
		{train, &b}, {eval, &b}, {data, &b}, {weights, &b}, {bench_gemm_once, gemm}};
	double times[PASSES + 1], yard, flops;
	int p;

	bench_make(&b, &k, path, pool);
	flops = conv_flops(&b.s) * n;
	bench_interleave(tasks, PASSES + 1, pool_threads(pool), times);
	yard = bench_gemm_flops(gemm) / times[PASSES] * 1e-9;
	for (p = 0; p < PASSES; p++) {
		printf("%d %d -> %d k%d s%d\t%d\t%s\t%s\t%.3f\t%.1f\t%.0f%%\n", k.cin, k.w, k.cout,
		       k.k, k.stride, y->times, pass_names[p], conv_method_name(b.c, directions[p]),
		       times[p] * 1e3, flops / times[p] * 1e-9,
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

int main(int argc, char **argv)
{
	const bool small = argc > 1 && strcmp(argv[1], "s") == 0;
	const int n = bench_int(argc, argv, 2, bench_repeats(8)),
		  only = bench_int(argc, argv, 5, -1);
	struct pool *pool = pool_new(bench_int(argc, argv, 4, 0));
	struct total totals[PASSES] = {{0}};
	enum conv_path path = bench_kernel();
	struct err err = ERR_INIT;
	struct bench_gemm gemm;
	size_t i;
	int p;

	if (argc > 3 && (conv_path_parse(argv[3], &path, &err) || conv_resolve(path, &path, &err)))
		bench_fail(&err);
	bench_print_processor();
	printf("# YOLOv5%s at 640, batch %d, kernel %s, %d threads\n", small ? "s" : "n", n,
	       conv_path_name(path), pool_threads(pool));
	printf("shape\ttimes\tpass\tmethod\tms\tGF/s\tof sgemm\n");
	bench_gemm_init(&gemm, pool);
	for (i = 0; i < ARRAY_LEN(yolo_convs); i++)
		if (only < 0 || (size_t)only == i)
			run(&yolo_convs[i], small, n, path, pool, &gemm, totals);
	for (p = 0; p < PASSES; p++)
		printf("all\t1\t%s\t-\t%.1f\t%.1f\t%.1f%%\n", pass_names[p],
		       totals[p].seconds * 1e3, totals[p].flops * 1e-9 / totals[p].seconds,
		       100 * totals[p].yard_seconds / totals[p].seconds);
	bench_gemm_release(&gemm);
	pool_free(pool);
	return 0;
}
