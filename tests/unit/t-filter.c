#include "mist/filter.h"
#include "base/rng.h"
#include "unit.h"

enum { C = 5, K = 3, H = 6, W = 7, N = 3 };

static struct gate gate_new(void)
{
	struct gate g;
	struct rng r;
	size_t i;

	rng_init(&r, 1, "t-filter", 0);
	gate_init(&g, ENCODING_BIT, C);
	g.filter_size = K;
	g.filter = xreallocarray(NULL, gate_filter_floats(&g), sizeof(float));
	g.mean = xreallocarray(NULL, C, sizeof(float));
	for (i = 0; i < gate_filter_floats(&g); i++)
		g.filter[i] = (float)rng_range(&r, -1, 1);
	for (i = 0; i < C; i++)
		g.mean[i] = (float)rng_range(&r, -1, 1);
	return g;
}

static struct view view_new(float **buffer, int seed)
{
	struct view v = {NULL, N, H, W, C, 16, 1};
	size_t lead, floats = view_floats(&v, &lead);
	float values[N * C * H * W];
	struct rng r;
	size_t i;

	rng_init(&r, (uint64_t)seed, "t-filter view", 0);
	for (i = 0; i < ARRAY_LEN(values); i++)
		values[i] = (float)rng_range(&r, -2, 2);
	*buffer = xaligned(floats * sizeof(float));
	v.p = *buffer + lead;
	view_clear(&v);
	view_from_nchw(&v, values);
	return v;
}

static double at(const struct view *v, int n, int y, int x, int c)
{
	return y < 0 || x < 0 || y >= H || x >= W ? 0 : view_at(v, n, y, x)[c];
}

/* The formula of filter.h, term by term. */
static double defined(const struct gate *g, const struct view *v, int n, int y, int x, int o)
{
	double sum = g->mean[o];
	int i, ky, kx;

	for (i = 0; i < C; i++)
		for (ky = 0; ky < K; ky++)
			for (kx = 0; kx < K; kx++)
				sum += g->filter[((o * C + i) * K + ky) * K + kx] *
				       at(v, n, y + ky - K / 2, x + kx - K / 2, i);
	return sum;
}

static void a_filter_is_its_definition_on_any_threads(void **state)
{
	struct pool *pool = pool_new(2);
	struct gate g = gate_new();
	enum conv_path path;
	struct err err;
	float *a, *b;
	struct view x = view_new(&a, 1), y = view_new(&b, 1);
	struct filter *one, *two;
	int n, row, col, c;

	(void)state;
	assert_int_equal(conv_resolve(CONV_AUTO, &path, &err), 0);
	one = filter_new(&g, N, H, W, path, NULL, false);
	two = filter_new(&g, N + 2, H, W, path, pool, false);
	assert_true(filter_bytes(&g, N, H, W, path, NULL, false) > gate_filter_floats(&g) * 4);
	filter_run(one, NULL, &y);
	for (n = 0; n < N; n++)
		for (row = 0; row < H; row++)
			for (col = 0; col < W; col++)
				for (c = 0; c < C; c++)
					assert_float_equal(at(&y, n, row, col, c),
							   defined(&g, &x, n, row, col, c), 1e-4);
	filter_run(two, pool, &x);
	for (n = 0; n < N; n++)
		for (row = 0; row < H; row++)
			for (col = 0; col < W; col++)
				assert_memory_equal(view_at(&x, n, row, col),
						    view_at(&y, n, row, col), C * sizeof(float));
	filter_free(one);
	filter_free(two);
	gate_release(&g);
	pool_free(pool);
	free(a);
	free(b);
}

/* <f(x) - f(0), y> == <x, f'(y)>: the map is linear, so its gradient is its transpose. */
static void the_gradient_is_the_transpose(void **state)
{
	struct gate g = gate_new();
	enum conv_path path;
	struct err err;
	float *a, *b, *c;
	struct view x = view_new(&a, 1), y = view_new(&b, 2), fx = view_new(&c, 1);
	struct filter *f;
	double left = 0, right = 0;
	int n, row, col, k;

	(void)state;
	assert_int_equal(conv_resolve(CONV_AUTO, &path, &err), 0);
	f = filter_new(&g, N, H, W, path, NULL, true);
	filter_run(f, NULL, &fx);
	for (n = 0; n < N; n++)
		for (row = 0; row < H; row++)
			for (col = 0; col < W; col++)
				for (k = 0; k < C; k++)
					left += (at(&fx, n, row, col, k) - g.mean[k]) *
						at(&y, n, row, col, k);
	filter_back(f, NULL, &y);
	for (n = 0; n < N; n++)
		for (row = 0; row < H; row++)
			for (col = 0; col < W; col++)
				for (k = 0; k < C; k++)
					right += at(&x, n, row, col, k) * at(&y, n, row, col, k);
	assert_float_equal(left, right, 1e-3 * (left < 0 ? -left : left) + 1e-3);
	filter_free(f);
	gate_release(&g);
	free(a);
	free(b);
	free(c);
}

static void without_a_filter_nothing_happens(void **state)
{
	struct gate g;
	float *a;
	struct view x = view_new(&a, 1);
	float before = view_at(&x, 1, 2, 3)[4];

	(void)state;
	gate_init(&g, ENCODING_BIT, C);
	assert_null(filter_new(&g, N, H, W, CONV_OPENBLAS, NULL, true));
	assert_int_equal(filter_bytes(&g, N, H, W, CONV_OPENBLAS, NULL, true), 0);
	filter_run(NULL, NULL, &x);
	filter_back(NULL, NULL, &x);
	assert_true(view_at(&x, 1, 2, 3)[4] == before);
	filter_free(NULL);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_is_its_definition_on_any_threads),
		cmocka_unit_test(the_gradient_is_the_transpose),
		cmocka_unit_test(without_a_filter_nothing_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
