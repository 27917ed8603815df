/*
 * labelnoise.h - k-ary randomised response on the classes of labels (Kairouz et al. 2016): with
 * probability b = k / (exp(epsilon) + k - 1) a class is replaced by one drawn evenly from all k, its
 * own among them, so that it stays with probability exp(epsilon) / (exp(epsilon) + k - 1).
 *
 * A class is replaced iff a uniform 64-bit integer u < T, T = ceil(b * 2^64): never less often than
 * promised, and no floating point touches a random number. Published is the effective epsilon of T,
 * ln(1 + k * (2^64 - T) / T), rounded up. It is the price of one object's class; an image of n objects
 * costs n times that. How many objects there are, and where, is not hidden.
 *
 * The draws depend on the key, the image's clean features and its clean labels, as the flips of bits
 * do (noise_derive): sent again, they are the same.
 */
#ifndef MIST_MIST_LABELNOISE_H
#define MIST_MIST_LABELNOISE_H

#include "data/labels.h"
#include "mist/noise.h"

struct labelnoise {
	int classes;
	double epsilon;           /* requested */
	double epsilon_effective; /* of T, rounded up */
	uint64_t threshold;       /* T */
	struct noise key;         /* only its key is used */
};

/* T, and the effective epsilon of a T. classes >= 1. */
uint64_t labelnoise_threshold(double epsilon, int classes);
double labelnoise_epsilon(uint64_t threshold, int classes);
/* The effective epsilon of a request, at most that. */
double labelnoise_effective(double epsilon, int classes);

/*
 * Epsilon must be finite and above 0, and there must be at least two classes: else an error with
 * status usage. seed NULL: the kernel's entropy. Release even after failure is harmless.
 */
int labelnoise_init(struct labelnoise *l, double epsilon, int classes, const uint64_t *seed,
		    struct err *err);
void labelnoise_release(struct labelnoise *l);

/*
 * Randomises the classes of an image's labels in place. `features`: its clean features. `key` gets
 * what all draws followed from, a secret name of this release. A class out of range: BUG.
 */
void labelnoise_apply(const struct labelnoise *l, const void *features, size_t size,
		      struct label *labels, int n, uint8_t key[32]);

#endif
