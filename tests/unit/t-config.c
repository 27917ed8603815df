#include "base/file.h"
#include "model/config.h"
#include "unit.h"

static char *text_of(const char *name)
{
	struct buf text = BUF_INIT;
	struct err err;
	char *path = xasprintf("%s/share/mistutils/models/%s", TOP_SRCDIR, name);

	assert_int_equal(file_read(path, 1 << 20, &text, &err), 0);
	free(path);
	return buf_detach(&text);
}

static struct graph *graph_of(const char *name)
{
	struct err err;
	char *text = text_of(name);
	struct graph *g = config_parse(name, text, &err);

	if (!g)
		fail_msg("%s", err.msg);
	free(text);
	return g;
}

static size_t trained(const struct graph *g)
{
	size_t n = 0;
	int i;

	for (i = 0; i < g->nparams; i++)
		if (param_trained(&g->params[i]))
			n += g->params[i].count;
	return n;
}

/* Parameters and GFLOPs at 640 as Ultralytics' release v6.0 publishes them. */
static void the_five_models_have_the_published_sizes(void **state)
{
	static const struct {
		const char *name;
		size_t params;
		double gflops;
	} rows[] = {{"yolov5n.yaml", 1872157, 4.5},
		    {"yolov5s.yaml", 7235389, 16.5},
		    {"yolov5m.yaml", 21190557, 49.0},
		    {"yolov5l.yaml", 46563709, 109.1},
		    {"yolov5x.yaml", 86749405, 205.7}};
	size_t i;
	int l;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct graph *g = graph_of(rows[i].name);
		double flops = 0;

		for (l = 0; l < g->nlayers; l++)
			flops += graph_layer_flops(g, l, 640, 640);
		assert_int_equal(trained(g), rows[i].params);
		/* theirs count batch norm and activation too: less than 1 % */
		assert_true(flops * 1e-9 <= rows[i].gflops && flops * 1e-9 > 0.99 * rows[i].gflops);
		graph_free(g);
	}
}

static void names_and_shapes_are_those_of_the_state_dict(void **state)
{
	/* rows of yolov5n.pt's state_dict: index, name, shape */
	static const struct {
		int row;
		const char *name;
		int ndim, dim[4];
	} rows[] = {
		{0, "model.0.conv.weight", 4, {16, 3, 6, 6}},
		{1, "model.0.bn.weight", 1, {16}},
		{2, "model.0.bn.bias", 1, {16}},
		{3, "model.0.bn.running_mean", 1, {16}},
		{4, "model.0.bn.running_var", 1, {16}},
		{5, "model.0.bn.num_batches_tracked", 0, {0}},
		{12, "model.2.cv1.conv.weight", 4, {16, 32, 1, 1}},
		{30, "model.2.m.0.cv1.conv.weight", 4, {16, 16, 1, 1}},
		{36, "model.2.m.0.cv2.conv.weight", 4, {16, 16, 3, 3}},
		{342, "model.24.anchors", 3, {3, 3, 2}},
		{343, "model.24.m.0.weight", 4, {255, 64, 1, 1}},
		{348, "model.24.m.2.bias", 1, {255}},
	};
	struct graph *g = graph_of("yolov5n.yaml");
	size_t i;
	int k;

	(void)state;
	assert_int_equal(g->nparams, 349);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const struct param *p = &g->params[rows[i].row];

		assert_string_equal(p->name, rows[i].name);
		assert_int_equal(p->ndim, rows[i].ndim);
		for (k = 0; k < p->ndim; k++)
			assert_int_equal(p->dim[k], rows[i].dim[k]);
		assert_ptr_equal(graph_param(g, rows[i].name), p);
	}
	assert_null(graph_param(g, "model.25.conv.weight"));
	assert_string_equal(g->layers[0].label, "Conv [3, 16, 6, 2, 2]");
	graph_free(g);
}

#define ANCHORS "anchors: [[10,13, 16,30], [30,61, 62,45]]\n"

/* The graph of release 4 and 5 (Focus, SPP; flow lists, quoted words), as Sedna's copy has it. */
static void the_older_graph_parses(void **state)
{
	static const char text[] = "nc: 80\n"
				   "depth_multiple: 0.33\n"
				   "width_multiple: 0.50\n"
				   "anchors:\n"
				   "  - [10,13, 16,30, 33,23]\n"
				   "  - [30,61, 62,45, 59,119]\n"
				   "  - [116,90, 156,198, 373,326]\n"
				   "backbone:\n"
				   "  [[-1, 1, Focus, [64, 3]],\n"
				   "   [-1, 1, Conv, [128, 3, 2]],\n"
				   "   [-1, 3, C3, [128]],\n"
				   "   [-1, 1, Conv, [256, 3, 2]],\n"
				   "   [-1, 9, C3, [256]],\n"
				   "   [-1, 1, Conv, [512, 3, 2]],\n"
				   "   [-1, 9, C3, [512]],\n"
				   "   [-1, 1, Conv, [1024, 3, 2]],\n"
				   "   [-1, 1, SPP, [1024, [5, 9, 13]]],\n"
				   "   [-1, 3, C3, [1024, False]],\n"
				   "  ]\n"
				   "head:\n"
				   "  [[-1, 1, Conv, [512, 1, 1]],\n"
				   "   [-1, 1, nn.Upsample, [None, 2, 'nearest']],\n"
				   "   [[-1, 6], 1, Concat, [1]],\n"
				   "   [-1, 3, C3, [512, False]],\n"
				   "   [-1, 1, Conv, [256, 1, 1]],\n"
				   "   [-1, 1, nn.Upsample, [None, 2, 'nearest']],\n"
				   "   [[-1, 4], 1, Concat, [1]],\n"
				   "   [-1, 3, C3, [256, False]],\n"
				   "   [-1, 1, Conv, [256, 3, 2]],\n"
				   "   [[-1, 14], 1, Concat, [1]],\n"
				   "   [-1, 3, C3, [512, False]],\n"
				   "   [-1, 1, Conv, [512, 3, 2]],\n"
				   "   [[-1, 10], 1, Concat, [1]],\n"
				   "   [-1, 3, C3, [1024, False]],\n"
				   "   [[17, 20, 23], 1, Detect, [nc, anchors]],\n"
				   "  ]\n";
	struct err err;
	struct graph *g = config_parse("v5", text, &err);
	struct shape s;

	(void)state;
	if (!g)
		fail_msg("%s", err.msg);
	assert_int_equal(trained(g), 7276605); /* yolov5s 5.0, published */
	assert_non_null(graph_param(g, "model.0.conv.conv.weight"));
	assert_non_null(graph_param(g, "model.8.cv2.conv.weight"));
	assert_int_equal(g->layers[8].npools, 3);
	assert_int_equal(g->max_stride, 32);
	assert_int_equal(graph_shape(g, 8, 64, 96, &s, &err), 0);
	assert_int_equal(s.c, 512);
	graph_free(g);
}

static void sizes_that_do_not_meet_are_refused(void **state)
{
	struct err err;

	(void)state;
	assert_null(config_parse("x",
				 "backbone:\n- [-1, 1, Conv, [8, 3, 2]]\n"
				 "- [-1, 1, Conv, [8, 3, 2]]\n- [[-1, 0], 1, Concat, [1]]\n",
				 &err));
	assert_string_equal(err.msg, "x:4:3: 'Concat': its inputs have different sizes");
}

static void repeats_and_widths_round_as_theirs_do(void **state)
{
	static const char text[] =
		"nc: 4\ndepth_multiple: 0.5\nwidth_multiple: 0.3\n" ANCHORS "backbone:\n"
		"  - [-1, 1, Focus, [64, 3]]\n"    /* 19.2 -> 24 */
		"  - [-1, 9, C3, [128]]\n"         /* 4.5 -> 4 (half to even), 38.4 -> 40 */
		"  - [-1, 3, Bottleneck, [128]]\n" /* 1.5 -> 2 in sequence */
		"  - [-1, 1, Conv, [18, 1, 1]]\n"  /* as wide as the head: not scaled */
		"  - [-1, 1, Conv, [100, 3, 1, null, 10, false]]\n" /* 30 -> 32, groups? */
		"head:\n"
		"  - [[2, 3], 1, Detect, [nc, anchors]]\n";
	struct err err;
	struct graph *g;

	(void)state;
	g = config_parse("x", text, &err);
	assert_null(g);
	assert_string_equal(err.msg, "x:10:5: 'Conv': 10 groups do not divide 18 and 32 channels");
	{
		char *fixed = xstrdup(text);
		char *at = strstr(fixed, "null, 10");

		memcpy(at, "null,  2", 8);
		g = config_parse("x", fixed, &err);
		free(fixed);
	}
	if (!g)
		fail_msg("%s", err.msg);
	assert_int_equal(g->layers[0].cout, 24);
	assert_int_equal(g->layers[1].repeat, 4);
	assert_int_equal(g->layers[1].cout, 40);
	assert_non_null(graph_param(g, "model.1.m.3.cv2.conv.weight"));
	assert_null(graph_param(g, "model.1.m.4.cv2.conv.weight"));
	assert_non_null(graph_param(g, "model.2.1.cv1.conv.weight"));
	assert_int_equal(g->layers[3].cout, 18);
	assert_int_equal(g->layers[4].act, ACT_NONE);
	assert_int_equal(g->layers[3].act, ACT_SILU);
	assert_int_equal(g->na, 2);
	assert_int_equal(g->strides[0], 2);
	graph_free(g);
}

/* A model of one line of backbone, and what is said about it. */
static void what_is_wrong_is_said_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"[", "bad:"},
		{"nc: 4", "'backbone'"},
		{"backbone: 3", "'backbone'"},
		{"backbone: []", "no layers"},
		{"backbone:\n- [-1, 1, Convv, [8]]", "bad:2:3: unknown module 'Convv'"},
		{"backbone:\n- [-1, 1, Conv]", "bad:2:3: a layer is [from, number, module, args]"},
		{"backbone:\n- [-1, 0, Conv, [8]]", "bad:2:"},
		{"backbone:\n- [-1, 1, Conv, []]", "takes 1 to 7 arguments, not 0"},
		{"backbone:\n- [-1, 1, Conv, [8, 3, 2, 1, 1, 1, true, 9]]", "not 8"},
		{"backbone:\n- [-1, 1, Conv, [eight]]", "argument 1 is not a whole number"},
		{"backbone:\n- [-1, 1, Conv, [8, 2.5]]", "argument 2 is not a whole number"},
		{"backbone:\n- [-1, 1, Conv, [8, -3]]", "argument 2 is not a whole number"},
		{"backbone:\n- [-1, 1, Conv, [8, 3, 1, 9]]", "argument 4"},
		{"backbone:\n- [-1, 1, Conv, [8, 3, 1, 1, 1, 2]]", "dilation"},
		{"backbone:\n- [-1, 1, Conv, [8, 3, 1, 1, 1, 1, nn.Foo()]]", "activation"},
		{"backbone:\n- [-1, 1, Conv, [99999]]", "argument 1"},
		{"backbone:\n- [-1, 1, Conv, {a: 1}]", "the arguments are not a list"},
		{"backbone:\n- [0, 1, Conv, [8]]", "layer 0 is not before layer 0"},
		{"backbone:\n- [-1, 1, Conv, [8]]\n- [-3, 1, Conv, [8]]", "bad:3:4"},
		{"backbone:\n- [-1, 1, Conv, [8]]\n- [7, 1, Conv, [8]]", "layer 7 is not before"},
		{"backbone:\n- [-1, 1, Conv, [8]]\n- [[0, -1], 1, Conv, [8]]", "at most 1 inputs"},
		{"backbone:\n- [-1, 1, Conv, [8]]\n- [[0, -1], 2, Concat, [1]]", "repeated"},
		{"backbone:\n- [-1, 1, Conv, [8]]\n- [-1, 1, Concat, [2]]", "only the channels"},
		{"backbone:\n- [-1, 1, nn.Upsample, [None, 3, nearest]]", "is supported"},
		{"backbone:\n- [-1, 1, nn.Upsample, [None, 2, bilinear]]", "is supported"},
		{"backbone:\n- [-1, 1, nn.Upsample, [None, 2, nearest]]", "larger than the image"},
		{"backbone:\n- [-1, 1, SPP, [8, [4]]]", "'SPP'"},
		{"backbone:\n- [-1, 1, Flatten, []]", "needs 'img: SIZE'"},
		{"backbone:\n- [-1, 1, Linear, [8]]", "not flat"},
		{"backbone:\n- [-1, 1, nn.Conv2d, [8, 64]]", "argument 2"},
		{"backbone:\n- [-1, 1, nn.Conv2d, [8, 1, 1, 0, 2]]", "2 groups do not divide"},
		{"backbone:\n- [-1, 1, Detect, [4, anchors]]", "anchors are not a list"},
		{"anchors: [[1, 2, 3]]\nbackbone:\n- [-1, 1, Detect, [4, anchors]]", "pairs"},
		{"anchors: [[1, -2]]\nbackbone:\n- [-1, 1, Detect, [4, anchors]]", "not a size"},
		{"anchors: [[1, 2]]\nbackbone:\n- [-1, 1, Detect, [nc, anchors]]", "argument 1"},
		{"nc: 0\nbackbone: []", "nc"},
		{"activation: nn.Foo()\nbackbone: []", "unknown activation 'nn.Foo()'"},
		{"width_multiple: -1\nbackbone: []", "width_multiple"},
		{"backbone:\n- [-1, 1, C3, [8, true, 3]]", "3 groups"},
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct graph *g = config_parse("bad", rows[i].text, &err);

		if (g)
			fail_msg("row %zu parses", i);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("row %zu: '%s' does not say '%s'", i, err.msg, rows[i].says);
		assert_int_equal(err.status, STATUS_INPUT);
	}
}

static void the_number_of_classes_can_be_replaced(void **state)
{
	static const char *const rows[][2] = {
		{"nc: 80 # classes\nx: 1\n", "nc: 3 # classes\nx: 1\n"},
		{"a: 1\nnc: 80\n", "a: 1\nnc: 3\n"},
		{"a: 1", "nc: 3\na: 1"},
		{"nc: 80", "nc: 3"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = config_set_classes(rows[i][0], 3);

		assert_string_equal(text, rows[i][1]);
		free(text);
	}
}

static void anchors_that_name_themselves_end(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_null(config_parse("x", "nc: 1\nanchors:\n  - [anchors]\n", &err));
	assert_int_equal(err.status, STATUS_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_five_models_have_the_published_sizes),
		cmocka_unit_test(names_and_shapes_are_those_of_the_state_dict),
		cmocka_unit_test(the_older_graph_parses),
		cmocka_unit_test(sizes_that_do_not_meet_are_refused),
		cmocka_unit_test(repeats_and_widths_round_as_theirs_do),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
		cmocka_unit_test(the_number_of_classes_can_be_replaced),
		cmocka_unit_test(anchors_that_name_themselves_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
