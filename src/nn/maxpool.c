#include "nn/maxpool.h"

#include "base/err.h"
#include "base/ints.h"
#include "nn/maxpool-window.h"

#include <string.h>

/* One image's plane of a vector of channels. */
struct job {
	const struct maxpool_kernels *k;
	const struct maxpool *m;
	const struct view *x, *y;
	uint8_t *argmax;
	bool add;
	int vectors; /* of channels */
};

static const struct maxpool_kernels *kernels(enum conv_path path)
{
	return CONV_BY_VECTORS(path, maxpool_kernels);
}

int maxpool_out(const struct maxpool *m, int size)
{
	return (size + 2 * m->pad - m->k) / m->stride + 1;
}

size_t maxpool_argmax_bytes(const struct view *y)
{
	return (size_t)y->n * (size_t)y->h * (size_t)y->w * (size_t)y->c;
}

static struct maxpool_plane plane(const struct job *j, int job)
{
	const struct view *x = j->x, *y = j->y;
	const int n = job / j->vectors, c = job % j->vectors * j->k->lanes;
	const size_t image = maxpool_argmax_bytes(y) / (size_t)y->n;

	return (struct maxpool_plane){
		.k = j->m->k,
		.stride = j->m->stride,
		.pad = j->m->pad,
		.h = x->h,
		.w = x->w,
		.oh = y->h,
		.ow = y->w,
		.channels = min_int(y->c - c, j->k->lanes),
		.x = view_at(x, n, 0, 0) + c,
		.x_row = view_row(x),
		.x_step = (size_t)x->ld,
		.y = view_at(y, n, 0, 0) + c,
		.y_row = view_row(y),
		.y_step = (size_t)y->ld,
		.argmax = j->argmax ? j->argmax + (size_t)n * image + (size_t)c : NULL,
		.argmax_row = (size_t)y->w * (size_t)y->c,
		.argmax_step = (size_t)y->c,
	};
}

/* Zeros in the pads of an image: by the job of its first channels. */
static void clear_pads(const struct job *j, const struct view *v, int job)
{
	if (job % j->vectors == 0)
		view_clear_pads(v, job / j->vectors, 0, v->h);
}

static void forward_plane(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct maxpool_plane p = plane(j, job);

	(void)worker;
	j->k->forward(&p);
	clear_pads(j, j->y, job);
}

static void check(const struct maxpool *m, const struct view *x, const struct view *y)
{
	BUG_IF(m->k < 1 || m->k > 15 || m->stride < 1 || m->pad < 0 || m->pad > m->k / 2);
	BUG_IF(x->n != y->n || x->c != y->c);
	BUG_IF(y->h != maxpool_out(m, x->h) || y->w != maxpool_out(m, x->w));
}

static int jobs(struct job *j)
{
	j->vectors = ceil_div(j->y->c, j->k->lanes);
	return j->y->n * j->vectors;
}

void maxpool_forward(const struct maxpool *m, struct pool *pool, const struct view *x,
		     const struct view *y, uint8_t *argmax)
{
	struct job j = {.k = kernels(m->path), .m = m, .x = x, .y = y, .argmax = argmax};

	check(m, x, y);
	pool_spread(pool, jobs(&j), forward_plane, &j);
}

static void clear_plane(const struct maxpool_plane *p)
{
	int y, x;

	for (y = 0; y < p->h; y++)
		for (x = 0; x < p->w; x++)
			memset(p->x + (size_t)y * p->x_row + (size_t)x * p->x_step, 0,
			       (size_t)p->channels * sizeof(float));
}

static void backward_plane(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct maxpool_plane p = plane(j, job);

	(void)worker;
	if (!j->add)
		clear_plane(&p);
	j->k->backward(&p);
	clear_pads(j, j->x, job);
}

void maxpool_backward(const struct maxpool *m, struct pool *pool, const uint8_t *argmax,
		      const struct view *dy, const struct view *dx, bool add)
{
	struct job j = {.k = kernels(m->path), .m = m, .x = dx, .y = dy, .add = add};

	check(m, dx, dy);
	j.argmax = (uint8_t *)(uintptr_t)argmax; /* read only */
	pool_spread(pool, jobs(&j), backward_plane, &j);
}
