#include "train/gateway.h"
#include "base/rng.h"
#include "unit.h"

#include <math.h>

/* Two tensors cross cut 3: layer 2's and, for the concat, layer 1's. */
static const char yaml[] = "nc: 2\n"
			   "depth_multiple: 1.0\n"
			   "width_multiple: 1.0\n"
			   "anchors:\n  - [8, 8, 16, 16, 24, 24]\n"
			   "backbone:\n"
			   "  - [-1, 1, Conv, [8, 3, 2]]\n"
			   "  - [-1, 1, C3, [16]]\n"
			   "  - [-1, 1, Conv, [16, 3, 1]]\n"
			   "head:\n"
			   "  - [-1, 1, Conv, [16, 1, 1]]\n"
			   "  - [[-1, 1], 1, Concat, [1]]\n"
			   "  - [-1, 1, Conv, [16, 3, 2]]\n"
			   "  - [[5], 1, Detect, [nc, anchors]]\n";
enum { CUT = 3, IMG = 32, N = 6, TENSORS = 2 };

static void fill(const struct view *v, int first)
{
	struct rng r;
	int n, y, x, c;

	for (n = 0; n < v->n; n++) {
		rng_init(&r, 1, "t-gateway", (uint64_t)(first + n));
		for (y = 0; y < v->h; y++)
			for (x = 0; x < v->w; x++)
				for (c = 0; c < v->c; c++)
					view_at(v, n, y, x)[c] = (float)rng_range(&r, 0, 1);
		view_clear_pads(v, n, 0, v->h);
	}
}

static struct view part(struct view v, int from, int n)
{
	v.p = view_at(&v, from, 0, 0);
	v.n = n;
	return v;
}

/* A model whose cut has these gates; epsilon 0: no noise. */
static struct model *model_with_gate(enum encoding encoding, double epsilon)
{
	struct gate gate[TENSORS];
	struct gates gates = {CUT, TENSORS, gate};
	const uint64_t seed = 1;
	struct err err = ERR_INIT;
	struct model *m = model_init(yaml, 2, NULL, 3, &err);
	int layers[TENSORS], i, c;
	struct noise n;
	char *json;

	if (!m)
		fail_msg("%s", err.msg);
	assert_int_equal(graph_frontier(m->graph, CUT, layers, TENSORS), TENSORS);
	assert_int_equal(
		noise_init(&n, epsilon > 0 ? MECHANISM_RR : MECHANISM_NONE, epsilon, &seed, &err),
		0);
	for (i = 0; i < TENSORS; i++) {
		gate_init(&gate[i], encoding, m->graph->layers[layers[i]].cout);
		gate_set_noise(&gate[i], &n);
		gate[i].debias = epsilon > 0;
		if (encoding != ENCODING_BIT)
			continue;
		gate[i].low = xcalloc((size_t)gate[i].c, sizeof(float));
		gate[i].high = xcalloc((size_t)gate[i].c, sizeof(float));
		for (c = 0; c < gate[i].c; c++) {
			gate[i].low[c] = -.1f;
			gate[i].high[c] = .2f;
		}
	}
	json = gates_json(&gates);
	model_set_meta(m, "mist.gate", json);
	model_set_meta(m, "mist.cut_layer", "3");
	free(json);
	for (i = 0; i < TENSORS; i++)
		gate_release(&gate[i]);
	return m;
}

static struct gateway *gateway_of(const struct model *m, struct pool *pool)
{
	const struct gateway_options o = {
		.img = IMG, .path = CONV_AUTO, .seed = 4, .gradient = true};
	struct err err = ERR_INIT;
	struct gateway *g = gateway_new(m, &o, pool, &err);

	if (!g)
		fail_msg("%s", err.msg);
	gateway_load(g);
	return g;
}

static struct net *net_of(const struct model *m, int from, struct pool *pool)
{
	const struct net_options o = {.from = from,
				      .max_n = N,
				      .h = IMG,
				      .w = IMG,
				      .train = true,
				      .freeze = from,
				      .constant_bn = CUT,
				      .input_grad = from > 0};
	struct err err;
	struct net *net = net_new(m->graph, &o, pool, &err);

	assert_non_null(net);
	net_load_params(net, m->params);
	return net;
}

/* Forward all N pictures in pieces as large as `each`. */
static void forward(struct gateway *g, struct net *net, int each)
{
	uint64_t number[GATEWAY_IMAGES];
	struct view to[TENSORS], in;
	int from, i, n;

	for (from = 0; from < N; from += n) {
		n = N - from < each ? N - from : each;
		for (i = 0; i < n; i++)
			number[i] = 10 + (uint64_t)(from + i);
		for (i = 0; i < TENSORS; i++)
			to[i] = part(net_input(net, i, N), from, n);
		in = gateway_input(g, n);
		fill(&in, from);
		gateway_forward(g, n, number, to);
	}
}

static void backward(struct gateway *g, struct net *net, float *grads)
{
	struct view d[TENSORS], in;
	int from, i, n;

	for (from = 0; from < N; from += n) {
		n = N - from < GATEWAY_IMAGES ? N - from : GATEWAY_IMAGES;
		for (i = 0; i < TENSORS; i++)
			d[i] = part(net_input_grad(net, i, N), from, n);
		in = gateway_input(g, n);
		fill(&in, from);
		gateway_backward(g, n, d, grads);
	}
}

/* Any loss will do: the sum of the outputs, weighted by a pattern. */
static void set_output_grad(struct net *net)
{
	const struct view d = net_output_grad(net, 0, N);

	fill(&d, 100);
}

/* When floats cross, edge and cloud together are the network whole, forward and backward. */
static void through_floats_the_gradient_is_the_whole_networks(void **state)
{
	struct model *m = model_with_gate(ENCODING_F32, 0);
	struct gateway *g = gateway_of(m, NULL);
	struct net *whole = net_of(m, 0, NULL), *cloud = net_of(m, CUT, NULL);
	const size_t n = m->graph->nfloats;
	float *want = xcalloc(n, sizeof(float)), *got = xcalloc(n, sizeof(float));
	struct view in = net_input(whole, 0, N);
	double norm = 0, off = 0, edge = 0;
	size_t i;
	int k;

	(void)state;
	fill(&in, 0);
	net_forward(whole, N, m->params);
	set_output_grad(whole);
	net_backward(whole, N, want);
	for (k = 0; k < 2; k++) { /* what is left of a batch before must not matter */
		memset(got, 0, n * sizeof(float));
		forward(g, cloud, GATEWAY_IMAGES);
		net_forward(cloud, N, m->params);
		set_output_grad(cloud);
		net_backward(cloud, N, got);
		backward(g, cloud, got);
	}
	for (i = 0; i < n; i++) {
		norm += (double)want[i] * want[i];
		off += ((double)want[i] - got[i]) * ((double)want[i] - got[i]);
	}
	for (k = 0; k < m->graph->nparams; k++)
		if (m->graph->params[k].layer < CUT)
			for (i = 0; i < m->graph->params[k].count; i++)
				edge += fabs((double)want[m->graph->params[k].offset + i]);
	assert_true(norm > 0 && edge > 0);
	assert_true(sqrt(off / norm) < 1e-5);
	net_free(whole);
	net_free(cloud);
	gateway_free(g);
	model_free(m);
	free(want);
	free(got);
}

static void noise_is_a_pictures_own_whatever_the_pieces_and_threads(void **state)
{
	struct pool *pool = pool_new(2);
	struct model *m = model_with_gate(ENCODING_BIT, 1);
	struct gateway *a = gateway_of(m, NULL), *b = gateway_of(m, pool);
	struct net *x = net_of(m, CUT, NULL), *y = net_of(m, CUT, NULL);
	int i, n, row, differ = 0;

	(void)state;
	forward(a, x, GATEWAY_IMAGES);
	forward(b, y, 1);
	for (i = 0; i < TENSORS; i++) {
		const struct view v = net_input(x, i, N), w = net_input(y, i, N);

		for (n = 0; n < N; n++)
			for (row = 0; row < v.h; row++)
				assert_memory_equal(view_at(&v, n, row, 0), view_at(&w, n, row, 0),
						    (size_t)v.c * sizeof(float));
		/* not everybody's: clean levels would be the only two values of a channel */
		for (row = 0; row < v.h; row++)
			differ += *view_at(&v, 0, row, 0) != *view_at(&v, 1, row, 0);
	}
	assert_true(differ > 0);
	net_free(x);
	net_free(y);
	gateway_free(a);
	gateway_free(b);
	model_free(m);
	pool_free(pool);
}

static void gates_that_do_not_fit_are_refused(void **state)
{
	const struct gateway_options o = {.img = IMG};
	struct model *m = model_with_gate(ENCODING_F32, 0);
	struct err err = ERR_INIT;

	(void)state;
	model_set_meta(m, "mist.gate",
		       "{\"cut\":3,\"gates\":[{\"encoding\":\"bit\",\"channels\":8,\"mechanism\":"
		       "\"none\",\"epsilon\":0,\"q\":0,\"debias\":false}]}");
	assert_null(gateway_new(m, &o, NULL, &err));
	assert_int_equal(err.status, STATUS_INPUT);
	assert_non_null(strstr(err.msg, "2 tensors cross cut 3, and there are 1 gates"));
	model_set_meta(m, "mist.gate",
		       "{\"cut\":1,\"gates\":[{\"encoding\":\"bit\",\"channels\":9,\"mechanism\":"
		       "\"none\",\"epsilon\":0,\"q\":0,\"debias\":false}]}");
	assert_null(gateway_new(m, &o, NULL, &err));
	assert_non_null(strstr(err.msg, "has 8 channels, and its gate has 9"));
	model_set_meta(m, "mist.gate", "{}");
	assert_null(gateway_new(m, &o, NULL, &err));
	assert_int_equal(err.status, STATUS_INPUT);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(through_floats_the_gradient_is_the_whole_networks),
		cmocka_unit_test(noise_is_a_pictures_own_whatever_the_pieces_and_threads),
		cmocka_unit_test(gates_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
