/*
 * whitebox.h - feature inversion by one who has the extractor: search for the picture whose features
 * make what was sent most probable (likelihood.h), among those that look like photographs (prior.h),
 * by gradient descent on the pixels through the extractor itself (Mahendran and Vedaldi 2015).
 */
#ifndef MIST_ATTACK_WHITEBOX_H
#define MIST_ATTACK_WHITEBOX_H

#include "attack/evidence.h"
#include "nn/conv.h"

struct whitebox_options {
	int steps;        /* 400 */
	double rate;      /* of Adam, at first; a cosine takes it down */
	double variation; /* weight of the prior, nats per unit of variation */
	double sharpness; /* of the bits' surrogate */
	enum conv_path path;
	uint64_t seed; /* of the pictures that the channels' spreads are measured on */
};
void whitebox_defaults(struct whitebox_options *o);

/* Bits that another picture's features could as well have sent are what noise leaves: the weight of the
 * prior that suits this evidence, found once on photographs (tests and man/mist-attack). */
double whitebox_variation(const struct evidence *e);

/* The weight file's layers before the cut, ready to be searched through. */
struct whitebox;
struct whitebox *whitebox_new(const struct model *m, const struct evidence *e,
			      const struct whitebox_options *opt, struct pool *pool,
			      struct err *err);
void whitebox_free(struct whitebox *w);

/*
 * All pictures of the evidence, in batches. `from` (NULL: grey) are pictures to start from. `progress`
 * may be NULL. out[i] are allocated here.
 */
struct whitebox_progress {
	void (*step)(void *ctx, long steps); /* of picture-steps, so far */
	void *ctx;
};
int whitebox_run(struct whitebox *w, const struct victims *v, const struct image *from,
		 const struct whitebox_progress *progress, struct image *out, struct err *err);

/* For tests: the objective at pictures x (n x h x w x 3) of the first n samples, its gradient in dx. */
double whitebox_objective(struct whitebox *w, const float *x, int n, float *dx);

#endif
