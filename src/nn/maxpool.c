#include "nn/maxpool.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

/* Channels at a time: values and positions of one output pixel stay in registers or L1. */
#define BLOCK 64

struct job {
	const struct maxpool *m;
	const struct view *x, *y;
	uint8_t *argmax;
	const uint8_t *from;
	bool add;
};

int maxpool_out(const struct maxpool *m, int size)
{
	return (size + 2 * m->pad - m->k) / m->stride + 1;
}

size_t maxpool_argmax_bytes(const struct view *y)
{
	return (size_t)y->n * (size_t)y->h * (size_t)y->w * (size_t)y->c;
}

static size_t argmax_at(const struct view *y, int n, int oy, int ox)
{
	return (((size_t)n * (size_t)y->h + (size_t)oy) * (size_t)y->w + (size_t)ox) * (size_t)y->c;
}

static inline int max_int(int a, int b)
{
	return a > b ? a : b;
}

static inline int min_int(int a, int b)
{
	return a < b ? a : b;
}

/* Channels [c0, c0+len) of one output pixel. */
static void window(const struct job *j, int n, int oy, int ox, int c0, int len)
{
	const struct maxpool *m = j->m;
	const int y0 = oy * m->stride - m->pad, x0 = ox * m->stride - m->pad;
	float best[BLOCK];
	uint8_t at[BLOCK];
	int ky, kx, c;

	for (c = 0; c < len; c++)
		best[c] = -INFINITY;
	memset(at, max_int(-y0, 0) * m->k + max_int(-x0, 0), sizeof(at));
	for (ky = max_int(-y0, 0); ky < min_int(m->k, j->x->h - y0); ky++)
		for (kx = max_int(-x0, 0); kx < min_int(m->k, j->x->w - x0); kx++) {
			const float *in = view_at(j->x, n, y0 + ky, x0 + kx) + c0;
			const uint8_t pos = (uint8_t)(ky * m->k + kx);

			for (c = 0; c < len; c++) {
				const bool larger = in[c] > best[c] || in[c] != in[c];

				best[c] = larger ? in[c] : best[c];
				at[c] = larger ? pos : at[c];
			}
		}
	memcpy(view_at(j->y, n, oy, ox) + c0, best, (size_t)len * sizeof(float));
	if (j->argmax)
		memcpy(j->argmax + argmax_at(j->y, n, oy, ox) + c0, at, (size_t)len);
}

static void forward_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int n = job / j->y->h, oy = job % j->y->h;
	int ox, c;

	(void)worker;
	for (ox = 0; ox < j->y->w; ox++)
		for (c = 0; c < j->y->c; c += BLOCK)
			window(j, n, oy, ox, c, min_int(BLOCK, j->y->c - c));
	view_clear_pads(j->y, n, oy, oy + 1);
}

static void check(const struct maxpool *m, const struct view *x, const struct view *y)
{
	BUG_IF(m->k < 1 || m->k > 15 || m->stride < 1 || m->pad < 0 || m->pad > m->k / 2);
	BUG_IF(x->n != y->n || x->c != y->c);
	BUG_IF(y->h != maxpool_out(m, x->h) || y->w != maxpool_out(m, x->w));
}

void maxpool_forward(const struct maxpool *m, struct pool *pool, const struct view *x,
		     const struct view *y, uint8_t *argmax)
{
	struct job j = {.m = m, .x = x, .y = y, .argmax = argmax};

	check(m, x, y);
	pool_run(pool, y->n * y->h, forward_row, &j);
}

/* Sum of the dy whose window took its value from input pixel (iy, ix). */
static void gather(const struct job *j, int n, int iy, int ix, int c0, int len)
{
	const struct maxpool *m = j->m;
	const struct view *dy = j->y;
	float *to = view_at(j->x, n, iy, ix) + c0;
	float sum[BLOCK] = {0};
	int oy, ox, c;

	for (oy = max_int(iy + m->pad - m->k + m->stride, 0) / m->stride;
	     oy < dy->h && oy * m->stride - m->pad <= iy; oy++)
		for (ox = max_int(ix + m->pad - m->k + m->stride, 0) / m->stride;
		     ox < dy->w && ox * m->stride - m->pad <= ix; ox++) {
			const uint8_t *at = j->from + argmax_at(dy, n, oy, ox) + c0;
			const float *in = view_at(dy, n, oy, ox) + c0;
			const int pos = (iy - oy * m->stride + m->pad) * m->k +
					(ix - ox * m->stride + m->pad);

			for (c = 0; c < len; c++)
				sum[c] += at[c] == pos ? in[c] : 0;
		}
	for (c = 0; c < len; c++)
		to[c] = j->add ? to[c] + sum[c] : sum[c];
}

static void backward_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct view *dx = j->x;
	const int n = job / dx->h, iy = job % dx->h;
	int ix, c;

	(void)worker;
	for (ix = 0; ix < dx->w; ix++)
		for (c = 0; c < dx->c; c += BLOCK)
			gather(j, n, iy, ix, c, min_int(BLOCK, dx->c - c));
	view_clear_pads(dx, n, iy, iy + 1);
}

void maxpool_backward(const struct maxpool *m, struct pool *pool, const uint8_t *argmax,
		      const struct view *dy, const struct view *dx, bool add)
{
	struct job j = {.m = m, .x = dx, .y = dy, .from = argmax, .add = add};

	check(m, dx, dy);
	pool_run(pool, dx->n * dx->h, backward_row, &j);
}
