/* The numbers are OpenCV 4.6's and NumPy's (augment_hsv with given gains). */
#include "pictures.h"

#include "data/hsv.h"

static void every_fifth_colour_becomes_opencvs_hsv(void **state)
{
	size_t n = 52 * 52 * 52, i = 0;
	unsigned char *rgb = xmalloc(3 * n), *hsv = xmalloc(3 * n);
	int r, g, b;

	(void)state;
	for (r = 0; r < 256; r += 5)
		for (g = 0; g < 256; g += 5)
			for (b = 0; b < 256; b += 5) {
				rgb[i++] = (unsigned char)r;
				rgb[i++] = (unsigned char)g;
				rgb[i++] = (unsigned char)b;
			}
	hsv_from_rgb(rgb, hsv, (int)n);
	assert_digest(hsv, 3 * n,
		      "17d015b0e2005a2548a0746373ffc8e075495af198fd224e1f9636be91ad2e3f");
	free(rgb);
	free(hsv);
}

static void pure_hues_become_pure_colours(void **state)
{
	static const unsigned char hsv[] = {0,  255, 255, 30,  255, 255, 60,  255, 255,
					    90, 255, 255, 120, 255, 255, 150, 255, 255};
	static const unsigned char want[] = {255, 0,   0,   255, 255, 0,   0,   255, 0,
					     0,   255, 255, 0,   0,   255, 255, 0,   255};
	unsigned char rgb[sizeof(hsv)];
	size_t i;

	(void)state;
	hsv_to_rgb(hsv, rgb, sizeof(hsv) / 3);
	for (i = 0; i < sizeof(want); i++)
		assert_true(abs(rgb[i] - want[i]) <= 1);
}

static void gains_are_yolov5s(void **state)
{
	static const unsigned char want[] = {113, 138, 167, 234, 103, 160, 255, 210,
					     104, 211, 134, 162, 210, 255, 144, 255,
					     234, 152, 226, 195, 133, 64,  56,  105};
	struct image img = noise_image(64, 48);
	long sum = 0;
	int i;

	(void)state;
	hsv_gain(&img, 1.013, 0.6, 1.3);
	for (i = 0; i < (int)sizeof(want); i++)
		assert_true(abs(img.rgb[i] - want[i]) <= 1);
	for (i = 0; i < 3 * 64 * 48; i++)
		sum += img.rgb[i];
	assert_true(labs(sum - 1658458) <= 92); /* one in a hundred; rounding would add thousands */
	image_release(&img);
}

static void no_gain_changes_little(void **state)
{
	struct image a = noise_image(64, 48), b = noise_image(64, 48);
	int i, worst = 0;

	(void)state;
	hsv_gain(&a, 1, 1, 1);
	for (i = 0; i < 3 * 64 * 48; i++)
		worst = abs(a.rgb[i] - b.rgb[i]) > worst ? abs(a.rgb[i] - b.rgb[i]) : worst;
	assert_in_range(worst, 1, 8); /* a hue of 8 bits cannot say it all */
	image_release(&a);
	image_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fifth_colour_becomes_opencvs_hsv),
		cmocka_unit_test(pure_hues_become_pure_colours),
		cmocka_unit_test(gains_are_yolov5s),
		cmocka_unit_test(no_gain_changes_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
