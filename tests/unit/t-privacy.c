#include "mist/privacy.h"
#include "unit.h"

#include <math.h>

static void published_figures_are_never_rounded_down(void **state)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = {{1, "1"},
		    {0.5, "0.5"},
		    {409600, "409600"},
		    {1.0000001, "1.00001"},
		    {0.123456789, "0.123457"},
		    {0.1234561, "0.123457"},
		    {99999.91, "100000"},
		    {52428800, "52428800"},
		    {52428800.5, "52428801"},
		    {1e15, "1e+15"},
		    {INFINITY, "inf"}};
	char text[32];
	size_t i;
	double v;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		privacy_format_up(rows[i].v, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
	for (v = 1e-9; v < 1e12; v *= 1.37) {
		privacy_format_up(v, text, sizeof(text));
		assert_true(strtod(text, NULL) >= v);
		assert_true(strtod(text, NULL) <= v * 1.0000101);
	}
}

static void randomised_classes_cost_an_image_and_a_client_too(void **state)
{
	struct privacy p = {.mechanism = MECHANISM_RR, .q = 0.25, .per_bit = 1, .labels = "rr"};

	(void)state;
	p.values = 100;
	p.releases = 2;
	p.images = 3;
	p.label_epsilon = 2;
	p.objects = 9;
	p.objects_most = 5;
	assert_true(privacy_per_release(&p) == 100);
	assert_true(privacy_per_image(&p) == 200 + 10); /* once for both copies */
	assert_true(privacy_per_client(&p) == 600 + 18);
	p.objects = p.objects_most = 3;
	p.label_epsilon = 0.1;
	p.images = 1;
	p.values = 0;
	assert_true(privacy_per_client(&p) > 0.3);
}

static void an_image_costs_all_its_bits_and_a_client_all_its_images(void **state)
{
	struct privacy p = {.mechanism = MECHANISM_RR, .q = 0.25, .per_bit = 1, .labels = "clear"};

	(void)state;
	p.values = 409600; /* YOLOv5n, cut 4, 640 pixels */
	p.releases = 1;
	p.images = 128;
	assert_true(privacy_per_image(&p) == 409600);
	assert_true(privacy_per_client(&p) == 128 * 409600.0);
	assert_true(privacy_flips(&p) == 102400);
	p.releases = 2; /* mirrored copies are releases, too */
	assert_true(privacy_per_image(&p) == 819200);
	assert_true(privacy_per_client(&p) == 128 * 819200.0);
	p.releases = 1;
	p.images = 1;
	p.values = 3;
	p.per_bit = 0.1; /* 3 * 0.1 in binary is a little more than the nearest number */
	assert_true(privacy_per_image(&p) > 0.3);
	p.images = 0;
	p.per_bit = INFINITY;
	assert_true(privacy_per_client(&p) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_figures_are_never_rounded_down),
		cmocka_unit_test(randomised_classes_cost_an_image_and_a_client_too),
		cmocka_unit_test(an_image_costs_all_its_bits_and_a_client_all_its_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
