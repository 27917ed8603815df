#include "base/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/config.h"
#include "train/checkpoint.h"
#include "unit.h"

#include <math.h>

static char yaml[] = "nc: 2\n"
		     "depth_multiple: 1.0\n"
		     "width_multiple: 1.0\n"
		     "anchors:\n  - [10, 13, 16, 30, 33, 23]\n"
		     "backbone:\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, Conv, [8, 3, 2]]\n"
		     "head:\n  - [[1], 1, Detect, [nc, anchors]]\n";

/* A run with everything in it, its arenas filled by a pattern of `seed`. */
struct run {
	struct model model;
	struct optim *optim;
	struct train_state state;
	float *ema;
	json_t *options;
	struct checkpoint c;
	char *names[2];
	struct meta_entry meta[1];
};

static void fill(float *v, size_t n, int seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = sinf((float)i + (float)seed);
}

static void run_init(struct run *r, int seed)
{
	struct err err = ERR_INIT;
	struct results_row row = {{0}};
	size_t n;
	int i;

	*r = (struct run){.state = TRAIN_STATE_INIT, .names = {"cat", "dog"}};
	r->meta[0] = (struct meta_entry){"mist.gate", "{}"};
	r->model.graph = config_parse("tiny", yaml, &err);
	assert_non_null(r->model.graph);
	n = r->model.graph->nfloats;
	r->model.yaml = yaml;
	r->model.names = r->names;
	r->model.nnames = 2;
	r->model.meta = r->meta;
	r->model.nmeta = 1;
	r->model.params = xcalloc(n, sizeof(float));
	r->ema = xcalloc(n, sizeof(float));
	r->optim = optim_new(r->model.graph, OPTIM_ADAM, 1);
	fill(r->model.params, n, seed);
	fill(r->ema, n, seed + 1);
	for (i = 0; i < 2; i++)
		fill(optim_moment(r->optim, i), n, seed + 2 + i);
	for (i = 0; i < r->model.graph->nparams; i++)
		r->model.graph->params[i].counter = seed * 1000000007LL + i;
	r->state.epoch = 1;
	r->state.batch = 5;
	r->state.last_step = 12;
	r->state.steps = 13;
	r->state.loss[1] = .1 + .2;
	r->state.best = .25;
	row.value[RESULTS_MAP50] = 1.0 / 3;
	results_add(&r->state.results, &row);
	r->options = json_pack("{s:s, s:s}", "--epochs", "3", "lr0", "0.01");
	r->c = (struct checkpoint){&r->model, r->ema, r->optim, &r->state, r->options};
}

static void run_release(struct run *r)
{
	graph_free(r->model.graph);
	free(r->model.params);
	free(r->ema);
	optim_free(r->optim);
	train_state_release(&r->state);
	json_decref(r->options);
}

static void a_checkpoint_gives_everything_back(void **state)
{
	char *dir = unit_tmpdir(), *path = path_join(dir, "last.safetensors");
	char *again = path_join(dir, "again.safetensors");
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct err err = ERR_INIT;
	struct run a, b;

	(void)state;
	run_init(&a, 1);
	run_init(&b, 2);
	train_state_release(&b.state);
	b.state = (struct train_state)TRAIN_STATE_INIT;
	assert_int_equal(checkpoint_save(&a.c, path, &err), 0);
	assert_int_equal(checkpoint_load(&b.c, path, &err), 0);
	assert_memory_equal(a.model.params, b.model.params, a.model.graph->nfloats * 4);
	assert_memory_equal(a.ema, b.ema, a.model.graph->nfloats * 4);
	assert_true(b.state.epoch == 1 && b.state.batch == 5 && b.state.last_step == 12);
	assert_true(b.state.loss[1] == .1 + .2 && b.state.best == .25 && !b.state.done);
	assert_true(b.state.results.row[0].value[RESULTS_MAP50] == 1.0 / 3);
	assert_true(optim_steps(b.optim) == 13);
	/* moments of frozen layers are no state; all the rest is in the file */
	assert_int_equal(checkpoint_save(&b.c, again, &err), 0);
	assert_int_equal(file_read(path, 1 << 20, &first, &err), 0);
	assert_int_equal(file_read(again, 1 << 20, &second, &err), 0);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	buf_release(&first);
	buf_release(&second);
	run_release(&a);
	run_release(&b);
	dir_remove(dir, &err);
	free(path);
	free(again);
	free(dir);
}

static void refuses(struct run *r, const char *path, const char *part)
{
	struct err err = ERR_INIT;

	train_state_release(&r->state);
	r->state = (struct train_state)TRAIN_STATE_INIT;
	assert_int_equal(checkpoint_load(&r->c, path, &err), -1);
	if (!strstr(err.msg, part))
		fail_msg("'%s' does not say '%s'", err.msg, part);
}

static void other_options_and_damaged_files_are_refused(void **state)
{
	char *dir = unit_tmpdir(), *path = path_join(dir, "last.safetensors");
	struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct run a, b;

	(void)state;
	run_init(&a, 1);
	run_init(&b, 2);
	refuses(&b, path, "No such file");
	assert_int_equal(checkpoint_save(&a.c, path, &err), 0);
	json_object_set_new(b.options, "lr0", json_string("0.02"));
	refuses(&b, path, "it was started with lr0 '0.01', not '0.02'");
	json_object_set_new(b.options, "lr0", json_string("0.01"));
	json_object_del(b.options, "--epochs");
	refuses(&b, path, "other kinds of options");
	json_object_set_new(b.options, "--epochs", json_string("3"));

	optim_free(b.optim);
	b.optim = b.c.optim = optim_new(b.model.graph, OPTIM_SGD, 1);
	refuses(&b, path, "tensors instead of");
	optim_free(b.optim);
	b.optim = b.c.optim = optim_new(b.model.graph, OPTIM_ADAM, 1);

	a.ema[3] = NAN;
	assert_int_equal(checkpoint_save(&a.c, path, &err), 0);
	refuses(&b, path, "is not finite");
	assert_int_equal(file_read(path, 1 << 20, &bytes, &err), 0);
	assert_int_equal(file_write(path, bytes.data, bytes.len - 1, &err), 0);
	refuses(&b, path, "last.safetensors");
	buf_release(&bytes);
	run_release(&a);
	run_release(&b);
	dir_remove(dir, &err);
	free(path);
	free(dir);
}

static void bad_state(const char *text, const char *part)
{
	struct train_state s = TRAIN_STATE_INIT;
	struct err err = ERR_INIT;
	json_t *json = json_parse("x", text, strlen(text), &err);

	assert_non_null(json);
	assert_int_equal(train_state_parse(&s, "x", json, &err), -1);
	if (!strstr(err.msg, part))
		fail_msg("'%s' does not say '%s'", err.msg, part);
	json_decref(json);
	train_state_release(&s);
}

static void a_state_out_of_range_is_refused(void **state)
{
#define HEAD                                                                                       \
	"\"batch\": 0, \"last_step\": 0, \"steps\": 1, \"best\": 0, \"best_epoch\": 0, \"done\": " \
	"false"
	(void)state;
	bad_state("{}", "format");
	bad_state("{\"format\": 2, \"epoch\": 0, " HEAD "}", "newer version");
	bad_state("{\"format\": 1, \"epoch\": -1, " HEAD "}", "epoch");
	bad_state("{\"format\": 1, \"epoch\": 0, " HEAD "}", "loss");
	bad_state("{\"format\": 1, \"epoch\": 0, " HEAD ", \"loss\": [1, 2], \"results\": []}",
		  "three numbers");
	bad_state("{\"format\": 1, \"epoch\": 1, " HEAD ", \"loss\": [1, 2, 3], \"results\": []}",
		  "one row for each epoch");
	bad_state("{\"format\": 1, \"epoch\": 1, " HEAD
		  ", \"loss\": [1, 2, 3], \"results\": [[1, 2]]}",
		  "14 numbers");
#undef HEAD
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checkpoint_gives_everything_back),
		cmocka_unit_test(other_options_and_damaged_files_are_refused),
		cmocka_unit_test(a_state_out_of_range_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
