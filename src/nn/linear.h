/*
 * linear.h - fully connected layer (torch.nn.Linear): y[n][o] = sum over i of x[n][i]*w[o][i] +
 * b[o], on dense row-major matrices, forward and both backwards.
 */
#ifndef MIST_NN_LINEAR_H
#define MIST_NN_LINEAR_H

#include "base/pool.h"

struct linear {
	int in, out;
};

/* bias NULL: none. */
void linear_forward(const struct linear *l, struct pool *pool, int n, const float *x,
		    const float *w, const float *bias, float *y);
/* dx = dy w */
void linear_backward_data(const struct linear *l, struct pool *pool, int n, const float *dy,
			  const float *w, float *dx);
/* dw += dy' x, dbias (NULL: none) += the column sums of dy */
void linear_backward_weights(const struct linear *l, struct pool *pool, int n, const float *x,
			     const float *dy, float *dw, float *dbias);

#endif
