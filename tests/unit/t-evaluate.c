/*
 * Runner and evaluator on an untrained YOLOv5n of three classes and pictures drawn here.
 */
#include "eval/evaluate.h"

#include "base/rng.h"
#include "data/letterbox.h"
#include "eval/inspect.h"
#include "unit.h"

#include <math.h>

enum { SIZE = 64, CUT = 4, CHANNELS = 64 };

static struct model *untrained(void)
{
	struct buf yaml = BUF_INIT;
	struct err err = ERR_INIT;
	struct model *m;

	assert_int_equal(
		file_read(TOP_SRCDIR "/share/mistutils/models/yolov5n.yaml", 1 << 20, &yaml, &err),
		0);
	m = model_init(yaml.data, 3, NULL, 7, &err);
	if (!m)
		fail_msg("%s", err.msg);
	buf_release(&yaml);
	return m;
}

static struct gates one_gate(enum encoding encoding, enum mechanism mechanism)
{
	struct gates g = {CUT, 1, xcalloc(1, sizeof(struct gate))};

	gate_init(g.gate, encoding, CHANNELS);
	g.gate->mechanism = mechanism;
	g.gate->epsilon = mechanism == MECHANISM_NONE ? 0 : 1;
	return g;
}

static void noise_picture(struct image *p, int w, int h, uint64_t seed)
{
	struct rng r;
	int i;

	rng_init(&r, seed, "test", 0);
	image_alloc(p, w, h);
	for (i = 0; i < 3 * w * h; i++)
		p->rgb[i] = (unsigned char)rng_below(&r, 256);
}

/* The maps of two random pictures, all levels after one another. */
static float *maps_of(const struct model *m, const struct gates *g, enum gate_mode mode,
		      const uint64_t *seed, size_t *n)
{
	const struct runner_options opt = {
		.max_n = 2, .h = SIZE, .w = SIZE, .gate = mode, .seed = seed};
	struct err err = ERR_INIT;
	struct runner *r = runner_new(m, g, &opt, NULL, &err);
	struct view input, maps[5];
	float *out = NULL;
	int i, nl;

	if (!r)
		fail_msg("%s", err.msg);
	input = runner_input(r, 2);
	for (i = 0; i < 2; i++) {
		struct image p;

		noise_picture(&p, SIZE, SIZE, (uint64_t)i);
		letterbox_to_view(&p, &input, i);
		image_release(&p);
	}
	runner_forward(r, 2, 0);
	nl = runner_maps(r, 2, maps);
	assert_int_equal(nl, 3);
	for (i = 0, *n = 0; i < nl; i++) {
		size_t count = 2u * (size_t)(maps[i].h * maps[i].w * maps[i].c);

		out = xreallocarray(out, *n + count, sizeof(*out));
		view_to_nchw(&maps[i], out + *n);
		*n += count;
		assert_true(runner_finite(maps, nl, 0) && runner_finite(maps, nl, 1));
	}
	runner_free(r);
	return out;
}

static double distance(const float *a, const float *b, size_t n)
{
	double most = 0;
	size_t i;

	for (i = 0; i < n; i++)
		most = fmax(most, fabs((double)a[i] - b[i]));
	return most;
}

static void a_gate_of_floats_changes_nothing_and_one_of_bits_does(void **state)
{
	struct model *m = untrained();
	struct gates floats = one_gate(ENCODING_F32, MECHANISM_NONE);
	struct gates bits = one_gate(ENCODING_BIT, MECHANISM_NONE);
	size_t n;
	float *off = maps_of(m, &bits, GATE_OFF, NULL, &n);
	float *same = maps_of(m, &floats, GATE_CLEAN, NULL, &n);
	float *clean = maps_of(m, &bits, GATE_CLEAN, NULL, &n);
	float *none = maps_of(m, &bits, GATE_NOISY, NULL, &n);

	(void)state;
	assert_true(distance(off, same, n) < 1e-5);
	assert_true(distance(off, clean, n) > 1e-3);
	/* a noise that flips nothing is no noise */
	assert_true(distance(clean, none, n) == 0);
	free(off);
	free(same);
	free(clean);
	free(none);
	gates_release(&floats);
	gates_release(&bits);
	model_free(m);
}

static void noise_comes_from_the_seed_or_is_new_every_time(void **state)
{
	const uint64_t one = 1, two = 2;
	struct model *m = untrained();
	struct gates rr = one_gate(ENCODING_BIT, MECHANISM_RR);
	size_t n;
	float *clean = maps_of(m, &rr, GATE_CLEAN, NULL, &n);
	float *a = maps_of(m, &rr, GATE_NOISY, &one, &n),
	      *b = maps_of(m, &rr, GATE_NOISY, &one, &n);
	float *c = maps_of(m, &rr, GATE_NOISY, &two, &n);
	float *d = maps_of(m, &rr, GATE_NOISY, NULL, &n),
	      *e = maps_of(m, &rr, GATE_NOISY, NULL, &n);

	(void)state;
	assert_true(distance(a, b, n) == 0);
	assert_true(distance(a, clean, n) > 0);
	assert_true(distance(a, c, n) > 0);
	assert_true(distance(d, e, n) > 0);
	free(clean);
	free(a);
	free(b);
	free(c);
	free(d);
	free(e);
	gates_release(&rr);
	model_free(m);
}

static void a_gate_that_does_not_fit_the_model_is_an_error(void **state)
{
	const struct runner_options opt = {.max_n = 1, .h = SIZE, .w = SIZE, .gate = GATE_CLEAN};
	struct model *m = untrained();
	struct gates g = one_gate(ENCODING_BIT, MECHANISM_NONE);
	struct err err = ERR_INIT;

	(void)state;
	g.cut = 1000;
	assert_null(runner_new(m, &g, &opt, NULL, &err));
	assert_non_null(strstr(err.msg, "cut 1000"));
	g.cut = 1; /* 16 channels cross */
	assert_null(runner_new(m, &g, &opt, NULL, &err));
	assert_non_null(strstr(err.msg, "16 channels"));
	g.cut = 8; /* several tensors cross */
	assert_null(runner_new(m, &g, &opt, NULL, &err));
	assert_non_null(strstr(err.msg, "tensors cross cut 8"));
	assert_int_equal(err.status, STATUS_INPUT);
	gates_release(&g);
	model_free(m);
}

struct world {
	char *dir;
	struct dataset *data;
	struct model *model;
};

/* Three pictures, one of them without objects. */
static void world_make(struct world *w)
{
	struct err err = ERR_INIT;
	int i;

	w->dir = unit_tmpdir();
	for (i = 0; i < 3; i++) {
		char *picture = xasprintf("%s/images/%d.png", w->dir, i);
		char *labels = xasprintf("%s/labels/%d.txt", w->dir, i);
		const char *text = i == 2 ? "" : "0 0.5 0.5 0.5 0.5\n2 0.25 0.25 0.3 0.2\n";
		char *folders[] = {path_dir(picture), path_dir(labels)};
		struct image p;

		assert_int_equal(dir_make(folders[0], &err), 0);
		assert_int_equal(dir_make(folders[1], &err), 0);
		noise_picture(&p, 60 + 20 * i, 48, (uint64_t)i);
		assert_int_equal(image_write(picture, &p, &err), 0);
		assert_int_equal(file_write(labels, text, strlen(text), &err), 0);
		image_release(&p);
		free(folders[0]);
		free(folders[1]);
		free(picture);
		free(labels);
	}
	w->data = dataset_open(w->dir, NULL, &err);
	if (!w->data)
		fail_msg("%s", err.msg);
	w->model = untrained();
}

static void world_free(struct world *w)
{
	struct err err;

	dataset_free(w->data);
	model_free(w->model);
	dir_remove(w->dir, &err);
	free(w->dir);
}

static void judge(const struct world *w, int threads, bool rect, struct evaluation *out)
{
	struct pool *pool = pool_new(threads);
	struct evaluate_options opt;
	struct err err = ERR_INIT;
	struct loss_hyp hyp;
	struct evaluator *e;

	loss_hyp_default(&hyp);
	loss_hyp_scale(&hyp, 3, 3, SIZE);
	evaluate_defaults(&opt);
	opt.img = SIZE;
	opt.batch = 2;
	opt.rect = rect;
	opt.protocols = PROTOCOL_BOTH;
	opt.hyp = &hyp;
	e = evaluator_new(w->model, NULL, w->data, &opt, pool, &err);
	assert_non_null(e);
	assert_true(evaluator_bytes(e) > 0);
	if (evaluator_run(e, out, &err))
		fail_msg("%s", err.msg);
	evaluator_free(e);
	pool_free(pool);
}

static void a_data_set_is_judged_the_same_on_any_number_of_threads(void **state)
{
	struct evaluation a, b;
	struct world w;
	int rect;
	size_t i;

	(void)state;
	world_make(&w);
	for (rect = 0; rect < 2; rect++) {
		judge(&w, 1, rect, &a);
		judge(&w, 3, rect, &b);
		assert_int_equal(a.metrics.images, 3);
		assert_int_equal(a.metrics.with_labels, 2);
		assert_int_equal(a.metrics.backgrounds, 1);
		assert_int_equal(a.metrics.instances, 4);
		assert_true(a.loss.box > 0 && a.loss.obj > 0 && a.loss.cls > 0);
		assert_memory_equal(&a.loss, &b.loss, sizeof(a.loss));
		assert_memory_equal(&a.metrics.coco, &b.metrics.coco, sizeof(a.metrics.coco));
		assert_int_equal(a.set.ndets, b.set.ndets);
		for (i = 0; i < a.set.ndets; i++)
			assert_true(a.set.dets[i].score == b.set.dets[i].score);
		evaluation_release(&a);
		evaluation_release(&b);
	}
	world_free(&w);
}

static void weights_that_give_NaN_are_told_with_the_picture(void **state)
{
	struct evaluate_options opt;
	struct err err = ERR_INIT;
	struct evaluation out;
	struct evaluator *e;
	struct world w;
	struct pool *pool = pool_new(1);

	(void)state;
	world_make(&w);
	evaluate_defaults(&opt);
	opt.img = SIZE;
	e = evaluator_new(w.model, NULL, w.data, &opt, pool, &err);
	assert_int_equal(evaluator_run(e, &out, &err), 0);
	evaluation_release(&out);
	/* what a training that diverged would leave, between two evaluations */
	w.model->params[graph_param(w.model->graph, "model.0.conv.weight")->offset] = NAN;
	assert_int_equal(evaluator_run(e, &out, &err), -1);
	assert_int_equal(err.status, STATUS_NONFINITE);
	assert_non_null(strstr(err.msg, "0.png"));
	evaluator_free(e);
	pool_free(pool);
	world_free(&w);
}

static void labels_of_classes_that_the_model_lacks_are_an_error(void **state)
{
	struct evaluate_options opt;
	struct err err = ERR_INIT;
	struct world w;

	(void)state;
	world_make(&w);
	w.data->items[1].labels[0].cls = 3;
	evaluate_defaults(&opt);
	assert_null(evaluator_new(w.model, NULL, w.data, &opt, NULL, &err));
	assert_non_null(strstr(err.msg, "1.png"));
	assert_non_null(strstr(err.msg, "class 3"));
	world_free(&w);
}

static void summaries_count_by_class(void **state)
{
	static const struct det dets[] = {{.cls = 2}, {.cls = 0}, {.cls = 2}};
	char *const names[] = {(char *)"cat", (char *)"dog", (char *)"bird"};
	struct inspection in = {dets, 3, 640, 480, 12.34};
	struct buf text = BUF_INIT;

	(void)state;
	inspection_summary(&in, names, &text);
	assert_string_equal(text.data, "480x640 1 cat, 2 birds, 12.3 ms");
	buf_clear(&text);
	in.n = 0;
	inspection_summary(&in, names, &text);
	assert_string_equal(text.data, "480x640 (no detections), 12.3 ms");
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gate_of_floats_changes_nothing_and_one_of_bits_does),
		cmocka_unit_test(noise_comes_from_the_seed_or_is_new_every_time),
		cmocka_unit_test(a_gate_that_does_not_fit_the_model_is_an_error),
		cmocka_unit_test(a_data_set_is_judged_the_same_on_any_number_of_threads),
		cmocka_unit_test(weights_that_give_NaN_are_told_with_the_picture),
		cmocka_unit_test(labels_of_classes_that_the_model_lacks_are_an_error),
		cmocka_unit_test(summaries_count_by_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
