#include "mist/labelnoise.h"
#include "unit.h"

#include <math.h>

/* ln of the mechanism's likelihood ratio: T of 2^64 are redrawn, a kth of them to each class. */
static long double price(uint64_t t, int k)
{
	return log1pl((long double)(-t) * k / (long double)t);
}

static void what_is_published_covers_the_mechanism_and_is_no_more_than_asked(void **state)
{
	static const double epsilons[] = {1e-6, .1, .5, 1, 2, 5, 10, 30, 700};
	static const int classes[] = {2, 3, 80, 65536};
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(epsilons); i++)
		for (k = 0; k < ARRAY_LEN(classes); k++) {
			const uint64_t t = labelnoise_threshold(epsilons[i], classes[k]);
			const double e = labelnoise_effective(epsilons[i], classes[k]);

			assert_true(t > 0 && e > 0 && e <= epsilons[i]);
			assert_true(price(t, classes[k]) <= (long double)e * (1 + 1e-15L));
			/* not far below either, where T has the digits to say so */
			if (epsilons[i] <= 10)
				assert_true(e > epsilons[i] * (1 - 1e-9) - 1e-9);
		}
	/* two classes are a bit: randomised response flips half as often as it redraws */
	assert_true(fabs(ldexp((double)labelnoise_threshold(1, 2), -64) / 2 - 1 / (1 + exp(1))) <
		    1e-15);
}

static void classes_stay_as_often_as_promised(void **state)
{
	enum { K = 5, N = 200000 };
	const double p = exp(1.5) / (exp(1.5) + K - 1), q = 1 / (exp(1.5) + K - 1);
	struct label *labels = xcalloc(N, sizeof(*labels));
	const uint64_t seed = 5;
	struct labelnoise l;
	double count[K] = {0};
	uint8_t key[32];
	struct err err;
	int i;

	(void)state;
	assert_int_equal(labelnoise_init(&l, 1.5, K, &seed, &err), 0);
	for (i = 0; i < N; i++)
		labels[i].cls = 3;
	labelnoise_apply(&l, "features", 8, labels, N, key);
	for (i = 0; i < N; i++)
		count[labels[i].cls]++;
	/* five standard deviations: a right mechanism fails once in a million times */
	for (i = 0; i < K; i++)
		assert_true(fabs(count[i] / N - (i == 3 ? p : q)) < 5 * sqrt(.25 / N));
	labelnoise_release(&l);
	free(labels);
}

static void the_same_image_and_labels_are_randomised_the_same(void **state)
{
	enum { N = 100 };
	struct label a[N] = {{0}}, b[N] = {{0}}, c[N] = {{0}};
	uint8_t ka[32], kb[32], kc[32];
	const uint64_t seed = 5;
	struct labelnoise l;
	struct err err;

	(void)state;
	assert_int_equal(labelnoise_init(&l, .5, 80, &seed, &err), 0);
	labelnoise_apply(&l, "features", 8, a, N, ka);
	labelnoise_apply(&l, "features", 8, b, N, kb);
	labelnoise_apply(&l, "featureS", 8, c, N, kc);
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_equal(ka, kb, 32);
	assert_true(memcmp(a, c, sizeof(a)) != 0 && memcmp(ka, kc, 32) != 0);
	labelnoise_release(&l);
}

static void what_cannot_be_is_refused(void **state)
{
	static const double bad[] = {0, -1, INFINITY, NAN};
	struct labelnoise l;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(labelnoise_init(&l, bad[i], 3, NULL, &err), -1);
		assert_int_equal(err.status, STATUS_USAGE);
	}
	assert_int_equal(labelnoise_init(&l, 1, 1, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "not of 1"));
	labelnoise_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_published_covers_the_mechanism_and_is_no_more_than_asked),
		cmocka_unit_test(classes_stay_as_often_as_promised),
		cmocka_unit_test(the_same_image_and_labels_are_randomised_the_same),
		cmocka_unit_test(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
