/*
 * likelihood.h - how probable the features that an attacker holds are, given the activations of a
 * picture that it tries.
 *
 * Bits: B = 1 iff a > t, then flipped with the known probability q. The step is rounded off to a sigmoid
 * of (a - t) / (sharpness * s), s the channel's spread, so that there is a slope to follow:
 *	P(bit = 1 | a) = q + (1 - 2 q) sigmoid((a - t) / (sharpness * s))
 * Floats and bytes: a normal distribution around what was sent, of deviation FLOAT_SIGMA * s.
 * Both are in nats, so that one weight of a prior means the same to both.
 */
#ifndef MIST_ATTACK_LIKELIHOOD_H
#define MIST_ATTACK_LIKELIHOOD_H

#include "mist/gate.h"

struct likelihood {
	const struct gate *gate;
	const float *spread; /* one per channel */
	double sharpness;
};

/*
 * -log P(payload | image i of x) of one tensor, and its gradient with respect to x written to image i
 * of dx; q is the flip probability of this payload. `sent` is scratch of h * w * c floats.
 */
double likelihood_of(const struct likelihood *l, const unsigned char *payload, double q,
		     const struct view *x, const struct view *dx, int i, float *sent);

#endif
