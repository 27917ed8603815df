#include "bench.h"

#include "base/cli.h"
#include "base/file.h"
#include "base/rng.h"
#include "model/model.h"

#include <cblas.h>
#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#define REPEATS 7
/* A measurement repeats the call until it has taken about this long. */
#define ENOUGH    0.01
#define MAX_CALLS 1000
#define MAX_TASKS 16

#define GEMM_SIDE   512
#define COPY_PIECES 64

bool bench_quick(void)
{
	const char *how = getenv("BENCH");

	return how && strcmp(how, "quick") == 0;
}

int bench_repeats(int full)
{
	return bench_quick() ? 1 : full;
}

int bench_int(int argc, char **argv, int at, int otherwise)
{
	return argc > at ? (int)strtol(argv[at], NULL, 10) : otherwise;
}

void bench_fail(const struct err *err)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, err->msg);
	exit(err->status);
}

void bench_print_processor(void)
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
	openblas_set_num_threads(1);
}

enum conv_path bench_kernel(void)
{
	const char *name = getenv("MIST_KERNEL");
	struct err err = ERR_INIT;
	enum conv_path path;

	if (conv_path_parse(name ? name : "auto", &path, &err) || conv_resolve(path, &path, &err))
		bench_fail(&err);
	return path;
}

double bench_now(int threads)
{
	const char *clock = getenv("BENCH_CLOCK");
	const bool cpu = clock && strcmp(clock, "cpu") == 0;
	struct timespec t;

	clock_gettime(cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec + (double)t.tv_nsec * 1e-9) / (cpu ? threads : 1);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double seconds(const struct bench_task *t, int calls, int threads)
{
	const double start = bench_now(threads);
	int i;

	for (i = 0; i < calls; i++)
		t->fn(t->ctx);
	return (bench_now(threads) - start) / calls;
}

static int calls_for(const struct bench_task *t, int threads)
{
	double once;

	if (bench_quick())
		return 1;
	t->fn(t->ctx); /* touches the memory */
	once = seconds(t, 1, threads);
	return once < ENOUGH / MAX_CALLS ? MAX_CALLS : once < ENOUGH ? (int)(ENOUGH / once) : 1;
}

void bench_interleave(const struct bench_task *tasks, int n, int threads, double *medians)
{
	const int repeats = bench_repeats(REPEATS);
	double times[MAX_TASKS][REPEATS];
	int calls[MAX_TASKS], i, k;

	BUG_IF(n > MAX_TASKS);
	for (k = 0; k < n; k++)
		calls[k] = calls_for(&tasks[k], threads);
	for (i = 0; i < repeats; i++)
		for (k = 0; k < n; k++)
			times[k][i] = seconds(&tasks[k], calls[k], threads);
	for (k = 0; k < n; k++)
		medians[k] = bench_median(times[k], repeats);
}

/* ------------------------------------------------------------------ yardsticks */

float *bench_floats(size_t n)
{
	float *p = xaligned(n * sizeof(float));
	struct rng rng;
	size_t i;

	rng_init(&rng, 1, "bench", n);
	for (i = 0; i < n; i++)
		p[i] = (float)rng_range(&rng, -1, 1);
	return p;
}

void bench_gemm_init(struct bench_gemm *g, struct pool *pool)
{
	const size_t n = (size_t)pool_threads(pool) * GEMM_SIDE * GEMM_SIDE;

	*g = (struct bench_gemm){pool, bench_floats(n), bench_floats(n), bench_floats(n)};
}

void bench_gemm_release(struct bench_gemm *g)
{
	free(g->a);
	free(g->b);
	free(g->c);
}

static void gemm_job(void *ctx, int job, int worker)
{
	const struct bench_gemm *g = ctx;
	const size_t at = (size_t)worker * GEMM_SIDE * GEMM_SIDE;

	(void)job;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, GEMM_SIDE, GEMM_SIDE, GEMM_SIDE, 1,
		    g->a + at, GEMM_SIDE, g->b + at, GEMM_SIDE, 0, g->c + at, GEMM_SIDE);
}

void bench_gemm_once(void *gemm)
{
	const struct bench_gemm *g = gemm;

	pool_run(g->pool, 2 * pool_threads(g->pool), gemm_job, gemm);
}

double bench_gemm_flops(const struct bench_gemm *g)
{
	return 2.0 * GEMM_SIDE * GEMM_SIDE * GEMM_SIDE * 2 * pool_threads(g->pool);
}

void bench_copy_init(struct bench_copy *c, struct pool *pool, size_t bytes)
{
	*c = (struct bench_copy){pool, xaligned(bytes), xaligned(bytes), bytes};
	memset(c->from, 1, bytes);
	memset(c->to, 2, bytes);
}

void bench_copy_release(struct bench_copy *c)
{
	free(c->to);
	free(c->from);
}

static void copy_job(void *ctx, int job, int worker)
{
	const struct bench_copy *c = ctx;
	const size_t piece = (c->bytes + COPY_PIECES - 1) / COPY_PIECES;
	const size_t at = piece * (size_t)job;

	(void)worker;
	if (at < c->bytes)
		memcpy(c->to + at, c->from + at, c->bytes - at < piece ? c->bytes - at : piece);
}

void bench_copy_once(void *copy)
{
	const struct bench_copy *c = copy;

	pool_run(c->pool, COPY_PIECES, copy_job, copy);
}

/* ------------------------------------------------------------------ models and files */

struct model *bench_model(char variant)
{
	char *name = xasprintf("models/yolov5%c.yaml", variant), *path = cli_share(name);
	struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	struct model *m = NULL;

	if (!file_read(path, 1 << 20, &text, &err))
		m = model_init(text.data, 80, NULL, 1, &err);
	if (!m)
		bench_fail(&err);
	buf_release(&text);
	free(path);
	free(name);
	return m;
}

char *bench_tmpdir(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = xasprintf("%s/mist-bench.XXXXXX", base && *base ? base : "/tmp");
	struct err err = ERR_INIT;

	if (!mkdtemp(dir)) {
		err_errno(&err, "cannot make a folder '%s'", dir);
		bench_fail(&err);
	}
	return dir;
}

void bench_rmdir(char *dir)
{
	struct err err = ERR_INIT;

	if (dir_remove(dir, &err))
		bench_fail(&err);
	free(dir);
}

size_t bench_file_bytes(const char *path)
{
	struct stat st;
	struct err err = ERR_INIT;

	if (stat(path, &st)) {
		err_errno(&err, "cannot read '%s'", path);
		bench_fail(&err);
	}
	return (size_t)st.st_size;
}
