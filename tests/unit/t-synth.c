#include "pictures.h"

#include "data/backdrop.h"
#include "data/dataset.h"
#include "data/shapes.h"
#include "data/synth.h"

static const struct synth_options small = {.images = 40, .val = 8, .classes = 6, .img = 128};

static void the_same_pixels_on_every_machine(void **state)
{
	struct labels labels;
	struct image img;

	(void)state;
	/* The digest was made by this program on x86-64: another machine must give the same. */
	synth_draw(&small, false, 4, &img, &labels);
	assert_digest(img.rgb, 3 * (size_t)img.w * (size_t)img.h,
		      "7c42e791b98a13671c8f0d3d2b8160b9fc760596c68b846a8f55284405b3a151");
	labels_release(&labels);
	image_release(&img);
}

static void a_picture_depends_on_seed_split_and_number(void **state)
{
	struct synth_options other = small;
	struct labels labels;
	struct image a, b;
	int i;

	(void)state;
	other.images = 1000;
	other.val = 0;
	for (i = 0; i < 4; i++) {
		bool same = i == 0;

		other.seed = i == 1;
		synth_draw(&small, false, 2, &a, &labels);
		labels_release(&labels);
		synth_draw(&other, i == 2, i == 3 ? 3 : 2, &b, &labels);
		labels_release(&labels);
		assert_true(same == (a.w == b.w && a.h == b.h &&
				     !memcmp(a.rgb, b.rgb, 3 * (size_t)a.w * (size_t)a.h)));
		image_release(&a);
		image_release(&b);
	}
}

static void boxes_are_sound_and_not_tiny(void **state)
{
	int seen[6] = {0}, backgrounds = 0, boxes = 0, i, k;

	(void)state;
	for (i = 0; i < 100; i++) {
		struct labels l;
		struct image img;

		synth_draw(&small, false, i, &img, &l);
		assert_int_equal(img.w > img.h ? img.w : img.h, 128);
		backgrounds += l.n == 0;
		boxes += l.n;
		for (k = 0; k < l.n; k++) {
			const struct label *b = &l.v[k];

			assert_in_range(b->cls, 0, 5);
			seen[b->cls]++;
			assert_true(b->xc - b->w / 2 > -1e-6f && b->xc + b->w / 2 < 1 + 1e-6f);
			assert_true(b->yc - b->h / 2 > -1e-6f && b->yc + b->h / 2 < 1 + 1e-6f);
			assert_true(b->w * (float)img.w >= 6 && b->h * (float)img.h >= 6);
		}
		labels_release(&l);
		image_release(&img);
	}
	assert_in_range(backgrounds, 1, 10);
	assert_in_range(boxes, 200, 400);
	for (k = 0; k < 6; k++)
		assert_in_range(seen[k], 20, 100);
}

/* The set as others find it, written by one thread and by two. */
static void the_set_opens_and_threads_change_nothing(void **state)
{
	char *dir = unit_tmpdir(), *a = path_join(dir, "a"), *b = path_join(dir, "b");
	struct pool *pool = pool_new(2);
	struct dataset_options val = {.split = "val"};
	struct dataset *da, *db;
	struct err err = ERR_INIT;
	int i;

	(void)state;
	assert_int_equal(synth_write(&small, a, NULL, NULL, NULL, &err), 0);
	assert_int_equal(synth_write(&small, b, pool, NULL, NULL, &err), 0);
	assert_int_equal(synth_write(&small, a, NULL, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "exists already"));
	da = dataset_open(a, NULL, &err);
	db = dataset_open(b, NULL, &err);
	assert_int_equal(da->nitems, 40);
	assert_int_equal(da->corrupt, 0);
	assert_int_equal(da->nnames, 6);
	assert_string_equal(da->names[3], "star");
	for (i = 0; i < 40; i++) {
		char x[DIGEST_HEX], y[DIGEST_HEX];

		assert_int_equal(digest_file(da->items[i].path, x, &err), 0);
		assert_int_equal(digest_file(db->items[i].path, y, &err), 0);
		assert_string_equal(x, y);
		assert_int_equal(da->items[i].nlabels, db->items[i].nlabels);
	}
	dataset_free(da);
	dataset_free(db);
	da = dataset_open(a, &val, &err);
	assert_int_equal(da->nitems, 8);
	dataset_free(da);
	pool_free(pool);
	dir_remove(dir, &err);
	free(a);
	free(b);
	free(dir);
}

static void colours_go_round_the_circle(void **state)
{
	unsigned char rgb[3];

	(void)state;
	backdrop_colour(0, 255, 255, rgb);
	assert_memory_equal(rgb, "\xff\0\0", 3);
	backdrop_colour(512, 255, 255, rgb);
	assert_memory_equal(rgb, "\0\xff\0", 3);
	backdrop_colour(1024, 255, 200, rgb);
	assert_memory_equal(rgb, "\0\0\xc8", 3);
	backdrop_colour(77, 0, 99, rgb);
	assert_memory_equal(rgb, "\x63\x63\x63", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_pixels_on_every_machine),
		cmocka_unit_test(a_picture_depends_on_seed_split_and_number),
		cmocka_unit_test(boxes_are_sound_and_not_tiny),
		cmocka_unit_test(the_set_opens_and_threads_change_nothing),
		cmocka_unit_test(colours_go_round_the_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
