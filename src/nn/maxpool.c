#include "nn/maxpool.h"

#include "base/err.h"
#include "nn/maxpool-window.h"

struct job {
	const struct maxpool_kernels *k;
	const struct maxpool *m;
	const struct view *x, *y;
	uint8_t *argmax;
	const uint8_t *from;
	bool add;
};

static const struct maxpool_kernels *kernels(enum conv_path path)
{
#ifdef HAVE_X86_KERNELS
	struct err err;

	if (path == CONV_AUTO && conv_resolve(CONV_AUTO, &path, &err))
		path = CONV_V128;
	if (path == CONV_AVX512)
		return &maxpool_kernels_avx512;
	if (path == CONV_AVX2)
		return &maxpool_kernels_avx2;
#endif
	(void)path;
	return &maxpool_kernels_v128;
}

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

static void forward_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct maxpool *m = j->m;
	const struct view *x = j->x, *y = j->y;
	const int n = job / y->h, oy = job % y->h;
	const int y0 = oy * m->stride - m->pad, ky = max_int(-y0, 0);
	struct maxpool_window w = {
		.x_row = view_row(x),
		.x_step = (size_t)x->ld,
		.rows = min_int(m->k, x->h - y0) - ky,
		.k = m->k,
		.channels = y->c,
	};
	int ox;

	(void)worker;
	for (ox = 0; ox < y->w; ox++) {
		const int x0 = ox * m->stride - m->pad, kx = max_int(-x0, 0);

		w.x = view_at(x, n, y0 + ky, x0 + kx);
		w.cols = min_int(m->k, x->w - x0) - kx;
		w.pos = ky * m->k + kx;
		w.y = view_at(y, n, oy, ox);
		w.argmax = j->argmax ? j->argmax + argmax_at(y, n, oy, ox) : NULL;
		j->k->window(&w);
	}
	view_clear_pads(y, n, oy, oy + 1);
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
	struct job j = {.k = kernels(m->path), .m = m, .x = x, .y = y, .argmax = argmax};

	check(m, x, y);
	pool_spread(pool, y->n * y->h, forward_row, &j);
}

/* The first output whose window covers input i, and how many do. */
static int covering(const struct maxpool *m, int i, int outputs, int *count)
{
	const int first = max_int(i + m->pad - m->k + m->stride, 0) / m->stride;
	const int end = min_int((i + m->pad) / m->stride + 1, outputs);

	*count = max_int(end - first, 0);
	return first;
}

static void backward_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct maxpool *m = j->m;
	const struct view *dx = j->x, *dy = j->y;
	const int n = job / dx->h, iy = job % dx->h;
	struct maxpool_gather g = {
		.dy_row = view_row(dy),
		.dy_step = (size_t)dy->ld,
		.argmax_row = (size_t)dy->w * (size_t)dy->c,
		.argmax_step = (size_t)dy->c,
		.down = m->stride * m->k,
		.right = m->stride,
		.channels = dx->c,
		.add = j->add,
	};
	const int oy = covering(m, iy, dy->h, &g.rows);
	int ix;

	(void)worker;
	for (ix = 0; ix < dx->w; ix++) {
		const int ox = covering(m, ix, dy->w, &g.cols);

		g.dy = view_at(dy, n, oy, ox);
		g.argmax = j->from + argmax_at(dy, n, oy, ox);
		g.pos = (iy - oy * m->stride + m->pad) * m->k + (ix - ox * m->stride + m->pad);
		g.dx = view_at(dx, n, iy, ix);
		j->k->gather(&g);
	}
	view_clear_pads(dx, n, iy, iy + 1);
}

void maxpool_backward(const struct maxpool *m, struct pool *pool, const uint8_t *argmax,
		      const struct view *dy, const struct view *dx, bool add)
{
	struct job j = {
		.k = kernels(m->path), .m = m, .x = dx, .y = dy, .from = argmax, .add = add};

	check(m, dx, dy);
	pool_spread(pool, dx->n * dx->h, backward_row, &j);
}
