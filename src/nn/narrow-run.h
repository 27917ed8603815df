/*
 * narrow-run.h - inside narrow only: up to NARROW_GROUP output channels at a time, and the tables of these
 * functions, one per instruction set.
 */
#ifndef MIST_NN_NARROW_RUN_H
#define MIST_NN_NARROW_RUN_H

#include "nn/narrow.h"

#define NARROW_GROUP NARROW_IN_PLACE

struct narrow_run {
	int in, n; /* channels; n outputs */
	int out;   /* floats from pixel to pixel in y and dy */
	int pixels;
	const float *w;
	size_t w_row;
	const float *x;
	size_t x_step;
	float *y;        /* forward */
	const float *dy; /* backward */
	const float *bias;
	size_t bias_step;
	float *dx;
	size_t dx_step;
	bool add;
	float *dw;
};

struct narrow_kernels {
	void (*forward)(const struct narrow_run *r);
	void (*backward)(const struct narrow_run *r); /* all but dbias */
};
extern const struct narrow_kernels narrow_kernels_v128;
#ifdef HAVE_X86_KERNELS
extern const struct narrow_kernels narrow_kernels_avx2, narrow_kernels_avx512;
#endif

#endif
