#include "base/cli.h"
#include "model/hyp.h"
#include "unit.h"

static int parse(struct hyp *h, const char *text, struct err *err)
{
	hyp_default(h);
	return hyp_parse(h, "x.yaml", text, strlen(text), err);
}

static void refuses(const char *text, const char *sentence)
{
	struct err err = ERR_INIT;
	struct hyp h;

	assert_int_equal(parse(&h, text, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_string_equal(err.msg, sentence);
}

static void a_file_changes_what_it_names(void **state)
{
	struct err err = ERR_INIT;
	struct hyp h;

	(void)state;
	assert_int_equal(parse(&h, "lr0: 1e-3 # cooler\nmosaic: 0\n", &err), 0);
	assert_true(h.lr0 == .001 && h.mosaic == 0);
	assert_true(h.momentum == .937 && h.fliplr == .5);
	assert_int_equal(parse(&h, "# nothing\n", &err), 0);
	assert_true(h.lr0 == .01);
}

static void unknown_and_impossible_values_are_named(void **state)
{
	(void)state;
	refuses("momentun: 0.9\n",
		"x.yaml:1:1: unknown hyper-parameter 'momentun': did you mean 'momentum'?");
	refuses("lr0: 0.1\nqqqqqqqq: 1\n", "x.yaml:2:1: unknown hyper-parameter 'qqqqqqqq'");
	refuses("anchors: 3\n", "x.yaml:1:1: 'anchors' belongs to the model's YAML, not here");
	refuses("lr0: fast\n", "x.yaml:1:6: 'lr0': 'fast' is not a number");
	refuses("momentum: 1.0\n", "x.yaml:1:11: 'momentum': 1.0 is not between 0 and 0.9999");
}

static void one_key_is_set_by_name(void **state)
{
	struct err err = ERR_INIT;
	struct hyp h;

	(void)state;
	hyp_default(&h);
	assert_int_equal(hyp_set(&h, "fliplr", 0, &err), 0);
	assert_true(h.fliplr == 0);
	assert_int_equal(hyp_set(&h, "flip_lr", 0, &err), -1);
	assert_string_equal(err.msg, "unknown hyper-parameter 'flip_lr': did you mean 'fliplr'?");
	assert_int_equal(hyp_set(&h, "lr0", -1, &err), -1);
	assert_int_equal(err.status, STATUS_USAGE);
}

static void what_is_written_reads_back(void **state)
{
	struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	struct hyp a, b;

	(void)state;
	parse(&a, "lr0: 0.012345678901234567\n", &err);
	hyp_write(&a, &text);
	assert_int_equal(parse(&b, text.data, &err), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	buf_release(&text);
}

/* The facts of the two published files; mist.yaml must load. */
static void the_files_we_ship_have_yolov5s_values(void **state)
{
	static const struct {
		const char *name;
		double lrf, cls, obj, scale, mixup;
	} want[] = {{"low", .01, .5, 1, .5, 0}, {"med", .1, .3, .7, .9, .1}};
	struct err err = ERR_INIT;
	struct hyp h;
	size_t i;
	char *name, *path;

	(void)state;
	for (i = 0; i < ARRAY_LEN(want); i++) {
		name = xasprintf("hyp/scratch-%s.yaml", want[i].name);
		path = cli_share(name);
		hyp_default(&h);
		assert_int_equal(hyp_read(&h, path, &err), 0);
		assert_true(h.lrf == want[i].lrf && h.cls == want[i].cls && h.obj == want[i].obj);
		assert_true(h.scale == want[i].scale && h.mixup == want[i].mixup);
		assert_true(h.lr0 == .01 && h.anchor_t == 4 && h.mosaic == 1);
		free(path);
		free(name);
	}
	path = cli_share("hyp/mist.yaml");
	assert_int_equal(hyp_read(&h, path, &err), 0);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_changes_what_it_names),
		cmocka_unit_test(unknown_and_impossible_values_are_named),
		cmocka_unit_test(one_key_is_set_by_name),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(the_files_we_ship_have_yolov5s_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
