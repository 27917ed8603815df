/*
 * Pairs of convolutions run as one against the same network with every convolution by itself: what
 * comes out, statistics and gradients, for every cut, frozen part and way of keeping activations.
 */
#include "base/rng.h"
#include "model/model.h"
#include "nn/netplan.h"
#include "unit.h"

#include <math.h>

/* Shortcuts in a row, halves that split a block of vectors (48), an input that is a concat, no
 * shortcut, and a C3 whose halves have too few channels. */
#define YAML                                                                                       \
	"nc: 2\nanchors: [[10,13, 16,30]]\nbackbone:\n"                                            \
	"- [-1, 1, Conv, [16, 3, 2]]\n- [-1, 2, C3, [32]]\n- [-1, 1, Conv, [48, 3, 2]]\n"          \
	"- [-1, 1, C3, [96]]\n- [[-1, 2], 1, Concat, [1]]\n- [-1, 1, C3, [64, False]]\n"           \
	"- [-1, 1, C3, [16]]\nhead:\n- [[6], 1, Detect, [nc, anchors]]\n"
#define LAYERS 8
#define PAIRS  3
#define N      3
#define SIDE   24
/* Float sums in another order. */
#define ROUNDING 2e-6

struct fixture {
	struct model *m;
	float *image, *weight;
};

static float *random_values(size_t n, uint64_t index)
{
	float *v = xcalloc(n, sizeof(float));
	struct rng r;
	size_t i;

	rng_init(&r, 6, "test", index);
	for (i = 0; i < n; i++)
		v[i] = (float)rng_normal(&r);
	return v;
}

/* So that a batch norm in the wrong place is seen. */
static void draw_norms(struct model *m)
{
	int i;

	for (i = 0; i < m->graph->nparams; i++) {
		const struct param *p = &m->graph->params[i];
		const bool scale = p->kind == PARAM_BN_VAR || p->kind == PARAM_BN_WEIGHT;
		float *v = random_values(p->count, 10 + (uint64_t)i);
		size_t k;

		for (k = 0; k < p->count; k++)
			if (scale)
				m->params[p->offset + k] = 0.7f + 0.2f * fabsf(v[k]);
			else if (p->kind == PARAM_BIAS || p->kind == PARAM_BN_MEAN)
				m->params[p->offset + k] = 0.3f * v[k];
		free(v);
	}
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	f->m = model_init(YAML, 0, NULL, 3, &err);
	if (!f->m)
		fail_msg("%s", err.msg);
	draw_norms(f->m);
	f->image = random_values(3 * N * SIDE * SIDE, 1);
	f->weight = random_values(200 * N * SIDE * SIDE, 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	model_free(f->m);
	free(f->image);
	free(f->weight);
	free(f);
	return 0;
}

/* ---- which are pairs ---- */

static struct plan make_plan(const struct fixture *f, struct net_options opt)
{
	struct plan p;
	struct err err;

	opt.max_n = N;
	opt.h = opt.w = SIDE;
	if (plan_init(&p, f->m->graph, &opt, 1, &err))
		fail_msg("%s", err.msg);
	return p;
}

static int count_pairs(const struct fixture *f, struct net_options opt)
{
	struct plan p = make_plan(f, opt);
	int i, pairs = 0;

	for (i = 0; i < p.nunits; i++) {
		const struct unit *u = &p.units[i];

		if (u->pair < 0) {
			assert_non_null(u->conv);
			continue;
		}
		assert_int_equal(p.units[u->pair].pair, i);
		assert_true((u->conv != NULL) == (u->pair > i));
		pairs += u->pair > i;
	}
	plan_release(&p);
	return pairs;
}

static void a_c3_begins_with_a_pair(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(count_pairs(f, (struct net_options){0}), PAIRS);
	assert_int_equal(count_pairs(f, (struct net_options){.train = true}), PAIRS);
	assert_int_equal(count_pairs(f, (struct net_options){.train = true, .freeze = 4}), PAIRS);
	assert_int_equal(count_pairs(f, (struct net_options){.to = 4}), 2);
	assert_int_equal(count_pairs(f, (struct net_options){.from = 5, .train = true}), 1);
	assert_int_equal(count_pairs(f, (struct net_options){.apart = true}), 0);
}

/* The steps of layer 1: cv1, two bottlenecks of two convolutions each, cv2. */
static struct step *second_of_layer_1(const struct fixture *f)
{
	const struct graph *g = f->m->graph;

	return &g->steps[g->layers[1].steps0 + 5];
}

static void what_differs_stays_apart(void **state)
{
	const struct fixture *f = *state;
	struct step *s = second_of_layer_1(f);
	const struct step as_was = *s;

	assert_int_equal(s->in[0], f->m->graph->layers[0].out);
	s->act = ACT_NONE;
	assert_int_equal(count_pairs(f, (struct net_options){0}), PAIRS - 1);
	*s = as_was;
	s->k = 3;
	s->p = 1;
	assert_int_equal(count_pairs(f, (struct net_options){0}), PAIRS - 1);
	*s = as_was;
	s->g = 2;
	assert_int_equal(count_pairs(f, (struct net_options){0}), PAIRS - 1);
	*s = as_was;
	s->residual = s->in[0];
	assert_int_equal(count_pairs(f, (struct net_options){0}), PAIRS - 1);
	*s = as_was;
	s->in[0] = s[-1].out; /* of 16 channels too */
	assert_int_equal(count_pairs(f, (struct net_options){0}), PAIRS - 1);
	*s = as_was;
	s->layer = 2;
	assert_int_equal(count_pairs(f, (struct net_options){0}), PAIRS - 1);
	*s = as_was;
}

/* ---- what they compute ---- */

struct result {
	float *y, *grads, *dx, *params; /* dx: NULL unless asked for */
	size_t ny;
};

static void result_free(struct result *r)
{
	free(r->y);
	free(r->grads);
	free(r->dx);
	free(r->params);
}

static size_t view_values(const struct view *v)
{
	return (size_t)v->n * (size_t)v->c * (size_t)v->h * (size_t)v->w;
}

static void take_output(struct net *net, struct result *r)
{
	int i;

	for (i = 0; i < net_noutputs(net); i++) {
		const struct view v = net_output(net, i, N);

		r->y = xreallocarray(r->y, r->ny + view_values(&v), sizeof(float));
		view_to_nchw(&v, r->y + r->ny);
		r->ny += view_values(&v);
	}
}

static void run_backward(const struct fixture *f, struct net *net, bool input_grad,
			 struct result *r)
{
	size_t at = 0;
	int i;

	for (i = 0; i < net_noutputs(net); i++) {
		const struct view d = net_output_grad(net, i, N);

		if (d.p)
			view_from_nchw(&d, f->weight + at);
		at += view_values(&d);
	}
	net_backward(net, N, r->grads);
	if (input_grad) {
		const struct view d = net_input_grad(net, 0, N);

		r->dx = xcalloc(view_values(&d), sizeof(float));
		view_to_nchw(&d, r->dx);
	}
}

static struct net *make_net(const struct fixture *f, struct net_options opt, struct pool *pool)
{
	struct err err;
	struct net *net;

	opt.max_n = N;
	opt.h = opt.w = SIDE;
	net = net_new(f->m->graph, &opt, pool, &err);
	if (!net)
		fail_msg("%s", err.msg);
	return net;
}

/* One pass of a part of the network; what it reads are random values. */
static struct result run(const struct fixture *f, struct net_options opt, struct pool *pool)
{
	const size_t floats = f->m->graph->nfloats;
	struct net *net = make_net(f, opt, pool);
	struct result r = {.grads = xcalloc(floats, sizeof(float)),
			   .params = xreallocarray(NULL, floats, sizeof(float))};
	int i;

	memcpy(r.params, f->m->params, floats * sizeof(float));
	net_load_params(net, r.params);
	for (i = 0; i < net_ninputs(net); i++) {
		const struct view v = net_input(net, i, N);

		view_from_nchw(&v, opt.from ? f->weight : f->image);
	}
	net_forward(net, N, r.params);
	take_output(net, &r);
	if (opt.train)
		run_backward(f, net, opt.input_grad, &r);
	net_free(net);
	return r;
}

/* `what` within ROUNDING of the norm, parameter by parameter. */
static void assert_params_close(const struct fixture *f, const float *a, const float *b)
{
	const struct graph *g = f->m->graph;
	int i;

	for (i = 0; i < g->nparams; i++) {
		const struct param *p = &g->params[i];
		double norm = 0, off = 0;
		size_t k;

		if (p->kind == PARAM_COUNTER)
			continue; /* takes no floats */
		for (k = p->offset; k < p->offset + p->count; k++) {
			norm += (double)b[k] * b[k];
			off += pow((double)a[k] - b[k], 2);
		}
		if (!(sqrt(off) <= ROUNDING * 10 * sqrt(norm)))
			fail_msg("%s: off by %g of %g", p->name, sqrt(off), sqrt(norm));
	}
}

static void assert_close(const float *a, const float *b, size_t n)
{
	double norm = 0, off = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		norm += (double)b[i] * b[i];
		off += pow((double)a[i] - b[i], 2);
	}
	assert_true(norm > 0);
	if (!(sqrt(off) <= ROUNDING * sqrt(norm)))
		fail_msg("off by %g of %g", sqrt(off), sqrt(norm));
}

/* A convolution's sums have one order whatever lies beside it; those of gradients have not. */
static void compare(const struct fixture *f, struct net_options opt)
{
	struct result pairs = run(f, opt, NULL), apart;

	opt.apart = true;
	apart = run(f, opt, NULL);
	assert_int_equal(pairs.ny, apart.ny);
	if (opt.train)
		assert_close(pairs.y, apart.y, apart.ny);
	else
		assert_memory_equal(pairs.y, apart.y, apart.ny * sizeof(float));
	assert_params_close(f, pairs.params, apart.params);
	assert_params_close(f, pairs.grads, apart.grads);
	if (opt.input_grad)
		assert_close(pairs.dx, apart.dx, opt.from ? 16 * N : 3 * N * SIDE * SIDE);
	result_free(&pairs);
	result_free(&apart);
}

static const enum conv_path paths[] = {CONV_OPENBLAS, CONV_V128, CONV_AVX2, CONV_AVX512};

static bool runs_here(enum conv_path path)
{
	struct err err;

	return !conv_resolve(path, &path, &err);
}

static void pairs_change_no_output(void **state)
{
	size_t i;
	int to;

	for (i = 0; i < ARRAY_LEN(paths); i++)
		for (to = 1; to <= LAYERS && runs_here(paths[i]); to++)
			compare(*state, (struct net_options){.path = paths[i], .to = to});
}

static void pairs_change_no_gradient(void **state)
{
	static const struct net_options rows[] = {
		{.keep_y = true},     {.keep_all = true},
		{.remake = 16},       {.remake = 128},
		{.chunk = 1},         {.chunk = 2},
		{.input_grad = true}, {.freeze = LAYERS, .input_grad = true},
		{.constant_bn = 3},   {.constant_bn = LAYERS},
		{.path = CONV_V128},  {.path = CONV_OPENBLAS},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_options opt = rows[i];

		opt.train = true;
		compare(*state, opt);
	}
}

static void pairs_may_lie_on_either_side_of_a_cut(void **state)
{
	int cut;

	for (cut = 1; cut < LAYERS; cut++) {
		compare(*state, (struct net_options){.train = true, .freeze = cut});
		compare(*state, (struct net_options){.train = true, .from = cut});
		compare(*state,
			(struct net_options){.train = true, .from = cut, .input_grad = true});
		compare(*state, (struct net_options){.train = true, .to = cut});
		compare(*state,
			(struct net_options){.train = true, .freeze = cut, .input_grad = true});
	}
}

static void assert_same(const struct fixture *f, const struct result *a, const struct result *b)
{
	const size_t bytes = f->m->graph->nfloats * sizeof(float);

	assert_memory_equal(a->y, b->y, a->ny * sizeof(float));
	assert_memory_equal(a->grads, b->grads, bytes);
	assert_memory_equal(a->params, b->params, bytes);
}

static void threads_and_memory_change_no_bit(void **state)
{
	const struct fixture *f = *state;
	size_t i;
	int threads;

	for (i = 0; i < ARRAY_LEN(paths); i++) {
		struct net_options opt = {.path = paths[i], .train = true};
		struct result one, other;

		if (!runs_here(paths[i]))
			continue;
		one = run(f, opt, NULL);
		for (threads = 2; threads <= 3; threads++) {
			struct pool *pool = pool_new(threads);

			other = run(f, opt, pool);
			assert_same(f, &one, &other);
			result_free(&other);
			pool_free(pool);
		}
		opt.keep_all = true;
		other = run(f, opt, NULL);
		assert_same(f, &one, &other);
		result_free(&other);
		result_free(&one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_c3_begins_with_a_pair),
		cmocka_unit_test(what_differs_stays_apart),
		cmocka_unit_test(pairs_change_no_output),
		cmocka_unit_test(pairs_change_no_gradient),
		cmocka_unit_test(pairs_may_lie_on_either_side_of_a_cut),
		cmocka_unit_test(threads_and_memory_change_no_bit),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
