#include "model/config.h"
#include "nn/graph.h"
#include "unit.h"

#define TEXT                                                                                       \
	"nc: 2\nanchors: [[10,13, 16,30], [30,61, 62,45]]\nbackbone:\n"                            \
	"- [-1, 1, Conv, [8, 3, 2]]\n"                 /* 0 */                                     \
	"- [-1, 1, Conv, [16, 3, 2]]\n"                /* 1 */                                     \
	"- [-1, 1, C3, [16]]\n"                        /* 2 */                                     \
	"- [-1, 1, Conv, [24, 3, 2]]\n"                /* 3 */                                     \
	"- [-1, 1, nn.Upsample, [None, 2, nearest]]\n" /* 4 */                                     \
	"- [[-1, 2], 1, Concat, [1]]\n"                /* 5 */                                     \
	"head:\n"                                                                                  \
	"- [[5, 3], 1, Detect, [nc, anchors]]\n" /* 6 */

static struct graph *make(const char *text)
{
	struct err err;
	struct graph *g = config_parse("x", text, &err);

	if (!g)
		fail_msg("%s", err.msg);
	return g;
}

static void shapes_follow_the_image(void **state)
{
	static const int rows[][3] = {{8, 16, 24}, {16, 8, 12}, {16, 8, 12}, {24, 4, 6},
				      {24, 8, 12}, {40, 8, 12}, {14, 8, 12}};
	struct graph *g = make(TEXT);
	struct shape s;
	struct err err;
	int i;

	(void)state;
	for (i = 0; i < g->nlayers; i++) {
		assert_int_equal(graph_shape(g, i, 32, 48, &s, &err), 0);
		assert_int_equal(s.c, rows[i][0]);
		assert_int_equal(s.h, rows[i][1]);
		assert_int_equal(s.w, rows[i][2]);
	}
	assert_int_equal(g->max_stride, 8);
	assert_int_equal(g->strides[0], 4);
	assert_int_equal(g->strides[1], 8);
	assert_int_equal(graph_shape(g, 0, 36, 48, &s, &err), -1);
	assert_string_equal(err.msg,
			    "an image size of 48x36 is not a multiple of 8, the model's stride");
	assert_int_equal(graph_shape(g, 0, 0, 48, &s, &err), -1);
	assert_int_equal(graph_shape(g, 0, 1 << 20, 48, &s, &err), -1);
	graph_free(g);
}

static void flops_are_two_per_multiply(void **state)
{
	struct graph *g = make(TEXT);

	(void)state;
	assert_true(graph_layer_flops(g, 0, 32, 48) == 2.0 * 9 * 3 * 8 * 16 * 24);
	assert_true(graph_layer_flops(g, 4, 32, 48) == 0);
	/* cv1, cv2: 16 to 8; m: 8 to 8, 1x1 and 3x3; cv3: 16 to 16 */
	assert_true(graph_layer_flops(g, 2, 32, 48) ==
		    2.0 * 8 * 12 * (2 * 16 * 8 + 8 * 8 + 9 * 8 * 8 + 16 * 16));
	assert_true(graph_layer_flops(g, 0, 33, 48) == 0);
	graph_free(g);
}

static void every_tensor_that_crosses_a_cut_is_in_its_frontier(void **state)
{
	static const int rows[][4] = {{1, 0}, {1, 1}, {1, 2}, {2, 2, 3}, {3, 2, 3, 4}, {2, 3, 5}};
	struct graph *g = make(TEXT);
	int cut, layers[8], i;

	(void)state;
	for (cut = 1; cut < g->nlayers; cut++) {
		assert_int_equal(graph_frontier(g, cut, layers, 8), rows[cut - 1][0]);
		for (i = 0; i < rows[cut - 1][0]; i++)
			assert_int_equal(layers[i], rows[cut - 1][1 + i]);
	}
	graph_free(g);
}

static void parameters_lie_one_behind_the_other(void **state)
{
	struct graph *g = make(TEXT);
	size_t at = 0;
	int i;

	(void)state;
	for (i = 0; i < g->nparams; i++) {
		const struct param *p = &g->params[i];

		assert_int_equal(p->offset, at);
		if (p->kind != PARAM_COUNTER)
			at += p->count;
		assert_true(i >= g->layers[p->layer].params0 &&
			    i < g->layers[p->layer].params0 + g->layers[p->layer].nparams);
	}
	assert_int_equal(at, g->nfloats);
	graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_follow_the_image),
		cmocka_unit_test(flops_are_two_per_multiply),
		cmocka_unit_test(every_tensor_that_crosses_a_cut_is_in_its_frontier),
		cmocka_unit_test(parameters_lie_one_behind_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
