#include "fed/combine.h"

#include "base/err.h"
#include "base/mem.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Coordinates of a job: enough to be worth a thread. */
#define PIECE 1024
/* Up to here insertion sort beats selection. */
#define FEW 24

void combine_mean(const float *v, const double *weight, int n, size_t m, double *out)
{
	size_t i;
	int k;

	memset(out, 0, m * sizeof(*out));
	for (k = 0; k < n; k++)
		for (i = 0; i < m; i++)
			out[i] += weight[k] * (double)v[(size_t)k * m + i];
}

/* ------------------------------------------------------------------ order statistics */

static void insertion_sort(float *a, int n)
{
	int i, k;

	for (i = 1; i < n; i++) {
		const float x = a[i];

		for (k = i; k > 0 && a[k - 1] > x; k--)
			a[k] = a[k - 1];
		a[k] = x;
	}
}

static void swap(float *a, float *b)
{
	const float t = *a;

	*a = *b;
	*b = t;
}

/* The middle of three, so that sorted input is no worst case. */
static float pivot_of(const float *a, int lo, int hi)
{
	const float x = a[lo], y = a[lo + (hi - lo) / 2], z = a[hi];

	return x < y ? (y < z ? y : x < z ? z : x) : (x < z ? x : y < z ? z : y);
}

/* Moves the k-th smallest of a[0 … n-1] to its place, smaller ones before, larger ones behind
 * (Hoare's FIND). */
static void select_kth(float *a, int n, int k)
{
	int lo = 0, hi = n - 1;

	while (lo < hi) {
		const float pivot = pivot_of(a, lo, hi);
		int i = lo, j = hi;

		while (i <= j) {
			while (a[i] < pivot)
				i++;
			while (a[j] > pivot)
				j--;
			if (i <= j)
				swap(&a[i++], &a[j--]);
		}
		if (k <= j)
			hi = j;
		else if (k >= i)
			lo = i;
		else
			return;
	}
}

/* Puts what lies from rank `first` to `last` there. */
static void settle(float *a, int n, int first, int last)
{
	if (n <= FEW) {
		insertion_sort(a, n);
		return;
	}
	select_kth(a, n, first);
	if (last > first)
		select_kth(a + first + 1, n - first - 1, last - first - 1);
}

struct ranks {
	const float *v;
	int n, first, last; /* ranks whose mean is the result */
	size_t m;
	double *out;
	double *used; /* pieces x n, or NULL */
};

static void rank_one(const struct ranks *r, size_t at, float *column, double *used)
{
	const int inner = r->last - r->first + 1;
	float least, most;
	double sum = 0;
	int k;

	for (k = 0; k < r->n; k++)
		column[k] = r->v[(size_t)k * r->m + at];
	settle(column, r->n, r->first, r->last);
	least = most = column[r->first];
	for (k = r->first; k <= r->last; k++) {
		sum += (double)column[k];
		least = fminf(least, column[k]);
		most = fmaxf(most, column[k]);
	}
	r->out[at] = sum / inner;
	for (k = 0; used && k < r->n; k++) {
		const float x = r->v[(size_t)k * r->m + at];

		used[k] += x >= least && x <= most;
	}
}

static void rank_piece(void *ctx, int job, int worker)
{
	const struct ranks *r = ctx;
	const size_t first = (size_t)job * PIECE;
	const size_t last = first + PIECE < r->m ? first + PIECE : r->m;
	float *column = xreallocarray(NULL, (size_t)r->n, sizeof(*column));
	size_t i;

	(void)worker;
	for (i = first; i < last; i++)
		rank_one(r, i, column, r->used ? r->used + (size_t)job * (size_t)r->n : NULL);
	free(column);
}

static void mean_of_ranks(struct pool *pool, struct ranks *r, double *used)
{
	const int jobs = (int)((r->m + PIECE - 1) / PIECE);
	int i, k;

	if (used)
		r->used = xcalloc((size_t)jobs * (size_t)r->n, sizeof(*r->used));
	pool_run(pool, jobs, rank_piece, r);
	for (i = 0; used && i < jobs; i++)
		for (k = 0; k < r->n; k++)
			used[k] += r->used[(size_t)i * (size_t)r->n + (size_t)k];
	free(r->used);
}

void combine_median(struct pool *pool, const float *v, int n, size_t m, double *out, double *used)
{
	struct ranks r = {.v = v, .n = n, .first = (n - 1) / 2, .last = n / 2, .m = m, .out = out};

	mean_of_ranks(pool, &r, used);
}

void combine_trimmed(struct pool *pool, const float *v, int n, size_t m, int k, double *out,
		     double *used)
{
	struct ranks r = {.v = v, .n = n, .first = k, .last = n - 1 - k, .m = m, .out = out};

	BUG_IF(k < 0 || 2 * k >= n);
	mean_of_ranks(pool, &r, used);
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t combine_median_int(int64_t *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[(n - 1) / 2];
}

/* ------------------------------------------------------------------ krum */

size_t combine_gram_scratch(int n, size_t m)
{
	return (size_t)n * m;
}

void combine_gram(const float *v, int n, size_t m, double *scratch, double *gram)
{
	size_t i;

	for (i = 0; i < (size_t)n * m; i++)
		scratch[i] = (double)v[i];
	openblas_set_num_threads(1); /* a fixed order of sums */
	cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n, (blasint)m, 1, scratch, (blasint)m,
		    1, gram, n);
}

void combine_distances(double *gram, int n)
{
	double *norm = xreallocarray(NULL, (size_t)n, sizeof(*norm));
	int i, k;

	for (i = 0; i < n; i++)
		norm[i] = gram[(size_t)i * (size_t)n + (size_t)i];
	for (i = 0; i < n; i++)
		for (k = i; k < n; k++) {
			double *up = &gram[(size_t)i * (size_t)n + (size_t)k];
			const double d = norm[i] + norm[k] - 2 * *up;

			*up = i == k || d < 0 ? 0 : d;
			gram[(size_t)k * (size_t)n + (size_t)i] = *up;
		}
	free(norm);
}

static int by_double(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void combine_krum(const double *distance, int n, int f, double *score)
{
	double *row = xreallocarray(NULL, (size_t)n, sizeof(*row));
	int i, k, others;

	for (i = 0; i < n; i++) {
		for (others = 0, k = 0; k < n; k++)
			if (k != i)
				row[others++] = distance[(size_t)i * (size_t)n + (size_t)k];
		qsort(row, (size_t)others, sizeof(*row), by_double);
		score[i] = 0;
		for (k = 0; k < n - f - 2; k++)
			score[i] += row[k];
	}
	free(row);
}

void combine_least(const double *score, int n, int m, int *out)
{
	bool *taken = xcalloc((size_t)n, sizeof(*taken));
	int i, k, best;

	for (k = 0; k < m; k++) {
		for (best = -1, i = 0; i < n; i++)
			if (!taken[i] && (best < 0 || score[i] < score[best]))
				best = i;
		taken[best] = true;
	}
	for (k = 0, i = 0; i < n; i++)
		if (taken[i])
			out[k++] = i;
	free(taken);
}

/* ------------------------------------------------------------------ the server's optimiser */

static double second_moment(const struct combine_step *s, double v, double delta)
{
	const double square = delta * delta;

	if (s->kind == STEP_ADAM)
		return s->beta2 * v + (1 - s->beta2) * square;
	return v - (1 - s->beta2) * square * (double)((v > square) - (v < square));
}

void combine_step(const struct combine_step *s, const double *mean, const float *w, size_t n,
		  float *m, float *v, double *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const double delta = mean[i] - (double)w[i];

		if (s->kind == STEP_MOMENTUM) {
			m[i] = (float)(s->beta1 * (double)m[i] + delta);
			out[i] = (double)w[i] + s->lr * (double)m[i];
			continue;
		}
		m[i] = (float)(s->beta1 * (double)m[i] + (1 - s->beta1) * delta);
		v[i] = (float)second_moment(s, (double)v[i], delta);
		out[i] = (double)w[i] + s->lr * (double)m[i] / (sqrt((double)v[i]) + s->tau);
	}
}
