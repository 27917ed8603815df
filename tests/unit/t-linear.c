#include "nn-views.h"
#include "nn/linear.h"

static const struct {
	int n, in, out;
} cases[] = {{1, 1, 1}, {3, 400, 120}, {16, 84, 10}, {2, 130, 257}};

static void check_forward(int n, int in, int out, const float *x, const float *w, const float *b,
			  const float *y)
{
	int i, o, k;

	for (i = 0; i < n; i++)
		for (o = 0; o < out; o++) {
			double sum = b[o];

			for (k = 0; k < in; k++)
				sum += (double)x[i * in + k] * w[o * in + k];
			assert_true(close_to(y[i * out + o], sum, sqrt(in), 1e-5));
		}
}

static void check_backward(int n, int in, int out, const float *x, const float *w, const float *dy,
			   const float *dx, const float *dw, const float *db)
{
	int i, o, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < in; k++) {
			double sum = 0;

			for (o = 0; o < out; o++)
				sum += (double)dy[i * out + o] * w[o * in + k];
			assert_true(close_to(dx[i * in + k], sum, sqrt(out), 1e-5));
		}
	for (o = 0; o < out; o++) {
		double sum = 1;

		for (i = 0; i < n; i++)
			sum += dy[i * out + o];
		assert_true(close_to(db[o], sum, n, 1e-6));
		for (k = 0; k < in; k++) {
			sum = 1;
			for (i = 0; i < n; i++)
				sum += (double)dy[i * out + o] * x[i * in + k];
			assert_true(close_to(dw[o * in + k], sum, n, 1e-5));
		}
	}
}

static void one_case(int n, int in, int out, int threads)
{
	struct linear l = {in, out};
	struct pool *pool = pool_new(threads);
	struct rng rng;
	float *x, *w, *b, *dy, *y, *dx, *dw, *db;
	int i;

	rng_init(&rng, 7, "linear", 0);
	x = random_floats(&rng, (size_t)n * in);
	w = random_floats(&rng, (size_t)in * out);
	b = random_floats(&rng, (size_t)out);
	dy = random_floats(&rng, (size_t)n * out);
	y = random_floats(&rng, (size_t)n * out);
	dx = random_floats(&rng, (size_t)n * in);
	dw = xmalloc((size_t)in * out * sizeof(float));
	db = xmalloc((size_t)out * sizeof(float));
	for (i = 0; i < in * out; i++)
		dw[i] = 1;
	for (i = 0; i < out; i++)
		db[i] = 1;
	linear_forward(&l, pool, n, x, w, b, y);
	check_forward(n, in, out, x, w, b, y);
	linear_backward_data(&l, pool, n, dy, w, dx);
	linear_backward_weights(&l, pool, n, x, dy, dw, db);
	check_backward(n, in, out, x, w, dy, dx, dw, db);
	free(x);
	free(w);
	free(b);
	free(dy);
	free(y);
	free(dx);
	free(dw);
	free(db);
	pool_free(pool);
}

static void values_and_gradients_agree_with_the_definition(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		one_case(cases[i].n, cases[i].in, cases[i].out, 1);
		one_case(cases[i].n, cases[i].in, cases[i].out, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_gradients_agree_with_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
