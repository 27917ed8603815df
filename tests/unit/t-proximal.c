#include "nn/optim.h"
#include "train/proximal.h"
#include "unit.h"

#include <math.h>

enum { N = 8, ROWS = 4 };

/* Four tensors of two values: a weight of a frozen layer, a weight, a bias, a running mean. */
static const struct param params[ROWS] = {
	{.name = (char *)"0.w", .kind = PARAM_WEIGHT, .layer = 0, .offset = 0, .count = 2},
	{.name = (char *)"1.w", .kind = PARAM_WEIGHT, .layer = 1, .offset = 2, .count = 2},
	{.name = (char *)"1.b", .kind = PARAM_BIAS, .layer = 1, .offset = 4, .count = 2},
	{.name = (char *)"1.m", .kind = PARAM_BN_MEAN, .layer = 1, .offset = 6, .count = 2},
};
static const struct graph graph = {.params = (struct param *)params, .nparams = ROWS, .nfloats = N};

static void the_gradient_is_mu_times_the_way_from_the_start(void **state)
{
	const float w[N] = {1, 2, 3, 4, 5, 6, 7, 8}, start[N] = {0, 0, 1, 1, 2, 2, 3, 3};
	const float want[N] = {10, 10, 10 + 0.5f * 2, 10 + 0.5f * 3, 10 + 0.5f * 3, 10 + 0.5f * 4,
			       10, 10};
	float g[N] = {10, 10, 10, 10, 10, 10, 10, 10};
	int i;

	(void)state;
	proximal_add(&graph, 1, 0.5, w, start, g);
	for (i = 0; i < N; i++)
		assert_true(g[i] == want[i]);
}

/*
 * min over w of 1/2 (w - a)^2 + mu/2 (w - w0)^2 is (a + mu w0) / (1 + mu): gradient descent with the
 * optimiser that training uses gets there, for the weight and the bias.
 */
static void descent_ends_where_analysis_says(void **state)
{
	static const double mus[] = {0, 0.1, 1, 9};
	const float a = 3, w0 = -1;
	struct optim_rates rates = {.lr = {0.05, 0.05, 0.05}};
	size_t m;
	int step, i;

	(void)state;
	for (m = 0; m < ARRAY_LEN(mus); m++) {
		struct optim *o = optim_new(&graph, OPTIM_SGD, 1);
		float w[N], start[N], g[N] = {0};
		const double want = ((double)a + mus[m] * (double)w0) / (1 + mus[m]);

		for (i = 0; i < N; i++)
			w[i] = start[i] = w0;
		for (step = 0; step < 500; step++) {
			for (i = 2; i < 6; i++)
				g[i] = w[i] - a;
			proximal_add(&graph, 1, mus[m], w, start, g);
			optim_step(o, NULL, &rates, w, g, 1, NULL, 0);
		}
		for (i = 2; i < 6; i++)
			assert_true(fabs((double)w[i] - want) < 1e-5);
		assert_true(w[0] == w0 && w[6] == w0);
		optim_free(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gradient_is_mu_times_the_way_from_the_start),
		cmocka_unit_test(descent_ends_where_analysis_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
