#include "mist/calibrate.h"
#include "unit.h"

#include <math.h>

/* Channel 0: 0 … 7; channel 1: two clusters; channel 2: constant. One image of 2 x 4. */
static const float pixels[8][3] = {{0, -5, 2}, {1, -4, 2}, {2, -4.5f, 2}, {3, -5, 2},
				   {4, 9, 2},  {5, 10, 2}, {6, -4, 2},    {7, -4.5f, 2}};

static struct gate calibrated(enum threshold_rule rule)
{
	struct view x = {(float *)pixels, 1, 2, 4, 3, 3, 0};
	struct calibration *cal = calibration_new(3, 1, 100);
	struct err err = ERR_INIT;
	struct gate g;

	gate_init(&g, ENCODING_BIT, 3);
	calibration_add(cal, &x, 0);
	assert_int_equal(calibration_finish(cal, rule, &g, &err), 0);
	calibration_free(cal);
	return g;
}

static void the_median_halves_a_channel_and_levels_are_the_halves_means(void **state)
{
	struct gate g = calibrated(THRESHOLD_MEDIAN);

	(void)state;
	assert_true(g.threshold[0] == 3.5f && g.low[0] == 1.5f && g.high[0] == 5.5f);
	assert_true(g.threshold[1] == -4.25f);
	gate_release(&g);
}

static void otsu_finds_the_gap_between_two_clusters(void **state)
{
	struct gate g = calibrated(THRESHOLD_OTSU);

	(void)state;
	assert_true(g.threshold[1] > -4 && g.threshold[1] < 9);
	assert_true(g.low[1] == -4.5f && g.high[1] == 9.5f);
	gate_release(&g);
}

static void a_channel_on_one_side_has_one_level(void **state)
{
	struct gate g = calibrated(THRESHOLD_ZERO);

	(void)state;
	assert_true(g.threshold[2] == 0 && g.low[2] == 2 && g.high[2] == 2);
	assert_true(g.low[0] == 0 && g.high[0] == 4);
	gate_release(&g);
}

static void what_is_not_finite_is_refused(void **state)
{
	float bad[3] = {1, NAN, 2};
	struct view x = {bad, 1, 1, 1, 3, 3, 0};
	struct calibration *cal = calibration_new(3, 2, 1);
	struct err err = ERR_INIT;
	struct gate g;

	(void)state;
	gate_init(&g, ENCODING_BIT, 3);
	assert_int_equal(calibration_finish(cal, THRESHOLD_MEDIAN, &g, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	calibration_add(cal, &x, 0);
	assert_int_equal(calibration_finish(cal, THRESHOLD_MEDIAN, &g, &err), -1);
	assert_int_equal(err.status, STATUS_NONFINITE);
	calibration_free(cal);
	gate_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_median_halves_a_channel_and_levels_are_the_halves_means),
		cmocka_unit_test(otsu_finds_the_gap_between_two_clusters),
		cmocka_unit_test(a_channel_on_one_side_has_one_level),
		cmocka_unit_test(what_is_not_finite_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
