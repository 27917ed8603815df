/*
 * maxpool-window.h - inside maxpool only: one image's plane of a vector of channels, forward and
 * backward, and the tables of these functions, one per instruction set.
 */
#ifndef MIST_NN_MAXPOOL_WINDOW_H
#define MIST_NN_MAXPOOL_WINDOW_H

#include "nn/maxpool.h"

/* Channels [c, c + channels) of an image; pixels `x_step` floats and rows `x_row` floats apart, and so
 * on. The place in its window of each of
 * y is in argmax, in bytes. */
struct maxpool_plane {
	int k, stride, pad;
	int h, w, oh, ow;
	int channels; /* at most `lanes` */
	float *x;     /* backward: dx */
	float *y;     /* backward: dy */
	size_t x_row, x_step, y_row, y_step;
	uint8_t *argmax; /* forward: NULL: not wanted */
	size_t argmax_row, argmax_step;
};

struct maxpool_kernels {
	int lanes;
	void (*forward)(const struct maxpool_plane *p);
	void (*backward)(const struct maxpool_plane *p); /* dx += */
};
extern const struct maxpool_kernels maxpool_kernels_v128;
#ifdef HAVE_X86_KERNELS
extern const struct maxpool_kernels maxpool_kernels_avx2, maxpool_kernels_avx512;
#endif

#endif
