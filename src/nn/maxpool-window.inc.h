/*
 * maxpool-window.inc.h - the inner loops of max pooling, compiled once per instruction set: the
 * includer defines SIMD_BYTES and MAXPOOL_KERNELS, the name of the table that comes out.
 */
#include "nn/maxpool-window.h"
#include "nn/simd.inc.h"

#include <math.h>

typedef uint8_t vbytes __attribute__((vector_size(LANES)));

/* The first n of LANES bytes as integers. */
SIMD_INLINE vi load_bytes(const uint8_t *p, int n)
{
#if SIMD_BYTES == 64
	return (vi)_mm512_cvtepu8_epi32(
		_mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1), (const void *)p));
#else
	vbytes at = {0};

#if SIMD_BYTES == 32
	if (n >= LANES)
		return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));
#endif
	memcpy(&at, p, (size_t)n);
	return __builtin_convertvector(at, vi);
#endif
}

SIMD_INLINE void window_vec(const struct maxpool_window *w, int c, int n)
{
	vf best = v_set(-INFINITY);
	vi at = (vi){0} + w->pos;
	int y, x;

	for (y = 0; y < w->rows; y++) {
		const float *in = w->x + (size_t)y * w->x_row + c;

		for (x = 0; x < w->cols; x++, in += w->x_step) {
			const vf v = v_load_n(in, n);
			/* a NaN is larger than anything, and stays */
			const vi larger = (vi)(v > best) | (vi)(v != v);
			const vi pos = (vi){0} + (w->pos + y * w->k + x);

			best = v_select(larger, v, best);
			at = (larger & pos) | (~larger & at);
		}
	}
	v_store_n(w->y + c, best, n);
	if (w->argmax) {
		const vbytes bytes = __builtin_convertvector(at, vbytes);

		memcpy(w->argmax + c, &bytes, (size_t)n);
	}
}

static void window(const struct maxpool_window *w)
{
	int c;

	for (c = 0; c + LANES <= w->channels; c += LANES)
		window_vec(w, c, LANES);
	if (c < w->channels)
		window_vec(w, c, w->channels - c);
}

SIMD_INLINE void gather_vec(const struct maxpool_gather *g, int c, int n)
{
	vf sum = v_set(0);
	int y, x;

	for (y = 0; y < g->rows; y++)
		for (x = 0; x < g->cols; x++) {
			const vi pos = (vi){0} + (g->pos - y * g->down - x * g->right);
			const vf v = v_load_n(
				g->dy + (size_t)y * g->dy_row + (size_t)x * g->dy_step + c, n);
			const vi at = load_bytes(g->argmax + (size_t)y * g->argmax_row +
							 (size_t)x * g->argmax_step + c,
						 n);

			sum += (vf)((vi)v & (vi)(at == pos));
		}
	if (g->add)
		sum += v_load_n(g->dx + c, n);
	v_store_n(g->dx + c, sum, n);
}

static void gather(const struct maxpool_gather *g)
{
	int c;

	for (c = 0; c + LANES <= g->channels; c += LANES)
		gather_vec(g, c, LANES);
	if (c < g->channels)
		gather_vec(g, c, g->channels - c);
}

const struct maxpool_kernels MAXPOOL_KERNELS = {window, gather};
