/*
 * bench.h - what every benchmark includes: medians of interleaved repetitions, the processor's name,
 * and the yardsticks, an sgemm that fits the caches and a copy of memory, which are timed between the
 * things that are compared with them, since the machine's speed changes under a benchmark.
 *
 * BENCH=quick: every case once, small where it would take long: shows that the benchmark works, and no
 * more. BENCH_CLOCK=cpu: processor time per thread instead of wall time, for a loaded machine (waiting
 * threads spin, so idling counts).
 */
#ifndef MIST_TESTS_BENCH_H
#define MIST_TESTS_BENCH_H

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "nn/conv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bench_quick(void);
/* `full`, or 1 when quick. */
int bench_repeats(int full);
/* The number that is argument `at`, or `otherwise`. */
int bench_int(int argc, char **argv, int at, int otherwise);
/* "PROGRAM: sentence" on standard error and out. */
void bench_fail(const struct err *err) __attribute__((noreturn));

/* Two comment lines: processor, OpenBLAS and what it takes the processor for. Makes OpenBLAS compute on
 * the calling thread alone. */
void bench_print_processor(void);
/* The kernels that MIST_KERNEL or the processor choose; ends the program where they cannot be. */
enum conv_path bench_kernel(void);

double bench_now(int threads); /* seconds */
double bench_median(double *v, int n);

/* What is timed: fn(ctx). */
struct bench_task {
	void (*fn)(void *ctx);
	void *ctx;
};
/*
 * Runs the tasks by turns, each until it has taken a hundredth of a second, seven turns (quick: one).
 * medians[i]: seconds a call of task i takes.
 */
void bench_interleave(const struct bench_task *tasks, int n, int threads, double *medians);

/* Yardstick: products of 512 x 512 matrices, single-threaded OpenBLAS on each of the pool's threads. */
struct bench_gemm {
	struct pool *pool;
	float *a, *b, *c;
};
void bench_gemm_init(struct bench_gemm *g, struct pool *pool);
void bench_gemm_release(struct bench_gemm *g);
void bench_gemm_once(void *gemm);
double bench_gemm_flops(const struct bench_gemm *g); /* of one call */

/* Yardstick: memcpy, in equal pieces on the pool's threads. */
struct bench_copy {
	struct pool *pool;
	char *to, *from;
	size_t bytes;
};
void bench_copy_init(struct bench_copy *c, struct pool *pool, size_t bytes);
void bench_copy_release(struct bench_copy *c);
void bench_copy_once(void *copy);

/* n values of -1 to 1, aligned; free(). */
float *bench_floats(size_t n);

struct model;
/* YOLOv5n (or another letter) of 80 classes, initialised. */
struct model *bench_model(char variant);

/* A new folder under $TMPDIR; bench_rmdir removes it with all that is in it and frees the name. */
char *bench_tmpdir(void);
void bench_rmdir(char *dir);
size_t bench_file_bytes(const char *path);

#endif
