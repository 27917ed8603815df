#include "nn/bce.h"

#include "base/rng.h"
#include "unit.h"

#include <math.h>

#define N 1027 /* no multiple of a vector, nor of a run of them */

static double exact(double x, double t, double pw, double *grad)
{
	const double above = 1 / (1 + exp(-x)), below = 1 / (1 + exp(x));

	*grad = (1 - t) * above - pw * t * below;
	return (1 - t) * (fmax(x, 0) + log1p(exp(-fabs(x)))) +
	       pw * t * (fmax(-x, 0) + log1p(exp(-fabs(x))));
}

static void terms_and_gradients_are_those_of_doubles(void **state)
{
	static const float weights[] = {1, 0.3f, 2.5f};
	float x[N], t[N], out[N];
	struct rng r;
	size_t k;
	int i;

	(void)state;
	rng_init(&r, 1, "test", 0);
	for (k = 0; k < ARRAY_LEN(weights); k++) {
		double want = 0, grad;

		for (i = 0; i < N; i++) {
			x[i] = out[i] = (float)(12 * rng_normal(&r));
			t[i] = i % 3 ? 0 : (float)rng_range(&r, 0, 1);
			want += exact((double)x[i], (double)t[i], (double)weights[k], &grad);
		}
		assert_true(fabs(bce_backward(out, t, N, weights[k], 0.25f) - want) < 1e-6 * want);
		for (i = 0; i < N; i++) {
			exact((double)x[i], (double)t[i], (double)weights[k], &grad);
			/* of two parts that may cancel */
			assert_true(fabs(4 * (double)out[i] - grad) <
				    3e-6 * fabs(grad) + (t[i] > 0 ? 1e-6 : 0));
		}
	}
}

static void a_single_term_is_exact_however_small(void **state)
{
	int i;

	(void)state;
	for (i = -20; i <= 20; i++) {
		float x = (float)i, t = 0;
		double grad, want = exact((double)i, 0, 1, &grad),
			     got = bce_backward(&x, &t, 1, 1, 1);

		if (fabs(got - want) > 1e-6 * want || fabs((double)x - grad) > 1e-6 * grad)
			fail_msg("%d: %.9g for %.9g, slope %.9g for %.9g", i, got, want, (double)x,
				 grad);
	}
}

static void what_is_not_finite_shows(void **state)
{
	const float bad[] = {NAN, INFINITY};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		float x[5] = {1, 2, bad[i], 3, 4}, t[5] = {0};

		assert_false(isfinite(bce_backward(x, t, 5, 1, 1)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_and_gradients_are_those_of_doubles),
		cmocka_unit_test(a_single_term_is_exact_however_small),
		cmocka_unit_test(what_is_not_finite_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
