#include "nn/profile.h"

#include "base/clock.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct profile {
	struct net_time *rows; /* calls is not kept */
	int nrows, cap;
};

struct profile *profile_new(void)
{
	return xcalloc(1, sizeof(struct profile));
}

void profile_free(struct profile *p)
{
	if (p)
		free(p->rows);
	free(p);
}

static void add(struct profile *p, const struct net_time *t)
{
	struct net_time *row;
	int i;

	for (i = 0; i < p->nrows; i++)
		if (p->rows[i].layer == t->layer && !strcmp(p->rows[i].what, t->what))
			break;
	if (i == p->nrows) {
		GROW(p->rows, p->nrows, p->cap);
		p->rows[p->nrows++] = (struct net_time){.what = t->what, .layer = t->layer};
	}
	row = &p->rows[i];
	row->seconds += t->seconds;
	row->flops += t->flops;
	row->bytes += t->bytes;
	row->calls += t->calls;
}

double profile_lap(struct profile *p, const char *what, double start)
{
	const double now = clock_seconds();
	const struct net_time t = {.what = what, .layer = -1, .seconds = now - start, .calls = 1};

	if (p)
		add(p, &t);
	return now;
}

void profile_net(struct profile *p, struct net *net)
{
	const struct net_time *rows;
	int i, n;

	if (!p || !net)
		return;
	rows = net_profile(net, &n);
	for (i = 0; i < n; i++)
		if (rows[i].calls)
			add(p, &rows[i]);
	net_profile_reset(net);
}

/* ---- the yardsticks ---- */

/* A product of SIDE cubed per job fits the L2 cache; a copy of COPY bytes fits none. */
#define SIDE   512
#define COPY   ((size_t)64 << 20)
#define PIECES 64
#define ROUNDS 5

struct yard {
	float *a, *b; /* a product per thread: a*a = b; a copy: from a to b */
};

static void product(void *ctx, int job, int worker)
{
	const struct yard *y = ctx;
	const size_t at = (size_t)worker * SIDE * SIDE;

	(void)job;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1, y->a + at, SIDE,
		    y->a + at, SIDE, 0, y->b + at, SIDE);
}

static void copy(void *ctx, int job, int worker)
{
	const struct yard *y = ctx;
	const size_t piece = COPY / PIECES, at = piece / sizeof(float) * (size_t)job;

	(void)worker;
	memcpy(y->b + at, y->a + at, piece);
}

/* The best of some rounds: what the processor could do. */
static double best_seconds(struct pool *pool, int jobs, void (*fn)(void *, int, int),
			   struct yard *y)
{
	double best = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		const double start = clock_seconds();
		double t;

		pool_run(pool, jobs, fn, y);
		t = clock_seconds() - start;
		if (!i || t < best)
			best = t;
	}
	return best;
}

static void measure(struct pool *pool, double *flops, double *bytes)
{
	const size_t threads = (size_t)pool_threads(pool);
	const size_t products = threads * SIDE * SIDE * sizeof(float);
	const size_t size = products > COPY ? products : COPY;
	struct yard y = {xaligned(size), xaligned(size)};

	memset(y.a, 0, size);
	memset(y.b, 0, size);
	openblas_set_num_threads(1); /* the pool brings the threads */
	*flops = 2.0 * SIDE * SIDE * SIDE * 2 * (double)threads /
		 best_seconds(pool, 2 * (int)threads, product, &y);
	*bytes = 2.0 * (double)COPY / best_seconds(pool, PIECES, copy, &y);
	free(y.a);
	free(y.b);
}

static void add_processor(struct buf *out)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256], *name;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		if (!strncmp(line, "model name", 10) && (name = strchr(line, ':'))) {
			name[strcspn(name, "\n")] = '\0';
			buf_printf(out, "%s", name[1] ? name + 2 : name + 1);
			found = true;
		}
	if (!found)
		buf_add_str(out, "processor unknown");
	if (f)
		fclose(f);
}

/* ---- the table ---- */

struct table {
	struct buf *out;
	double seconds, images, flops, bytes; /* of the run; of the yardsticks per second */
};

static void add_row(const struct table *t, const struct net_time *row, bool layers)
{
	const double share = t->seconds > 0 ? 100 * row->seconds / t->seconds : 0;

	if (!layers)
		buf_add_str(t->out, "     ");
	else if (row->layer < 0)
		buf_add_str(t->out, "    -");
	else
		buf_printf(t->out, "%5d", row->layer);
	buf_printf(t->out, "  %-33s %9.3f %6.1f%%", row->what, 1e3 * row->seconds / t->images,
		   share);
	if (row->flops > 0 && row->seconds > 0)
		buf_printf(t->out, " %8.1f GF/s %4.0f%% of sgemm", 1e-9 * row->flops / row->seconds,
			   100 * row->flops / row->seconds / t->flops);
	else if (row->bytes > 0 && row->seconds > 0)
		buf_printf(t->out, " %8.1f GB/s %4.0f%% of copy", 1e-9 * row->bytes / row->seconds,
			   100 * row->bytes / row->seconds / t->bytes);
	buf_add_str(t->out, "\n");
}

static void add_rest(const struct table *t, const struct profile *p, bool layers)
{
	struct net_time rest = {.what = "everything else", .layer = -1, .seconds = t->seconds};
	const struct net_time all = {.what = "total", .layer = -1, .seconds = t->seconds};
	int i;

	for (i = 0; i < p->nrows; i++)
		rest.seconds -= p->rows[i].seconds;
	add_row(t, &rest, layers);
	add_row(t, &all, layers);
}

/* The same, added up over the layers. */
static void sum_layers(const struct profile *p, struct profile *sum)
{
	int i;

	for (i = 0; i < p->nrows; i++) {
		struct net_time row = p->rows[i];

		row.layer = -1;
		add(sum, &row);
	}
}

void profile_text(const struct profile *p, struct pool *pool, enum conv_path path, double seconds,
		  double images, struct buf *out)
{
	struct table t = {.out = out, .seconds = seconds, .images = images > 0 ? images : 1};
	struct profile sum = {0};
	int i;

	measure(pool, &t.flops, &t.bytes);
	add_processor(out);
	buf_printf(out, ", %d thread%s, kernel %s; sgemm %.1f GF/s, copy %.1f GB/s\n",
		   pool_threads(pool), pool_threads(pool) == 1 ? "" : "s", conv_path_name(path),
		   1e-9 * t.flops, 1e-9 * t.bytes);
	buf_printf(out, "%.0f images\nlayer  %-33s %9s %7s\n", images, "operation", "ms/image",
		   "share");
	for (i = 0; i < p->nrows; i++)
		add_row(&t, &p->rows[i], true);
	add_rest(&t, p, true);
	buf_printf(out, "\nall    %-33s %9s %7s\n", "operation", "ms/image", "share");
	sum_layers(p, &sum);
	for (i = 0; i < sum.nrows; i++)
		add_row(&t, &sum.rows[i], false);
	add_rest(&t, p, false);
	free(sum.rows);
}
