/*
 * conv-kernel.inc.h - the inner loops of the direct convolution, compiled once per instruction set.
 *
 * The includer defines SIMD_BYTES, CONV_KERNELS (the name of the table) and the size of the
 * register tile: TILE_VECTORS vectors of output channels by TILE_PIXELS pixels (TILE_NARROW for one
 * vector). The accumulators of a tile, its weights and one broadcast input must fit the registers.
 *
 * Every output is a sum over taps in the same order whatever the tile, so the width of a row, the
 * number of threads and, where there is fused multiply-add, the vector width do not change a bit of
 * it: AVX2 and AVX-512 give the same bytes.
 */
#include "nn/conv-direct.h"
#include "nn/simd.inc.h"

/*
 * The next tile's input is asked for while this one is computed, a cache line of every pixel at a
 * time: 1x1 kernels on large maps gain a third. One vector has no load slots to spare for it.
 */
#define PREFETCH 16
/* Backward-weights reads a few channels of every pixel, strides too long for the processor to guess:
 * pixels ahead at which it asks for them. 20 against none: 5 to 17 % less time. */
#define DW_AHEAD 20
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
#define TILE_MOST (TILE_NARROW > TILE_PIXELS ? TILE_NARROW : TILE_PIXELS)
/* The compiler must not see through the pointers: it would keep one for every pixel. */
#define OPAQUE(ptr) __asm__("" : "+r"(ptr))

/* Pixels three to a pointer: x86 addresses base, base + step*4 and base + step*8 for nothing. */
#define POINTERS ((TILE_MOST + 2) / 3)

struct sums {
	vf sum[TILE_VECTORS], squares[TILE_VECTORS];
};

/* Where vector v of column `col` is stored, and the step to the next column. */
SIMD_INLINE float *vector_at(const struct conv_row *r, int col, int v, size_t *step)
{
	const bool rest = r->split && v >= r->split;

	*step = rest ? r->rest_step : r->y_step;
	return (rest ? r->rest + (v - r->split) * LANES : r->y + v * LANES) + (size_t)col * *step;
}

/* y = act(acc) + residual, from accumulators that went through memory. */
static __attribute__((noinline)) void finish_all(const struct conv_row *r, int col, int pixels,
						 int vectors, const vf *acc)
{
	int p, v;

	for (v = 0; v < vectors; v++) {
		const int n = r->channels - v * LANES;
		size_t step;
		float *y = vector_at(r, col, v, &step);

		for (p = 0; p < pixels; p++) {
			vf u = acc[p * vectors + v];

			if (r->silu)
				u = v_silu(u);
			if (r->residual)
				u = u +
				    v_load_n(r->residual + (size_t)(col + p) * r->residual_step +
						     v * LANES,
					     n);
			v_store_n(y + (size_t)p * step, u, n);
		}
	}
}

SIMD_INLINE void tile_step(vf acc[][TILE_VECTORS], const float *const *a, size_t s, int i,
			   const float *w, const int pixels, const int vectors)
{
	vf wv[TILE_VECTORS];
	int p, v;

	UNROLL
	for (v = 0; v < vectors; v++)
		wv[v] = v_load(w + v * LANES);
	UNROLL
	for (p = 0; p < pixels; p++) {
		const vf b = v_set(a[p / 3][(size_t)(p % 3) * s + (size_t)i]);

		UNROLL
		for (v = 0; v < vectors; v++)
			acc[p][v] = v_fma(b, wv[v], acc[p][v]);
	}
}

SIMD_INLINE void tile_finish(const struct conv_row *r, int col, struct sums *sums,
			     vf acc[][TILE_VECTORS], const int pixels, const int vectors)
{
	const int last = r->channels - (vectors - 1) * LANES;
	vf spill[TILE_MOST * TILE_VECTORS];
	int p, v;

	if (r->finish == FINISH_ALL) {
		UNROLL
		for (p = 0; p < pixels; p++)
			UNROLL
		for (v = 0; v < vectors; v++)
			spill[p * vectors + v] = acc[p][v];
		finish_all(r, col, pixels, vectors, spill);
		return;
	}
	if (r->finish == FINISH_SUMS)
		UNROLL
	for (p = 0; p < pixels; p++)
		UNROLL
	for (v = 0; v < vectors; v++) {
		sums->sum[v] += acc[p][v];
		sums->squares[v] = v_fma(acc[p][v], acc[p][v], sums->squares[v]);
	}
	UNROLL
	for (v = 0; v < vectors; v++) {
		const int n = v < vectors - 1 ? LANES : last;
		size_t step;
		float *y = vector_at(r, col, v, &step);

		UNROLL
		for (p = 0; p < pixels; p++, y += step) {
			if (r->finish == FINISH_ADD)
				acc[p][v] += v_load_n(y, n);
			v_store_n(y, acc[p][v], n);
		}
	}
}

SIMD_INLINE void tile(const struct conv_row *r, int col, struct sums *sums, const int pixels,
		      const int vectors)
{
	const size_t s = r->x_step;
	const float *x = r->x + (size_t)col * s, *w = r->w;
	vf acc[TILE_MOST][TILE_VECTORS];
	int k, p, v, i, end;

	UNROLL
	for (v = 0; v < vectors; v++) {
		const vf start =
			r->bias ? v_load_n(r->bias + v * LANES, r->channels - v * LANES) : v_set(0);

		UNROLL
		for (p = 0; p < pixels; p++)
			acc[p][v] = start;
	}
	UNROLL
	for (v = 0; v < vectors; v++) {
		size_t step;
		const float *y = vector_at(r, col, v, &step);

		UNROLL
		for (p = 0; p < pixels; p++, y += step)
			__builtin_prefetch(y, 1);
	}
	for (k = 0; k < r->nruns; k++) {
		const float *a[POINTERS];
		const int len = r->runs[k].len;

		UNROLL
		for (p = 0; p < (pixels + 2) / 3; p++) {
			a[p] = x + r->runs[k].x + (size_t)(3 * p) * s;
			OPAQUE(a[p]);
		}
		for (i = 0; i < len; i = end) {
			end = i + PREFETCH < len ? i + PREFETCH : len;
			UNROLL
			for (p = 0; vectors > 1 && p < pixels; p++)
				__builtin_prefetch(a[p / 3] + (size_t)(p % 3 + pixels) * s + i);
			for (; i < end; i++, w += vectors * LANES)
				tile_step(acc, a, s, i, w, pixels, vectors);
		}
	}
	tile_finish(r, col, sums, acc, pixels, vectors);
}

SIMD_INLINE void dw_tile(const struct conv_dw *d, const int k, const int vectors, const bool part)
{
	const int last = d->channels - (vectors - 1) * LANES;
	vf acc[TILE_MOST][TILE_VECTORS];
	int y, x, i, v;

	UNROLL
	for (i = 0; i < k; i++)
		UNROLL
	for (v = 0; v < vectors; v++)
		acc[i][v] = v_load(d->out + (i * vectors + v) * LANES);
	for (y = 0; y < d->rows; y++) {
		const float *in = d->x + (size_t)y * d->x_row, *dy = d->dy + (size_t)y * d->dy_row;

		for (x = 0; x < d->cols; x++, in += d->x_step, dy += d->dy_step) {
			vf g[TILE_VECTORS];

			__builtin_prefetch(in + DW_AHEAD * d->x_step);
			__builtin_prefetch(in + DW_AHEAD * d->x_step + k - 1);
			UNROLL
			for (v = 0; v < vectors; v++)
				__builtin_prefetch(dy + DW_AHEAD * d->dy_step + v * LANES);
			UNROLL
			for (v = 0; v < vectors; v++)
				g[v] = part && v == vectors - 1 ? v_load_part(dy + v * LANES, last)
								: v_load(dy + v * LANES);
			UNROLL
			for (i = 0; i < k; i++) {
				const vf b = v_set(in[i]);

				UNROLL
				for (v = 0; v < vectors; v++)
					acc[i][v] = v_fma(b, g[v], acc[i][v]);
			}
		}
	}
	UNROLL
	for (i = 0; i < k; i++)
		UNROLL
	for (v = 0; v < vectors; v++)
		v_store(d->out + (i * vectors + v) * LANES, acc[i][v]);
}

typedef void tile_fn(const struct conv_row *r, int col, struct sums *sums);
typedef void dw_fn(const struct conv_dw *d);

#define TILE(p, v)                                                                                 \
	static void tile_##p##_##v(const struct conv_row *r, int col, struct sums *sums)           \
	{                                                                                          \
		tile(r, col, sums, p, v);                                                          \
	}                                                                                          \
	static void dw_##p##_##v(const struct conv_dw *d)                                          \
	{                                                                                          \
		if (d->channels % LANES)                                                           \
			dw_tile(d, p, v, true);                                                    \
		else                                                                               \
			dw_tile(d, p, v, false);                                                   \
	}

#define EACH_6(f, v)  f(1, v) f(2, v) f(3, v) f(4, v) f(5, v) f(6, v)
#define EACH_12(f, v) EACH_6(f, v) f(7, v) f(8, v) f(9, v) f(10, v) f(11, v) f(12, v)
#define EACH_24(f, v)                                                                              \
	EACH_12(f, v)                                                                              \
	f(13, v) f(14, v) f(15, v) f(16, v) f(17, v) f(18, v) f(19, v) f(20, v) f(21, v) f(22, v)  \
		f(23, v) f(24, v)
#define EACH_(most, f, v) EACH_##most(f, v)
#define EACH(most, f, v)  EACH_(most, f, v)

#define TILE_NAME(p, v) tile_##p##_##v,
#define DW_NAME(p, v)   dw_##p##_##v,

/* The row is cut into tiles of nearly equal width: no narrow rest. */
#define ROW(v, most)                                                                               \
	EACH(most, TILE, v)                                                                        \
	static void row_##v(const struct conv_row *r)                                              \
	{                                                                                          \
		static tile_fn *const fns[] = {NULL, EACH(most, TILE_NAME, v)};                    \
                                                                                                   \
		row(r, fns, most, v);                                                              \
	}                                                                                          \
	static void dw_rows_##v(const struct conv_dw *d, int k)                                    \
	{                                                                                          \
		static dw_fn *const fns[] = {NULL, EACH(most, DW_NAME, v)};                        \
                                                                                                   \
		fns[k](d);                                                                         \
	}

static void row(const struct conv_row *r, tile_fn *const *fns, int most, int vectors)
{
	const int tiles = (r->cols + most - 1) / most;
	const int width = r->cols / tiles, wider = r->cols % tiles;
	struct sums sums;
	int t, v, i, col = 0;

	memset(&sums, 0, sizeof(sums));
	for (t = 0; t < tiles; t++) {
		const int pixels = width + (t < wider);

		fns[pixels](r, col, &sums);
		col += pixels;
	}
	if (r->finish != FINISH_SUMS)
		return;
	for (v = 0; v < vectors; v++)
		for (i = 0; i < LANES && v * LANES + i < r->channels; i++) {
			r->sum[v * LANES + i] += sums.sum[v][i];
			r->squares[v * LANES + i] += sums.squares[v][i];
		}
}

ROW(1, TILE_NARROW)
ROW(2, TILE_PIXELS)
#if TILE_VECTORS == 4
ROW(3, TILE_PIXELS)
ROW(4, TILE_PIXELS)
#endif

const struct conv_kernels CONV_KERNELS = {
	.lanes = LANES,
	.vectors = TILE_VECTORS,
#if TILE_VECTORS == 4
	.most_rows = {0, TILE_NARROW, TILE_PIXELS, TILE_PIXELS, TILE_PIXELS},
	.row = {NULL, row_1, row_2, row_3, row_4},
	.dw = {NULL, dw_rows_1, dw_rows_2, dw_rows_3, dw_rows_4},
#else
	.most_rows = {0, TILE_NARROW, TILE_PIXELS},
	.row = {NULL, row_1, row_2},
	.dw = {NULL, dw_rows_1, dw_rows_2},
#endif
};
