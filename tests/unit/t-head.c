/*
 * The head against its definition: whole maps by loops, their gradient by the head of the identity
 * (t-loss.c sees to that one), and the products that lead back.
 */
#include "model/head.h"

#include "base/rng.h"
#include "model/model.h"
#include "nn/net.h"
#include "unit.h"

#include <math.h>

enum { N = 3, H = 32, W = 64, CIN = 24, LEVELS = 2, NO = 8, NA = 2, OUT = NA * NO };

#define MODEL(channels, from)                                                                      \
	"nc: 3\nanchors: [[10,13, 16,30], [30,61, 62,45]]\nbackbone:\n"                            \
	"- [-1, 1, Conv, [" channels ", 3, 4]]\n- [-1, 1, Conv, [" channels ", 3, 2]]\n"           \
	"head:\n- [[" from "], 1, Detect, [nc, anchors]]\n"

static const struct target targets[] = {
	{0, 1, 0.30f, 0.40f, 0.30f, 0.50f}, {0, 2, 0.31f, 0.41f, 0.35f, 0.45f},
	{0, 0, 0.99f, 0.01f, 0.40f, 0.60f}, {1, 1, 0.55f, 0.72f, 0.90f, 0.80f},
	{2, 2, 0.50f, 0.50f, 0.20f, 0.30f}, {2, 0, 0.11f, 0.93f, 0.25f, 0.22f},
};

static const struct loss_hyp hyp = {
	.box = 0.05f, .cls = 0.5f, .cls_pw = 1, .obj = 1, .obj_pw = 1, .anchor_t = 4};

static struct model *load(const char *text)
{
	struct err err;
	struct model *m = model_new("x", text, 0, &err);

	if (!m)
		fail_msg("%s", err.msg);
	return m;
}

static struct view make_view(int level, int c)
{
	struct view v = {NULL, N, H / 4 >> level, W / 4 >> level, c, c, 0};

	v.p = xcalloc((size_t)(v.n * v.h * v.w * c), sizeof(float));
	return v;
}

static void draw(float *p, size_t n, const char *what)
{
	struct rng r;

	rng_init(&r, 1, what, 0);
	while (n--)
		*p++ = (float)(0.5 * rng_normal(&r));
}

static float *param(const struct model *m, float *arena, int level, const char *what)
{
	char name[40];

	snprintf(name, sizeof(name), "model.2.m.%d.%s", level, what);
	return arena + graph_param(m->graph, name)->offset;
}

static void step(const struct model *m, enum conv_path path, struct pool *pool,
		 const struct view *x, const struct view *dx, float *grads, struct loss *loss)
{
	const struct head_options o = {N, H, W, path, &hyp};
	struct head *head = head_new(m->graph, &o, pool);

	head_step(head, m->params, x, 0, N, N, targets, ARRAY_LEN(targets), dx, grads, loss);
	head_free(head);
}

/* The maps' gradients: by a head that reads maps. */
static void map_gradients(const struct view *maps, const struct view *dmaps, struct loss *loss)
{
	struct model *m = load(MODEL("16", "0, 1"));
	float *grads = xcalloc(m->graph->nfloats, sizeof(float));
	int i, k;

	memset(m->params, 0, m->graph->nfloats * sizeof(float));
	for (i = 0; i < LEVELS; i++)
		for (k = 0; k < OUT; k++)
			param(m, m->params, i, "weight")[k * OUT + k] = 1;
	step(m, CONV_AUTO, NULL, maps, dmaps, grads, loss);
	free(grads);
	model_free(m);
}

static void expect(double got, double want, double size, const char *what)
{
	if (fabs(got - want) > 1e-5 * size + 1e-5 * fabs(want))
		fail_msg("%s: %.9g for %.9g", what, got, want);
}

/* One level: maps from x, or dx and the parameters' gradients from dmaps. */
struct dense {
	const float *w, *b;
	struct view x, map, dmap;
};

static void dense_forward(const struct dense *d)
{
	const int pixels = d->x.n * d->x.h * d->x.w;
	int i, o, c;

	for (i = 0; i < pixels; i++)
		for (o = 0; o < OUT; o++) {
			double sum = (double)d->b[o];

			for (c = 0; c < CIN; c++)
				sum += (double)d->x.p[i * CIN + c] * (double)d->w[o * CIN + c];
			d->map.p[i * OUT + o] = (float)sum;
		}
}

static void expect_dx(const struct dense *d, const float *dx)
{
	const int pixels = d->x.n * d->x.h * d->x.w;
	int i, o, c;

	for (i = 0; i < pixels; i++)
		for (c = 0; c < CIN; c++) {
			double sum = 0;

			for (o = 0; o < OUT; o++)
				sum += (double)d->dmap.p[i * OUT + o] * (double)d->w[o * CIN + c];
			expect((double)dx[i * CIN + c], sum, .01, "dx");
		}
}

static void expect_grads(const struct dense *d, const float *dw, const float *db)
{
	const int pixels = d->x.n * d->x.h * d->x.w;
	int i, o, c;

	for (o = 0; o < OUT; o++) {
		double bias = 0;

		for (i = 0; i < pixels; i++)
			bias += (double)d->dmap.p[i * OUT + o];
		expect((double)db[o], bias + 1, 1, "db");
		for (c = 0; c < CIN; c++) {
			double sum = 0;

			for (i = 0; i < pixels; i++)
				sum += (double)d->dmap.p[i * OUT + o] * (double)d->x.p[i * CIN + c];
			expect((double)dw[o * CIN + c], sum + 1, 1, "dw");
		}
	}
}

static void it_gives_what_whole_maps_give(enum conv_path path, struct pool *pool)
{
	struct model *m = load(MODEL("24", "0, 1"));
	float *grads = xcalloc(m->graph->nfloats, sizeof(float));
	struct view x[LEVELS], dx[LEVELS], maps[LEVELS], dmaps[LEVELS];
	struct dense d[LEVELS];
	struct loss want, got;
	size_t k;
	int i;

	draw(m->params, m->graph->nfloats, "weights");
	for (k = 0; k < m->graph->nfloats; k++)
		grads[k] = 1; /* it adds */
	for (i = 0; i < LEVELS; i++) {
		x[i] = make_view(i, CIN);
		dx[i] = make_view(i, CIN);
		maps[i] = make_view(i, OUT);
		dmaps[i] = make_view(i, OUT);
		draw(x[i].p, (size_t)x[i].n * view_image(&x[i]), "inputs");
		memset(dx[i].p, 0x7f, (size_t)dx[i].n * view_image(&dx[i]) * sizeof(float));
		d[i] = (struct dense){param(m, m->params, i, "weight"),
				      param(m, m->params, i, "bias"), x[i], maps[i], dmaps[i]};
		dense_forward(&d[i]);
	}
	map_gradients(maps, dmaps, &want);
	step(m, path, pool, x, dx, grads, &got);
	assert_true(want.box > 0 && want.cls > 0);
	expect(got.box, want.box, 0, "box");
	expect(got.obj, want.obj, 0, "obj");
	expect(got.cls, want.cls, 0, "cls");
	for (i = 0; i < LEVELS; i++) {
		expect_dx(&d[i], dx[i].p);
		expect_grads(&d[i], param(m, grads, i, "weight"), param(m, grads, i, "bias"));
		free(x[i].p);
		free(dx[i].p);
		free(maps[i].p);
		free(dmaps[i].p);
	}
	free(grads);
	model_free(m);
}

static void it_gives_what_whole_maps_give_on_every_kernel(void **state)
{
	static const enum conv_path paths[] = {CONV_OPENBLAS, CONV_V128, CONV_AVX2, CONV_AVX512};
	struct pool *pool = pool_new(2);
	enum conv_path path;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(paths); i++)
		if (!conv_resolve(paths[i], &path, &err)) {
			it_gives_what_whole_maps_give(path, pool);
			it_gives_what_whole_maps_give(path, NULL);
		}
	pool_free(pool);
}

/* Of a net and its head: the gradient of what the net's first layer makes reaches both its readers. */
static void levels_that_read_one_output_add_their_gradients(void **state)
{
	struct model *m = load(MODEL("24", "1, 1"));
	float *grads = xcalloc(m->graph->nfloats, sizeof(float));
	struct view x = make_view(1, CIN), both = make_view(1, CIN);
	struct loss loss;
	size_t i, n = (size_t)x.n * view_image(&x);
	double sum = 0, diff = 0;
	float *old = xmalloc(m->graph->nfloats * sizeof(float));
	int level;

	(void)state;
	draw(m->params, m->graph->nfloats, "weights");
	draw(x.p, n, "inputs");
	memcpy(old, m->params, m->graph->nfloats * sizeof(float));
	step(m, CONV_AUTO, NULL, &x, &both, grads, &loss);
	/* a level whose weights are zeros sends nothing back */
	for (level = 0; level < LEVELS; level++) {
		struct view one = make_view(1, CIN);

		memcpy(m->params, old, m->graph->nfloats * sizeof(float));
		memset(param(m, m->params, 1 - level, "weight"), 0, OUT * CIN * sizeof(float));
		step(m, CONV_AUTO, NULL, &x, &one, grads, &loss);
		for (i = 0; i < n; i++)
			both.p[i] -= one.p[i];
		for (i = 0; i < n; i++)
			sum += fabs((double)one.p[i]);
		free(one.p);
	}
	for (i = 0; i < n; i++)
		diff += fabs((double)both.p[i]);
	assert_true(sum > 1 && diff < 1e-5 * sum);
	free(x.p);
	free(both.p);
	free(old);
	free(grads);
	model_free(m);
}

static void nobody_need_want_dx(void **state)
{
	struct model *m = load(MODEL("24", "0, 1"));
	float *grads = xcalloc(m->graph->nfloats, sizeof(float));
	float *want = xcalloc(m->graph->nfloats, sizeof(float));
	struct view x[LEVELS], dx[LEVELS], none[LEVELS] = {{0}};
	struct loss loss;
	int i;

	(void)state;
	draw(m->params, m->graph->nfloats, "weights");
	for (i = 0; i < LEVELS; i++) {
		x[i] = make_view(i, CIN);
		dx[i] = make_view(i, CIN);
		draw(x[i].p, (size_t)x[i].n * view_image(&x[i]), "inputs");
	}
	step(m, CONV_AUTO, NULL, x, dx, want, &loss);
	step(m, CONV_AUTO, NULL, x, none, grads, &loss);
	assert_memory_equal(grads, want, m->graph->nfloats * sizeof(float));
	for (i = 0; i < LEVELS; i++) {
		free(x[i].p);
		free(dx[i].p);
	}
	free(grads);
	free(want);
	model_free(m);
}

/* A stream cut at the head: what comes in goes out. */
static void a_net_of_no_layers_hands_on_what_it_is_given(void **state)
{
	struct model *m = load(MODEL("24", "0, 1"));
	const int head = head_layer(m->graph);
	const struct net_options o = {.from = head,
				      .to = head,
				      .max_n = N,
				      .h = H,
				      .w = W,
				      .train = true,
				      .input_grad = true};
	struct err err;
	struct net *net = net_new(m->graph, &o, NULL, &err);
	float *grads = xcalloc(m->graph->nfloats, sizeof(float));
	int i;

	(void)state;
	if (!net)
		fail_msg("%s", err.msg);
	assert_int_equal(net_ninputs(net), LEVELS);
	assert_int_equal(net_noutputs(net), LEVELS);
	net_load_params(net, m->params);
	for (i = 0; i < LEVELS; i++)
		net_input(net, i, N).p[0] = 7;
	net_forward(net, N, m->params);
	for (i = 0; i < LEVELS; i++) {
		assert_true(net_output(net, i, N).p == net_input(net, i, N).p);
		assert_true(net_output(net, i, N).p[0] == 7);
		assert_true(net_output_grad(net, i, N).p == net_input_grad(net, i, N).p);
		assert_non_null(net_output_grad(net, i, N).p);
	}
	net_backward(net, N, grads);
	net_free(net);
	free(grads);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_what_whole_maps_give_on_every_kernel),
		cmocka_unit_test(levels_that_read_one_output_add_their_gradients),
		cmocka_unit_test(nobody_need_want_dx),
		cmocka_unit_test(a_net_of_no_layers_hands_on_what_it_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
