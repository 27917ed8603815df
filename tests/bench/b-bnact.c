/*
 * b-bnact [BATCH [THREADS]] - batch norm + SiLU (+ residual), forward and backward, on the maps of
 * YOLOv5n at 640 pixels, against copying memory: forward reads one map (two with a residual) and
 * writes one, backward reads two maps twice and writes one. 100 % is the speed of memcpy.
 */
#include "bench.h"
#include "nn/bnact.h"
#include "nn/tensor.h"

static const struct {
	int side, c;
} shapes[] = {{320, 16}, {160, 32}, {160, 16}, {80, 64}, {40, 128}, {20, 256}};

enum pass { COPY, FORWARD, RESIDUAL, BACKWARD, PASSES };
static const struct {
	const char *name;
	double maps; /* read or written */
} passes[] = {{"copy", 2}, {"forward", 2}, {"forward+residual", 3}, {"backward", 5}};

struct bench {
	struct pool *pool;
	struct bn bn;
	struct view z, y, dy, dz;
	float *buf[4], *vectors;
	void *scratch;
};

static struct view map(int n, int side, int c, float **buf)
{
	struct view v = {NULL, n, side, side, c, c, 1};
	size_t lead, floats = view_floats(&v, &lead);

	*buf = bench_floats(floats);
	v.p = *buf + lead;
	return v;
}

static void bench_make(struct bench *b, int n, int side, int c, struct pool *pool)
{
	float *v = bench_floats(10 * (size_t)c);
	int i;

	*b = (struct bench){.pool = pool, .vectors = v};
	b->bn = (struct bn){c,         1e-3f,     0.03f,     v,         v + c,     v + 2 * c,
			    v + 3 * c, v + 4 * c, v + 5 * c, v + 6 * c, v + 7 * c, CONV_AUTO};
	for (i = 0; i < c; i++)
		v[3 * c + i] = 1;
	bn_prepare_eval(&b->bn);
	b->z = map(n, side, c, &b->buf[0]);
	b->y = map(n, side, c, &b->buf[1]);
	b->dy = map(n, side, c, &b->buf[2]);
	b->dz = map(n, side, c, &b->buf[3]);
	b->scratch = xaligned(bnact_scratch(n, side, c));
}

static void bench_free(struct bench *b)
{
	int i;

	for (i = 0; i < 4; i++)
		free(b->buf[i]);
	free(b->vectors);
	free(b->scratch);
}

static void forward(void *bench)
{
	struct bench *b = bench;

	bnact_forward(b->pool, &b->bn, ACT_SILU, &b->z, NULL, &b->y);
}

static void residual(void *bench)
{
	struct bench *b = bench;

	bnact_forward(b->pool, &b->bn, ACT_SILU, &b->z, &b->dy, &b->y);
}

static void backward(void *bench)
{
	struct bench *b = bench;

	bnact_backward(b->pool, &b->bn, ACT_SILU, false, &b->z, &b->dy, &b->dz,
		       b->vectors + 8 * b->bn.c, b->vectors + 9 * b->bn.c, b->scratch);
}

static void run(int side, int c, int n, struct pool *pool)
{
	const size_t bytes = (size_t)n * (size_t)side * (size_t)side * (size_t)c * sizeof(float);
	struct bench_copy copy;
	struct bench b;
	const struct bench_task tasks[PASSES] = {
		{bench_copy_once, &copy}, {forward, &b}, {residual, &b}, {backward, &b}};
	double times[PASSES];
	int p;

	bench_make(&b, n, side, c, pool);
	bench_copy_init(&copy, pool, bytes);
	bench_interleave(tasks, PASSES, pool_threads(pool), times);
	for (p = 0; p < PASSES; p++)
		printf("%d x %d x %d\t%s\t%.3f\t%.1f\t%.0f%%\n", side, side, c, passes[p].name,
		       times[p] * 1e3, passes[p].maps * (double)bytes / times[p] * 1e-9,
		       100 * times[COPY] / times[p] * passes[p].maps / 2);
	bench_copy_release(&copy);
	bench_free(&b);
}

int main(int argc, char **argv)
{
	const int n = bench_int(argc, argv, 1, bench_repeats(8));
	struct pool *pool = pool_new(bench_int(argc, argv, 2, 0));
	size_t i;

	bench_print_processor();
	printf("# batch %d, %d threads\nmap\tpass\tms\tGB/s\tof copy\n", n, pool_threads(pool));
	for (i = 0; i < ARRAY_LEN(shapes); i++)
		run(shapes[i].side, shapes[i].c, n, pool);
	pool_free(pool);
	return 0;
}
