#include "nn/optim.h"
#include "unit.h"

#include <math.h>

/* A network of one convolution weight, gamma, beta, running mean and counter, in two layers. */
static struct param table[] = {
	{.name = "model.0.conv.weight", .kind = PARAM_WEIGHT, .layer = 0, .offset = 0, .count = 2},
	{.name = "model.1.conv.weight", .kind = PARAM_WEIGHT, .layer = 1, .offset = 2, .count = 6},
	{.name = "model.1.bn.weight", .kind = PARAM_BN_WEIGHT, .layer = 1, .offset = 8, .count = 3},
	{.name = "model.1.bn.bias", .kind = PARAM_BIAS, .layer = 1, .offset = 11, .count = 3},
	{.name = "model.1.bn.running_mean",
	 .kind = PARAM_BN_MEAN,
	 .layer = 1,
	 .offset = 14,
	 .count = 3},
	{.name = "model.1.bn.num_batches_tracked",
	 .kind = PARAM_COUNTER,
	 .layer = 1,
	 .offset = 17,
	 .count = 0},
	{.name = "model.1.anchors", .kind = PARAM_CONST, .layer = 1, .offset = 17, .count = 2},
};
#define NFLOATS 19

static const float start[NFLOATS] = {
	9,     9,    0.5f,  -0.25f, 1.5f, -2.0f, 0.125f, 0.75f, 1.0f, 0.5f,
	1.25f, 0.0f, -0.5f, 0.25f,  1,    2,     3,      7,     7,
};

static struct graph small_graph(void)
{
	return (struct graph){.params = table, .nparams = ARRAY_LEN(table), .nfloats = NFLOATS};
}

/* The parameters after the first and the fifth step, in the order weight, gamma, beta, by PyTorch
 * 1.13's torch.optim with the same gradients, rates, decay .05 on the weight and momentum .9. */
static const float golden[3][2][12] = {
	{{0.511399984f, -0.254512489f, 1.50332499f, -2.00997496f, 0.122506253f, 0.756412506f,
	  0.981000006f, 0.5f, 1.26900005f, -0.0712499991f, -0.476249993f, 0.368750006f},
	 {0.543545485f, -0.307991713f, 1.48485947f, -1.97301173f, 0.106314495f, 0.794974864f,
	  0.96539259f, 0.521074235f, 1.2702738f, 0.0363163613f, -0.620901883f, 0.517804265f}},
	{{0.50999999f, -0.25999999f, 1.50999999f, -2.00999999f, 0.115000002f, 0.75999999f,
	  0.980000019f, 0.5f, 1.26999998f, -0.100000001f, -0.400000036f, 0.349999994f},
	 {0.54036361f, -0.298124015f, 1.49201202f, -2.00283456f, 0.0974256471f, 0.784369886f,
	  0.974692285f, 0.502492487f, 1.28765583f, -0.0295377374f, -0.515714943f, 0.496367335f}},
	{{0.509750009f, -0.259875f, 1.50924993f, -2.00900006f, 0.114937499f, 0.759624958f,
	  0.980000019f, 0.5f, 1.26999998f, -0.100000001f, -0.400000036f, 0.349999994f},
	 {0.541967094f, -0.29902485f, 1.50499165f, -2.01272655f, 0.0980605111f, 0.788869023f,
	  0.974692285f, 0.502492487f, 1.28765583f, -0.0295377374f, -0.515714943f, 0.496367335f}},
};

static struct optim_rates rates_at(int t)
{
	struct optim_rates r = {.momentum = 0.9};

	r.lr[OPTIM_BIAS] = .1 - .01 * t;
	r.lr[OPTIM_WEIGHT] = .01 + .005 * t;
	r.lr[OPTIM_BN] = .02;
	r.decay[OPTIM_WEIGHT] = .05;
	return r;
}

/* Gradients are multiples of 1/8; they are given four times too large and scaled by 1/4. */
static void fill_grads(float *grads, int t)
{
	int k;

	for (k = 0; k < NFLOATS; k++)
		grads[k] = 99; /* a gradient where nothing is trained must not matter */
	for (k = 0; k < 12; k++)
		grads[2 + k] = (float)((7 * k + 3 * t) % 11 - 5) / 2;
}

static void check_kind(enum optim_kind kind)
{
	struct graph g = small_graph();
	struct optim *o = optim_new(&g, kind, 1);
	float params[NFLOATS], grads[NFLOATS];
	int t, k;

	memcpy(params, start, sizeof(start));
	for (t = 0; t < 5; t++) {
		struct optim_rates r = rates_at(t);

		fill_grads(grads, t);
		optim_step(o, NULL, &r, params, grads, 0.25, NULL, 0);
		for (k = 0; k < 12; k++)
			assert_true(grads[2 + k] == 0);
		for (k = 0; k < 12 && (t == 0 || t == 4); k++)
			assert_true(fabsf(params[2 + k] - golden[kind][t == 4][k]) < 2e-7f);
	}
	assert_true(optim_steps(o) == 5);
	assert_memory_equal(params, start, 2 * sizeof(float)); /* frozen */
	assert_memory_equal(params + 14, start + 14, 5 * sizeof(float));
	optim_free(o);
}

static void five_steps_are_those_of_pytorch(void **state)
{
	(void)state;
	check_kind(OPTIM_SGD);
	check_kind(OPTIM_ADAM);
	check_kind(OPTIM_ADAMW);
}

static void the_moving_average_follows_parameters_and_running_statistics(void **state)
{
	struct graph g = small_graph();
	struct optim *o = optim_new(&g, OPTIM_SGD, 1);
	struct optim_rates r = rates_at(0);
	float params[NFLOATS], grads[NFLOATS], ema[NFLOATS] = {0};
	int k;

	(void)state;
	memcpy(params, start, sizeof(start));
	fill_grads(grads, 0);
	optim_step(o, NULL, &r, params, grads, 1, ema, 0.75);
	for (k = 0; k < NFLOATS; k++) {
		bool follows = k >= 2 && k < 17; /* not the frozen layer, not the anchors */

		assert_true(fabsf(ema[k] - (follows ? params[k] / 4 : 0)) < 1e-7f);
	}
	assert_true(optim_trains(o, &table[1]) && !optim_trains(o, &table[0]));
	assert_false(optim_trains(o, &table[4]));
	optim_free(o);
}

static void the_norm_counts_what_is_trained_and_shows_what_is_not_finite(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	struct graph g = small_graph();
	struct optim *o = optim_new(&g, OPTIM_ADAM, 1);
	float grads[NFLOATS] = {100, 100, 3, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 12, 100, 100};
	size_t i;
	int k;

	(void)state;
	assert_true(optim_grad_norm(o, NULL, grads) == 13);
	for (k = 2; k < 14; k++)
		for (i = 0; i < ARRAY_LEN(bad); i++) {
			float was = grads[k];

			grads[k] = bad[i];
			assert_false(isfinite(optim_grad_norm(o, NULL, grads)));
			grads[k] = was;
		}
	grads[0] = NAN; /* frozen: nobody reads it */
	assert_true(optim_grad_norm(o, NULL, grads) == 13);
	optim_free(o);
}

/* A big arena: enough pieces for threads to disagree about, and a tail that fills no vector. */
static void run_big(enum optim_kind kind, struct pool *pool, float *out, size_t n, double *norm)
{
	struct param p = {.name = "w", .kind = PARAM_WEIGHT, .layer = 0, .offset = 0, .count = n};
	struct graph g = {.params = &p, .nparams = 1, .nfloats = n};
	struct optim *o = optim_new(&g, kind, 0);
	struct optim_rates r = rates_at(1);
	float *grads = xcalloc(n, sizeof(float));
	size_t i;
	int t;

	*norm = 0;
	for (i = 0; i < n; i++)
		out[i] = sinf((float)i);
	for (t = 0; t < 3; t++) {
		for (i = 0; i < n; i++)
			grads[i] = cosf((float)(i * 3 + (size_t)t));
		*norm += optim_grad_norm(o, pool, grads);
		optim_step(o, pool, &r, out, grads, 1 / *norm, NULL, 0);
	}
	free(grads);
	optim_free(o);
}

static void threads_do_not_change_a_bit(void **state)
{
	const size_t n = 100003;
	float *a = xcalloc(n, sizeof(float)), *b = xcalloc(n, sizeof(float));
	struct pool *pool = pool_new(3);
	double norm_a, norm_b;
	int kind;

	(void)state;
	for (kind = OPTIM_SGD; kind <= OPTIM_ADAMW; kind++) {
		run_big(kind, NULL, a, n, &norm_a);
		run_big(kind, pool, b, n, &norm_b);
		assert_true(norm_a == norm_b);
		assert_memory_equal(a, b, n * sizeof(float));
	}
	pool_free(pool);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_steps_are_those_of_pytorch),
		cmocka_unit_test(the_moving_average_follows_parameters_and_running_statistics),
		cmocka_unit_test(the_norm_counts_what_is_trained_and_shows_what_is_not_finite),
		cmocka_unit_test(threads_do_not_change_a_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
