#include "mist/noise.h"

#include "base/mem.h"
#include "base/rng.h"

#include <endian.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>

/* Keystream made at a time: long enough for libsodium's eight-block AVX2 path, short enough for L1.
 */
#define STREAM_BYTES 4096

/* Keystream words that all 64 lanes are compared with before those still open, one on average, are
 * finished singly: fewer cost more branches than they save ChaCha20, more the reverse (measured).
 */
#define WORDS 6

const char *const mechanism_names[] = {"none", "rr", "sue", NULL};

struct keystream {
	const uint8_t *key;
	uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint64_t block;
	size_t next;    /* words of `word` given out */
	uint64_t spare; /* bits of a word not yet given out, from the top */
	int spare_bits;
	uint64_t word[STREAM_BYTES / sizeof(uint64_t)];
};

uint64_t noise_threshold(enum mechanism mechanism, double epsilon)
{
	long double e =
		mechanism == MECHANISM_SUE ? (long double)epsilon / 2 : (long double)epsilon;
	long double q;

	if (mechanism == MECHANISM_NONE)
		return 0;
	q = 1 / (1 + expl(e));
	q += q * 16 * LDBL_EPSILON; /* more than expl, sum and quotient can have rounded down */
	q = fmaxl(ceill(ldexpl(q, 64)), 1); /* also where q itself is no longer a number above 0 */
	return q < 0x1p63L ? (uint64_t)q : UINT64_C(1) << 63;
}

double noise_epsilon(uint64_t threshold)
{
	long double t = threshold;
	long double e;

	if (threshold == 0)
		return INFINITY;
	e = logl((0x1p64L - t) / t);
	/* Up by more than logl and the conversion can have rounded down. */
	return e > 0 ? nextafter((double)e, INFINITY) : 0;
}

double noise_effective(enum mechanism mechanism, double epsilon)
{
	/* T is rounded up, so what was asked for is an upper bound too, and the rounder number. */
	return fmin(noise_epsilon(noise_threshold(mechanism, epsilon)),
		    mechanism == MECHANISM_RR    ? epsilon
		    : mechanism == MECHANISM_SUE ? epsilon / 2
						 : INFINITY);
}

static int fresh_key(uint8_t *key, size_t size, struct err *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = getrandom(key + done, size - done, 0);
		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot draw the privacy noise's key");
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

static void seeded_key(uint8_t *key, size_t size, uint64_t seed)
{
	struct rng r;

	rng_init(&r, seed, "privacy noise", 0);
	BUG_IF(size != sizeof(r.key));
	memcpy(key, r.key, size);
	sodium_memzero(&r, sizeof(r));
}

int noise_init(struct noise *n, enum mechanism mechanism, double epsilon, const uint64_t *seed,
	       struct err *err)
{
	*n = (struct noise){.mechanism = mechanism, .epsilon_effective = INFINITY};
	if (mechanism == MECHANISM_NONE)
		return 0;
	if (!isfinite(epsilon) || epsilon <= 0)
		return err_set(err, STATUS_USAGE, "epsilon must be a finite number above 0, not %g",
			       epsilon);
	if (sodium_init() < 0) /* also picks the fastest ChaCha20 */
		return err_set(err, STATUS_SYSTEM, "libsodium cannot be initialised");
	n->epsilon = epsilon;
	n->threshold = noise_threshold(mechanism, epsilon);
	n->q = ldexp((double)n->threshold, -64);
	n->epsilon_effective = noise_effective(mechanism, epsilon);
	n->seeded = seed != NULL;
	if (!seed)
		return fresh_key(n->key, sizeof(n->key), err);
	seeded_key(n->key, sizeof(n->key), *seed);
	return 0;
}

void noise_release(struct noise *n)
{
	sodium_memzero(n, sizeof(*n));
}

void noise_derive(const struct noise *n, const char *context, const void *bits, size_t size,
		  struct noise *out)
{
	crypto_generichash_state st;

	*out = *n;
	crypto_generichash_init(&st, n->key, sizeof(n->key), sizeof(out->key));
	crypto_generichash_update(&st, (const uint8_t *)context, strlen(context) + 1);
	crypto_generichash_update(&st, bits, size);
	crypto_generichash_final(&st, out->key, sizeof(out->key));
	sodium_memzero(&st, sizeof(st));
}

static void keystream_init(struct keystream *ks, const uint8_t *key, uint64_t stream)
{
	size_t i;

	ks->key = key;
	ks->block = 0;
	ks->spare_bits = 0;
	ks->next = ARRAY_LEN(ks->word);
	for (i = 0; i < sizeof(ks->nonce); i++) /* little-endian on every machine */
		ks->nonce[i] = (uint8_t)(stream >> (8 * i));
}

static void __attribute__((noinline)) refill(struct keystream *ks)
{
	memset(ks->word, 0, sizeof(ks->word));
	crypto_stream_chacha20_xor_ic((uint8_t *)ks->word, (const uint8_t *)ks->word,
				      sizeof(ks->word), ks->nonce, ks->block, ks->key);
	ks->block += sizeof(ks->word) / 64;
	ks->next = 0;
}

static inline uint64_t next_word(struct keystream *ks)
{
	if (__builtin_expect(ks->next == ARRAY_LEN(ks->word), 0))
		refill(ks);
	return le64toh(ks->word[ks->next++]);
}

/*
 * One decision v < t, v and t binary fractions below 1: compared from the top until a bit differs,
 * which takes two bits on average. Equality, and a t with only zeros left, is not less.
 */
static inline bool less_one(struct keystream *ks, uint64_t t)
{
	while (t) {
		int same;

		if (!ks->spare_bits) {
			ks->spare = next_word(ks);
			ks->spare_bits = 64;
		}
		same = ks->spare == t ? 64 : __builtin_clzll(ks->spare ^ t);
		if (same < ks->spare_bits) {
			ks->spare = ks->spare << same << 1;
			ks->spare_bits -= same + 1;
			return t << same >> 63;
		}
		t = ks->spare_bits < 64 ? t << ks->spare_bits : 0;
		ks->spare_bits = 0;
	}
	return false;
}

/*
 * 64 independent decisions u < T, one a lane. Keystream word number i holds bit 63 - i of all 64
 * integers u. Comparing from the top, a lane is decided at the first bit in which u and T differ,
 * so half of those still open close with each word. After WORDS of them the few lanes left are
 * finished one by one from a reservoir of spare bits. Bits of u that could not change the answer
 * are never drawn, which is exact, and takes 6 keystream words instead of 64.
 */
static inline uint64_t flip_mask(struct keystream *ks, uint64_t t)
{
	uint64_t open = UINT64_MAX, less = 0;
	int i;

	for (i = 0; i < WORDS; i++, t <<= 1) {
		uint64_t u = next_word(ks);
		uint64_t bit = t >> 63 ? UINT64_MAX : 0;

		less |= open & bit & ~u;
		open &= ~(u ^ bit);
	}
	for (; open; open &= open - 1)
		if (less_one(ks, t))
			less |= open & -open;
	return less;
}

void noise_flip(const struct noise *n, uint64_t stream, unsigned char *bits, size_t size)
{
	struct keystream ks;
	uint64_t word, mask;
	size_t i, step;

	if (n->threshold == 0)
		return;
	keystream_init(&ks, n->key, stream);
	for (i = 0; i < size; i += step) {
		step = size - i < sizeof(word) ? size - i : sizeof(word);
		mask = htole64(flip_mask(&ks, n->threshold));
		memcpy(&word, bits + i, step);
		word ^= mask;
		memcpy(bits + i, &word, step);
	}
	sodium_memzero(&ks, sizeof(ks));
}
