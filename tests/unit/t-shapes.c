#include "unit.h"

#include "data/shapes.h"

#include <math.h>

/* The area, in units of the square around the shape. */
static double area(int shape, int inset)
{
	long n = 0;
	int x, y;

	for (y = -SHAPE_UNIT; y < SHAPE_UNIT; y += 8)
		for (x = -SHAPE_UNIT; x < SHAPE_UNIT; x += 8)
			n += shape_inside(shape, x, y, inset);
	return (double)n / (256 * 256);
}

static void shapes_have_their_areas(void **state)
{
	/* by geometry, in squares of 2 x 1024 */
	static const struct {
		const char *name;
		double area;
	} rows[] = {
		{"circle", 0.690},   /* pi .9375^2 / 4 */
		{"square", 0.4875},  /* (715/1024)^2 */
		{"triangle", 0.310}, /* 3 sqrt(3)/4 (1000/1024)^2 / 4 */
		{"ring", 0.5306},    /* pi (1000^2 - 540^2) / 2048^2 */
		{"cross", 0.4760},   /* (2*620*1920 - 620^2) / 2048^2 */
		{"hexagon", 0.5949}, /* 3 sqrt(3)/2 980^2 / 2048^2 */
	};
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		for (k = 0; strcmp(shape_name(k), rows[i].name); k++)
			;
		assert_true(fabs(area(k, 0) - rows[i].area) < 0.01);
	}
}

static void shapes_stay_in_their_circle_and_shrink(void **state)
{
	int k, x, y;

	(void)state;
	assert_int_equal(shape_count(), 10);
	assert_null(shape_name(10));
	assert_null(shape_name(-1));
	for (k = 0; k < shape_count(); k++) {
		assert_true(area(k, 110) < area(k, 0) - 0.02);
		assert_true(area(k, 0) > 0.2);
		for (y = -2048; y < 2048; y += 16)
			for (x = -2048; x < 2048; x += 16) {
				if (x * x + y * y > 1040 * 1040)
					assert_false(shape_inside(k, x, y, 0));
				if (shape_inside(k, x, y, 110))
					assert_true(shape_inside(k, x, y, 0));
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_have_their_areas),
		cmocka_unit_test(shapes_stay_in_their_circle_and_shrink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
