/*
 * The statistical tests use fixed seeds, so they cannot fail by chance. Their bounds are five
 * standard deviations of what a fair generator gives; what a deviation would have to be to be
 * caught with a probability above 99 % (the power) is stated at each: it lies 2.4 deviations
 * beyond.
 */
#include "mist/noise.h"
#include "unit.h"

#include <math.h>

#define BYTES ((size_t)1 << 21)
#define BITS  ((double)BYTES * 8) /* 2^24 */

static struct noise seeded(enum mechanism mechanism, double epsilon, uint64_t seed)
{
	struct err err;
	struct noise n;

	assert_int_equal(noise_init(&n, mechanism, epsilon, &seed, &err), 0);
	return n;
}

static unsigned char *flips(const struct noise *n, uint64_t stream, size_t size)
{
	unsigned char *bits = xcalloc(1, size);

	noise_flip(n, stream, bits, size);
	return bits;
}

static double ones(const unsigned char *bits, size_t size)
{
	size_t i, sum = 0;

	for (i = 0; i < size; i++)
		sum += (size_t)__builtin_popcount(bits[i]);
	return (double)sum;
}

static void probabilities_are_those_of_the_paper(void **state)
{
	/* eq. 2 of the paper: epsilon 0.5, 1, 2 keep a bit with p = .62, .73, .88 */
	static const double epsilon[] = {0.5, 1, 2}, keep[] = {.62, .73, .88};
	struct noise n;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(epsilon); i++) {
		n = seeded(MECHANISM_RR, epsilon[i], 1);
		assert_true(fabs(1 - n.q - keep[i]) < 0.005);
		assert_true(fabs(n.q - 1 / (1 + exp(epsilon[i]))) < 1e-15);
		n = seeded(MECHANISM_SUE, epsilon[i], 1);
		assert_true(fabs(n.q - 1 / (1 + exp(epsilon[i] / 2))) < 1e-15);
		assert_true(fabs(n.epsilon_effective - epsilon[i] / 2) < 1e-12);
	}
}

static void the_flip_rate_is_never_below_what_was_asked(void **state)
{
	double e;

	(void)state;
	for (e = 1e-6; e < 40; e *= 1.07) {
		uint64_t t = noise_threshold(MECHANISM_RR, e);
		long double q = 1 / (1 + expl((long double)e));

		assert_true((long double)t >= q * 0x1p64L);
		assert_true(noise_epsilon(t) >= (double)logl((0x1p64L - t) / t));
		assert_true(fabs(noise_epsilon(t) - e) <= 1e-12 + 2 / (double)t);
		assert_true(t <= UINT64_C(1) << 63);
	}
	/* nothing is so large that the promise is infinite: one flip in 2^64 remains */
	assert_true(noise_threshold(MECHANISM_RR, 1e300) == 1);
	assert_true(noise_epsilon(1) < 44.37);
	assert_true(isinf(noise_epsilon(0)));
	assert_true(noise_threshold(MECHANISM_RR, 1e-300) == UINT64_C(1) << 63);
	assert_true(noise_epsilon(UINT64_C(1) << 63) == 0);
}

static void an_epsilon_without_meaning_is_refused(void **state)
{
	static const double bad[] = {0, -1, NAN, INFINITY, -INFINITY, -0.0};
	struct noise n;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(noise_init(&n, MECHANISM_RR, bad[i], NULL, &err), -1);
		assert_int_equal(err.status, STATUS_USAGE);
		assert_int_equal(noise_init(&n, MECHANISM_SUE, bad[i], NULL, &err), -1);
	}
	assert_int_equal(noise_init(&n, MECHANISM_NONE, NAN, NULL, &err), 0);
	assert_true(n.threshold == 0);
}

/* 2^24 bits: a relative error of the rate of .003 at q = .27, of .007 at q = .07 would be seen. */
static void the_rate_is_the_probability(void **state)
{
	static const double epsilon[] = {1e-9, 0.25, 0.5, 1, 2, 2.5, 4, 7, 10};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(epsilon); i++) {
		struct noise n = seeded(MECHANISM_RR, epsilon[i], 11);
		unsigned char *bits = flips(&n, i, BYTES);
		double sd = sqrt(BITS * n.q * (1 - n.q));

		assert_true(fabs(ones(bits, BYTES) - BITS * n.q) < 5 * sd);
		free(bits);
	}
}

/* Every lane of the 64 has the rate: 2^18 bits a lane, chi-square with 64 degrees of freedom. */
static void every_lane_has_the_same_rate(void **state)
{
	struct noise n = seeded(MECHANISM_RR, 1, 12);
	unsigned char *bits = flips(&n, 0, BYTES);
	double count[64] = {0}, chi = 0, per = BITS / 64;
	size_t i;
	int b;

	(void)state;
	for (i = 0; i < BYTES; i++)
		for (b = 0; b < 8; b++)
			count[i % 8 * 8 + (size_t)b] += bits[i] >> b & 1;
	for (b = 0; b < 64; b++)
		chi += pow(count[b] - per * n.q, 2) / (per * n.q * (1 - n.q));
	assert_true(chi < 64 + 5 * sqrt(128) && chi > 64 - 5 * sqrt(128));
	free(bits);
}

static int bit(const unsigned char *bits, size_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* Covariance of bits at a distance: a correlation of .0018 would be seen. */
static void bits_near_and_far_are_independent(void **state)
{
	static const size_t lag[] = {1, 2, 7, 8, 63, 64, 65, 128, 512, 4096 * 8, 640, 6400};
	struct noise n = seeded(MECHANISM_RR, 1, 13);
	unsigned char *bits = flips(&n, 0, BYTES);
	size_t i, k, total;

	(void)state;
	for (k = 0; k < ARRAY_LEN(lag); k++) {
		double both = 0, sd;

		total = BYTES * 8 - lag[k];
		for (i = 0; i < total; i++)
			both += bit(bits, i) & bit(bits, i + lag[k]);
		/* variance of the count, with the overlap of neighbouring pairs (b_i b_i+k b_i+2k)
		 */
		sd = sqrt((double)total * n.q * n.q * (1 + 2 * n.q - 3 * n.q * n.q));
		assert_true(fabs(both - (double)total * n.q * n.q) < 5 * sd);
	}
	free(bits);
}

/* The same bit of two images, two seeds: agreement is that of independent draws (.0019 seen). */
static void streams_and_keys_are_independent(void **state)
{
	struct noise n = seeded(MECHANISM_RR, 1, 14), m = seeded(MECHANISM_RR, 1, 15);
	unsigned char *a = flips(&n, 0, BYTES), *b = flips(&n, 1, BYTES), *c = flips(&m, 0, BYTES);
	double p = n.q * n.q, sd = sqrt(BITS * p * (1 - p)), ab = 0, ac = 0;
	size_t i;

	(void)state;
	for (i = 0; i < BYTES; i++) {
		ab += __builtin_popcount(a[i] & b[i]);
		ac += __builtin_popcount(a[i] & c[i]);
	}
	assert_true(fabs(ab - BITS * p) < 5 * sd);
	assert_true(fabs(ac - BITS * p) < 5 * sd);
	free(a);
	free(b);
	free(c);
}

/* Rare flips: the whole comparison is exercised, 40 bits deep, where only the last words differ. */
static void a_tiny_probability_is_kept(void **state)
{
	struct noise n = seeded(MECHANISM_RR, log(0x1p16), 16);
	unsigned char *bits = flips(&n, 3, BYTES);
	double expected = BITS * n.q; /* 256 */

	(void)state;
	assert_true(fabs(ones(bits, BYTES) - expected) < 5 * sqrt(expected));
	free(bits);
	n = seeded(MECHANISM_RR, 100, 16);
	bits = flips(&n, 3, BYTES);
	assert_true(ones(bits, BYTES) == 0);
	free(bits);
}

static void a_seed_repeats_and_the_kernel_does_not(void **state)
{
	struct noise n = seeded(MECHANISM_RR, 1, 7), again = seeded(MECHANISM_RR, 1, 7), k1, k2;
	unsigned char *a = flips(&n, 5, 1000), *b = flips(&again, 5, 1000), *c, *d;
	struct err err;

	(void)state;
	assert_true(n.seeded);
	assert_memory_equal(a, b, 1000);
	assert_int_equal(noise_init(&k1, MECHANISM_RR, 1, NULL, &err), 0);
	assert_int_equal(noise_init(&k2, MECHANISM_RR, 1, NULL, &err), 0);
	assert_false(k1.seeded);
	c = flips(&k1, 5, 1000);
	d = flips(&k2, 5, 1000);
	assert_memory_not_equal(c, d, 1000);
	assert_memory_not_equal(a, c, 1000);
	free(a);
	free(b);
	free(c);
	free(d);
	noise_release(&k1);
	noise_release(&k2);
}

static void any_length_is_a_prefix_and_nothing_else_is_touched(void **state)
{
	struct noise n = seeded(MECHANISM_SUE, 1, 8);
	unsigned char *whole = flips(&n, 2, 64), part[64];
	size_t size, i;

	(void)state;
	for (size = 0; size < 64; size++) {
		memset(part, 0, sizeof(part));
		noise_flip(&n, 2, part, size);
		assert_memory_equal(part, whole, size);
		for (i = size; i < sizeof(part); i++)
			assert_int_equal(part[i], 0);
	}
	free(whole);
}

/* A permanent response: the flips are the clean bits' and the context's, and nobody else's. */
static void what_is_the_same_is_flipped_the_same(void **state)
{
	unsigned char clean[64] = {1, 2, 3}, other[64] = {1, 2, 2};
	unsigned char *want, *got;
	struct noise n = seeded(MECHANISM_RR, 1, 3), m = seeded(MECHANISM_RR, 1, 4), a, b;
	size_t i;
	const struct {
		const struct noise *from;
		const char *context;
		const unsigned char *bits;
		bool same;
	} rows[] = {{&n, "x", clean, true},
		    {&n, "x", other, false},
		    {&n, "y", clean, false},
		    {&m, "x", clean, false}};

	(void)state;
	noise_derive(&n, "x", clean, sizeof(clean), &a);
	want = flips(&a, 0, 1000);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		noise_derive(rows[i].from, rows[i].context, rows[i].bits, sizeof(clean), &b);
		assert_true(b.threshold == n.threshold && b.q == n.q);
		got = flips(&b, 0, 1000);
		assert_int_equal(memcmp(want, got, 1000) == 0, rows[i].same);
		free(got);
	}
	free(want);
}

static void the_key_is_wiped(void **state)
{
	static const struct noise zero;
	struct noise n = seeded(MECHANISM_RR, 1, 9);

	(void)state;
	noise_release(&n);
	assert_memory_equal(n.key, zero.key, sizeof(n.key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probabilities_are_those_of_the_paper),
		cmocka_unit_test(the_flip_rate_is_never_below_what_was_asked),
		cmocka_unit_test(an_epsilon_without_meaning_is_refused),
		cmocka_unit_test(the_rate_is_the_probability),
		cmocka_unit_test(every_lane_has_the_same_rate),
		cmocka_unit_test(bits_near_and_far_are_independent),
		cmocka_unit_test(streams_and_keys_are_independent),
		cmocka_unit_test(a_tiny_probability_is_kept),
		cmocka_unit_test(a_seed_repeats_and_the_kernel_does_not),
		cmocka_unit_test(any_length_is_a_prefix_and_nothing_else_is_touched),
		cmocka_unit_test(what_is_the_same_is_flipped_the_same),
		cmocka_unit_test(the_key_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
