#include "eval/draw.h"

#include "unit.h"

static char *const names[] = {(char *)"person", (char *)"a class whose name is far too long to fit",
			      (char *)"\xc3\xa9t\xc3\xa9"};

static struct image grey(int w, int h)
{
	struct image p;

	image_alloc(&p, w, h);
	memset(p.rgb, 114, (size_t)w * (size_t)h * 3);
	return p;
}

static bool touched(const struct image *p, int x, int y)
{
	const unsigned char *rgb = p->rgb + 3 * ((size_t)y * (size_t)p->w + (size_t)x);

	return rgb[0] != 114 || rgb[1] != 114 || rgb[2] != 114;
}

static void a_frame_has_its_classs_colour(void **state)
{
	const struct det d = {40, 60, 140, 160, 0.9f, 0};
	struct colour k = draw_colour(0);
	struct image p = grey(200, 200);
	const unsigned char *rgb;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(draw_detections(&p, &d, 1, names, &err), 0);
	rgb = p.rgb + 3 * (160 * 200 + 90); /* the middle of the lower edge */
	assert_true(abs(rgb[0] - (int)(255 * k.r)) < 3);
	assert_true(abs(rgb[1] - (int)(255 * k.g)) < 3);
	assert_true(abs(rgb[2] - (int)(255 * k.b)) < 3);
	assert_false(touched(&p, 10, 10));
	assert_false(touched(&p, 190, 190));
	assert_true(touched(&p, 45, 50)); /* the plate lies above */
	image_release(&p);
}

/* Boxes at and beyond every edge, empty ones, tiny pictures: no pixel out of place, no error. */
static void any_box_in_any_picture_can_be_drawn(void **state)
{
	static const struct det dets[] = {{-50, -50, 500, 500, 0.9f, 0}, {0, 0, 1, 1, 0.8f, 1},
					  {64, 64, 64, 64, 0.7f, 2},     {60, 60, 64, 64, 0.6f, 0},
					  {0, 30, 64, 31, 0.5f, 1},      {5, 5, 3, 3, 0.4f, 2}};
	static const int sizes[][2] = {{1, 1}, {2, 300}, {64, 64}, {300, 3}, {1500, 900}};
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		struct image p = grey(sizes[i][0], sizes[i][1]);

		assert_int_equal(draw_detections(&p, dets, ARRAY_LEN(dets), names, &err), 0);
		image_release(&p);
	}
}

static void nothing_found_leaves_the_picture_as_it_is(void **state)
{
	struct image p = grey(31, 17);
	struct err err = ERR_INIT;
	int x, y;

	(void)state;
	assert_int_equal(draw_detections(&p, NULL, 0, names, &err), 0);
	for (y = 0; y < 17; y++)
		for (x = 0; x < 31; x++)
			assert_false(touched(&p, x, y));
	image_release(&p);
}

static void many_classes_share_the_palette(void **state)
{
	int c;

	(void)state;
	for (c = 0; c < 1000; c++) {
		struct colour k = draw_colour(c);

		assert_true(k.r >= 0 && k.r <= 1 && k.g >= 0 && k.g <= 1 && k.b >= 0 && k.b <= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_has_its_classs_colour),
		cmocka_unit_test(any_box_in_any_picture_can_be_drawn),
		cmocka_unit_test(nothing_found_leaves_the_picture_as_it_is),
		cmocka_unit_test(many_classes_share_the_palette),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
