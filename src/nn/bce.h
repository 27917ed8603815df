/*
 * bce.h - binary cross-entropy of logits (torch.nn.BCEWithLogitsLoss), forward and backward in one
 * sweep over plain arrays.
 *
 *	l(x, t) = (1 - t) x + (1 + (pw - 1) t) log(1 + exp(-x))
 *	dl/dx = (1 - t) sigmoid(x) - pw t sigmoid(-x)
 *
 * A term is exact to about 5e-7 of itself where |x| <= 20; the same bytes on every processor.
 */
#ifndef MIST_NN_BCE_H
#define MIST_NN_BCE_H

#include <stddef.h>

/* The sum of the terms of n logits with targets t; each x becomes `scale` times its gradient. pw: the
 * weight of the positive part. NaN stays NaN. */
double bce_backward(float *x, const float *t, size_t n, float pw, float scale);

#endif
