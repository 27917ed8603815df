/*
 * narrow.h - a 1x1 convolution of a few output channels, which would leave most lanes of conv.h's
 * kernels empty: runs of pixels forward, and backward to data and weights in one pass.
 *
 *	y[p, o] = bias[o] + sum over i of x[p, i] * w[o, i]
 *
 * For loops that do something with y between the two (model/head.h): it has no threads, and a run of
 * pixels that fits the L1 cache is read from memory once.
 */
#ifndef MIST_NN_NARROW_H
#define MIST_NN_NARROW_H

#include "nn/conv.h"

struct narrow {
	int in, out;         /* channels */
	const float *w;      /* [out][in], */
	size_t w_row;        /* so many floats apart */
	enum conv_path path; /* whose vectors it uses; CONV_AUTO: the widest there are */
};

/* Pixels x_step floats apart; y dense. bias: bias_step floats apart. */
void narrow_forward(const struct narrow *t, int pixels, const float *x, size_t x_step,
		    const float *bias, size_t bias_step, float *y);
/* dw (dense) and dbias +=; dx = (or, with `add`, +=), NULL: not wanted. Up to NARROW_IN_PLACE outputs dx
 * may be x. */
#define NARROW_IN_PLACE 4
void narrow_backward(const struct narrow *t, int pixels, const float *x, size_t x_step,
		     const float *dy, float *dx, size_t dx_step, bool add, float *dw, float *dbias);

#endif
