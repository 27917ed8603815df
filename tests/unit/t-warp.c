#include "pictures.h"

#include "data/warp.h"

#include <math.h>

static void the_warp_is_opencvs(void **state)
{
	/* cv2.warpAffine of OpenCV 4.6, borderValue 114 */
	static const double m[6] = {0.9, 0.35, -7.25, -0.3, 1.2, 5.5};
	struct image src = noise_image(64, 48), dst;

	(void)state;
	image_alloc(&dst, 80, 40);
	warp_affine(&src, m, &dst, 114);
	assert_digest(dst.rgb, 3 * 80 * 40,
		      "9551a8f5e4cbb0c56682cf8460736be5cfeaef9eed174c5058d4a29855ca9c99");
	image_release(&src);
	image_release(&dst);
}

static void identity_copies_and_shifts_shift(void **state)
{
	static const double eye[6] = {1, 0, 0, 0, 1, 0}, shift[6] = {1, 0, 3, 0, 1, -2};
	struct image src = noise_image(20, 10), dst;
	int x, y;

	(void)state;
	image_alloc(&dst, 20, 10);
	warp_affine(&src, eye, &dst, 114);
	assert_memory_equal(src.rgb, dst.rgb, 600);
	warp_affine(&src, shift, &dst, 114);
	for (y = 0; y < 10; y++)
		for (x = 0; x < 20; x++) {
			bool in = x >= 3 && y < 8;

			assert_int_equal(dst.rgb[3 * (y * 20 + x)],
					 in ? src.rgb[3 * ((y + 2) * 20 + x - 3)] : 114);
		}
	image_release(&src);
	image_release(&dst);
}

static void wild_transforms_stay_inside(void **state)
{
	static const double wild[][6] = {
		{0, 0, 0, 0, 0, 0},
		{1e300, 0, 0, 0, 1e300, 0},
		{1e-300, 0, 0, 0, 1e-300, 0},
		{NAN, 0, 0, 0, 1, 0},
		{1, 0, 1e18, 0, 1, -1e18},
		{1, 1, 0, 1, 1, 0},
		{INFINITY, 0, 0, 0, INFINITY, 0},
		{1e-5, 0, 5, 0, 1e-5, 5},
	};
	struct image src = noise_image(20, 10), dst;
	size_t i;

	(void)state;
	image_alloc(&dst, 300, 200);
	for (i = 0; i < ARRAY_LEN(wild); i++)
		warp_affine(&src, wild[i], &dst, 114); /* the sanitizer watches */
	image_release(&src);
	image_release(&dst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_warp_is_opencvs),
		cmocka_unit_test(identity_copies_and_shifts_shift),
		cmocka_unit_test(wild_transforms_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
