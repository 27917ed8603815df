/* The digests are of OpenCV 4.6's cv2.resize on the same picture. */
#include "pictures.h"

#include "data/resize.h"

struct row {
	int w, h;
	const char *sha256;
};

static void check(void (*resize)(const struct image *, unsigned char *, int, int, size_t),
		  const struct row *rows, size_t n)
{
	struct image src = noise_image(64, 48);
	size_t i;

	for (i = 0; i < n; i++) {
		size_t size = 3 * (size_t)rows[i].w * (size_t)rows[i].h;
		unsigned char *dst = xmalloc(size);

		resize(&src, dst, rows[i].w, rows[i].h, 3 * (size_t)rows[i].w);
		assert_digest(dst, size, rows[i].sha256);
		free(dst);
	}
	image_release(&src);
}

static void area_is_opencvs(void **state)
{
	static const struct row rows[] = {
		{41, 29, "366fe2f955cb752564c00a28b61df31a32cb92e1fd504ea2be836fbe710daa3f"},
		{32, 24, "e2b77978b3bf3b9c6413b7d731e4e4f8b5a3ec22f206a83e5876b7eeb2b19fff"},
		{16, 16, "1d025079ba9b69e2ddccba439130bb39d60e7f98ef7467d53569442c55b814d5"},
	};

	(void)state;
	check(resize_area, rows, ARRAY_LEN(rows));
}

static void linear_is_opencvs(void **state)
{
	static const struct row rows[] = {
		{101, 77, "4e8dc335f9106cd5c015a18f326b18663b3f83f6751fb3a27d71471b7448765e"},
		{41, 29, "0a69b19649a18dc8a7dc9d307d327e6865bf0cffcfdb48ea0c42514953859e04"},
		/* half is area's */
		{32, 24, "e2b77978b3bf3b9c6413b7d731e4e4f8b5a3ec22f206a83e5876b7eeb2b19fff"},
	};

	(void)state;
	check(resize_linear, rows, ARRAY_LEN(rows));
}

static void any_size_stays_inside(void **state)
{
	int w, h;

	(void)state;
	/* the sanitizer watches */
	for (w = 1; w <= 9; w++)
		for (h = 1; h <= 9; h++) {
			struct image src = noise_image(w, h);
			unsigned char *dst = xmalloc(3 * 20 * 20);
			int a, b;

			for (a = 1; a <= w; a++)
				for (b = 1; b <= h; b++)
					resize_area(&src, dst, a, b, 60);
			for (a = 1; a <= 20; a++)
				for (b = 1; b <= 20; b++)
					resize_linear(&src, dst, a, b, 60);
			free(dst);
			image_release(&src);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(area_is_opencvs),
		cmocka_unit_test(linear_is_opencvs),
		cmocka_unit_test(any_size_stays_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
