#include "mist/wiener.h"
#include "base/rng.h"
#include "mist/calibrate.h"
#include "mist/filter.h"
#include "unit.h"

#include <math.h>

enum { C = 3, SIDE = 24, IMAGES = 40 };

/* Smooth pictures whose channels share most of what they say. */
static struct view draw(float **buffer, int number)
{
	struct view v = {NULL, 1, SIDE, SIDE, C, 16, 1};
	size_t lead, floats = view_floats(&v, &lead);
	double fx, fy, phase;
	struct rng r;
	int x, y, c;

	rng_init(&r, 5, "t-wiener", (uint64_t)number);
	fx = rng_range(&r, .1, .5);
	fy = rng_range(&r, .1, .5);
	phase = rng_range(&r, 0, 6);
	if (!*buffer)
		*buffer = xaligned(floats * sizeof(float));
	v.p = *buffer + lead;
	view_clear(&v);
	for (y = 0; y < SIDE; y++)
		for (x = 0; x < SIDE; x++)
			for (c = 0; c < C; c++)
				view_at(&v, 0, y, x)[c] =
					(float)(c + sin(fx * x + fy * y + phase + .3 * c) +
						.2 * rng_normal(&r));
	return v;
}

static struct gate calibrated(double epsilon)
{
	struct calibration *cal = calibration_new(C, IMAGES, SIDE * SIDE);
	const uint64_t seed = 3;
	float *buffer = NULL;
	struct noise n;
	struct err err;
	struct view v;
	struct gate g;
	int i;

	gate_init(&g, ENCODING_BIT, C);
	for (i = 0; i < IMAGES; i++) {
		v = draw(&buffer, i);
		calibration_add(cal, &v, 0);
	}
	assert_int_equal(calibration_finish(cal, THRESHOLD_MEDIAN, &g, &err), 0);
	calibration_free(cal);
	free(buffer);
	assert_int_equal(
		noise_init(&n, epsilon > 0 ? MECHANISM_RR : MECHANISM_NONE, epsilon, &seed, &err),
		0);
	gate_set_noise(&g, &n);
	g.debias = epsilon > 0;
	return g;
}

static void learn(struct gate *g, int size)
{
	struct wiener *w = wiener_new(g, size, IMAGES);
	float *buffer = NULL;
	struct err err;
	struct view v;
	int i;

	for (i = 0; i < IMAGES; i++) {
		v = draw(&buffer, i);
		wiener_add(w, &v, 0);
	}
	assert_int_equal(wiener_finish(w, g, &err), 0);
	wiener_free(w);
	free(buffer);
}

/* Mean squared error of what comes out of the gate, on pictures that nothing was learnt from. */
static double error(const struct gate *g)
{
	float *buffer = NULL, *clean = NULL;
	unsigned char *bits = xmalloc(gate_packed_bytes(C, SIDE, SIDE));
	struct filter *f = filter_new(g, 1, SIDE, SIDE, CONV_OPENBLAS, NULL, false);
	const uint64_t seed = 9;
	struct noise n;
	struct err err;
	double sum = 0, d;
	int i, x, y, c;

	assert_int_equal(noise_init(&n, g->mechanism, g->epsilon, &seed, &err), 0);
	for (i = IMAGES; i < 2 * IMAGES; i++) {
		struct view a = draw(&clean, i), v = draw(&buffer, i);

		gate_apply_noisy(g, NULL, &v, &n, (uint64_t)i, bits);
		filter_run(f, NULL, &v);
		for (y = 0; y < SIDE; y++)
			for (x = 0; x < SIDE; x++)
				for (c = 0; c < C; c++) {
					d = (double)view_at(&v, 0, y, x)[c] -
					    view_at(&a, 0, y, x)[c];
					sum += d * d;
				}
	}
	filter_free(f);
	free(bits);
	free(buffer);
	free(clean);
	return sum / (IMAGES * SIDE * SIDE * C);
}

static void a_filter_comes_nearer_the_truth_the_more_it_sees(void **state)
{
	const double epsilons[] = {0, 2, 1, .5};
	double plain, one, three;
	struct gate g;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(epsilons); i++) {
		g = calibrated(epsilons[i]);
		plain = error(&g);
		learn(&g, 1);
		one = error(&g);
		learn(&g, 3);
		three = error(&g);
		gate_release(&g);
		/* never worse than saying the mean, whose error is the variance, about .54 */
		assert_true(one < plain && three < one && three < .5);
	}
}

/* One channel, one position: the solution is a number that can be written down. */
static void one_bit_alone_shrinks_by_its_share_of_the_variance(void **state)
{
	const float values[4] = {-1, -1, 1, 1};
	struct view v = {(float *)values, 1, 2, 2, 1, 1, 0};
	struct calibration *cal = calibration_new(1, 1, 4);
	const uint64_t seed = 3;
	struct wiener *w;
	struct noise n;
	struct gate g;
	struct err err;
	double noise;

	(void)state;
	gate_init(&g, ENCODING_BIT, 1);
	calibration_add(cal, &v, 0);
	assert_int_equal(calibration_finish(cal, THRESHOLD_MEDIAN, &g, &err), 0);
	assert_true(g.low[0] == -1 && g.high[0] == 1 && g.mean[0] == 0);
	assert_int_equal(noise_init(&n, MECHANISM_RR, 1, &seed, &err), 0);
	gate_set_noise(&g, &n);
	w = wiener_new(&g, 1, 1);
	wiener_add(w, &v, 0);
	assert_int_equal(wiener_finish(w, &g, &err), 0);
	noise = 4 * n.q * (1 - n.q) / ((1 - 2 * n.q) * (1 - 2 * n.q));
	assert_float_equal(g.filter[0], 1 / (1 + noise), 1e-4);
	wiener_free(w);
	calibration_free(cal);
	gate_release(&g);
}

static void wide_tensors_get_smaller_filters(void **state)
{
	(void)state;
	assert_int_equal(wiener_size(64, 3), 3);
	assert_int_equal(wiener_size(64, 7), 7);
	assert_int_equal(wiener_size(256, 5), 3);
	assert_int_equal(wiener_size(1280, 3), 1);
	assert_int_equal(wiener_size(5000, 3), 0);
	assert_int_equal(wiener_size(64, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_comes_nearer_the_truth_the_more_it_sees),
		cmocka_unit_test(one_bit_alone_shrinks_by_its_share_of_the_variance),
		cmocka_unit_test(wide_tensors_get_smaller_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
