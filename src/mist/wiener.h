/*
 * wiener.h - the best linear estimate of what crossed the cut from the noisy bits around it, learnt
 * from PUBLIC images: the filter of filter.h (Wiener 1949, here over k x k positions and all
 * channels).
 *
 * With d the decoded, de-biased bits less their means, and a the values before the gate:
 *	w = (E[d d'] + N)^-1 E[d a']
 * Both expectations are taken without noise, which is independent of the image and of zero mean
 * after de-biasing; its variance N = diag((high - low)^2 q (1 - q) / (1 - 2q)^2) is known exactly.
 * So one pass over public images does for any epsilon, and no random number is drawn.
 */
#ifndef MIST_MIST_WIENER_H
#define MIST_MIST_WIENER_H

#include "mist/gate.h"

struct wiener;
/* `gate` has its thresholds and levels, and is borrowed; size: odd side of the kernel. */
struct wiener *wiener_new(const struct gate *gate, int size, int images);
void wiener_free(struct wiener *w);

/* Image `image` of x as it crosses the cut; x is only read. More images than announced: BUG. */
void wiener_add(struct wiener *w, const struct view *x, int image);

/*
 * Gives `gate`, which is of the shape that wiener_new saw, its mean and filter for its q. Status
 * nonfinite when the statistics are not numbers.
 */
int wiener_finish(const struct wiener *w, struct gate *gate, struct err *err);

/* The largest side <= size that a tensor of c channels can have: the equations stay solvable within
 * seconds. 0: none. */
int wiener_size(int c, int size);

#endif
