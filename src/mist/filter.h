/*
 * filter.h - what may be done to noisy bits behind the gate without costing privacy: a convolution
 * over the decoded levels of all channels, learnt from public images (wiener.h). A value's
 * neighbours, and what other channels say of the same place, tell more of it than its own noisy
 * bit does.
 *
 *	y[o] = mean[o] + sum over i, ky, kx of w[o, i, ky, kx] * (level[i] - mean[i])
 *
 * with nothing (a level equal to its mean) outside the image. The gate decodes to level - mean when
 * it has a filter (gate.h); filter_run turns that into y in place. A gate with a network (denoise.h) gets
 * that added.
 */
#ifndef MIST_MIST_FILTER_H
#define MIST_MIST_FILTER_H

#include "mist/gate.h"
#include "nn/conv.h"

struct filter;
/*
 * For tensors of h x w and at most max_n images. NULL when the gate has no filter: the calls below
 * then do nothing. Copies what it needs of the gate; `path` is resolved. `gradient`: filter_back
 * will be called.
 */
struct filter *filter_new(const struct gate *g, int max_n, int h, int w, enum conv_path path,
			  struct pool *pool, bool gradient);
void filter_free(struct filter *f);
/* Bytes of filter_new's result; 0 without a filter. */
size_t filter_bytes(const struct gate *g, int max_n, int h, int w, enum conv_path path,
		    struct pool *pool, bool gradient);

/* In place, over all images of x; the same bytes on any number of threads. */
void filter_run(struct filter *f, struct pool *pool, const struct view *x);
/*
 * The gradient with respect to y to that with respect to the levels, in place: of the convolution alone.
 * What a network adds is left out, as the straight-through estimate leaves out more (gateway.h).
 */
void filter_back(struct filter *f, struct pool *pool, const struct view *dx);

#endif
