/*
 * bench.h - what every benchmark includes: medians, the processor's name, and the yardstick, an
 * sgemm that fits the caches, timed between the things that are compared with it, since the
 * machine's speed changes under a benchmark.
 */
#ifndef MIST_TESTS_BENCH_H
#define MIST_TESTS_BENCH_H

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Seconds. BENCH_CLOCK=cpu: of processor time per thread instead of wall time, for a loaded machine
 * (waiting threads spin, so idling counts).
 */
static inline double bench_now(int threads)
{
	const char *clock = getenv("BENCH_CLOCK");
	const bool cpu = clock && strcmp(clock, "cpu") == 0;
	struct timespec t;

	clock_gettime(cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec + (double)t.tv_nsec * 1e-9) / (cpu ? threads : 1);
}

static inline int bench_compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline double bench_median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), bench_compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static inline void bench_print_processor(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "model name", 10) == 0) {
			printf("# %s", strchr(line, ':') + 2);
			break;
		}
	if (f)
		fclose(f);
	printf("# OpenBLAS %s, %s\n", openblas_get_config(), openblas_get_corename());
}

static inline float *bench_floats(size_t n)
{
	float *p = xaligned(n * sizeof(float));
	struct rng rng;
	size_t i;

	rng_init(&rng, 1, "bench", n);
	for (i = 0; i < n; i++)
		p[i] = (float)rng_range(&rng, -1, 1);
	return p;
}

/* One product of GEMM_SIDE cubed per job, single-threaded OpenBLAS on each of our threads. */
#define GEMM_SIDE 512

struct bench_gemm {
	float *a, *b, *c;
};

static inline void bench_gemm_job(void *ctx, int job, int worker)
{
	const struct bench_gemm *g = ctx;
	const size_t side = (size_t)GEMM_SIDE * GEMM_SIDE;

	(void)job;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, GEMM_SIDE, GEMM_SIDE, GEMM_SIDE, 1,
		    g->a + (size_t)worker * side, GEMM_SIDE, g->b + (size_t)worker * side,
		    GEMM_SIDE, 0, g->c + (size_t)worker * side, GEMM_SIDE);
}

static inline struct bench_gemm bench_gemm_new(int threads)
{
	const size_t n = (size_t)threads * GEMM_SIDE * GEMM_SIDE;

	openblas_set_num_threads(1);
	return (struct bench_gemm){bench_floats(n), bench_floats(n), bench_floats(n)};
}

static inline void bench_gemm_free(struct bench_gemm *g)
{
	free(g->a);
	free(g->b);
	free(g->c);
}

/* Gigaflops of one round. */
static inline double bench_gemm_run(struct bench_gemm *g, struct pool *pool)
{
	const int threads = pool_threads(pool);
	const double start = bench_now(threads);

	pool_run(pool, 2 * threads, bench_gemm_job, g);
	return 2e-9 * GEMM_SIDE * GEMM_SIDE * GEMM_SIDE * 2 * threads /
	       (bench_now(threads) - start);
}

#endif
