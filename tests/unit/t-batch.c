#include "pictures.h"
#include "coco128.h"

#include "data/batch.h"

#define N 21 /* pictures: two whole batches of 8, and 5 */

struct world {
	char *dir;
	struct dataset *d;
	struct buf said;
	struct notices notices;
	struct err err;
};

static void hear(void *ctx, const char *sentence)
{
	buf_printf(ctx, "%s\n", sentence);
}

static void world_init(struct world *w)
{
	*w = (struct world){.dir = unit_tmpdir()};
	w->notices = (struct notices){hear, &w->said};
	make_rectangles(w->dir, N);
	w->d = dataset_open(w->dir, NULL, &w->err);
	assert_non_null(w->d);
}

static void world_release(struct world *w)
{
	dataset_free(w->d);
	dir_remove(w->dir, &w->err);
	buf_release(&w->said);
	free(w->dir);
}

/* Everything that the batches from `first` of an epoch hold, in one digest a batch. */
static int digests(struct batches *b, int epoch, int first, char (*hex)[DIGEST_HEX])
{
	struct batch batch;
	struct err err;
	int i, n = 0, rc;

	batches_start(b, epoch, first);
	while ((rc = batches_next(b, &batch, &err)) > 0) {
		struct digest d;

		digest_init(&d);
		digest_add(&d, batch.items, (size_t)batch.n * sizeof(int));
		digest_add(&d, batch.targets, (size_t)batch.ntargets * sizeof(*batch.targets));
		for (i = 0; i < batch.n; i++)
			digest_add(&d, batches_pixels(b, i), 3 * (size_t)batch.w * (size_t)batch.h);
		digest_hex(&d, hex[n++]);
	}
	assert_int_equal(rc, 0);
	return n;
}

static void evaluation_batches_are_letterboxes_in_order(void **state)
{
	struct batch_options opt = {.batch = 8, .img = 64, .threads = 3};
	struct batches *b;
	struct batch batch;
	struct world w;
	int i, seen = 0, next = 0;

	(void)state;
	world_init(&w);
	b = batches_new(w.d, &opt, &w.err);
	assert_int_equal(batches_count(b), 3);
	while (batches_next(b, &batch, &w.err) > 0) {
		assert_int_equal(batch.w, 64);
		assert_int_equal(batch.n, seen < 16 ? 8 : 5);
		assert_int_equal(batch.ntargets, batch.n);
		for (i = 0; i < batch.n; i++) {
			const struct target *t = &batch.targets[i];
			struct letterbox lb;
			struct image src, dst;

			assert_int_equal(batch.items[i], next++);
			assert_int_equal(image_read(w.d->items[batch.items[i]].path, &src, &w.err),
					 0);
			letterbox_plan(&lb, src.w, src.h, 64, 64, 64);
			letterbox_apply(&lb, &src, &dst);
			assert_memory_equal(batches_pixels(b, i), dst.rgb, 3 * 64 * 64);
			assert_int_equal(t->image, i);
			assert_int_equal(t->cls, batch.items[i] % 4);
			assert_int_equal(batch.letterboxes[i].new_w, lb.new_w);
			/* the centre of the target has the colour of the class */
			assert_memory_equal(
				dst.rgb + 3 * ((int)(t->yc * 64) * 64 + (int)(t->xc * 64)),
				class_colour(t->cls), 3);
			image_release(&src);
			image_release(&dst);
		}
		seen += batch.n;
	}
	assert_int_equal(seen, N);
	batches_free(b);
	world_release(&w);
}

static void neither_threads_nor_where_one_begins_change_a_batch(void **state)
{
	char one[3][DIGEST_HEX], many[3][DIGEST_HEX], later[3][DIGEST_HEX], other[3][DIGEST_HEX];
	struct batch_options opt = {.batch = 8, .img = 64, .shuffle = true, .seed = 5};
	struct batches *a, *b;
	struct world w;
	struct hyp hyp;

	(void)state;
	world_init(&w);
	hyp_default(&hyp);
	hyp.mixup = 0.3;
	opt.hyp = &hyp;
	opt.threads = 1;
	a = batches_new(w.d, &opt, &w.err);
	opt.threads = 4;
	b = batches_new(w.d, &opt, &w.err);
	assert_int_equal(digests(a, 2, 0, one), 3);
	assert_int_equal(digests(b, 2, 0, many), 3);
	assert_memory_equal(one, many, sizeof(one));
	assert_int_equal(digests(b, 2, 1, later), 2);
	assert_memory_equal(later, one + 1, 2 * sizeof(*one));
	assert_int_equal(digests(b, 3, 0, other), 3);
	assert_true(memcmp(other, one, sizeof(one)) != 0);
	/* an epoch left in the middle leaves nothing behind */
	batches_start(b, 9, 0);
	batches_start(b, 9, 2);
	assert_int_equal(digests(b, 2, 0, many), 3);
	assert_memory_equal(one, many, sizeof(one));
	batches_free(a);
	batches_free(b);
	world_release(&w);
}

static void an_epoch_uses_every_picture_once(void **state)
{
	struct batch_options opt = {.batch = 4, .img = 32, .shuffle = true, .threads = 2};
	struct batches *b;
	struct batch batch;
	struct world w;
	int seen[N] = {0}, moved = 0, i, at = 0;

	(void)state;
	world_init(&w);
	b = batches_new(w.d, &opt, &w.err);
	while (batches_next(b, &batch, &w.err) > 0)
		for (i = 0; i < batch.n; i++) {
			seen[batch.items[i]]++;
			moved += batch.items[i] != at++;
		}
	for (i = 0; i < N; i++)
		assert_int_equal(seen[i], 1);
	assert_true(moved > N / 2);
	batches_free(b);
	world_release(&w);
}

static void rectangles_hold_their_pictures(void **state)
{
	struct batch_options opt = {.batch = 8, .img = 128, .rect = true, .threads = 2};
	struct batches *b;
	struct batch batch;
	struct world w;
	double last = 0;
	int i, mw, mh;

	(void)state;
	world_init(&w);
	b = batches_new(w.d, &opt, &w.err);
	batches_largest(b, &mw, &mh);
	while (batches_next(b, &batch, &w.err) > 0) {
		assert_int_equal(batch.w % 32, 0);
		assert_in_range(batch.w, 32, mw);
		assert_in_range(batch.h, 32, mh);
		for (i = 0; i < batch.n; i++) {
			const struct letterbox *lb = &batch.letterboxes[i];
			double ratio = (double)lb->src_h / lb->src_w;

			assert_true(ratio >= last);
			last = ratio;
			assert_int_equal(lb->new_w > lb->new_h ? lb->new_w : lb->new_h, 128);
			assert_in_range(lb->new_w, 1, batch.w);
			assert_in_range(lb->new_h, 1, batch.h);
		}
	}
	batches_free(b);
	world_release(&w);
}

static void coco128_has_yolov5s_rectangles(void **state)
{
	/* batch_shapes of YOLOv5's LoadImagesAndLabels for COCO128 at 640, batch 32, pad .5 */
	static const int shapes[4][2] = {{672, 448}, {672, 512}, {672, 672}, {608, 672}};
	struct batch_options opt = {.batch = 32, .img = 640, .rect = true, .threads = 2};
	char *dir = unit_tmpdir(), *path = path_join(dir, "coco128");
	struct batches *b;
	struct dataset *d;
	struct batch batch;
	struct err err;
	int n = 0;

	(void)state;
	unpack_coco128(dir, NULL);
	d = dataset_open(path, NULL, &err);
	b = batches_new(d, &opt, &err);
	for (; batches_next(b, &batch, &err) > 0; n++) {
		assert_int_equal(batch.w, shapes[n][0]);
		assert_int_equal(batch.h, shapes[n][1]);
	}
	assert_int_equal(n, 4);
	batches_free(b);
	dataset_free(d);
	dir_remove(dir, &err);
	free(path);
	free(dir);
}

static void views_are_filled(void **state)
{
	struct batch_options opt = {.batch = 8, .img = 32};
	struct view v = {NULL, 8, 32, 32, 3, 3, 1};
	struct batches *b;
	struct batch batch;
	struct world w;
	size_t lead;
	float *mem = xcalloc(view_floats(&v, &lead), sizeof(*mem));
	int i;

	(void)state;
	v.p = mem + lead;
	world_init(&w);
	b = batches_new(w.d, &opt, &w.err);
	while (batches_next(b, &batch, &w.err) > 0) {
		batches_fill(b, &v);
		for (i = 0; i < batch.n; i++)
			assert_true(view_at(&v, i, 13, 17)[2] ==
				    (float)batches_pixels(b, i)[3 * (13 * 32 + 17) + 2] / 255.0f);
	}
	batches_free(b);
	world_release(&w);
	free(mem);
}

static void damaged_pictures_are_skipped_and_told_once(void **state)
{
	struct batch_options opt = {.batch = 8, .img = 32, .threads = 2};
	struct buf data = BUF_INIT;
	struct batches *b;
	struct batch batch;
	struct world w;
	int epoch, seen, rc;

	(void)state;
	world_init(&w);
	/* damage behind the header: dataset_open cannot have seen it */
	assert_int_equal(file_read(w.d->items[9].path, 1 << 20, &data, &w.err), 0);
	data.data[data.len / 2] ^= 0x55;
	assert_int_equal(file_write(w.d->items[9].path, data.data, data.len, &w.err), 0);
	opt.notices = &w.notices;
	b = batches_new(w.d, &opt, &w.err);
	for (epoch = 0; epoch < 2; epoch++) {
		batches_start(b, epoch, 0);
		for (seen = 0; (rc = batches_next(b, &batch, &w.err)) > 0;)
			seen += batch.n;
		assert_int_equal(rc, 0);
		assert_int_equal(seen, N - 1);
	}
	assert_int_equal(batches_skipped(b), 1);
	assert_non_null(strstr(w.said.data, "skipped: cannot read '"));
	assert_ptr_equal(strchr(w.said.data, '\n'), strrchr(w.said.data, '\n'));
	batches_free(b);
	opt.strict = true;
	b = batches_new(w.d, &opt, &w.err);
	assert_int_equal(batches_next(b, &batch, &w.err), 1);
	assert_int_equal(batches_next(b, &batch, &w.err), -1);
	assert_int_equal(w.err.status, STATUS_INPUT);
	batches_free(b);
	buf_release(&data);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evaluation_batches_are_letterboxes_in_order),
		cmocka_unit_test(neither_threads_nor_where_one_begins_change_a_batch),
		cmocka_unit_test(an_epoch_uses_every_picture_once),
		cmocka_unit_test(rectangles_hold_their_pictures),
		cmocka_unit_test(coco128_has_yolov5s_rectangles),
		cmocka_unit_test(views_are_filled),
		cmocka_unit_test(damaged_pictures_are_skipped_and_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
