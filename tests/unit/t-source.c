#include "pictures.h"
#include "train/source.h"

enum { PICTURES = 4, SIDE = 64 };

static const char yaml[] = "nc: 4\n"
			   "depth_multiple: 1.0\n"
			   "width_multiple: 1.0\n"
			   "anchors:\n  - [8, 8, 16, 16, 24, 24]\n"
			   "backbone:\n"
			   "  - [-1, 1, Conv, [8, 3, 2]]\n"
			   "head:\n"
			   "  - [[0], 1, Detect, [nc, anchors]]\n";

struct world {
	struct pool *pool;
	struct model *model;
	struct dataset *d;
	struct source *source;
	struct net *net;
	struct hyp hyp;
	char *dir;
	int told;
};

static void hear(void *ctx, const char *sentence)
{
	struct world *w = ctx;

	assert_non_null(strstr(sentence, "000.png': "));
	assert_non_null(strstr(sentence, "; the picture is left out"));
	w->told++;
}

/* Damage behind the header: dataset_open does not see it. */
static void damage(const char *path)
{
	struct buf data = BUF_INIT;
	struct err err;

	assert_int_equal(file_read(path, 1 << 20, &data, &err), 0);
	data.data[data.len / 2] ^= 0x55;
	assert_int_equal(file_write(path, data.data, data.len, &err), 0);
	buf_release(&data);
}

/* Pictures by themselves, so that a damaged one is in no mosaic. */
static void world_init(struct world *w, bool strict)
{
	static char *names[] = {"a", "b", "c", "d"};
	const struct net_options no = {.max_n = PICTURES, .h = SIDE, .w = SIDE, .train = true};
	const struct notices notices = {hear, w};
	struct images_options io = {.img = SIDE, .strict = strict, .notices = &notices};
	struct err err = ERR_INIT;

	*w = (struct world){.pool = pool_new(3), .dir = unit_tmpdir()};
	hyp_default(&w->hyp);
	w->hyp.mosaic = 0;
	make_rectangles(w->dir, PICTURES);
	w->d = dataset_open(w->dir, NULL, &err);
	assert_non_null(w->d);
	damage(w->d->items[0].path);
	w->model = model_init(yaml, 4, names, 7, &err);
	io.pool = w->pool;
	w->source = source_images(w->d, &w->model, &w->hyp, &io, &err);
	w->net = net_new(w->model->graph, &no, w->pool, &err);
	assert_true(w->source && w->net);
}

static void world_release(struct world *w)
{
	struct err err;

	net_free(w->net);
	source_free(w->source);
	model_free(w->model);
	dataset_free(w->d);
	pool_free(w->pool);
	assert_int_equal(dir_remove(w->dir, &err), 0);
	free(w->dir);
}

/* The net's input in NCHW, of the pictures that were good. */
static int fill(struct world *w, const int *index, int n, float *x, struct target_list *boxes)
{
	struct err err = ERR_INIT;
	struct view v;

	boxes->n = 0;
	assert_int_equal(source_fill(w->source, w->pool, w->net, 0, index, &n, boxes, &err), 0);
	v = net_input(w->net, 0, n);
	view_to_nchw(&v, x);
	return n;
}

static void the_next_pictures_take_a_damaged_ones_place(void **state)
{
	static const int all[] = {2, 0, 3, 1}, good[] = {2, 3, 1};
	static float x[2][PICTURES * 3 * SIDE * SIDE];
	struct target_list boxes[2] = {{0}};
	struct world w;

	(void)state;
	world_init(&w, false);
	assert_int_equal(fill(&w, good, 3, x[0], &boxes[0]), 3);
	assert_int_equal(w.told, 0);
	assert_int_equal(fill(&w, all, 4, x[1], &boxes[1]), 3);
	assert_int_equal(w.told, 1);
	assert_memory_equal(x[0], x[1], 3 * sizeof(float) * 3 * SIDE * SIDE);
	assert_true(boxes[0].n > 0);
	assert_int_equal(boxes[0].n, boxes[1].n);
	assert_memory_equal(boxes[0].v, boxes[1].v, sizeof(struct target) * (size_t)boxes[0].n);
	assert_int_equal(fill(&w, all, 2, x[1], &boxes[1]), 1);
	assert_int_equal(w.told, 1);
	assert_memory_equal(x[0], x[1], sizeof(float) * 3 * SIDE * SIDE);
	target_list_release(&boxes[0]);
	target_list_release(&boxes[1]);
	world_release(&w);
}

static void a_damaged_picture_is_an_error_when_strict(void **state)
{
	static const int all[] = {2, 0, 3, 1};
	struct target_list boxes = {0};
	struct err err = ERR_INIT;
	struct world w;
	int n = 4;

	(void)state;
	world_init(&w, true);
	assert_int_equal(source_fill(w.source, w.pool, w.net, 0, all, &n, &boxes, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_non_null(strstr(err.msg, "000.png': "));
	target_list_release(&boxes);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_pictures_take_a_damaged_ones_place),
		cmocka_unit_test(a_damaged_picture_is_an_error_when_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
