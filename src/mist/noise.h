/*
 * noise.h - local differential privacy: each bit is flipped with probability q, independently.
 *
 *	rr	q = 1 / (1 + exp(epsilon))	randomised response (MistNet, eq. 2)
 *	sue	q = 1 / (1 + exp(epsilon / 2))	symmetric unary encoding (RAPPOR); what Plato's
 *						and Sedna's epsilon means
 *	none	q = 0
 *
 * A bit is flipped iff a uniform 64-bit integer u < T, T = ceil(q * 2^64), so the flip rate is
 * never below q and floating point touches no random number (Mironov 2012). What is published is
 * the effective epsilon of T, ln((2^64 - T) / T), rounded up.
 *
 * u comes from a ChaCha20 keystream whose key is fresh from getrandom(2), or made from a seed for
 * reproducible and therefore worthless noise. The key stays in this struct: noise_release wipes it.
 * A noise is read-only once made: any number of threads may use it.
 */
#ifndef MIST_MIST_NOISE_H
#define MIST_MIST_NOISE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum mechanism { MECHANISM_NONE, MECHANISM_RR, MECHANISM_SUE };

/* "none", "rr", "sue", NULL: indexed by enum mechanism. */
extern const char *const mechanism_names[];

struct noise {
	enum mechanism mechanism;
	double epsilon;           /* requested; 0 for none */
	double epsilon_effective; /* per bit, of T, rounded up; infinite for none */
	double q;                 /* flip probability, T / 2^64 */
	uint64_t threshold;       /* T; 0 for none */
	bool seeded;
	uint8_t key[32];
};

/*
 * Epsilon must be finite and above 0 (none ignores it), else an error with status usage. seed NULL:
 * the kernel's entropy. Release even after failure is harmless.
 */
int noise_init(struct noise *n, enum mechanism mechanism, double epsilon, const uint64_t *seed,
	       struct err *err);
void noise_release(struct noise *n);

/*
 * Flips bits of bits[0 … size-1]. `stream` numbers the independent keystreams of one key: the same
 * (noise, stream) gives the same flips, so every release takes a number of its own.
 */
void noise_flip(const struct noise *n, uint64_t stream, unsigned char *bits, size_t size);

/*
 * The noise of one release: `out` is `n` with the key BLAKE2b(n's key; context, bits), for flipping
 * `bits` themselves (streams 0, 1, … of it). The same clean bits in the same context are so given the
 * same flips again, a permanent response as RAPPOR's, without storing any; other bits, even by one,
 * are given independent ones. Were the flips those of a name or a number, two releases that differ
 * (another processor rounds one value to the other side) would show where they differ.
 * Release `out` as well.
 */
void noise_derive(const struct noise *n, const char *context, const void *bits, size_t size,
		  struct noise *out);

/* T for a mechanism and epsilon; the effective epsilon of a T, rounded up; both in one, per bit. */
uint64_t noise_threshold(enum mechanism mechanism, double epsilon);
double noise_epsilon(uint64_t threshold);
double noise_effective(enum mechanism mechanism, double epsilon);

#endif
