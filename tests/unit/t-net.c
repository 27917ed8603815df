#include "base/file.h"
#include "base/rng.h"
#include "model/model.h"
#include "nn/net.h"
#include "unit.h"

#include <math.h>

/* The graph of tests/golden/hard-graph.yaml. */
#define LAYERS 17
#define N      3
#define H      16
#define W      24
#define IMAGE  (3 * N * 28 * 28) /* room for the classifier's too */

struct fixture {
	struct model *m;
	float *image;     /* NCHW */
	float *weight[2]; /* of the outputs in the loss */
};

static void fill_normal(float *v, size_t n, uint64_t index)
{
	struct rng r;
	size_t i;

	rng_init(&r, 5, "test", index);
	for (i = 0; i < n; i++)
		v[i] = (float)rng_normal(&r);
}

/* Replaces every `from` in the text by `to`, which is not longer. */
static void replace(char *text, const char *from, const char *to)
{
	char *at;

	for (at = text; (at = strstr(at, from)); at += strlen(to)) {
		memcpy(at, to, strlen(to));
		memset(at + strlen(to), ' ', strlen(from) - strlen(to));
	}
}

/* Without kinks, so that differences are slopes. */
static void smooth(char *text)
{
	replace(text, "nn.Hardswish()", "True");
	replace(text, "nn.LeakyReLU(0.1)", "True");
	replace(text, "SPPF, [16, 3]", "SPPF, [16, 1]");
	replace(text, "SPP, [8, [3, 5]]", "SPP, [8, [1, 1]]");
	replace(text, "nn.MaxPool2d, [2, 2]", "Conv, [8, 2, 2, 0]");
}

static struct model *make_model(bool kinks)
{
	struct buf text = BUF_INIT;
	struct err err;
	struct model *m;

	if (file_read(TEST_GOLDEN "/hard-graph.yaml", 1 << 16, &text, &err))
		fail_msg("%s", err.msg);
	if (!kinks)
		smooth(text.data);
	m = model_init(text.data, 0, NULL, 3, &err);
	if (!m)
		fail_msg("%s", err.msg);
	buf_release(&text);
	return m;
}

static int setup_graph(void **state, bool kinks)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int i;

	f->m = make_model(kinks);
	for (i = 0; i < f->m->graph->nparams; i++) {
		const struct param *p = &f->m->graph->params[i];
		float *v = f->m->params + p->offset;
		size_t k;

		if (p->kind == PARAM_WEIGHT || p->kind == PARAM_CONST || p->kind == PARAM_COUNTER)
			continue;
		fill_normal(v, p->count, 100 + (uint64_t)i);
		for (k = 0; k < p->count; k++)
			v[k] = p->kind == PARAM_BN_VAR || p->kind == PARAM_BN_WEIGHT
				       ? 0.7f + 0.2f * fabsf(v[k])
				       : 0.3f * v[k];
	}
	f->image = xcalloc(IMAGE, sizeof(float));
	fill_normal(f->image, IMAGE, 1);
	for (i = 0; i < 2; i++) {
		f->weight[i] = xcalloc(14 * N * H * W, sizeof(float));
		fill_normal(f->weight[i], 14 * N * H * W, 2 + (uint64_t)i);
	}
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_graph(state, true);
}

static int setup_smooth(void **state)
{
	return setup_graph(state, false);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	model_free(f->m);
	free(f->image);
	free(f->weight[0]);
	free(f->weight[1]);
	free(f);
	return 0;
}

static struct net *make(const struct fixture *f, struct net_options opt, struct pool *pool)
{
	struct err err;
	struct net *net;

	opt.max_n = N;
	opt.h = H;
	opt.w = W;
	net = net_new(f->m->graph, &opt, pool, &err);
	if (!net)
		fail_msg("%s", err.msg);
	return net;
}

static void fill_image(const struct fixture *f, struct net *net)
{
	struct view v = net_input(net, 0, N);

	view_from_nchw(&v, f->image);
}

/* The outputs, dense, one behind the other; the caller frees. */
static float *outputs(struct net *net, size_t *count)
{
	float *all = NULL;
	int i;

	*count = 0;
	for (i = 0; i < net_noutputs(net); i++) {
		const struct view v = net_output(net, i, N);
		const size_t n = (size_t)v.n * (size_t)v.c * (size_t)v.h * (size_t)v.w;

		all = xreallocarray(all, *count + n, sizeof(float));
		view_to_nchw(&v, all + *count);
		*count += n;
	}
	return all;
}

static float *forward(const struct fixture *f, struct net_options opt, struct pool *pool,
		      size_t *count)
{
	struct net *net = make(f, opt, pool);
	float *y;

	net_load_params(net, f->m->params);
	fill_image(f, net);
	net_forward(net, N, f->m->params);
	y = outputs(net, count);
	net_free(net);
	return y;
}

static void assert_close(const float *a, const float *b, size_t n, double tolerance)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!(fabs((double)a[i] - b[i]) <= tolerance * (1 + fabs((double)b[i]))))
			fail_msg("value %zu is %g, not %g", i, a[i], b[i]);
}

static void reusing_memory_changes_nothing(void **state)
{
	struct fixture *f = *state;
	size_t n, m;
	float *a = forward(f, (struct net_options){.keep_all = true}, NULL, &n);
	float *b = forward(f, (struct net_options){0}, NULL, &m);

	assert_int_equal(n, m);
	assert_memory_equal(a, b, n * sizeof(float));
	free(a);
	free(b);
}

/* Batch statistics off: training forward is evaluation, by another way (no folding). */
static void a_frozen_network_computes_what_evaluation_does(void **state)
{
	struct fixture *f = *state;
	const struct net_options frozen = {.train = true, .freeze = LAYERS, .input_grad = true};
	size_t n, m;
	float *a = forward(f, (struct net_options){0}, NULL, &n);
	float *b = forward(f, frozen, NULL, &m);

	assert_int_equal(n, m);
	assert_close(a, b, n, 1e-5);
	free(a);
	free(b);
}

/* Two nets around any cut are the whole one, byte for byte. */
static void every_cut_composes(void **state)
{
	struct fixture *f = *state;
	size_t n, m;
	float *whole = forward(f, (struct net_options){0}, NULL, &n);
	int cut, i;

	for (cut = 1; cut < LAYERS; cut++) {
		struct net *a = make(f, (struct net_options){.to = cut}, NULL);
		struct net *b = make(f, (struct net_options){.from = cut}, NULL);
		float *y;

		net_load_params(a, f->m->params);
		net_load_params(b, f->m->params);
		fill_image(f, a);
		net_forward(a, N, f->m->params);
		assert_int_equal(net_noutputs(a), net_ninputs(b));
		for (i = 0; i < net_ninputs(b); i++) {
			const struct view from = net_output(a, i, N), to = net_input(b, i, N);

			view_copy(NULL, &from, &to);
		}
		net_forward(b, N, f->m->params);
		y = outputs(b, &m);
		assert_int_equal(n, m);
		assert_memory_equal(y, whole, n * sizeof(float));
		free(y);
		net_free(a);
		net_free(b);
	}
	free(whole);
}

/* loss = sum of weight * output; writes the gradient of the outputs. */
static double weighted(const struct fixture *f, struct net *net, bool grad)
{
	double sum = 0;
	int i;

	for (i = 0; i < net_noutputs(net); i++) {
		const struct view v = net_output(net, i, N);
		const size_t n = (size_t)v.n * (size_t)v.c * (size_t)v.h * (size_t)v.w;
		float *y = xcalloc(n, sizeof(float));
		size_t k;

		view_to_nchw(&v, y);
		for (k = 0; k < n; k++)
			sum += (double)y[k] * f->weight[i][k];
		if (grad) {
			const struct view d = net_output_grad(net, i, N);

			view_from_nchw(&d, f->weight[i]);
		}
		free(y);
	}
	return sum;
}

/* One training pass; the running statistics it moves are put back. */
static double train_pass(const struct fixture *f, struct net *net, float *grads)
{
	const size_t bytes = f->m->graph->nfloats * sizeof(float);
	float *params = xmalloc(bytes);
	double loss;

	memcpy(params, f->m->params, bytes);
	net_load_params(net, params);
	fill_image(f, net);
	net_forward(net, N, params);
	loss = weighted(f, net, grads != NULL);
	if (grads)
		net_backward(net, N, grads);
	free(params);
	return loss;
}

static float *gradients(const struct fixture *f, struct net_options opt, struct pool *pool)
{
	struct net *net = make(f, opt, pool);
	float *grads = xcalloc(f->m->graph->nfloats, sizeof(float));

	train_pass(f, net, grads);
	net_free(net);
	return grads;
}

static void making_activations_again_changes_no_gradient(void **state)
{
	struct fixture *f = *state;
	const size_t bytes = f->m->graph->nfloats * sizeof(float);
	struct net_options opt = {.train = true, .keep_y = true};
	float *kept = gradients(f, opt, NULL), *again, *all;

	opt.keep_y = false;
	again = gradients(f, opt, NULL);
	opt.keep_all = true;
	all = gradients(f, opt, NULL);
	assert_memory_equal(kept, again, bytes);
	assert_memory_equal(kept, all, bytes);
	free(kept);
	free(again);
	free(all);
}

/* Of the whole net, and of the layers before its head, whose outputs are read by others, too. */
static void gradients_may_lie_where_outputs_do(void **state)
{
	struct fixture *f = *state;
	const size_t bytes = f->m->graph->nfloats * sizeof(float);
	const int ends[] = {f->m->graph->nlayers, f->m->graph->nlayers - 1};
	int together = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(ends); i++) {
		struct net_options opt = {.train = true, .to = ends[i]};
		float *apart = gradients(f, opt, NULL), *in_place;
		struct net *net;
		int k;

		opt.overwrite = true;
		in_place = gradients(f, opt, NULL);
		assert_memory_equal(apart, in_place, bytes);
		net = make(f, opt, NULL);
		for (k = 0; k < net_noutputs(net); k++)
			together += net_output(net, k, N).p == net_output_grad(net, k, N).p;
		net_free(net);
		free(apart);
		free(in_place);
	}
	assert_true(together > 1); /* or nothing was tried */
}

/* A few images at a time through each segment: sums are taken in another order, no more. */
static void pieces_of_a_batch_make_the_whole(void **state)
{
	struct fixture *f = *state;
	const struct graph *g = f->m->graph;
	struct net_options opt = {.train = true};
	float *whole = gradients(f, opt, NULL), *pieces;
	int i;

	for (opt.chunk = 1; opt.chunk < N; opt.chunk++) {
		pieces = gradients(f, opt, NULL);
		for (i = 0; i < g->nparams; i++) {
			const struct param *p = &g->params[i];
			double norm = 0, off = 0;
			size_t k;

			for (k = p->offset; k < p->offset + p->count; k++) {
				norm += (double)whole[k] * whole[k];
				off += pow((double)pieces[k] - whole[k], 2);
			}
			if (!(off <= 1e-8 * norm))
				fail_msg("%s: off by %g of %g", p->name, sqrt(off), sqrt(norm));
		}
		free(pieces);
	}
	free(whole);
}

/* A batch in parts, whose inputs are all there: without batch statistics nothing else changes. */
static void parts_of_a_batch_make_the_whole(void **state)
{
	struct fixture *f = *state;
	const size_t n = f->m->graph->nfloats;
	struct net_options opt = {.train = true, .freeze = LAYERS - 1};
	float *whole = gradients(f, opt, NULL), *parts = xcalloc(n, sizeof(float));
	struct err err;
	struct net *net;
	struct view x;
	int first, i;

	opt.max_n = 1;
	opt.batch = N;
	opt.h = H;
	opt.w = W;
	net = net_new(f->m->graph, &opt, NULL, &err);
	assert_non_null(net);
	net_load_params(net, f->m->params);
	x = net_input(net, 0, N);
	assert_int_equal(x.n, N);
	view_from_nchw(&x, f->image);
	for (first = 0; first < N; first++) {
		net_forward_part(net, first, 1, f->m->params);
		for (i = 0; i < net_noutputs(net); i++) {
			const struct view d = net_output_grad(net, i, 1);

			view_from_nchw(&d, f->weight[i] + (size_t)(first * d.c * d.h * d.w));
		}
		net_backward(net, 1, parts);
	}
	assert_close(parts, whole, n, 1e-5);
	net_free(net);
	free(whole);
	free(parts);
}

static void threads_change_no_bit(void **state)
{
	struct fixture *f = *state;
	const size_t bytes = f->m->graph->nfloats * sizeof(float);
	const enum conv_path paths[] = {CONV_OPENBLAS, CONV_V128, CONV_AVX2, CONV_AVX512};
	size_t i, n;
	int threads;

	for (i = 0; i < ARRAY_LEN(paths); i++) {
		struct net_options opt = {.path = paths[i], .chunk = i % 2};
		float *y = NULL, *g = NULL;
		enum conv_path path;
		struct err err;

		if (conv_resolve(paths[i], &path, &err))
			continue; /* not on this processor */
		for (threads = 1; threads <= 3; threads++) {
			struct pool *pool = pool_new(threads);
			float *y2, *g2;

			opt.train = false;
			y2 = forward(f, opt, pool, &n);
			opt.train = true;
			g2 = gradients(f, opt, pool);
			if (y) {
				assert_memory_equal(y, y2, n * sizeof(float));
				assert_memory_equal(g, g2, bytes);
			}
			free(y);
			free(g);
			y = y2;
			g = g2;
			pool_free(pool);
		}
		free(y);
		free(g);
	}
}

static void kernel_paths_agree_to_rounding(void **state)
{
	struct fixture *f = *state;
	const enum conv_path paths[] = {CONV_OPENBLAS, CONV_V128, CONV_AVX2, CONV_AVX512};
	float *first = NULL;
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(paths); i++) {
		const struct net_options opt = {.path = paths[i]};
		enum conv_path path;
		struct err err;
		float *y;

		if (conv_resolve(paths[i], &path, &err))
			continue;
		y = forward(f, opt, NULL, &n);
		if (first)
			assert_close(y, first, n, 1e-4);
		else
			first = y;
		if (first != y)
			free(y);
	}
	free(first);
}

/* Fraction of the norm that the difference of two slopes may be: steps of 2e-3 in 32-bit floats. */
#define SLOPE 0.02

/* The slope of the loss along the gradient of one tensor, by differences, is its squared norm. */
static void check_slope(struct fixture *f, struct net *net, const float *grads,
			const struct param *p, double *worst)
{
	float *v = f->m->params + p->offset, *old = xcalloc(p->count, sizeof(float));
	const float *g = grads + p->offset;
	double norm = 0, up, down, slope, step;
	size_t i;

	for (i = 0; i < p->count; i++)
		norm += (double)g[i] * g[i];
	norm = sqrt(norm);
	/* a step that moves the loss by about 0.1 */
	step = fmin(0.1 / norm, 4e-3);
	memcpy(old, v, p->count * sizeof(float));
	for (i = 0; i < p->count; i++)
		v[i] = (float)(old[i] + step * g[i] / norm);
	up = train_pass(f, net, NULL);
	for (i = 0; i < p->count; i++)
		v[i] = (float)(old[i] - step * g[i] / norm);
	down = train_pass(f, net, NULL);
	memcpy(v, old, p->count * sizeof(float));
	slope = (up - down) / (2 * step);
	if (fabs(slope / norm - 1) > *worst)
		*worst = fabs(slope / norm - 1);
	if (!(fabs(slope / norm - 1) <= SLOPE))
		fail_msg("%s: the slope is %g, its gradient says %g", p->name, slope, norm);
	free(old);
}

static void gradients_are_the_slopes_of_the_loss(void **state)
{
	struct fixture *f = *state;
	const struct graph *g = f->m->graph;
	struct net *net = make(f, (struct net_options){.train = true}, NULL);
	float *grads = xcalloc(g->nfloats, sizeof(float));
	double worst = 0;
	int i;

	train_pass(f, net, grads);
	for (i = 0; i < g->nparams; i++)
		if (param_trained(&g->params[i]))
			check_slope(f, net, grads, &g->params[i], &worst);
	print_message("the worst slope is off by %.2g\n", worst);
	free(grads);
	net_free(net);
}

static void the_inputs_gradient_passes_frozen_layers(void **state)
{
	struct fixture *f = *state;
	const struct net_options opt = {.train = true, .freeze = LAYERS, .input_grad = true};
	const size_t n = 3 * N * H * W;
	struct net *net = make(f, opt, NULL);
	float *grads = xcalloc(f->m->graph->nfloats, sizeof(float));
	float *dx = xcalloc(n, sizeof(float)), *old = xcalloc(n, sizeof(float));
	/* a step that moves the loss, 7 in 32 bits, by a few hundred units in its last place */
	const double step = 3e-2;
	double norm = 0, up, down;
	struct view v;
	size_t i;

	train_pass(f, net, grads);
	v = net_input_grad(net, 0, N);
	view_to_nchw(&v, dx);
	for (i = 0; i < f->m->graph->nfloats; i++)
		assert_true(grads[i] == 0);
	for (i = 0; i < n; i++)
		norm += (double)dx[i] * dx[i];
	norm = sqrt(norm);
	memcpy(old, f->image, n * sizeof(float));
	for (i = 0; i < n; i++)
		f->image[i] = (float)(old[i] + step * dx[i] / norm);
	up = train_pass(f, net, NULL);
	for (i = 0; i < n; i++)
		f->image[i] = (float)(old[i] - step * dx[i] / norm);
	down = train_pass(f, net, NULL);
	memcpy(f->image, old, n * sizeof(float));
	assert_true(norm > 0 && fabs((up - down) / (2 * step) / norm - 1) < SLOPE);
	net_free(net);
	free(grads);
	free(dx);
	free(old);
}

/* Frozen by freezing, frozen by cutting: the same gradients behind the cut, none before it. */
static void freezing_and_cutting_agree(void **state)
{
	struct fixture *f = *state;
	const struct graph *g = f->m->graph;
	int cut, i;
	size_t k;

	for (cut = 1; cut < LAYERS; cut += 4) {
		float *frozen =
			gradients(f, (struct net_options){.train = true, .freeze = cut}, NULL);
		float *cloud = xcalloc(g->nfloats, sizeof(float));
		struct net *a = make(f, (struct net_options){.to = cut}, NULL);
		struct net *b = make(f, (struct net_options){.from = cut, .train = true}, NULL);
		float *params = xmalloc(g->nfloats * sizeof(float));

		memcpy(params, f->m->params, g->nfloats * sizeof(float));
		net_load_params(a, params);
		net_load_params(b, params);
		fill_image(f, a);
		net_forward(a, N, params);
		for (i = 0; i < net_ninputs(b); i++) {
			const struct view from = net_output(a, i, N), to = net_input(b, i, N);

			view_copy(NULL, &from, &to);
		}
		net_forward(b, N, params);
		weighted(f, b, true);
		net_backward(b, N, cloud);
		assert_memory_equal(frozen, cloud, g->nfloats * sizeof(float));
		for (i = 0; i < g->nparams; i++)
			for (k = 0; g->params[i].layer < cut && param_trained(&g->params[i]) &&
				    k < g->params[i].count;
			     k++)
				assert_true(cloud[g->params[i].offset + k] == 0);
		net_free(a);
		net_free(b);
		free(params);
		free(frozen);
		free(cloud);
	}
}

/* Fewer images than planned for, and a second batch after a first: nothing is left over. */
static void a_smaller_batch_gives_the_same(void **state)
{
	struct fixture *f = *state;
	struct net *net = make(f, (struct net_options){0}, NULL);
	struct view x, y;
	float *all, *one;
	size_t n;

	net_load_params(net, f->m->params);
	fill_image(f, net);
	net_forward(net, N, f->m->params);
	all = outputs(net, &n);
	x = net_input(net, 0, 1);
	view_from_nchw(&x, f->image);
	net_forward(net, 1, f->m->params);
	y = net_output(net, 0, 1);
	n = (size_t)y.c * (size_t)y.h * (size_t)y.w;
	one = xcalloc(n, sizeof(float));
	view_to_nchw(&y, one);
	assert_memory_equal(one, all, n * sizeof(float));
	free(all);
	free(one);
	net_free(net);
}

static void what_cannot_be_planned_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct net_options rows[] = {
		{.max_n = 1, .h = 17, .w = 24},
		{.max_n = 0, .h = 16, .w = 24},
		{.max_n = 1, .h = 16, .w = 24, .from = 5, .to = 5},
		{.max_n = 1, .h = 16, .w = 24, .to = 18},
		{.max_n = 1, .h = 16, .w = 24, .from = -1},
	};
	struct err err;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_null(net_new(f->m->graph, &rows[i], NULL, &err));
		assert_int_equal(err.status, STATUS_INPUT);
		assert_int_equal(net_bytes(f->m->graph, &rows[i], NULL), 0);
	}
}

static void the_profile_counts_every_multiply(void **state)
{
	struct fixture *f = *state;
	struct net *net = make(f, (struct net_options){0}, NULL);
	const struct net_time *rows;
	double flops = 0, want = 0;
	int i, n;

	net_load_params(net, f->m->params);
	fill_image(f, net);
	net_forward(net, N, f->m->params);
	net_profile_reset(net);
	net_forward(net, N, f->m->params);
	rows = net_profile(net, &n);
	for (i = 0; i < n; i++)
		flops += rows[i].flops;
	for (i = 0; i < LAYERS; i++)
		want += N * graph_layer_flops(f->m->graph, i, H, W);
	assert_true(fabs(flops - want) < 1);
	net_free(net);
}

/* LeNet-5 with batch norm but in one layer: flattening, linear layers with and without an activation. */
#define LENET                                                                                      \
	"ch: 1\nimg: 28\nbackbone:\n"                                                              \
	"- [-1, 1, Conv, [8, 5, 1, 2]]\n- [-1, 1, Conv, [8, 2, 2, 0]]\n"                           \
	"- [-1, 1, Conv, [16, 5, 1, 0]]\n- [-1, 1, nn.Conv2d, [16, 2, 2, 0]]\n"                    \
	"- [-1, 1, Flatten, []]\n- [-1, 1, Linear, [120, True]]\n"                                 \
	"- [-1, 1, Linear, [84, nn.SiLU()]]\n- [-1, 1, Linear, [10]]\n"

static void a_classifier_learns_by_its_slopes(void **state)
{
	struct fixture *f = *state;
	struct model *other = f->m;
	const struct net_options opt = {.max_n = N, .h = 28, .w = 28, .train = true};
	struct err err;
	struct net *net;
	float *grads;
	double worst = 0;
	int i;

	f->m = model_init(LENET, 0, NULL, 9, &err);
	if (!f->m)
		fail_msg("%s", err.msg);
	assert_non_null(graph_param(f->m->graph, "model.5.weight"));
	assert_int_equal(graph_param(f->m->graph, "model.5.weight")->dim[1], 400);
	net = net_new(f->m->graph, &opt, NULL, &err);
	assert_non_null(net);
	assert_int_equal(net_output(net, 0, N).c, 10);
	grads = xcalloc(f->m->graph->nfloats, sizeof(float));
	train_pass(f, net, grads);
	for (i = 0; i < f->m->graph->nparams; i++)
		if (param_trained(&f->m->graph->params[i]))
			check_slope(f, net, grads, &f->m->graph->params[i], &worst);
	free(grads);
	net_free(net);
	model_free(f->m);
	f->m = other;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reusing_memory_changes_nothing),
		cmocka_unit_test(a_frozen_network_computes_what_evaluation_does),
		cmocka_unit_test(every_cut_composes),
		cmocka_unit_test(making_activations_again_changes_no_gradient),
		cmocka_unit_test(gradients_may_lie_where_outputs_do),
		cmocka_unit_test(pieces_of_a_batch_make_the_whole),
		cmocka_unit_test(parts_of_a_batch_make_the_whole),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(kernel_paths_agree_to_rounding),
		cmocka_unit_test_setup_teardown(gradients_are_the_slopes_of_the_loss, setup_smooth,
						teardown),
		cmocka_unit_test_setup_teardown(the_inputs_gradient_passes_frozen_layers,
						setup_smooth, teardown),
		cmocka_unit_test(a_classifier_learns_by_its_slopes),
		cmocka_unit_test(freezing_and_cutting_agree),
		cmocka_unit_test(a_smaller_batch_gives_the_same),
		cmocka_unit_test(what_cannot_be_planned_is_an_error),
		cmocka_unit_test(the_profile_counts_every_multiply),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
