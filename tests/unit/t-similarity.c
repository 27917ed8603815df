/* Expected figures: scikit-image 0.19 (gaussian_weights, sigma 1.5, population covariance, the mean over
 * valid windows) and SciPy's Sobel filter on the same two formula pictures. */
#include "eval/similarity.h"
#include "unit.h"

#include <math.h>

static struct image picture(int w, int h)
{
	struct image img = {w, h, xmalloc((size_t)(3 * w * h))};
	int x, y, c;

	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			for (c = 0; c < 3; c++)
				img.rgb[3 * (y * w + x) + c] =
					(unsigned char)(x * 37 + y * 91 + c * 53 + x * y * 7);
	return img;
}

static struct image disturbed(const struct image *a)
{
	struct image img = {a->w, a->h, xmalloc((size_t)(3 * a->w * a->h))};
	int x, y, c;

	for (y = 0; y < a->h; y++)
		for (x = 0; x < a->w; x++)
			for (c = 0; c < 3; c++) {
				int at = 3 * (y * a->w + x) + c;
				int noise = (x * 11 + y * 5 + c * 29) % 97;

				img.rgb[at] = (unsigned char)((a->rgb[at] * 3 + noise) / 4);
			}
	return img;
}

static void figures_agree_with_scikit_image(void **state)
{
	struct image a = picture(24, 17), b = disturbed(&a);
	struct err err = ERR_INIT;
	struct similarity s;

	(void)state;
	assert_int_equal(similarity_measure(&a, &b, &s, &err), 0);
	assert_true(fabs(s.ssim - 0.9410479301067367) < 1e-9);
	assert_true(fabs(s.psnr - 19.215301500564234) < 1e-9);
	assert_true(fabs(s.edge_corr - 0.9820362339631091) < 1e-9);
	assert_true(fabs(s.detail - 0.9548226245042443) < 1e-9); /* NumPy, window by window */
	free(a.rgb);
	free(b.rgb);
}

static void a_picture_is_like_itself_and_a_flat_one_shows_no_edges(void **state)
{
	struct image a = picture(32, 32), flat = picture(32, 32);
	struct err err = ERR_INIT;
	struct similarity s;

	(void)state;
	memset(flat.rgb, 128, 3 * 32 * 32);
	assert_int_equal(similarity_measure(&a, &a, &s, &err), 0);
	assert_true(fabs(s.ssim - 1) < 1e-12 && isinf(s.psnr) && fabs(s.edge_corr - 1) < 1e-9);
	assert_true(fabs(s.detail - 1) < 1e-9);
	assert_int_equal(similarity_measure(&a, &flat, &s, &err), 0);
	assert_true(s.ssim < 0.1);
	assert_true(s.edge_corr == 0);
	assert_true(fabs(s.detail) < 1e-9);
	free(a.rgb);
	free(flat.rgb);
}

static void pictures_that_cannot_be_compared_are_refused(void **state)
{
	struct image a = picture(32, 32), b = picture(32, 31), small = picture(10, 40);
	struct err err = ERR_INIT;
	struct similarity s;

	(void)state;
	assert_int_equal(similarity_measure(&a, &b, &s, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_int_equal(similarity_measure(&small, &small, &s, &err), -1);
	free(a.rgb);
	free(b.rgb);
	free(small.rgb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_agree_with_scikit_image),
		cmocka_unit_test(a_picture_is_like_itself_and_a_flat_one_shows_no_edges),
		cmocka_unit_test(pictures_that_cannot_be_compared_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
