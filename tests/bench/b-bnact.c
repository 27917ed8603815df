/*
 * b-bnact [BATCH [THREADS]] - batch norm + SiLU (+ residual), forward and backward, on the maps of
 * YOLOv5n at 640 pixels, against copying memory: forward reads one map (two with a residual) and
 * writes one, backward reads two maps twice and writes one. 100 % is the speed of memcpy.
 */
#include "bench.h"
#include "nn/bnact.h"

#define REPEATS 7
#define ENOUGH  0.01

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
	b->bn = (struct bn){c,         1e-3f,     0.03f,     v,         v + c,    v + 2 * c,
			    v + 3 * c, v + 4 * c, v + 5 * c, v + 6 * c, v + 7 * c};
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

struct copy {
	char *to;
	const char *from;
	size_t bytes;
};

#define COPY_JOBS 64

static void copy_job(void *ctx, int job, int worker)
{
	const struct copy *c = ctx;
	const size_t at = c->bytes / COPY_JOBS * (size_t)job;

	(void)worker;
	memcpy(c->to + at, c->from + at, c->bytes / COPY_JOBS);
}

static void once(struct bench *b, enum pass pass)
{
	const size_t bytes = (size_t)b->z.n * view_image(&b->z) * sizeof(float);
	struct copy copy = {(char *)b->y.p, (const char *)b->z.p, bytes};

	switch (pass) {
	case COPY:
		pool_run(b->pool, COPY_JOBS, copy_job, &copy);
		break;
	case FORWARD:
		bnact_forward(b->pool, &b->bn, ACT_SILU, &b->z, NULL, &b->y);
		break;
	case RESIDUAL:
		bnact_forward(b->pool, &b->bn, ACT_SILU, &b->z, &b->dy, &b->y);
		break;
	case BACKWARD:
		bnact_backward(b->pool, &b->bn, ACT_SILU, false, &b->z, &b->dy, &b->dz,
			       b->vectors + 8 * b->bn.c, b->vectors + 9 * b->bn.c, b->scratch);
		break;
	case PASSES:
		break;
	}
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

static void run(int side, int c, int n, struct pool *pool)
{
	double times[PASSES][REPEATS], medians[PASSES];
	struct bench b;
	int calls, i, p;

	bench_make(&b, n, side, c, pool);
	once(&b, COPY);
	calls = 1 + (int)(ENOUGH / seconds(&b, BACKWARD, 2));
	for (i = 0; i < REPEATS; i++)
		for (p = 0; p < PASSES; p++)
			times[p][i] = seconds(&b, p, calls);
	for (p = 0; p < PASSES; p++) {
		const double bytes = passes[p].maps * n * side * side * c * sizeof(float);

		medians[p] = bench_median(times[p], REPEATS);
		printf("%d x %d x %d\t%s\t%.3f\t%.1f\t%.0f%%\n", side, side, c, passes[p].name,
		       medians[p] * 1e3, bytes / medians[p] * 1e-9,
		       100 * medians[COPY] / medians[p] * passes[p].maps / 2);
	}
	bench_free(&b);
}

int main(int argc, char **argv)
{
	const int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 8;
	struct pool *pool = pool_new(argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0);
	size_t i;

	bench_print_processor();
	printf("# batch %d, %d threads\nmap\tpass\tms\tGB/s\tof copy\n", n, pool_threads(pool));
	for (i = 0; i < ARRAY_LEN(shapes); i++)
		run(shapes[i].side, shapes[i].c, n, pool);
	pool_free(pool);
	return 0;
}
