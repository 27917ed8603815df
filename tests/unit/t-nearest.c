#include "base/nearest.h"
#include "unit.h"

static void distances_count_edits_and_swaps(void **state)
{
	(void)state;
	assert_int_equal(nearest_distance("", ""), 0);
	assert_int_equal(nearest_distance("", "abc"), 3);
	assert_int_equal(nearest_distance("abc", ""), 3);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
	assert_int_equal(nearest_distance("lr0", "l0r"), 1);
	assert_int_equal(nearest_distance("ca", "abc"), 3); /* optimal string alignment */
}

static void the_nearest_word_is_found_and_a_far_one_is_not(void **state)
{
	static const char *const known[] = {"momentum", "mosaic", "mixup", "lr0", "lrf"};
	const size_t n = ARRAY_LEN(known);

	(void)state;
	assert_string_equal(nearest_word("momentun", known, n), "momentum");
	assert_string_equal(nearest_word("mosiac", known, n), "mosaic");
	assert_string_equal(nearest_word("lr1", known, n), "lr0");
	assert_null(nearest_word("image", known, n));
	assert_null(nearest_word("x", known, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances_count_edits_and_swaps),
		cmocka_unit_test(the_nearest_word_is_found_and_a_far_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
