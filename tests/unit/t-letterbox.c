#include "unit.h"
#include "coco128.h"

#include "base/file.h"
#include "data/letterbox.h"
#include "data/resize.h"
#include "io/safetensors.h"

#include <math.h>

struct difference {
	int worst;
	long count;
};

/* The picture against a tensor (3, size, size) of bytes. */
static struct difference compare_chw(const struct image *img, const unsigned char *chw)
{
	struct difference d = {0, 0};
	int plane = img->w * img->h, i, c;

	for (i = 0; i < plane; i++)
		for (c = 0; c < 3; c++) {
			int diff = abs(img->rgb[3 * i + c] - chw[c * plane + i]);

			d.worst = diff > d.worst ? diff : d.worst;
			d.count += diff > 0;
		}
	return d;
}

/* As letterbox_apply, but bilinear whether growing or shrinking (what the ".linear" tensor says).
 */
static void apply_linear(const struct letterbox *lb, const struct image *src, struct image *dst)
{
	size_t stride = 3 * (size_t)lb->out_w;

	image_alloc(dst, lb->out_w, lb->out_h);
	memset(dst->rgb, LETTERBOX_GREY, stride * (size_t)lb->out_h);
	resize_linear(src, dst->rgb + (size_t)lb->top * stride + 3 * (size_t)lb->left, lb->new_w,
		      lb->new_h, stride);
}

/* "000000000009.640.default": the picture, the size, the filter. */
static void check_reference(struct safetensors *ref, const struct safetensors_tensor *t,
			    const char *dir)
{
	char *path = xasprintf("%s/coco128/images/train2017/%.12s.jpg", dir, t->name);
	int size = (int)t->dim[1];
	unsigned char *bytes = xmalloc(t->bytes);
	struct difference d;
	struct letterbox lb;
	struct image src, dst;
	struct err err;

	assert_int_equal(image_read(path, &src, &err), 0);
	assert_int_equal(safetensors_read(ref, t, bytes, &err), 0);
	letterbox_plan(&lb, src.w, src.h, size, size, size);
	if (strstr(t->name, ".linear"))
		apply_linear(&lb, &src, &dst);
	else
		letterbox_apply(&lb, &src, &dst);
	d = compare_chw(&dst, bytes);
	print_message("%s: at most %d levels, %ld of %zu values differ\n", t->name, d.worst,
		      d.count, t->bytes);
	/* The stated tolerance is 2; on OpenCV's own arithmetic only the decoder may differ. */
	assert_true(d.worst <= 1);
	image_release(&src);
	image_release(&dst);
	free(bytes);
	free(path);
}

static void opencv_reference_is_met(void **state)
{
	static const char *const wanted[] = {"000000000009.jpg", "000000000025.jpg",
					     "000000000034.jpg", "000000000036.jpg",
					     "000000000042.jpg", NULL};
	char *file = unit_shared("reference/letterbox.safetensors");
	char *dir = unit_tmpdir();
	struct safetensors ref;
	struct err err;
	int i;

	(void)state;
	unpack_coco128(dir, wanted);
	assert_int_equal(safetensors_open(&ref, file, &err), 0);
	assert_true(ref.ntensors >= 5);
	for (i = 0; i < ref.ntensors; i++)
		check_reference(&ref, &ref.tensors[i], dir);
	safetensors_close(&ref);
	dir_remove(dir, &err);
	free(dir);
	free(file);
}

static void plans_are_yolov5s(void **state)
{
	/* By hand from load_image (int) and letterbox (round(d / 2 -+ 0.1)). */
	static const struct {
		int w, h, img, out_w, out_h, new_w, new_h, left, top;
	} rows[] = {
		{640, 480, 640, 640, 640, 640, 480, 0, 80},
		{640, 427, 640, 640, 640, 640, 427, 0, 106}, /* odd: the smaller half first */
		{480, 640, 320, 320, 320, 240, 320, 40, 0},
		{500, 333, 640, 672, 448, 640, 426, 16, 11},
		{1, 3000, 320, 320, 320, 1, 320, 159, 0},   /* never thinner than a pixel */
		{640, 480, 640, 320, 320, 320, 240, 0, 40}, /* the rectangle is too small */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct letterbox lb;

		letterbox_plan(&lb, rows[i].w, rows[i].h, rows[i].img, rows[i].out_w,
			       rows[i].out_h);
		assert_int_equal(lb.new_w, rows[i].new_w);
		assert_int_equal(lb.new_h, rows[i].new_h);
		assert_int_equal(lb.left, rows[i].left);
		assert_int_equal(lb.top, rows[i].top);
	}
}

static void a_flat_picture_stays_flat_and_borders_are_grey(void **state)
{
	static const int sizes[][2] = {{37, 53}, {640, 480}, {100, 100}, {5, 3}};
	size_t i;
	int x, y;

	(void)state;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		struct letterbox lb;
		struct image src, dst;

		image_alloc(&src, sizes[i][0], sizes[i][1]);
		memset(src.rgb, 201, 3 * (size_t)src.w * (size_t)src.h);
		letterbox_plan(&lb, src.w, src.h, 96, 96, 128);
		letterbox_apply(&lb, &src, &dst);
		for (y = 0; y < dst.h; y++)
			for (x = 0; x < dst.w; x++) {
				bool in = x >= lb.left && x < lb.left + lb.new_w && y >= lb.top &&
					  y < lb.top + lb.new_h;

				assert_int_equal(dst.rgb[3 * (y * dst.w + x)],
						 in ? 201 : LETTERBOX_GREY);
			}
		image_release(&src);
		image_release(&dst);
	}
}

static void a_file_is_read_into_its_square(void **state)
{
	char *dir = unit_tmpdir(), *path = path_join(dir, "a.png");
	struct image src, want, got;
	struct letterbox plan, lb;
	struct err err;
	int i;

	(void)state;
	image_alloc(&src, 50, 31);
	for (i = 0; i < 3 * 50 * 31; i++)
		src.rgb[i] = (unsigned char)(i * 7);
	assert_int_equal(image_write(path, &src, &err), 0);
	letterbox_plan(&plan, 50, 31, 64, 64, 64);
	letterbox_apply(&plan, &src, &want);
	assert_int_equal(letterbox_read(path, 64, &lb, &got, &err), 0);
	assert_int_equal(lb.new_h, plan.new_h);
	assert_memory_equal(got.rgb, want.rgb, 3 * 64 * 64);
	image_release(&got);
	assert_int_equal(file_write(path, "GIF89a", 6, &err), 0);
	assert_int_equal(letterbox_read(path, 64, &lb, &got, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	image_release(&src);
	image_release(&want);
	assert_int_equal(dir_remove(dir, &err), 0);
	free(path);
	free(dir);
}

static void views_get_bytes_over_255_and_zero_pads(void **state)
{
	static const int lds[] = {3, 4, 16};
	struct image img;
	size_t i, lead;
	int k;

	(void)state;
	image_alloc(&img, 8, 4);
	for (k = 0; k < 8 * 4 * 3; k++)
		img.rgb[k] = (unsigned char)(k * 2 + 1);
	for (i = 0; i < ARRAY_LEN(lds); i++) {
		struct view v = {NULL, 2, 4, 8, 3, lds[i], 1};
		size_t n = view_floats(&v, &lead);
		float *mem = xmalloc(n * sizeof(*mem));

		memset(mem, 0x7f, n * sizeof(*mem));
		v.p = mem + lead;
		letterbox_to_view(&img, &v, 0);
		letterbox_to_view(&img, &v, 1);
		for (k = 0; k < 8 * 4 * 3; k++)
			assert_true(view_at(&v, 1, k / 24, k / 3 % 8)[k % 3] ==
				    (float)img.rgb[k] / 255.0f);
		assert_true(view_at(&v, 0, 0, -1)[0] == 0.0f);
		assert_true(view_at(&v, 0, 0, 8)[2] == 0.0f);
		assert_true(view_at(&v, 1, 3, 8)[1] == 0.0f);
		free(mem);
	}
	image_release(&img);
}

static void labels_and_boxes_are_inverse(void **state)
{
	struct letterbox lb;
	float x = 0.3f, y = 0.6f, w = 0.2f, h = 0.1f;
	float x1, y1, x2, y2;

	(void)state;
	letterbox_plan(&lb, 500, 375, 640, 672, 512);
	letterbox_label(&lb, &x, &y, &w, &h);
	x1 = (x - w / 2) * 672;
	x2 = (x + w / 2) * 672;
	y1 = (y - h / 2) * 512;
	y2 = (y + h / 2) * 512;
	letterbox_unmap(&lb, &x1, &y1, &x2, &y2);
	assert_true(fabsf(x1 - 100) < 1e-3f && fabsf(x2 - 200) < 1e-3f);
	assert_true(fabsf(y1 - 206.25f) < 1e-3f && fabsf(y2 - 243.75f) < 1e-3f);
	x1 = y1 = -5;
	x2 = y2 = 1000;
	letterbox_unmap(&lb, &x1, &y1, &x2, &y2);
	assert_true(x1 == 0 && y1 == 0 && x2 == 500 && y2 == 375);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opencv_reference_is_met),
		cmocka_unit_test(plans_are_yolov5s),
		cmocka_unit_test(a_flat_picture_stays_flat_and_borders_are_grey),
		cmocka_unit_test(a_file_is_read_into_its_square),
		cmocka_unit_test(views_get_bytes_over_255_and_zero_pads),
		cmocka_unit_test(labels_and_boxes_are_inverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
