/*
 * maxpool.h - max pooling (torch.nn.MaxPool2d, no dilation, floor mode), forward and backward.
 *
 * Padding counts as minus infinity and the first largest value in the order of the window (row by
 * row) takes the gradient, as in PyTorch; a NaN is larger than anything.
 * oh = (h + 2*pad - k) / stride + 1, and pad <= k/2.
 */
#ifndef MIST_NN_MAXPOOL_H
#define MIST_NN_MAXPOOL_H

#include "nn/conv.h"
#include "nn/tensor.h"

#include <stdint.h>

struct maxpool {
	int k, stride, pad;  /* k <= 15: a window position fits in a byte */
	enum conv_path path; /* whose vectors it uses; CONV_AUTO: the widest there are */
};

int maxpool_out(const struct maxpool *m, int size);
/* Bytes of `argmax` for an output of this shape. */
size_t maxpool_argmax_bytes(const struct view *y);

/* argmax: where each value came from, for the backward; NULL: not wanted. */
void maxpool_forward(const struct maxpool *m, struct pool *pool, const struct view *x,
		     const struct view *y, uint8_t *argmax);
/* dx = (or, with `add`, +=) the gradient with respect to x. */
void maxpool_backward(const struct maxpool *m, struct pool *pool, const uint8_t *argmax,
		      const struct view *dy, const struct view *dx, bool add);

#endif
