#include "pictures.h"

#include "data/augment.h"
#include "data/letterbox.h"

#include <math.h>

#define IMG 96

/* Eight rectangles in a scratch folder. */
struct world {
	char *dir;
	struct dataset *d;
	struct hyp hyp; /* all zeros: nothing is changed */
	struct err err;
};

static void world_init(struct world *w)
{
	*w = (struct world){.dir = unit_tmpdir()};
	make_rectangles(w->dir, 8);
	w->d = dataset_open(w->dir, NULL, &w->err);
	assert_non_null(w->d);
}

static void world_release(struct world *w)
{
	dataset_free(w->d);
	dir_remove(w->dir, &w->err);
	free(w->dir);
}

static struct sample make(struct world *w, int epoch, int index)
{
	struct sample s;

	assert_int_equal(augment_sample(w->d, &w->hyp, IMG, 7, epoch, index, &s, &w->err), 0);
	assert_int_equal(s.img.w, IMG);
	assert_int_equal(s.img.h, IMG);
	return s;
}

/* How far a pixel is from the colour of class k, at most over the channels. */
static int off_colour(const struct image *img, int x, int y, int k)
{
	const unsigned char *p = img->rgb + 3 * (y * img->w + x), *want = class_colour(k);
	int c, worst = 0;

	for (c = 0; c < 3; c++)
		worst = abs(p[c] - want[c]) > worst ? abs(p[c] - want[c]) : worst;
	return worst;
}

/* An upright box holds its class's colour up to its edges, and not beyond them. */
static void check_upright_box(const struct image *img, const struct box *b)
{
	int x1 = (int)ceilf(b->x1), x2 = (int)floorf(b->x2) - 1;
	int y1 = (int)ceilf(b->y1), y2 = (int)floorf(b->y2) - 1;
	int xc = (x1 + x2) / 2, yc = (y1 + y2) / 2;

	assert_true(off_colour(img, xc, yc, b->cls) < 40);
	if (x2 - x1 < 4 || y2 - y1 < 4)
		return;
	assert_true(off_colour(img, x1 + 1, y1 + 1, b->cls) < 40);
	assert_true(off_colour(img, x2 - 1, y2 - 1, b->cls) < 40);
	if (x1 >= 3)
		assert_true(off_colour(img, x1 - 3, yc, b->cls) > 80);
	if (y1 >= 3)
		assert_true(off_colour(img, xc, y1 - 3, b->cls) > 80);
	if (x2 < img->w - 4)
		assert_true(off_colour(img, x2 + 3, yc, b->cls) > 80);
	if (y2 < img->h - 4)
		assert_true(off_colour(img, xc, y2 + 3, b->cls) > 80);
}

static void nothing_asked_is_the_letterbox(void **state)
{
	struct world w;
	int i;

	(void)state;
	world_init(&w);
	for (i = 0; i < 8; i++) {
		struct sample a = make(&w, i, i), b;

		assert_int_equal(sample_load(w.d, i, IMG, &b, &w.err), 0);
		sample_letterbox(&b, IMG);
		assert_memory_equal(a.img.rgb, b.img.rgb, 3 * IMG * IMG);
		assert_int_equal(a.nboxes, 1);
		check_upright_box(&a.img, &a.boxes[0]);
		sample_release(&a);
		sample_release(&b);
	}
	world_release(&w);
}

static void boxes_follow_their_pixels(void **state)
{
	struct world w;
	int i, k, boxes = 0, clipped = 0;

	(void)state;
	world_init(&w);
	w.hyp.mosaic = 0.7;
	w.hyp.translate = 0.1;
	w.hyp.scale = 0.5;
	w.hyp.flipud = w.hyp.fliplr = 0.5;
	for (i = 0; i < 200; i++) {
		struct sample s = make(&w, i / 8, i % 8);

		for (k = 0; k < s.nboxes; k++) {
			check_upright_box(&s.img, &s.boxes[k]);
			clipped += s.boxes[k].x1 == 0 || s.boxes[k].y2 == IMG;
		}
		boxes += s.nboxes;
		sample_release(&s);
	}
	assert_in_range(boxes, 200, 800); /* mosaics hold more than one */
	assert_true(clipped > 5);
	world_release(&w);
}

/* Rotation and shear: the box is the rectangle around the coloured pixels. */
static void boxes_surround_rotated_rectangles(void **state)
{
	struct world w;
	int i, x, y, tested = 0;

	(void)state;
	world_init(&w);
	w.hyp.degrees = 30;
	w.hyp.shear = 10;
	for (i = 0; i < 40; i++) {
		struct sample s = make(&w, i / 8, i % 8);
		int x1 = IMG, y1 = IMG, x2 = 0, y2 = 0;

		assert_int_equal(s.nboxes, 1);
		for (y = 0; y < IMG; y++)
			for (x = 0; x < IMG; x++)
				if (off_colour(&s.img, x, y, s.boxes[0].cls) < 90) {
					x1 = x < x1 ? x : x1;
					y1 = y < y1 ? y : y1;
					x2 = x + 1 > x2 ? x + 1 : x2;
					y2 = y + 1 > y2 ? y + 1 : y2;
				}
		/* a sharp corner fades before it ends */
		assert_true(fabsf(s.boxes[0].x1 - (float)x1) < 3.5f);
		assert_true(fabsf(s.boxes[0].y1 - (float)y1) < 3.5f);
		assert_true(fabsf(s.boxes[0].x2 - (float)x2) < 3.5f);
		assert_true(fabsf(s.boxes[0].y2 - (float)y2) < 3.5f);
		tested++;
		sample_release(&s);
	}
	assert_int_equal(tested, 40);
	world_release(&w);
}

static void the_key_is_seed_epoch_and_picture(void **state)
{
	struct world w;
	struct sample a, b, c;

	(void)state;
	world_init(&w);
	hyp_default(&w.hyp);
	w.hyp.mixup = 0.5;
	a = make(&w, 3, 5);
	b = make(&w, 3, 5);
	c = make(&w, 4, 5);
	assert_memory_equal(a.img.rgb, b.img.rgb, 3 * IMG * IMG);
	assert_int_equal(a.nboxes, b.nboxes);
	assert_memory_equal(a.boxes, b.boxes, (size_t)a.nboxes * sizeof(*a.boxes));
	assert_true(memcmp(a.img.rgb, c.img.rgb, 3 * IMG * IMG) != 0);
	sample_release(&a);
	sample_release(&b);
	sample_release(&c);
	world_release(&w);
}

static void boxes_that_nearly_vanish_are_dropped(void **state)
{
	static const struct box boxes[] = {
		{0, 10, 10, 40, 40},    /* stays */
		{1, 90, 10, 130, 50},   /* keeps a seventh inside 96: stays */
		{2, 93, 10, 140, 50},   /* keeps less than a tenth */
		{3, 10, 10, 11.9f, 40}, /* not wider than 2 */
		{4, -50, 10, -1, 40},   /* outside */
	};
	struct affine a = {{1, 0, 0, 0, 1, 0}, 1};
	struct sample s = {.img = noise_image(200, 96)};

	(void)state;
	s.boxes = xmalloc(sizeof(boxes));
	memcpy(s.boxes, boxes, sizeof(boxes));
	s.nboxes = s.cap = ARRAY_LEN(boxes);
	sample_affine(&s, &a, 96, 96);
	assert_int_equal(s.nboxes, 2);
	assert_int_equal(s.boxes[0].cls, 0);
	assert_int_equal(s.boxes[1].cls, 1);
	assert_true(s.boxes[1].x2 == 96);
	sample_release(&s);
}

static void mixup_blends_and_keeps_all_boxes(void **state)
{
	struct world w;
	struct sample a, b;
	struct rng rng;
	unsigned char *before;
	int i;

	(void)state;
	world_init(&w);
	a = make(&w, 0, 0);
	b = make(&w, 0, 1);
	before = xmalloc(3 * IMG * IMG);
	memcpy(before, a.img.rgb, 3 * IMG * IMG);
	rng_init(&rng, 1, "mixup", 0);
	sample_mixup_take(&a, &b, &rng);
	assert_null(b.img.rgb);
	assert_int_equal(a.nboxes, 2);
	/* Beta(32, 32) lies in .2 … .8 but for one draw in a million */
	for (i = 0; i < 3 * IMG * IMG; i++)
		if (before[i] > 200)
			assert_in_range(a.img.rgb[i], before[i] / 5, 255);
	free(before);
	sample_release(&a);
	world_release(&w);
}

static void labels_are_clipped_and_normalised(void **state)
{
	struct box box = {3, -10, 48, 120, 96};
	struct sample s = {.img = {96, 96, NULL}, .boxes = &box, .nboxes = 1};
	struct label l;

	(void)state;
	sample_labels(&s, &l);
	assert_int_equal(l.cls, 3);
	assert_true(fabsf(l.w - 1) < 2e-5f && l.w < 1);
	assert_true(fabsf(l.h - 0.5f) < 2e-5f);
	assert_true(fabsf(l.yc - 0.75f) < 2e-5f);
}

static void what_is_not_known_is_refused(void **state)
{
	struct hyp hyp;
	struct err err;

	(void)state;
	hyp_default(&hyp);
	assert_int_equal(augment_check(&hyp, &err), 0);
	hyp.perspective = 0.001;
	assert_int_equal(augment_check(&hyp, &err), -1);
	hyp.perspective = 0;
	hyp.copy_paste = 0.1;
	assert_int_equal(augment_check(&hyp, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_is_the_letterbox),
		cmocka_unit_test(boxes_follow_their_pixels),
		cmocka_unit_test(boxes_surround_rotated_rectangles),
		cmocka_unit_test(the_key_is_seed_epoch_and_picture),
		cmocka_unit_test(boxes_that_nearly_vanish_are_dropped),
		cmocka_unit_test(mixup_blends_and_keeps_all_boxes),
		cmocka_unit_test(labels_are_clipped_and_normalised),
		cmocka_unit_test(what_is_not_known_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
