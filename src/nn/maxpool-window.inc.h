/*
 * maxpool-window.inc.h - the inner loops of max pooling, compiled once per instruction set: the
 * includer defines SIMD_BYTES and MAXPOOL_KERNELS, the name of the table that comes out.
 *
 * The largest of a window is the largest of its rows' largest: each is found once, for all windows that
 * hold the row. The first of equals in a row, and the first row of equals, is the first in the window's
 * order; of NaNs it is the last, both times.
 */
#include "base/ints.h"
#include "nn/maxpool-window.h"
#include "nn/simd.inc.h"

#include <math.h>

#define STRIP 32 /* output columns at a time: the rows' largest stay in the first cache */
#define MOST  15 /* rows of a window */

typedef uint8_t vbytes __attribute__((vector_size(LANES)));

struct largest {
	vf best;
	vi at;
};

/* A NaN is larger than anything, and stays. */
SIMD_INLINE void take_larger(struct largest *l, vf v, vi at)
{
#if SIMD_BYTES == 64
	const __mmask16 larger = _mm512_cmp_ps_mask((__m512)v, (__m512)l->best, _CMP_GT_OQ) |
				 _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);

	l->best = (vf)_mm512_mask_mov_ps((__m512)l->best, larger, (__m512)v);
	l->at = (vi)_mm512_mask_mov_epi32((__m512i)l->at, larger, (__m512i)at);
#else
	const vi larger = (vi)(v > l->best) | (vi)(v != v);

	l->best = v_select(larger, v, l->best);
	l->at = (larger & at) | (~larger & l->at);
#endif
}

/* Of input row y, the largest of the columns of windows [ox0, ox1). */
SIMD_INLINE void row_largest(const struct maxpool_plane *p, int y, int ox0, int ox1,
			     struct largest *out, int n)
{
	int ox, i;

	for (ox = ox0; ox < ox1; ox++) {
		const int x0 = ox * p->stride - p->pad;
		const int first = max_int(-x0, 0), end = min_int(p->k, p->w - x0);
		const float *in = p->x + (size_t)y * p->x_row + (size_t)(x0 + first) * p->x_step;
		struct largest l = {v_set(-INFINITY), (vi){0} + first};

		for (i = first; i < end; i++, in += p->x_step)
			take_larger(&l, v_load_n(in, n), (vi){0} + i);
		out[ox - ox0] = l;
	}
}

SIMD_INLINE void forward_strip(const struct maxpool_plane *p, int ox0, int ox1, int n)
{
	struct largest rows[MOST][STRIP]; /* input row y in y % k */
	int oy, ox, y, next = 0;

	for (oy = 0; oy < p->oh; oy++) {
		const int y0 = oy * p->stride - p->pad;
		const int first = max_int(y0, 0), end = min_int(y0 + p->k, p->h);
		float *to = p->y + (size_t)oy * p->y_row + (size_t)ox0 * p->y_step;
		uint8_t *argmax = p->argmax;

		for (next = max_int(next, first); next < end; next++)
			row_largest(p, next, ox0, ox1, rows[next % p->k], n);
		if (argmax)
			argmax += (size_t)oy * p->argmax_row + (size_t)ox0 * p->argmax_step;
		for (ox = 0; ox < ox1 - ox0; ox++, to += p->y_step) {
			struct largest l = rows[first % p->k][ox];

			l.at += (first - y0) * p->k;
			for (y = first + 1; y < end; y++) {
				const struct largest *r = &rows[y % p->k][ox];

				take_larger(&l, r->best, r->at + (y - y0) * p->k);
			}
			v_store_n(to, l.best, n);
			if (argmax) {
				const vbytes bytes = __builtin_convertvector(l.at, vbytes);

				memcpy(argmax + (size_t)ox * p->argmax_step, &bytes, (size_t)n);
			}
		}
	}
}

static void forward(const struct maxpool_plane *p)
{
	int ox;

	for (ox = 0; ox < p->ow; ox += STRIP) {
		const int end = min_int(ox + STRIP, p->ow);

		if (p->channels == LANES)
			forward_strip(p, ox, end, LANES);
		else
			forward_strip(p, ox, end, p->channels);
	}
}

SIMD_INLINE void backward_plane(const struct maxpool_plane *p, int n)
{
	ptrdiff_t place[MOST * MOST] = {0};
	int oy, ox, i;

	for (i = 0; i < p->k * p->k; i++)
		place[i] = (ptrdiff_t)(i / p->k) * (ptrdiff_t)p->x_row +
			   (ptrdiff_t)(i % p->k) * (ptrdiff_t)p->x_step;
	for (oy = 0; oy < p->oh; oy++)
		for (ox = 0; ox < p->ow; ox++) {
			const float *dy = p->y + (size_t)oy * p->y_row + (size_t)ox * p->y_step;
			const uint8_t *at = p->argmax + (size_t)oy * p->argmax_row +
					    (size_t)ox * p->argmax_step;
			const ptrdiff_t corner =
				(ptrdiff_t)(oy * p->stride - p->pad) * (ptrdiff_t)p->x_row +
				(ptrdiff_t)(ox * p->stride - p->pad) * (ptrdiff_t)p->x_step;

			for (i = 0; i < n; i++)
				p->x[corner + place[at[i]] + i] += dy[i];
		}
}

static void backward(const struct maxpool_plane *p)
{
	if (p->channels == LANES)
		backward_plane(p, LANES);
	else
		backward_plane(p, p->channels);
}

const struct maxpool_kernels MAXPOOL_KERNELS = {LANES, forward, backward};
