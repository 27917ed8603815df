/*
 * upsample.h - nearest neighbour, twice each side: y[n, i, j, c] = x[n, i/2, j/2, c].
 */
#ifndef MIST_NN_UPSAMPLE_H
#define MIST_NN_UPSAMPLE_H

#include "nn/tensor.h"

void upsample_forward(struct pool *pool, const struct view *x, const struct view *y);
/* dx = (or, with `add`, +=) the sum of the four dy. */
void upsample_backward(struct pool *pool, const struct view *dy, const struct view *dx, bool add);

#endif
