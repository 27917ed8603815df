#include "unit.h"
#include "coco128.h"

#include "data/dataset.h"

/* A scratch data set; what was noticed is kept. */
struct world {
	char *dir;
	struct buf said;
	struct notices notices;
	struct dataset_options opt;
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
	w->opt = (struct dataset_options){.notices = &w->notices};
}

static void world_release(struct world *w)
{
	dir_remove(w->dir, &w->err);
	buf_release(&w->said);
	free(w->dir);
}

static void put(struct world *w, const char *name, const char *text)
{
	char *path = path_join(w->dir, name), *dir = path_dir(path);

	assert_int_equal(dir_make(dir, &w->err), 0);
	assert_int_equal(file_write(path, text, strlen(text), &w->err), 0);
	free(dir);
	free(path);
}

static void put_picture(struct world *w, const char *name)
{
	char *path = path_join(w->dir, name), *dir = path_dir(path);
	struct image img;

	image_alloc(&img, 16, 12);
	memset(img.rgb, 99, 16 * 12 * 3);
	assert_int_equal(dir_make(dir, &w->err), 0);
	assert_int_equal(image_write(path, &img, &w->err), 0);
	image_release(&img);
	free(dir);
	free(path);
}

static struct dataset *open_at(struct world *w, const char *name)
{
	char *path = path_join(w->dir, name);
	struct dataset *d = dataset_open(path, &w->opt, &w->err);

	free(path);
	return d;
}

/* "a,b,c": the keys of what is opened; on failure the sentence is shown. */
static void expect_keys(struct world *w, const char *name, const char *keys)
{
	struct dataset *d = open_at(w, name);
	struct buf have = BUF_INIT;
	int i;

	if (!d)
		fail_msg("%s", w->err.msg);
	for (i = 0; i < d->nitems; i++)
		buf_printf(&have, "%s%s", i ? "," : "", d->items[i].key);
	assert_string_equal(have.data, keys);
	buf_release(&have);
	dataset_free(d);
}

static void expect_error(struct world *w, const char *name, const char *part)
{
	assert_null(open_at(w, name));
	if (!strstr(w->err.msg, part))
		assert_string_equal(w->err.msg, part);
	assert_int_equal(w->err.status, STATUS_INPUT);
}

static void coco128_is_counted_as_yolov5_does(void **state)
{
	struct world w;
	struct buf line = BUF_INIT;
	struct dataset *d;
	int i, boxes = 0;

	(void)state;
	world_init(&w);
	w.opt.nc = 80;
	unpack_coco128(w.dir, NULL);
	d = open_at(&w, "coco128");
	assert_non_null(d);
	dataset_summary(d, &line);
	assert_string_equal(line.data, "128 images, 126 with labels, 2 backgrounds, 0 corrupt");
	for (i = 0; i < d->nitems; i++)
		boxes += d->items[i].nlabels;
	assert_int_equal(boxes, 929);
	assert_string_equal(d->items[0].key, "000000000009");
	assert_int_equal(d->items[0].w, 640);
	assert_int_equal(d->items[0].h, 480);
	assert_int_equal(d->items[0].nlabels, 8);
	dataset_free(d);
	buf_release(&line);
	world_release(&w);
}

static void folders_give_their_pictures(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	put_picture(&w, "d/images/b.jpg");
	put_picture(&w, "d/images/sub/a.png");
	put_picture(&w, "d/1/images/shard.jpg"); /* a shard beside images/ is another data set */
	put(&w, "d/images/readme.txt", "not a picture");
	put(&w, "d/images/.hidden.jpg", "");
	expect_keys(&w, "d", "b,a");
	expect_keys(&w, "d/1", "shard");
	expect_keys(&w, "d/images/sub", "a");
	expect_keys(&w, "d/images/b.jpg", "b");
	put_picture(&w, "s/images/train2017/t.jpg");
	put_picture(&w, "s/images/val2017/v.jpg");
	expect_keys(&w, "s", "t");
	w.opt.split = "val";
	expect_keys(&w, "s", "v");
	w.opt.split = "test"; /* no such subfolder: everything */
	expect_keys(&w, "s", "t,v");
	expect_error(&w, "nothing", "there is no such file or folder");
	assert_int_equal(dir_make(w.dir, &w.err), 0);
	put(&w, "empty/x", "");
	expect_error(&w, "empty", "no pictures in");
	world_release(&w);
}

static void yaml_is_resolved_as_ultralytics_does(void **state)
{
	struct world w;
	struct dataset *d;

	(void)state;
	world_init(&w);
	put_picture(&w, "sets/c/images/t/1.jpg");
	put_picture(&w, "sets/c/images/t/2.jpg");
	put_picture(&w, "sets/c/images/v/3.jpg");
	put(&w, "sets/c/list.txt", "./images/v/3.jpg\r\n\n./images/t/1.jpg\n./images/t/1.jpg\n");
	put(&w, "cfg/a.yaml",
	    "path: ../sets/c\ntrain: images/t\nval: [images/v, images/t]\n"
	    "test:\nnc: 2\nnames: [cat, dog]\ndownload: rm -rf /\n");
	put(&w, "sets/c/dataset.yaml",
	    "train: list.txt\nval: ../images/v\nnames:\n  1: dog\n  0: cat\n");
	expect_keys(&w, "cfg/a.yaml", "1,2");
	assert_non_null(strstr(w.said.data, "a.yaml:7: not run: download: rm -rf /"));
	w.opt.split = "val";
	expect_keys(&w, "cfg/a.yaml", "1,2,3");
	expect_keys(&w, "sets/c", "3");
	w.opt.split = "test";
	expect_error(&w, "cfg/a.yaml", "there is no entry 'test'");
	w.opt.split = NULL;
	expect_keys(&w, "sets/c", "1,3");
	assert_non_null(strstr(w.said.data, "1 picture is listed more than once"));
	d = open_at(&w, "sets/c/dataset.yaml");
	assert_int_equal(d->nnames, 2);
	assert_string_equal(d->names[0], "cat");
	assert_string_equal(d->names[1], "dog");
	dataset_free(d);
	world_release(&w);
}

static void bad_yaml_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{"train: images\nnames: [a, b]\nnc: 3\n", "2 class names, but 'nc' says 3"},
		{"train: images\nnames: {0: a, 2: b}\n", "x.yaml:2:"},
		{"train: images\nnames: {0: a, 00: b}\n", "class 0 is named twice"},
		{"train: images\nnames: cat\n", "neither a list nor a map"},
		{"train: nowhere\n", "x.yaml:1:8: there is no '"},
		{"train: {a: b}\n", "'train' is neither a path nor a list"},
		{"path: nowhere\ntrain: images\n", "the folder 'nowhere'"},
		{"- a\n", "x.yaml:1:1:"},
		{"", "x.yaml"},
	};
	struct world w;
	size_t i;

	(void)state;
	world_init(&w);
	put_picture(&w, "images/1.jpg");
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		put(&w, "x.yaml", bad[i].text);
		expect_error(&w, "x.yaml", bad[i].part);
	}
	world_release(&w);
}

static void bad_pictures_and_labels_are_left_out_and_counted(void **state)
{
	struct world w;
	struct dataset *d;
	struct buf line = BUF_INIT;

	(void)state;
	world_init(&w);
	put_picture(&w, "images/good.jpg");
	put_picture(&w, "images/wrong.jpg");
	put_picture(&w, "images/none.jpg");
	put(&w, "images/cut.jpg", "\xff\xd8\xff\xe0");
	put(&w, "images/old.bmp", "BM");
	put(&w, "labels/good.txt", "1 .5 .5 .1 .1\n1 .5 .5 .1 .1\n");
	put(&w, "labels/wrong.txt", "1 .5 .5 .1 .1\n2 .5 .5 .1 .1\n");
	put(&w, "dataset.yaml", "train: images\nnames: [a, b]\n");
	d = open_at(&w, ".");
	assert_non_null(d);
	dataset_summary(d, &line);
	assert_string_equal(line.data, "5 images, 1 with labels, 1 background, 3 corrupt");
	assert_non_null(strstr(w.said.data, "labels/wrong.txt:2: class 2 is too large"));
	assert_non_null(strstr(w.said.data, "cut.jpg': the JPEG ends early"));
	assert_non_null(strstr(w.said.data, "BMP pictures are not read"));
	assert_non_null(strstr(w.said.data, "1 duplicate label row dropped"));
	assert_int_equal(d->duplicates, 1);
	dataset_free(d);
	w.opt.strict = true;
	expect_error(&w, ".", "cut.jpg': the JPEG ends early");
	w.opt.strict = false;
	expect_error(&w, "images/wrong.jpg/..", "no such");
	w.opt.nc = 1;
	expect_error(&w, "images/wrong.jpg", "no picture of");
	w.opt.nc = 0;
	w.opt.any_class = true;
	expect_keys(&w, "images/wrong.jpg", "wrong");
	buf_release(&line);
	world_release(&w);
}

static void keys_are_unique_and_safe(void **state)
{
	struct world w;
	struct dataset *d;
	int i;

	(void)state;
	world_init(&w);
	put_picture(&w, "images/a/1.jpg");
	put_picture(&w, "images/b/1.jpg");
	put_picture(&w, "images/b/1.png");
	put_picture(&w, "images/c/with.dot and space.jpg");
	put_picture(&w, "images/d/"
			"0123456789012345678901234567890123456789012345678901234567890123456789012"
			"3456789012345678901234567890.jpg");
	expect_keys(&w, ".",
		    "a%2F1%2Ejpg,b%2F1%2Ejpg,b%2F1%2Epng,with%2Edot%20and%20space,"
		    "01234567890123456789012345678901234567890123456-"
		    "82a790ff36c1475405bc1470ee2f373a");
	/* a name made to look like another's longer key */
	put_picture(&w, "images/a%2F1%2Ejpg.jpg");
	put_picture(&w, "t/images/a.jpg.jpg");
	put_picture(&w, "t/images/a.jpg");
	put_picture(&w, "t/images/x/a.jpg");
	d = open_at(&w, "t");
	assert_int_equal(d->nitems, 3);
	for (i = 0; i < 3; i++) {
		assert_null(strchr(d->items[i].key, '.'));
		assert_string_not_equal(d->items[i].key, d->items[(i + 1) % 3].key);
	}
	dataset_free(d);
	world_release(&w);
}

static void label_paths_replace_the_last_images_folder(void **state)
{
	static const char *const rows[][2] = {
		{"/d/images/train/1.jpg", "/d/labels/train/1.txt"},
		{"/images/images/1.v2.jpg", "/images/labels/1.v2.txt"},
		{"images/1.jpg", "labels/1.txt"},
		{"/d/pictures/1.jpeg", "/d/pictures/1.txt"},
		{"/my.images/x", "/my.images/x.txt"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		char *path = dataset_label_path(rows[i][0]);

		assert_string_equal(path, rows[i][1]);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(coco128_is_counted_as_yolov5_does),
		cmocka_unit_test(folders_give_their_pictures),
		cmocka_unit_test(yaml_is_resolved_as_ultralytics_does),
		cmocka_unit_test(bad_yaml_is_refused_with_its_place),
		cmocka_unit_test(bad_pictures_and_labels_are_left_out_and_counted),
		cmocka_unit_test(keys_are_unique_and_safe),
		cmocka_unit_test(label_paths_replace_the_last_images_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
