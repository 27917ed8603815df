/*
 * maxpool-window.h - inside maxpool only: one pixel, forward and backward, and the tables of these
 * functions, one per instruction set.
 */
#ifndef MIST_NN_MAXPOOL_WINDOW_H
#define MIST_NN_MAXPOOL_WINDOW_H

#include <stddef.h>
#include <stdint.h>

/* The pixels of a window that lie inside the image: `rows` by `cols` of them, position `pos` the
 * first, `k` positions and `x_row` floats from row to row, 1 position and `x_step` floats from column
 * to column. */
struct maxpool_window {
	const float *x;
	size_t x_row, x_step;
	int rows, cols, pos, k;
	int channels;
	float *y;
	uint8_t *argmax; /* NULL: not wanted */
};

/* The output pixels whose windows cover an input pixel: it is position `pos` of the first of them,
 * and `down` (`right`) less in the next row (column). */
struct maxpool_gather {
	const float *dy;
	const uint8_t *argmax;
	size_t dy_row, dy_step, argmax_row, argmax_step;
	int rows, cols, pos, down, right;
	int channels;
	float *dx;
	int add;
};

struct maxpool_kernels {
	void (*window)(const struct maxpool_window *w);
	void (*gather)(const struct maxpool_gather *g);
};
extern const struct maxpool_kernels maxpool_kernels_v128;
#ifdef HAVE_X86_KERNELS
extern const struct maxpool_kernels maxpool_kernels_avx2, maxpool_kernels_avx512;
#endif

#endif
