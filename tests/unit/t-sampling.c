#include "fed/sampling.h"
#include "unit.h"

#include <math.h>

static void sizes_are_numbers_or_shares(void **state)
{
	struct err err;
	size_t k;

	(void)state;
	assert_int_equal(sampling_size("5", 10, &k, &err), 0);
	assert_int_equal(k, 5);
	assert_int_equal(sampling_size("25%", 10, &k, &err), 0);
	assert_int_equal(k, 3);
	assert_int_equal(sampling_size("100%", 10, &k, &err), 0);
	assert_int_equal(k, 10);
	assert_int_equal(sampling_size("0", 10, &k, &err), -1);
	assert_int_equal(sampling_size("11", 10, &k, &err), -1);
	assert_int_equal(sampling_size("101%", 10, &k, &err), -1);
	assert_int_equal(sampling_size("1.5", 10, &k, &err), -1);
	assert_int_equal(sampling_size("", 10, &k, &err), -1);
	assert_int_equal(sampling_size("%", 10, &k, &err), -1);
}

/* Each of 10 is among 3 in 3 of 10 rounds: 4000 rounds, five standard deviations. */
static void every_client_is_as_likely(void **state)
{
	enum { ROUNDS = 4000 };
	const double p = 0.3, spread = 5 * sqrt(ROUNDS * p * (1 - p));
	int drawn[10] = {0}, out[3], again[3], i, round;
	char name[16];

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		snprintf(name, sizeof(name), "%d", round);
		sampling_draw(1, name, 10, 3, out);
		sampling_draw(1, name, 10, 3, again);
		assert_memory_equal(out, again, sizeof(out));
		assert_true(out[0] < out[1] && out[1] < out[2]);
		for (i = 0; i < 3; i++)
			drawn[out[i]]++;
	}
	for (i = 0; i < 10; i++)
		assert_true(fabs(drawn[i] - ROUNDS * p) < spread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_numbers_or_shares),
		cmocka_unit_test(every_client_is_as_likely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
