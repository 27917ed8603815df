#include "nn/tensor.h"

#include "base/err.h"
#include "base/ints.h"

#include <string.h>

/* A vector load of the last channels of the last pixel may reach this many floats too far. */
#define OVERREAD 64

size_t view_floats(const struct view *v, size_t *lead)
{
	/* a multiple of 16 floats keeps p on a cache line when the buffer is */
	size_t front = round_up((size_t)v->pad * (size_t)v->ld, 16);
	size_t body = (size_t)v->n * view_image(v);

	*lead = front;
	return round_up(front + body + OVERREAD, 16);
}

struct view view_slice(const struct view *v, int c0, int c)
{
	struct view s = *v;

	BUG_IF(c0 < 0 || c < 0 || c0 + c > v->c);
	s.p += c0;
	s.c = c;
	return s;
}

struct view view_batch(const struct view *v, int n)
{
	struct view s = *v;

	BUG_IF(n < 0 || n > v->n);
	s.n = n;
	return s;
}

void view_clear_pixels(const struct view *v, float *p, int pixels)
{
	int i;

	if (v->c == v->ld) {
		memset(p, 0, (size_t)pixels * (size_t)v->ld * sizeof(float));
		return;
	}
	for (i = 0; i < pixels; i++, p += v->ld)
		memset(p, 0, (size_t)v->c * sizeof(float));
}

void view_clear_pads(const struct view *v, int n, int y0, int y1)
{
	int y;

	if (!v->pad)
		return;
	/* before image n > 0 lie the pads behind the last row of the image before it */
	if (n == 0 && y0 == 0 && y1 > 0)
		view_clear_pixels(v, view_at(v, n, 0, 0) - (size_t)v->pad * (size_t)v->ld, v->pad);
	for (y = y0; y < y1; y++)
		view_clear_pixels(v, view_at(v, n, y, v->w), v->pad);
}

void view_clear(const struct view *v)
{
	int n, y;

	for (n = 0; n < v->n; n++) {
		for (y = 0; y < v->h; y++)
			view_clear_pixels(v, view_at(v, n, y, 0), v->w);
		view_clear_pads(v, n, 0, v->h);
	}
}

bool view_same_shape(const struct view *a, const struct view *b)
{
	return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c;
}

void view_from_nchw(const struct view *v, const float *src)
{
	const size_t plane = (size_t)v->h * (size_t)v->w;
	int n, y, x, c;

	for (n = 0; n < v->n; n++) {
		for (y = 0; y < v->h; y++) {
			const float *row =
				src + (size_t)n * (size_t)v->c * plane + (size_t)y * (size_t)v->w;

			for (x = 0; x < v->w; x++)
				for (c = 0; c < v->c; c++)
					view_at(v, n, y, x)[c] = row[(size_t)c * plane + (size_t)x];
		}
		view_clear_pads(v, n, 0, v->h);
	}
}

void view_to_nchw(const struct view *v, float *dst)
{
	int n, y, x, c;

	for (n = 0; n < v->n; n++)
		for (c = 0; c < v->c; c++)
			for (y = 0; y < v->h; y++)
				for (x = 0; x < v->w; x++)
					*dst++ = view_at(v, n, y, x)[c];
}

struct pair_job {
	const struct view *src, *dst;
	int mode; /* 0 copy, 1 add */
};

static void pair_row(void *ctx, int job, int worker)
{
	const struct pair_job *j = ctx;
	const struct view *s = j->src, *d = j->dst;
	const int n = job / s->h, y = job % s->h;
	int x, c;

	(void)worker;
	for (x = 0; x < s->w; x++) {
		const float *from = view_at(s, n, y, x);
		float *to = view_at(d, n, y, x);

		if (j->mode == 0)
			memcpy(to, from, (size_t)s->c * sizeof(float));
		else
			for (c = 0; c < s->c; c++)
				to[c] += from[c];
	}
	view_clear_pads(d, n, y, y + 1);
}

void view_copy(struct pool *pool, const struct view *src, const struct view *dst)
{
	struct pair_job j = {src, dst, 0};

	BUG_IF(!view_same_shape(src, dst));
	pool_spread(pool, src->n * src->h, pair_row, &j);
}

void view_add(struct pool *pool, const struct view *src, const struct view *dst)
{
	struct pair_job j = {src, dst, 1};

	BUG_IF(!view_same_shape(src, dst));
	pool_spread(pool, src->n * src->h, pair_row, &j);
}
