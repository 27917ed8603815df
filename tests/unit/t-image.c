#include "unit.h"

#include "base/file.h"
#include "io/exif.h"
#include "io/image.h"

#include <sys/resource.h>

/* A picture with a different colour in each of its four corners, flat so that JPEG keeps them. */
static struct image corners(int w, int h)
{
	static const unsigned char colour[4][3] = {
		{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
	struct image img;
	int x, y;

	image_alloc(&img, w, h);
	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			memcpy(img.rgb + 3 * (y * w + x), colour[(y >= h / 2) * 2 + (x >= w / 2)],
			       3);
	return img;
}

static int corner_of(const struct image *img, int right, int bottom)
{
	const unsigned char *p =
		img->rgb + 3 * ((bottom ? img->h - 4 : 3) * img->w + (right ? img->w - 4 : 3));

	if (p[0] > 200 && p[1] > 200 && p[2] > 200)
		return 3;
	return p[0] > 200 ? 0 : p[1] > 200 ? 1 : 2;
}

/* An APP1 segment that says `orientation`, put behind the SOI of a JPEG. */
static void add_exif(struct buf *jpeg, int orientation, bool big_endian)
{
	unsigned char app1[] = "\xff\xe1\x00\x22"
			       "Exif\0\0"
			       "II*\0\x08\0\0\0\x01\0"
			       "\x12\x01\x03\0\x01\0\0\0\x00\0\0\0"
			       "\0\0\0\0";
	unsigned char mm[] = "MM\0*\0\0\0\x08\0\x01"
			     "\x01\x12\0\x03\0\0\0\x01\0\x00\0\0";
	struct buf out = BUF_INIT;

	app1[28] = (unsigned char)orientation;
	mm[19] = (unsigned char)orientation;
	if (big_endian)
		memcpy(app1 + 10, mm, 22);
	buf_add(&out, jpeg->data, 2);
	buf_add(&out, app1, sizeof(app1) - 1);
	buf_add(&out, jpeg->data + 2, jpeg->len - 2);
	buf_release(jpeg);
	*jpeg = out;
}

static void png_is_lossless(void **state)
{
	struct image a = corners(37, 21), b;
	struct buf data = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(image_encode_png(&a, &data, &err), 0);
	assert_int_equal(image_decode(data.data, data.len, &b, &err), 0);
	assert_int_equal(b.w, 37);
	assert_int_equal(b.h, 21);
	assert_memory_equal(a.rgb, b.rgb, 37 * 21 * 3);
	buf_release(&data);
	image_release(&a);
	image_release(&b);
}

static void every_orientation_is_turned_upright(void **state)
{
	/* Which stored corner is seen at the upper left, upper right, lower left, lower right. */
	static const int seen[9][4] = {{0},          {0, 1, 2, 3}, {1, 0, 3, 2},
				       {3, 2, 1, 0}, {2, 3, 0, 1}, {0, 2, 1, 3},
				       {2, 0, 3, 1}, {3, 1, 2, 0}, {1, 3, 0, 2}};
	struct err err = ERR_INIT;
	int o, i;

	(void)state;
	for (o = 1; o <= 8; o++) {
		struct image a = corners(64, 32), b;
		struct buf data = BUF_INIT;

		assert_int_equal(image_encode_jpeg(&a, 95, &data, &err), 0);
		add_exif(&data, o, o % 2);
		assert_int_equal(image_decode(data.data, data.len, &b, &err), 0);
		assert_int_equal(b.w, o < 5 ? 64 : 32);
		assert_int_equal(b.h, o < 5 ? 32 : 64);
		for (i = 0; i < 4; i++)
			assert_int_equal(corner_of(&b, i & 1, i >> 1), seen[o][i]);
		buf_release(&data);
		image_release(&a);
		image_release(&b);
	}
}

static void malformed_exif_means_as_stored(void **state)
{
	unsigned char t[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
	size_t n = sizeof(t) - 1;

	(void)state;
	assert_int_equal(exif_orientation(t, n), 6);
	assert_int_equal(exif_orientation(t, n - 1), 1); /* the entry is cut short */
	t[18] = 9;
	assert_int_equal(exif_orientation(t, n), 1); /* no such orientation */
	t[18] = 6;
	t[12] = 4;
	assert_int_equal(exif_orientation(t, n), 1); /* not a SHORT */
	memset(t + 4, 0xff, 4);
	assert_int_equal(exif_orientation(t, n), 1); /* the directory is nowhere */
	assert_int_equal(exif_orientation("", 0), 1);
}

/* A noisy picture, so that every part of the JPEG's data matters. */
static struct image noisy(int w, int h)
{
	struct image img;
	uint32_t x = 1;
	int i;

	image_alloc(&img, w, h);
	for (i = 0; i < 3 * w * h; i++) {
		x = x * 1664525u + 1013904223u;
		img.rgb[i] = (unsigned char)(x >> 24);
	}
	return img;
}

static void a_picture_cut_anywhere_is_an_error(void **state)
{
	struct image a = noisy(48, 48), b;
	struct err err = ERR_INIT;
	int png;

	(void)state;
	for (png = 0; png < 2; png++) {
		struct buf data = BUF_INIT;
		size_t n;

		assert_int_equal(png ? image_encode_png(&a, &data, &err)
				     : image_encode_jpeg(&a, 90, &data, &err),
				 0);
		for (n = 0; n < data.len; n += n < 700 ? 1 : 37) {
			/* a copy of just that length, so that the sanitizer sees reads beyond it */
			char *part = xmalloc(n + 1);

			memcpy(part, data.data, n);
			err.msg[0] = '\0';
			assert_int_equal(image_decode(part, n, &b, &err), -1);
			assert_int_equal(err.status, STATUS_INPUT);
			assert_string_not_equal(err.msg, "");
			assert_null(b.rgb);
			free(part);
		}
		buf_release(&data);
	}
	image_release(&a);
}

static void a_png_with_a_wrong_checksum_is_an_error(void **state)
{
	struct image a = noisy(16, 16), b;
	struct buf data = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(image_encode_png(&a, &data, &err), 0);
	data.data[data.len / 2] ^= 1;
	assert_int_equal(image_decode(data.data, data.len, &b, &err), -1);
	assert_non_null(strstr(err.msg, "damaged PNG"));
	buf_release(&data);
	image_release(&a);
}

static long peak_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void a_text_of_two_gigabytes_that_is_not_there_takes_no_memory(void **state)
{
	static const unsigned char text[] = {0x69, 0x66, 0, 0x25, 't', 'E', 'X', 't', 'd', 'a'};
	const size_t header = 8 + 25; /* signature and IHDR */
	struct image a = noisy(16, 16), b;
	struct buf data = BUF_INIT;
	struct err err = ERR_INIT;
	long before;

	(void)state;
	assert_int_equal(image_encode_png(&a, &data, &err), 0);
	memcpy(data.data + header, text, sizeof(text));
	before = peak_kib();
	assert_int_equal(image_decode(data.data, data.len, &b, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_true(peak_kib() - before < 256 << 10);
	buf_release(&data);
	image_release(&a);
}

static void a_picture_that_claims_too_much_is_refused_before_allocating(void **state)
{
	struct image a = noisy(16, 16), b;
	struct buf data = BUF_INIT;
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	assert_int_equal(image_encode_jpeg(&a, 90, &data, &err), 0);
	/* the frame header: ff c0, length, precision, height, width */
	for (i = 0; memcmp(data.data + i, "\xff\xc0", 2); i++)
		;
	memcpy(data.data + i + 5, "\x3f\xff\x3f\xff", 4);
	assert_int_equal(image_decode(data.data, data.len, &b, &err), -1);
	assert_string_equal(err.msg, "the JPEG ends early");
	memcpy(data.data + i + 5, "\xff\xff\xff\xff", 4);
	assert_int_equal(image_decode(data.data, data.len, &b, &err), -1);
	memcpy(data.data + i + 5, "\x7f\xff\x7f\xff", 4);
	assert_int_equal(image_decode(data.data, data.len, &b, &err), -1);
	assert_non_null(strstr(err.msg, "32767 x 32767"));
	buf_release(&data);
	image_release(&a);
}

static void foreign_files_are_named(void **state)
{
	struct err err = ERR_INIT;
	struct image b;

	(void)state;
	assert_int_equal(image_decode("RIFF\0\0\0\0WEBPVP8 ", 16, &b, &err), -1);
	assert_string_equal(err.msg, "WebP pictures are not read, only JPEG and PNG");
	assert_int_equal(image_decode("hello", 5, &b, &err), -1);
	assert_string_equal(err.msg, "not a JPEG or PNG picture");
	assert_int_equal(image_decode("", 0, &b, &err), -1);
	assert_string_equal(err.msg, "the file is empty");
}

static void files_are_sized_checked_and_written(void **state)
{
	char *dir = unit_tmpdir();
	char *path = path_join(dir, "a.jpg"), *cut = path_join(dir, "cut.jpg");
	struct image a = noisy(100, 60), b;
	struct buf data = BUF_INIT;
	struct err err = ERR_INIT;
	int w = 0, h = 0;

	(void)state;
	assert_int_equal(image_write(path, &a, &err), 0);
	assert_int_equal(image_size(path, &w, &h, &err), 0);
	assert_int_equal(w, 100);
	assert_int_equal(h, 60);
	assert_int_equal(image_check(path, &w, &h, &err), 0);
	assert_int_equal(file_read(path, 1 << 20, &data, &err), 0);
	assert_int_equal(file_write(cut, data.data, data.len - 100, &err), 0);
	assert_int_equal(image_size(cut, &w, &h, &err), 0);
	assert_int_equal(image_check(cut, &w, &h, &err), -1);
	assert_non_null(strstr(err.msg, "cut.jpg': the JPEG ends early"));
	assert_int_equal(image_read(cut, &b, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_int_equal(image_write("x.gif", &a, &err), -1);
	assert_int_equal(err.status, STATUS_USAGE);
	buf_release(&data);
	image_release(&a);
	dir_remove(dir, &err);
	free(path);
	free(cut);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(png_is_lossless),
		cmocka_unit_test(every_orientation_is_turned_upright),
		cmocka_unit_test(malformed_exif_means_as_stored),
		cmocka_unit_test(a_picture_cut_anywhere_is_an_error),
		cmocka_unit_test(a_png_with_a_wrong_checksum_is_an_error),
		cmocka_unit_test(a_text_of_two_gigabytes_that_is_not_there_takes_no_memory),
		cmocka_unit_test(a_picture_that_claims_too_much_is_refused_before_allocating),
		cmocka_unit_test(foreign_files_are_named),
		cmocka_unit_test(files_are_sized_checked_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
