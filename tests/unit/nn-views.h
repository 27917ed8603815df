/*
 * nn-views.h - views for the tests of the network's operators: random contents, a slice of a wider
 * buffer whose other channels are watched, pads that start dirty where they are to be written.
 */
#ifndef MIST_TESTS_NN_VIEWS_H
#define MIST_TESTS_NN_VIEWS_H

#include "base/mem.h"
#include "base/rng.h"
#include "nn/tensor.h"
#include "unit.h"

#include <math.h>

#define WATCH                                                                                      \
	12345.5f /* what channels of the neighbours hold, and pads before they are written         \
		  */

struct test_view {
	struct view v;
	float *buf;
	size_t floats;
	int before; /* channels of the neighbour in front */
};

/* A view of c channels, `before` and `after` watched channels around it. */
static inline struct test_view test_view_new(int n, int h, int w, int c, int before, int after,
					     int pad)
{
	struct test_view t = {.before = before};
	struct view all = {NULL, n, h, w, before + c + after, before + c + after, pad};
	size_t lead, i;

	t.floats = view_floats(&all, &lead);
	t.buf = xaligned(t.floats * sizeof(float));
	for (i = 0; i < t.floats; i++)
		t.buf[i] = WATCH;
	all.p = t.buf + lead;
	t.v = view_slice(&all, before, c);
	return t;
}

static inline void test_view_free(struct test_view *t)
{
	free(t->buf);
}

/* Standard normal values, zeros in the pads. */
static inline void test_view_fill(struct test_view *t, struct rng *rng)
{
	int n, y, x, c;

	view_clear(&t->v);
	for (n = 0; n < t->v.n; n++)
		for (y = 0; y < t->v.h; y++)
			for (x = 0; x < t->v.w; x++)
				for (c = 0; c < t->v.c; c++)
					view_at(&t->v, n, y, x)[c] = (float)rng_normal(rng);
}

/* Pads are zeros in the view's channels; every other float that is not the view's is untouched. */
static inline void test_view_check(const struct test_view *t)
{
	const struct view *v = &t->v;
	size_t lead, i;
	const size_t pixels = (size_t)v->n * (size_t)v->h * (size_t)(v->w + v->pad);
	struct view all = *v;

	(void)view_floats(&all, &lead);
	for (i = 0; i < t->floats; i++) {
		const ptrdiff_t off = (t->buf + i) - (v->p - t->before) + (ptrdiff_t)v->pad * v->ld;
		const ptrdiff_t pixel = off / v->ld - v->pad;
		const int c = (int)(off % v->ld) - t->before;
		const bool inside = off >= 0 && pixel < (ptrdiff_t)pixels;

		if (!inside || c < 0 || c >= v->c)
			assert_true(t->buf[i] == WATCH);
		else if (pixel < 0 || pixel % (v->w + v->pad) >= v->w)
			assert_true(t->buf[i] == 0);
	}
}

static inline float *random_floats(struct rng *rng, size_t n)
{
	float *p = xaligned(n * sizeof(float));
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (float)rng_normal(rng);
	return p;
}

/* |a - b| within `tol` of the scale on which b was computed. */
static inline bool close_to(double a, double b, double scale, double tol)
{
	return fabs(a - b) <= tol * (scale > 1 ? scale : 1);
}

#endif
