#include "mist/wiener.h"

#include "base/mem.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Unknowns an output channel: 4096 take 4 s to solve for and 128 MiB; YOLOv5n's cut 4 has 576. */
#define MAX_UNKNOWNS 4096
/* Positions looked at in all: a hundred times the unknowns of YOLOv5n's cut 4. */
#define MAX_POSITIONS 200000
/* Positions gathered before they are multiplied: enough for dsyrk to run from the cache. */
#define CHUNK 128
/* Added to the diagonal, as a part of its mean: constant channels make the equations singular. */
#define RIDGE 1e-4

struct wiener {
	int c, size, unknowns;
	int images, added;
	size_t n; /* positions so far */
	const struct gate *gate;
	double *dd, *da; /* unknowns x unknowns (upper triangle), unknowns x c: sums */
	double *u, *a;   /* CHUNK x unknowns, CHUNK x c */
};

int wiener_size(int c, int size)
{
	while (size > 0 && (long)c * size * size > MAX_UNKNOWNS)
		size -= 2;
	return size > 0 ? size : 0;
}

struct wiener *wiener_new(const struct gate *gate, int size, int images)
{
	struct wiener *w = xcalloc(1, sizeof(*w));
	const size_t c = (size_t)gate->c, n = c * (size_t)size * (size_t)size;

	BUG_IF(size != wiener_size(gate->c, size) || size % 2 == 0 || images < 1);
	BUG_IF(!gate->threshold || !gate->low || !gate->high || !gate->mean);
	*w = (struct wiener){
		.c = gate->c, .size = size, .unknowns = (int)n, .images = images, .gate = gate};
	openblas_set_num_threads(1); /* a fixed order of sums */
	w->dd = xcalloc(n * n, sizeof(double));
	w->da = xcalloc(n * c, sizeof(double));
	w->u = xcalloc(CHUNK * n, sizeof(double));
	w->a = xcalloc(CHUNK * c, sizeof(double));
	return w;
}

void wiener_free(struct wiener *w)
{
	if (!w)
		return;
	free(w->dd);
	free(w->da);
	free(w->u);
	free(w->a);
	free(w);
}

/* The levels that the bits of a pixel decode to, less their means; zeros outside the image. */
static void put_levels(const struct wiener *w, const struct view *x, int image, int row, int col,
		       double *u, int stride)
{
	const struct gate *g = w->gate;
	const float *p;
	int c;

	if (row < 0 || row >= x->h || col < 0 || col >= x->w) {
		for (c = 0; c < w->c; c++)
			u[c * stride] = 0;
		return;
	}
	p = view_at(x, image, row, col);
	for (c = 0; c < w->c; c++)
		u[c * stride] =
			(double)(p[c] > g->threshold[c] ? g->high[c] : g->low[c]) - g->mean[c];
}

/* The unknowns of an output channel lie as OIHW does: channel, row, column of the kernel. */
static void gather(const struct wiener *w, const struct view *x, int image, size_t at, double *u,
		   double *a)
{
	const int row = (int)(at / (size_t)x->w), col = (int)(at % (size_t)x->w), k = w->size;
	const float *p = view_at(x, image, row, col);
	int ky, kx, c;

	for (ky = 0; ky < k; ky++)
		for (kx = 0; kx < k; kx++)
			put_levels(w, x, image, row + ky - k / 2, col + kx - k / 2, u + ky * k + kx,
				   k * k);
	for (c = 0; c < w->c; c++)
		a[c] = (double)p[c] - w->gate->mean[c];
}

static void flush(struct wiener *w, int n)
{
	const int m = w->unknowns;

	cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, m, n, 1, w->u, m, 1, w->dd, m);
	cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, w->c, n, 1, w->u, m, w->a, w->c, 1,
		    w->da, w->c);
	w->n += (size_t)n;
}

void wiener_add(struct wiener *w, const struct view *x, int image)
{
	const size_t positions = (size_t)x->h * (size_t)x->w;
	size_t take = MAX_POSITIONS / (size_t)w->images + 1, i;
	int n = 0;

	BUG_IF(x->c != w->c || w->added == w->images);
	if (take > positions)
		take = positions;
	for (i = 0; i < take; i++) {
		gather(w, x, image, i * positions / take, w->u + (size_t)n * (size_t)w->unknowns,
		       w->a + (size_t)n * (size_t)w->c);
		if (++n == CHUNK || i + 1 == take) {
			flush(w, n);
			n = 0;
		}
	}
	w->added++;
}

/* ------------------------------------------------------------------ solving */

/* Eight sums in a fixed order, which the compiler can keep in a vector. */
static double dot(const double *a, const double *b, size_t n)
{
	double lane[8] = {0}, sum = 0;
	size_t i, k;

	for (i = 0; i + 8 <= n; i += 8)
		for (k = 0; k < 8; k++)
			lane[k] += a[i + k] * b[i + k];
	for (; i < n; i++)
		sum += a[i] * b[i];
	for (k = 0; k < 8; k++)
		sum += lane[k];
	return sum;
}

/* The lower triangle L of m = L L' in place; -1 unless m is positive definite. */
static int cholesky(double *m, size_t n)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		double *row = m + i * n, rest;

		for (j = 0; j < i; j++)
			row[j] = (row[j] - dot(row, m + j * n, j)) / m[j * n + j];
		rest = row[i] - dot(row, row, i);
		if (!(rest > 0) || !isfinite(rest))
			return -1;
		row[i] = sqrt(rest);
	}
	return 0;
}

/* x = (L L')^-1 x for one right side. */
static void substitute(const double *l, size_t n, double *x)
{
	size_t i, j;

	for (i = 0; i < n; i++)
		x[i] = (x[i] - dot(l + i * n, x, i)) / l[i * n + i];
	for (i = n; i-- > 0;) {
		x[i] /= l[i * n + i];
		for (j = 0; j < i; j++) /* by rows of L: columns would miss the cache */
			x[j] -= l[i * n + j] * x[i];
	}
}

/* E[d d'] + N, as a whole matrix; the caller frees. */
static double *equations(const struct wiener *w, const struct gate *gate)
{
	const size_t n = (size_t)w->unknowns, taps = (size_t)(w->size * w->size);
	const double past = 1 - 2 * gate->q, noise = gate->q * (1 - gate->q) / (past * past);
	double *m = xreallocarray(NULL, n * n, sizeof(*m)), ridge = 0;
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j <= i; j++)
			m[i * n + j] = w->dd[j * n + i] / (double)w->n;
	for (i = 0; i < n; i++)
		ridge += m[i * n + i] * RIDGE / (double)n;
	for (i = 0; i < n; i++) {
		const double step = (double)gate->high[i / taps] - gate->low[i / taps];

		m[i * n + i] += step * step * noise + ridge + DBL_MIN;
	}
	return m;
}

int wiener_finish(const struct wiener *w, struct gate *gate, struct err *err)
{
	const size_t n = (size_t)w->unknowns, c = (size_t)w->c;
	double *m, *x;
	size_t o, i;
	int rc = 0;

	BUG_IF(gate->c != w->c || !gate->mean || !(gate->q < 0.5) || !w->n);
	m = equations(w, gate);
	if (cholesky(m, n))
		rc = err_set(err, STATUS_NONFINITE,
			     "cannot learn the gate's filter: the public images' statistics are "
			     "not finite");
	free(gate->filter);
	gate->filter = NULL;
	gate->filter_size = rc ? 0 : w->size;
	if (!rc)
		gate->filter = xreallocarray(NULL, gate_filter_floats(gate), sizeof(float));
	x = xreallocarray(NULL, n, sizeof(*x));
	for (o = 0; !rc && o < c; o++) {
		for (i = 0; i < n; i++)
			x[i] = w->da[i * c + o] / (double)w->n;
		substitute(m, n, x);
		for (i = 0; i < n; i++)
			gate->filter[o * n + i] = (float)x[i];
	}
	free(m);
	free(x);
	return rc;
}
