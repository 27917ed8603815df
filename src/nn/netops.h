/*
 * netops.h - the small operators that only net.c needs. Views as in tensor.h; all clear the pads of
 * what they write and give the same bytes on any number of threads.
 */
#ifndef MIST_NN_NETOPS_H
#define MIST_NN_NETOPS_H

#include "base/pool.h"
#include "nn/tensor.h"

/* YOLOv5's Focus: x (h, w, c) to y (h/2, w/2, 4c): the even rows and columns, odd rows, odd
 * columns, both odd (models/common.py). */
void focus_forward(struct pool *pool, const struct view *x, const struct view *y);
void focus_backward(struct pool *pool, const struct view *dy, const struct view *dx, bool add);

/* torch.flatten: x (h, w, c) to y (1, 1, c*h*w) in the order c, h, w. */
void flatten_forward(struct pool *pool, const struct view *x, const struct view *y);
void flatten_backward(struct pool *pool, const struct view *dy, const struct view *dx, bool add);

/* dbias[c] += the sum of dy over images, rows and columns; scratch: bias_scratch bytes. */
size_t bias_scratch(int n, int h, int c);
void bias_backward(struct pool *pool, const struct view *dy, float *dbias, void *scratch);

#endif
