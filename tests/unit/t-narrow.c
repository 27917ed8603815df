#include "nn/narrow.h"

#include "base/rng.h"
#include "unit.h"

#include <math.h>

enum { PIXELS = 21, MOST_IN = 70, MOST_OUT = 9, GAP = 5 };

struct fixture {
	struct narrow t;
	float x[PIXELS * (MOST_IN + GAP)], w[MOST_OUT * (MOST_IN + GAP)], bias[2 * MOST_OUT];
	float y[PIXELS * MOST_OUT], dx[PIXELS * (MOST_IN + GAP)];
	float dw[MOST_OUT * MOST_IN], dbias[MOST_OUT];
	size_t step;
};

static void draw(struct rng *r, float *p, size_t n)
{
	while (n--)
		*p++ = (float)rng_normal(r);
}

static void fill(struct fixture *f, enum conv_path path, int in, int out)
{
	struct rng r;

	rng_init(&r, 1, "narrow", (uint64_t)(100 * in + out));
	f->step = (size_t)(in + GAP);
	f->t = (struct narrow){in, out, f->w, f->step, path};
	draw(&r, f->x, ARRAY_LEN(f->x));
	draw(&r, f->w, ARRAY_LEN(f->w));
	draw(&r, f->bias, ARRAY_LEN(f->bias));
	draw(&r, f->y, ARRAY_LEN(f->y));
	draw(&r, f->dx, ARRAY_LEN(f->dx));
	draw(&r, f->dw, ARRAY_LEN(f->dw));
	draw(&r, f->dbias, ARRAY_LEN(f->dbias));
}

static void near(float got, double want, const struct fixture *f, const char *what)
{
	if (fabs((double)got - want) > 2e-5 * (1 + fabs(want)))
		fail_msg("%s, %d to %d: %g for %g", what, f->t.in, f->t.out, (double)got, want);
}

static void forward(struct fixture *f, int pixels)
{
	int p, o, i;

	narrow_forward(&f->t, pixels, f->x, f->step, f->bias, 2, f->y);
	for (p = 0; p < pixels; p++)
		for (o = 0; o < f->t.out; o++) {
			double sum = (double)f->bias[2 * o];

			for (i = 0; i < f->t.in; i++)
				sum += (double)f->x[(size_t)p * f->step + (size_t)i] *
				       (double)f->w[(size_t)o * f->step + (size_t)i];
			near(f->y[p * f->t.out + o], sum, f, "y");
		}
}

static void expect_dx(const struct fixture *f, const struct fixture *old, int pixels, bool add)
{
	int p, o, i;

	for (p = 0; p < pixels; p++)
		for (i = 0; i < (int)f->step; i++) {
			const size_t at = (size_t)p * f->step + (size_t)i;
			double sum = add ? (double)old->dx[at] : 0;

			for (o = 0; o < f->t.out; o++)
				sum += (double)f->y[p * f->t.out + o] *
				       (double)f->w[(size_t)o * f->step + (size_t)i];
			if (i < f->t.in)
				near(f->dx[at], sum, f, "dx");
			else
				assert_true(f->dx[at] == old->dx[at]); /* another slice's */
		}
}

static void expect_weights(const struct fixture *f, const struct fixture *old, int pixels)
{
	int p, o, i;

	for (o = 0; o < f->t.out; o++) {
		double bias = (double)old->dbias[o];

		for (p = 0; p < pixels; p++)
			bias += (double)f->y[p * f->t.out + o];
		near(f->dbias[o], bias, f, "dbias");
		for (i = 0; i < f->t.in; i++) {
			double sum = (double)old->dw[o * f->t.in + i];

			for (p = 0; p < pixels; p++)
				sum += (double)f->y[p * f->t.out + o] *
				       (double)f->x[(size_t)p * f->step + (size_t)i];
			near(f->dw[o * f->t.in + i], sum, f, "dw");
		}
	}
}

static void backward(struct fixture *f, int pixels, bool add, bool want_dx)
{
	const struct fixture old = *f;

	narrow_backward(&f->t, pixels, f->x, f->step, f->y, want_dx ? f->dx : NULL, f->step, add,
			f->dw, f->dbias);
	if (want_dx)
		expect_dx(f, &old, pixels, add);
	else
		assert_memory_equal(f->dx, old.dx, sizeof(f->dx));
	expect_weights(f, &old, pixels);
}

static void every_width_gives_the_products(void **state)
{
	static const enum conv_path paths[] = {CONV_AUTO, CONV_V128, CONV_AVX2, CONV_AVX512};
	static const int ins[] = {1, 15, 16, 24, 64, 70};
	struct fixture *f = xcalloc(1, sizeof(*f));
	enum conv_path path;
	struct err err;
	size_t k, i;
	int out;

	(void)state;
	for (k = 0; k < ARRAY_LEN(paths); k++)
		for (i = 0; i < ARRAY_LEN(ins) && !conv_resolve(paths[k], &path, &err); i++)
			for (out = 1; out <= MOST_OUT; out++) {
				fill(f, path, ins[i], out);
				forward(f, PIXELS);
				forward(f, 3);
				backward(f, PIXELS, false, true);
				backward(f, PIXELS, true, true);
				backward(f, 2, false, false);
			}
	free(f);
}

static void dx_may_lie_where_x_does(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f)), *apart = xcalloc(1, sizeof(*f));
	int p, out;

	(void)state;
	for (out = 1; out <= NARROW_IN_PLACE; out++) {
		fill(f, CONV_AUTO, 70, out);
		*apart = *f;
		apart->t.w = apart->w;
		narrow_backward(&apart->t, PIXELS, apart->x, f->step, f->y, apart->dx, f->step,
				false, apart->dw, apart->dbias);
		narrow_backward(&f->t, PIXELS, f->x, f->step, f->y, f->x, f->step, false, f->dw,
				f->dbias);
		assert_memory_equal(f->dw, apart->dw, sizeof(f->dw));
		for (p = 0; p < PIXELS; p++)
			assert_memory_equal(f->x + (size_t)p * f->step,
					    apart->dx + (size_t)p * f->step, 70 * sizeof(float));
	}
	free(f);
	free(apart);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_width_gives_the_products),
		cmocka_unit_test(dx_may_lie_where_x_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
