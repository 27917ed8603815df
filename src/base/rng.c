#include "base/rng.h"

#include "base/err.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

void rng_init(struct rng *r, uint64_t seed, const char *purpose, uint64_t index)
{
	crypto_generichash_state st;
	uint8_t number[16];
	int i;

	for (i = 0; i < 8; i++) { /* little-endian on every machine */
		number[i] = (uint8_t)(seed >> (8 * i));
		number[8 + i] = (uint8_t)(index >> (8 * i));
	}
	crypto_generichash_init(&st, NULL, 0, sizeof(r->key));
	crypto_generichash_update(&st, number, sizeof(number));
	crypto_generichash_update(&st, (const uint8_t *)purpose, strlen(purpose));
	crypto_generichash_final(&st, r->key, sizeof(r->key));
	r->block = 0;
	r->used = (int)(sizeof(r->word) / sizeof(r->word[0]));
}

static void refill(struct rng *r)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t bytes[sizeof(r->word)];
	size_t i;

	memset(bytes, 0, sizeof(bytes));
	crypto_stream_chacha20_xor_ic(bytes, bytes, sizeof(bytes), nonce, r->block, r->key);
	for (i = 0; i < sizeof(bytes) / 4; i++)
		r->word[i] = (uint32_t)bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 |
			     (uint32_t)bytes[4 * i + 2] << 16 | (uint32_t)bytes[4 * i + 3] << 24;
	r->block += sizeof(bytes) / 64;
	r->used = 0;
}

uint32_t rng_u32(struct rng *r)
{
	if (r->used == (int)(sizeof(r->word) / sizeof(r->word[0])))
		refill(r);
	return r->word[r->used++];
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t low = rng_u32(r);

	return low | (uint64_t)rng_u32(r) << 32;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	uint64_t m;

	BUG_IF(n == 0);
	do { /* Lemire 2019: reject the few low words that would favour some results */
		m = (uint64_t)rng_u32(r) * n;
	} while ((uint32_t)m < (uint32_t)-n % n);
	return (uint32_t)(m >> 32);
}

double rng_double(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

double rng_range(struct rng *r, double lo, double hi)
{
	return lo + (hi - lo) * rng_double(r);
}

double rng_normal(struct rng *r)
{
	double u = 1.0 - rng_double(r); /* never 0 */
	double v = rng_double(r);

	return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

double rng_gamma(struct rng *r, double shape)
{
	double d, c, x, v, u;

	BUG_IF(!(shape > 0));
	if (shape < 1) /* boost: Gamma(a) = Gamma(a + 1) U^(1/a) */
		return rng_gamma(r, shape + 1) * pow(1.0 - rng_double(r), 1.0 / shape);
	d = shape - 1.0 / 3.0;
	c = 1.0 / sqrt(9.0 * d);
	for (;;) {
		x = rng_normal(r);
		v = 1.0 + c * x;
		if (v <= 0)
			continue;
		v = v * v * v;
		u = 1.0 - rng_double(r);
		if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
			return d * v;
	}
}

void rng_shuffle(struct rng *r, int *v, size_t n)
{
	size_t i;

	BUG_IF(n > UINT32_MAX);
	for (i = n; i > 1; i--) {
		size_t j = rng_below(r, (uint32_t)i);
		int t = v[i - 1];

		v[i - 1] = v[j];
		v[j] = t;
	}
}
