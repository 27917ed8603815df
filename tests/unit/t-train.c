#include "base/file.h"
#include "base/rng.h"
#include "mist/features.h"
#include "train/train.h"
#include "unit.h"

#include <math.h>

/* Two layers before the cut, some behind it, one level of anchors. */
static const char yaml[] = "nc: 2\n"
			   "depth_multiple: 1.0\n"
			   "width_multiple: 1.0\n"
			   "anchors:\n  - [8, 8, 16, 16, 24, 24]\n"
			   "backbone:\n"
			   "  - [-1, 1, Conv, [8, 3, 2]]\n"
			   "  - [-1, 1, Conv, [8, 3, 2]]\n"
			   "head:\n"
			   "  - [-1, 1, C3, [16]]\n"
			   "  - [-1, 1, Conv, [16, 3, 2]]\n"
			   "  - [[3], 1, Detect, [nc, anchors]]\n";
enum { CUT = 2, IMG = 64, CELLS = 16, CHANNELS = 8, SAMPLES = 22 };

static struct model *new_model(void)
{
	static char *names[] = {"dark", "light"};
	struct err err = ERR_INIT;
	struct model *m = model_init(yaml, 2, names, 7, &err);

	assert_non_null(m);
	return m;
}

/* One box a sample: class 0 shines in the even channels, class 1 in the odd ones. */
static void draw_sample(float *x, struct label *l, int number)
{
	struct rng r;
	int c, y, k, x0, y0, size;

	rng_init(&r, 3, "t-train", (uint64_t)number);
	for (k = 0; k < CHANNELS * CELLS * CELLS; k++)
		x[k] = (float)rng_range(&r, -.3, .3);
	size = 3 + (int)rng_below(&r, 4);
	x0 = (int)rng_below(&r, (uint32_t)(CELLS - size));
	y0 = (int)rng_below(&r, (uint32_t)(CELLS - size));
	l->cls = (int)rng_below(&r, 2);
	for (c = l->cls; c < CHANNELS; c += 2)
		for (y = y0; y < y0 + size; y++)
			for (k = x0; k < x0 + size; k++)
				x[(c * CELLS + y) * CELLS + k] += 2;
	l->xc = ((float)x0 + (float)size / 2) / CELLS;
	l->yc = ((float)y0 + (float)size / 2) / CELLS;
	l->w = l->h = (float)size / CELLS;
}

static void write_stream(const char *path, const struct model *m, int samples, const char *digest)
{
	static float x[CHANNELS * CELLS * CELLS];
	struct features_header h = {.client = "edge", .cut = CUT, .img = IMG, .ntensors = 1};
	struct gate gate;
	struct err err = ERR_INIT;
	struct features_writer *w;
	int i;

	if (digest)
		snprintf(h.extractor, sizeof(h.extractor), "%s", digest);
	else
		model_extractor_digest(m, CUT, h.extractor);
	h.shape[0].c = CHANNELS;
	h.shape[0].h = h.shape[0].w = CELLS;
	h.encoding = ENCODING_F32;
	h.releases = 1;
	h.labels = "clear";
	h.names = m->names;
	h.nnames = m->nnames;
	h.program = "t-train";
	gate_init(&gate, ENCODING_F32, CHANNELS);
	h.gates = (struct gates){CUT, 1, &gate};
	w = features_create(path, &h, &err);
	if (!w)
		fail_msg("%s", err.msg);
	for (i = 0; i < samples; i++) {
		struct label label;
		char key[32];
		struct features_sample s = {.key = key, .labels = &label, .nlabels = 1};

		snprintf(key, sizeof(key), "%06d", i);
		draw_sample(x, &label, i);
		s.data[0] = (const unsigned char *)x;
		s.size[0] = sizeof(x);
		s.json = "{}";
		assert_int_equal(features_write(w, &s, &err), 0);
	}
	assert_int_equal(features_finish(w, &err), 0);
	gate_release(&gate);
}

struct fixture {
	char *dir, *stream, *project;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct model *m = new_model();

	f->dir = unit_tmpdir();
	f->stream = path_join(f->dir, "x.tar");
	f->project = path_join(f->dir, "run");
	write_stream(f->stream, m, SAMPLES, NULL);
	model_free(m);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct err err;

	dir_remove(f->dir, &err);
	free(f->stream);
	free(f->project);
	free(f->dir);
	free(f);
	return 0;
}

static struct train_options default_options(void)
{
	struct train_options o = {.epochs = 2, .batch = 4, .nbs = 8, .shuffle = true, .clip = 10};

	hyp_default(&o.hyp);
	o.hyp.translate = .1;
	return o;
}

/* Events: interrupt after `left` batches; remember losses. */
struct watch {
	long left; /* negative: never */
	double first, last;
	int epochs;
};

static void on_batch(void *ctx, long epoch, long batch, long nb, const double *loss)
{
	struct watch *w = ctx;

	(void)epoch, (void)batch, (void)nb, (void)loss;
	if (w->left > 0)
		w->left--;
}

static void on_epoch(void *ctx, const struct results_row *row)
{
	struct watch *w = ctx;
	double sum = row->value[RESULTS_TRAIN_BOX] + row->value[RESULTS_TRAIN_OBJ] +
		     row->value[RESULTS_TRAIN_CLS];

	if (!w->epochs++)
		w->first = sum;
	w->last = sum;
}

static bool is_interrupted(void *ctx)
{
	const struct watch *w = ctx;

	return w->left == 0;
}

/* Trains a new model; returns it, or NULL when it was interrupted or failed. */
static struct model *run(const struct fixture *f, const struct train_options *opt, int threads,
			 bool resume, struct watch *watch, struct err *err)
{
	struct train_events events = {watch, on_batch, on_epoch, is_interrupted, NULL};
	struct model *m = new_model();
	struct pool *pool = pool_new(threads);
	struct source *s = source_features(f->stream, &m, &opt->hyp, opt->seed, NULL, err);
	struct train *t;
	bool found;
	int rc = -1;

	if (!s)
		fail_msg("%s", err->msg);
	t = train_new(opt, m, s, pool, &events, err);
	if (t)
		rc = resume ? train_resume(t, &found, err) : 0;
	if (!rc)
		rc = train_run(t, err);
	train_free(t);
	source_free(s);
	pool_free(pool);
	if (!rc)
		return m;
	model_free(m);
	return NULL;
}

static void assert_same_model(const struct model *a, const struct model *b)
{
	int i;

	assert_memory_equal(a->params, b->params, a->graph->nfloats * sizeof(float));
	for (i = 0; i < a->graph->nparams; i++)
		assert_true(a->graph->params[i].counter == b->graph->params[i].counter);
	assert_string_equal(model_meta(a, "mist.parents"), model_meta(b, "mist.parents"));
}

static void the_loss_falls_and_frozen_layers_stay(void **state)
{
	struct train_options o = default_options();
	struct watch w = {.left = -1};
	struct err err = ERR_INIT;
	struct model *was = new_model(), *m;
	size_t i, moved = 0;
	const struct param *p;
	int k;

	o.epochs = 30;
	o.nbs = 4;
	o.warmup_floor = 0;
	m = run(*state, &o, 1, false, &w, &err);
	if (!m)
		fail_msg("%s", err.msg);
	assert_int_equal(w.epochs, 30);
	if (!(w.last < w.first * .75))
		fail_msg("the loss fell only from %g to %g", w.first, w.last);
	for (k = 0; k < m->graph->nparams; k++) {
		p = &m->graph->params[k];
		if (p->kind == PARAM_COUNTER) {
			assert_true(p->counter == (p->layer < CUT ? 0 : 30 * 6));
			continue;
		}
		for (i = p->offset; i < p->offset + p->count; i++) {
			assert_true(p->layer >= CUT || m->params[i] == was->params[i]);
			moved += m->params[i] != was->params[i];
		}
	}
	assert_true(moved > m->graph->nfloats / 2);
	assert_string_equal(model_meta(m, "mist.cut_layer"), "2");
	assert_non_null(model_meta(m, "mist.gate"));
	assert_string_equal(model_meta(m, "mist.samples"), "22");
	model_free(was);
	model_free(m);
}

static void threads_and_reruns_do_not_change_a_bit(void **state)
{
	struct train_options o = default_options();
	struct watch w = {.left = -1};
	struct err err = ERR_INIT;
	struct model *a = run(*state, &o, 1, false, &w, &err);
	struct model *b = run(*state, &o, 1, false, &w, &err);
	struct model *c = run(*state, &o, 3, false, &w, &err);
	struct model *d;

	assert_true(a && b && c);
	assert_same_model(a, b);
	assert_same_model(a, c);
	o.seed = 1;
	d = run(*state, &o, 1, false, &w, &err);
	assert_true(memcmp(a->params, d->params, a->graph->nfloats * sizeof(float)) != 0);
	model_free(a);
	model_free(b);
	model_free(c);
	model_free(d);
}

/* Interrupts a run after `every` batches, again and again, until it gets to its end. */
static struct model *run_in_pieces(const struct fixture *f, const struct train_options *o,
				   long every, int *pieces)
{
	struct err err = ERR_INIT;
	struct model *m;

	for (*pieces = 1;; (*pieces)++) {
		struct watch w = {.left = every};

		m = run(f, o, 1 + *pieces % 2, true, &w, &err);
		if (m)
			return m;
		if (!strstr(err.msg, "go on with --resume"))
			fail_msg("%s", err.msg);
		assert_in_range(*pieces, 1, 40);
	}
}

static void interrupted_anywhere_and_resumed_equals_uninterrupted(void **state)
{
	static const enum optim_kind kinds[] = {OPTIM_SGD, OPTIM_ADAMW};
	const struct fixture *f = *state;
	struct train_options o = default_options();
	struct buf want = BUF_INIT, got = BUF_INIT;
	char *csv = path_join(f->project, "results.csv");
	struct watch w = {.left = -1};
	struct err err = ERR_INIT;
	struct model *whole, *parts;
	int pieces;
	long every;
	size_t k;

	o.project = f->project;
	for (k = 0; k < ARRAY_LEN(kinds); k++) {
		o.optimizer = kinds[k];
		whole = run(f, &o, 2, false, &w, &err);
		assert_non_null(whole);
		buf_clear(&want);
		assert_int_equal(file_read(csv, 1 << 20, &want, &err), 0);
		for (every = 1; every <= 4; every += 3) {
			dir_remove(f->project, &err);
			parts = run_in_pieces(f, &o, every, &pieces);
			assert_true(pieces > 2);
			assert_same_model(whole, parts);
			buf_clear(&got);
			assert_int_equal(file_read(csv, 1 << 20, &got, &err), 0);
			assert_int_equal(want.len, got.len);
			assert_memory_equal(want.data, got.data, want.len);
			model_free(parts);
		}
		model_free(whole);
	}
	buf_release(&want);
	buf_release(&got);
	free(csv);
}

static void a_checkpoint_of_other_options_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct train_options o = default_options();
	struct watch w = {.left = 2};
	struct err err = ERR_INIT;

	o.project = f->project;
	assert_null(run(f, &o, 1, false, &w, &err));
	o.hyp.lr0 = .02;
	assert_null(run(f, &o, 1, true, &w, &err));
	assert_non_null(strstr(err.msg, "it was started with lr0 '0.01"));
	assert_int_equal(err.status, STATUS_USAGE);
}

static void a_hot_rate_ends_with_a_sentence_and_the_last_good_checkpoint(void **state)
{
	const struct fixture *f = *state;
	struct train_options o = default_options();
	struct watch w = {.left = -1};
	struct err err = ERR_INIT;
	char *last = path_join(f->project, "last.safetensors");
	struct model *m;

	o.project = f->project;
	o.epochs = 200;
	o.hyp.lr0 = 10;
	o.hyp.weight_decay = 1;
	o.hyp.warmup_bias_lr = 10;
	o.clip = 0;
	o.nbs = 4;
	assert_null(run(f, &o, 1, false, &w, &err));
	assert_int_equal(err.status, STATUS_NONFINITE);
	assert_non_null(strstr(err.msg, "is not finite in batch"));
	if (path_exists(last)) {
		m = model_load(last, NULL, &err);
		if (!m)
			fail_msg("%s", err.msg);
		model_free(m);
	}
	free(last);
}

static void a_stop_condition_ends_the_run(void **state)
{
	struct train_options o = default_options();
	struct watch w = {.left = -1};
	struct err err = ERR_INIT;
	struct stop *stop = stop_parse("epochs>=2", &err);
	struct model *m;

	o.epochs = 50;
	o.stop = stop;
	m = run(*state, &o, 1, false, &w, &err);
	assert_non_null(m);
	assert_int_equal(w.epochs, 2);
	model_free(m);
	stop_free(stop);
}

static void a_memory_limit_makes_micro_batches_or_is_refused(void **state)
{
	struct train_options o = default_options();
	struct train_events none = {0};
	struct err err = ERR_INIT;
	struct model *m = new_model();
	const struct fixture *f = *state;
	struct source *s = source_features(f->stream, &m, &o.hyp, 0, NULL, &err);
	struct train *t = train_new(&o, m, s, NULL, &none, &err);
	size_t whole;

	assert_non_null(t);
	assert_int_equal(train_plan(t)->micro, 4);
	whole = train_plan(t)->total;
	train_free(t);
	o.mem_limit = whole - 1;
	t = train_new(&o, m, s, NULL, &none, &err);
	assert_non_null(t);
	assert_in_range(train_plan(t)->micro, 1, 3);
	assert_true(train_plan(t)->total <= o.mem_limit);
	assert_int_equal(train_run(t, &err), 0);
	train_free(t);
	o.mem_limit = 1 << 20;
	assert_null(train_new(&o, m, s, NULL, &none, &err));
	assert_non_null(strstr(err.msg, "--mem-limit 1M is too little: one image at a time takes"));
	source_free(s);
	model_free(m);
}

static void foreign_streams_are_refused(void **state)
{
	static const char other[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	const struct fixture *f = *state;
	struct model *m = new_model();
	struct hyp hyp;
	struct err err = ERR_INIT;

	hyp_default(&hyp);
	write_stream(f->stream, m, 3, other);
	assert_null(source_features(f->stream, &m, &hyp, 0, NULL, &err));
	assert_non_null(strstr(err.msg, "was made by other layers"));
	assert_int_equal(err.status, STATUS_INPUT);
	write_stream(f->stream, m, 0, NULL);
	assert_null(source_features(f->stream, &m, &hyp, 0, NULL, &err));
	assert_non_null(strstr(err.msg, "it has no samples"));
	write_stream(f->stream, m, 3, NULL);
	model_free(m);
}

static void weights_of_other_classes_keep_what_fits(void **state)
{
	const struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct model *m = model_init(yaml, 3, NULL, 7, &err),
		     *was = model_init(yaml, 3, NULL, 7, &err);
	struct hyp hyp;
	struct source *s;
	const struct param *p, *q;
	int i, same = 0;

	hyp_default(&hyp);
	s = source_features(f->stream, &m, &hyp, 0, NULL, &err);
	if (!s)
		fail_msg("%s", err.msg);
	assert_int_equal(m->graph->nc, 2);
	assert_string_equal(m->names[1], "light");
	for (i = 0; i < m->graph->nparams; i++) {
		p = &m->graph->params[i];
		q = graph_param(was->graph, p->name);
		assert_non_null(q);
		if (p->kind == PARAM_COUNTER || p->count != q->count)
			continue;
		assert_memory_equal(m->params + p->offset, was->params + q->offset, p->count * 4);
		same++;
	}
	assert_true(same > m->graph->nparams / 2);
	source_free(s);
	model_free(m);
	model_free(was);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_loss_falls_and_frozen_layers_stay),
		TEST(threads_and_reruns_do_not_change_a_bit),
		TEST(interrupted_anywhere_and_resumed_equals_uninterrupted),
		TEST(a_checkpoint_of_other_options_is_refused),
		TEST(a_hot_rate_ends_with_a_sentence_and_the_last_good_checkpoint),
		TEST(a_stop_condition_ends_the_run),
		TEST(a_memory_limit_makes_micro_batches_or_is_refused),
		TEST(foreign_streams_are_refused),
		TEST(weights_of_other_classes_keep_what_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
