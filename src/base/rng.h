/*
 * rng.h - the two sources of randomness, never mixed.
 *
 * `struct rng` is reproducible: a ChaCha20 keystream (libsodium, RFC 8439) whose key is a hash of
 * (seed, purpose, index). Give every independent use its own purpose and index ("augment", image
 * number): then results do not depend on the order in which threads draw.
 * Privacy noise never comes from here unless a user's --seed asks for it: see mist/noise.h.
 */
#ifndef MIST_BASE_RNG_H
#define MIST_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint8_t key[32];
	uint64_t block; /* next 64-byte block of the keystream */
	uint32_t word[64];
	int used; /* words of `word` already given out */
};

void rng_init(struct rng *r, uint64_t seed, const char *purpose, uint64_t index);
uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
/* Uniform in 0..n-1 without modulo bias; n > 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
/* Uniform in [0, 1), 53 bits. */
double rng_double(struct rng *r);
/* Uniform in [lo, hi). */
double rng_range(struct rng *r, double lo, double hi);
/* Standard normal (Box-Muller, the cosine half). */
double rng_normal(struct rng *r);
/* Gamma(shape, 1) (Marsaglia and Tsang 2000); shape > 0. */
double rng_gamma(struct rng *r, double shape);
/* Fisher-Yates over n ints. */
void rng_shuffle(struct rng *r, int *v, size_t n);

#endif
