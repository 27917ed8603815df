#include "data/argsort.h"

#include "unit.h"

/* The orders are NumPy 1.24's. */
static void equal_keys_lie_where_numpy_puts_them(void **state)
{
	static const int want[60] = {0,  26, 25, 55, 54, 53, 39, 40, 41, 12, 13, 27, 20, 36, 35,
				     34, 48, 49, 8,  7,  6,  21, 22, 43, 44, 56, 57, 42, 30, 29,
				     28, 1,  2,  58, 14, 15, 16, 52, 51, 50, 9,  10, 11, 24, 38,
				     37, 23, 31, 32, 3,  4,  5,  18, 17, 19, 47, 46, 45, 33, 59};
	double key[60];
	int order[60], i;

	(void)state;
	for (i = 0; i < 60; i++)
		key[i] = (i * 7919 % 97) % 5;
	argsort(key, order, 60);
	assert_memory_equal(order, want, sizeof(want));
}

static void long_ones_too(void **state)
{
	static const struct {
		int n;
		uint32_t hash;
	} cases[] = {{1000, 2282918826u}, {5000, 2875392000u}};
	size_t c;
	int i;

	(void)state;
	for (c = 0; c < ARRAY_LEN(cases); c++) {
		int n = cases[c].n, *order = xcalloc((size_t)n, sizeof(*order));
		double *key = xcalloc((size_t)n, sizeof(*key));
		uint32_t hash = 0;

		for (i = 0; i < n; i++)
			key[i] = ((i * i + 3 * i) % 1009) % 7;
		argsort(key, order, n);
		for (i = 0; i < n; i++)
			hash = hash * 31 + (uint32_t)order[i];
		assert_int_equal(hash, cases[c].hash);
		free(order);
		free(key);
	}
}

/* Keys that make every median the worst: the result is sorted all the same, and soon. */
static void hostile_keys_are_sorted_too(void **state)
{
	enum { N = 200000 };
	double *key = xcalloc(N, sizeof(*key));
	int *order = xcalloc(N, sizeof(*order)), i;

	(void)state;
	for (i = 0; i < N / 2; i++) { /* a median-of-three killer (Musser 1997) */
		key[i] = i % 2 ? N / 2 + i + 1 : i + 1;
		key[N / 2 + i] = 2 * (i + 1);
	}
	argsort(key, order, N);
	for (i = 1; i < N; i++)
		assert_true(key[order[i - 1]] <= key[order[i]]);
	argsort(key, order, 1);
	assert_int_equal(order[0], 0);
	free(order);
	free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_keys_lie_where_numpy_puts_them),
		cmocka_unit_test(long_ones_too),
		cmocka_unit_test(hostile_keys_are_sorted_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
