#include "nn/netops.h"

#include "base/err.h"

#include <string.h>

struct job {
	const struct view *x, *y;
	bool add;
	double *part;
};

/* Quarter q of the channels holds rows of parity q & 1 and columns of parity q >> 1. */
static void focus_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int n = job / j->y->h, oy = job % j->y->h, c = j->x->c;
	int ox, q;

	(void)worker;
	for (ox = 0; ox < j->y->w; ox++)
		for (q = 0; q < 4; q++)
			memcpy(view_at(j->y, n, oy, ox) + q * c,
			       view_at(j->x, n, 2 * oy + (q & 1), 2 * ox + (q >> 1)),
			       (size_t)c * sizeof(float));
	view_clear_pads(j->y, n, oy, oy + 1);
}

static void check_focus(const struct view *x, const struct view *y)
{
	BUG_IF(x->n != y->n || x->h != 2 * y->h || x->w != 2 * y->w || 4 * x->c != y->c);
}

void focus_forward(struct pool *pool, const struct view *x, const struct view *y)
{
	struct job j = {.x = x, .y = y};

	check_focus(x, y);
	pool_spread(pool, y->n * y->h, focus_row, &j);
}

static void store(float *to, const float *from, int c, bool add)
{
	int i;

	for (i = 0; i < c; i++)
		to[i] = add ? to[i] + from[i] : from[i];
}

static void focus_back_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int n = job / j->x->h, iy = job % j->x->h, c = j->x->c;
	int ix;

	(void)worker;
	for (ix = 0; ix < j->x->w; ix++)
		store(view_at(j->x, n, iy, ix),
		      view_at(j->y, n, iy / 2, ix / 2) + ((iy & 1) + 2 * (ix & 1)) * c, c, j->add);
	view_clear_pads(j->x, n, iy, iy + 1);
}

void focus_backward(struct pool *pool, const struct view *dy, const struct view *dx, bool add)
{
	struct job j = {.x = dx, .y = dy, .add = add};

	check_focus(dx, dy);
	pool_spread(pool, dx->n * dx->h, focus_back_row, &j);
}

static void check_flatten(const struct view *x, const struct view *y)
{
	BUG_IF(x->n != y->n || y->h != 1 || y->w != 1 || y->c != x->c * x->h * x->w);
}

static void flatten_image(void *ctx, int n, int worker)
{
	const struct job *j = ctx;
	float *out = view_at(j->y, n, 0, 0);
	int c, y, x;

	(void)worker;
	for (c = 0; c < j->x->c; c++)
		for (y = 0; y < j->x->h; y++)
			for (x = 0; x < j->x->w; x++)
				*out++ = view_at(j->x, n, y, x)[c];
	view_clear_pads(j->y, n, 0, 1);
}

void flatten_forward(struct pool *pool, const struct view *x, const struct view *y)
{
	struct job j = {.x = x, .y = y};

	check_flatten(x, y);
	pool_spread(pool, x->n, flatten_image, &j);
}

static void flatten_back_image(void *ctx, int n, int worker)
{
	const struct job *j = ctx;
	const float *in = view_at(j->y, n, 0, 0);
	int c, y, x;

	(void)worker;
	for (c = 0; c < j->x->c; c++)
		for (y = 0; y < j->x->h; y++)
			for (x = 0; x < j->x->w; x++)
				store(view_at(j->x, n, y, x) + c, in++, 1, j->add);
	view_clear_pads(j->x, n, 0, j->x->h);
}

void flatten_backward(struct pool *pool, const struct view *dy, const struct view *dx, bool add)
{
	struct job j = {.x = dx, .y = dy, .add = add};

	check_flatten(dx, dy);
	pool_spread(pool, dx->n, flatten_back_image, &j);
}

size_t bias_scratch(int n, int h, int c)
{
	return (size_t)n * (size_t)h * (size_t)c * sizeof(double);
}

static void bias_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int n = job / j->y->h, y = job % j->y->h, c = j->y->c;
	double *sum = j->part + (size_t)job * (size_t)c;
	int x, i;

	(void)worker;
	memset(sum, 0, (size_t)c * sizeof(*sum));
	for (x = 0; x < j->y->w; x++) {
		const float *dy = view_at(j->y, n, y, x);

		for (i = 0; i < c; i++)
			sum[i] += dy[i];
	}
}

/* Rows are summed in their own order, whoever made them. */
void bias_backward(struct pool *pool, const struct view *dy, float *dbias, void *scratch)
{
	const int rows = dy->n * dy->h, c = dy->c;
	struct job j = {.y = dy, .part = scratch};
	double *total = scratch;
	int r, i;

	pool_spread(pool, rows, bias_row, &j);
	for (r = 1; r < rows; r++)
		for (i = 0; i < c; i++)
			total[i] += j.part[(size_t)r * (size_t)c + (size_t)i];
	for (i = 0; i < c; i++)
		dbias[i] += (float)total[i];
}
