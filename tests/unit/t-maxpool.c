#include "nn-views.h"
#include "nn/maxpool.h"

struct case_row {
	struct maxpool m;
	int n, h, w, c;
};

static const struct case_row cases[] = {
	{{5, 1, 2, CONV_AUTO}, 2, 7, 9, 70},  {{13, 1, 6, CONV_AUTO}, 1, 10, 8, 5},
	{{2, 2, 0, CONV_AUTO}, 1, 8, 6, 16},  {{3, 2, 1, CONV_AUTO}, 2, 9, 7, 3},
	{{5, 1, 2, CONV_AUTO}, 1, 1, 2, 8},   {{2, 3, 1, CONV_AUTO}, 1, 8, 8, 64},
	{{5, 1, 2, CONV_AUTO}, 1, 6, 70, 20}, {{3, 2, 1, CONV_AUTO}, 1, 5, 67, 16},
};

/* Values in few levels, so that ties are common: the first one takes the gradient. */
static void fill_with_ties(struct test_view *t, struct rng *rng)
{
	int n, y, x, c;

	view_clear(&t->v);
	for (n = 0; n < t->v.n; n++)
		for (y = 0; y < t->v.h; y++)
			for (x = 0; x < t->v.w; x++)
				for (c = 0; c < t->v.c; c++)
					view_at(&t->v, n, y, x)[c] = (float)rng_below(rng, 5) - 6;
}

/* One output value by definition; its gradient goes to the first largest. */
static void reference(const struct case_row *k, const struct view *x, const struct view *y,
		      const struct view *dy, float *dx, int n, int oy, int ox, int c)
{
	float best = -INFINITY;
	int ky, kx, at = -1;

	for (ky = 0; ky < k->m.k; ky++)
		for (kx = 0; kx < k->m.k; kx++) {
			const int iy = oy * k->m.stride - k->m.pad + ky;
			const int ix = ox * k->m.stride - k->m.pad + kx;

			if (iy < 0 || iy >= k->h || ix < 0 || ix >= k->w)
				continue;
			if (view_at(x, n, iy, ix)[c] > best) {
				best = view_at(x, n, iy, ix)[c];
				at = ((n * k->h + iy) * k->w + ix) * k->c + c;
			}
		}
	assert_true(view_at(y, n, oy, ox)[c] == best);
	dx[at] += view_at(dy, n, oy, ox)[c];
}

static void one_case(const struct case_row *k, int threads)
{
	const int oh = maxpool_out(&k->m, k->h), ow = maxpool_out(&k->m, k->w);
	struct test_view x = test_view_new(k->n, k->h, k->w, k->c, 2, 0, 1);
	struct test_view y = test_view_new(k->n, oh, ow, k->c, 0, 3, 2);
	struct test_view dy = test_view_new(k->n, oh, ow, k->c, 0, 0, 0);
	struct test_view dx = test_view_new(k->n, k->h, k->w, k->c, 1, 1, 1);
	float *want = xcalloc((size_t)k->n * k->h * k->w * k->c, sizeof(float));
	uint8_t *argmax = xmalloc(maxpool_argmax_bytes(&y.v));
	struct pool *pool = pool_new(threads);
	struct rng rng;
	int n, r, q, c;

	rng_init(&rng, 5, "maxpool", (uint64_t)k->c);
	fill_with_ties(&x, &rng);
	test_view_fill(&dy, &rng);
	maxpool_forward(&k->m, pool, &x.v, &y.v, argmax);
	test_view_check(&y);
	for (n = 0; n < k->n; n++)
		for (r = 0; r < oh; r++)
			for (q = 0; q < ow; q++)
				for (c = 0; c < k->c; c++)
					reference(k, &x.v, &y.v, &dy.v, want, n, r, q, c);
	maxpool_backward(&k->m, pool, argmax, &dy.v, &dx.v, false);
	test_view_check(&dx);
	maxpool_backward(&k->m, pool, argmax, &dy.v, &dx.v, true);
	for (n = 0; n < k->n; n++)
		for (r = 0; r < k->h; r++)
			for (q = 0; q < k->w; q++)
				for (c = 0; c < k->c; c++) {
					const float w =
						want[((n * k->h + r) * k->w + q) * k->c + c];

					assert_true(close_to(view_at(&dx.v, n, r, q)[c], 2 * w, 4,
							     1e-6));
				}
	pool_free(pool);
	free(argmax);
	free(want);
	test_view_free(&x);
	test_view_free(&y);
	test_view_free(&dy);
	test_view_free(&dx);
}

static void values_and_gradients_agree_with_the_definition(void **state)
{
	static const enum conv_path paths[] = {CONV_V128, CONV_AVX2, CONV_AVX512};
	enum conv_path path;
	struct err err;
	size_t i, p;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		for (p = 0; p < ARRAY_LEN(paths); p++) {
			struct case_row k = cases[i];

			if (conv_resolve(paths[p], &path, &err))
				continue; /* not on this processor */
			k.m.path = path;
			one_case(&k, 1 + 2 * (i % 2));
		}
}

static void a_nan_in_a_window_is_its_maximum(void **state)
{
	const struct maxpool m = {3, 1, 1, CONV_AUTO};
	struct test_view x = test_view_new(1, 3, 5, 1, 0, 0, 0);
	struct test_view y = test_view_new(1, 3, 5, 1, 0, 0, 0);
	int i;

	(void)state;
	for (i = 0; i < 15; i++)
		x.v.p[i] = (float)i;
	x.v.p[5] = NAN;
	maxpool_forward(&m, NULL, &x.v, &y.v, NULL);
	for (i = 0; i < 15; i++)
		assert_true(isnan(y.v.p[i]) == (i % 5 < 2));
	test_view_free(&x);
	test_view_free(&y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_gradients_agree_with_the_definition),
		cmocka_unit_test(a_nan_in_a_window_is_its_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
