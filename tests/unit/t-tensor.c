#include "nn-views.h"
#include "nn/tensor.h"

static void a_buffer_holds_its_pads_and_starts_on_a_cache_line(void **state)
{
	struct view v = {NULL, 2, 3, 5, 7, 7, 2};
	size_t lead, floats = view_floats(&v, &lead);

	(void)state;
	assert_int_equal(lead % 16, 0);
	assert_true(lead >= 2 * 7);
	assert_true(floats >= lead + 2 * 3 * (5 + 2) * 7 + 16);
}

static void nchw_goes_in_and_comes_out(void **state)
{
	struct test_view t = test_view_new(2, 3, 4, 5, 2, 1, 1);
	float in[2 * 5 * 3 * 4], out[ARRAY_LEN(in)];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(in); i++)
		in[i] = (float)i;
	view_from_nchw(&t.v, in);
	assert_true(view_at(&t.v, 1, 2, 3)[4] == ((1 * 5 + 4) * 3 + 2) * 4 + 3);
	view_to_nchw(&t.v, out);
	assert_memory_equal(in, out, sizeof(in));
	test_view_check(&t);
	test_view_free(&t);
}

static void copies_and_sums_keep_to_their_channels_and_clear_pads(void **state)
{
	struct test_view a = test_view_new(2, 3, 4, 5, 2, 1, 1);
	struct test_view b = test_view_new(2, 3, 4, 5, 0, 3, 2);
	struct pool *pool = pool_new(2);
	struct rng rng;
	int n, y, x, c;

	(void)state;
	rng_init(&rng, 3, "tensor", 0);
	test_view_fill(&a, &rng);
	view_copy(pool, &a.v, &b.v);
	test_view_check(&b);
	view_add(pool, &a.v, &b.v);
	test_view_check(&b);
	for (n = 0; n < 2; n++)
		for (y = 0; y < 3; y++)
			for (x = 0; x < 4; x++)
				for (c = 0; c < 5; c++)
					assert_true(view_at(&b.v, n, y, x)[c] ==
						    2 * view_at(&a.v, n, y, x)[c]);
	view_clear(&b.v);
	test_view_check(&b);
	assert_true(view_at(&b.v, 1, 2, 3)[4] == 0);
	pool_free(pool);
	test_view_free(&a);
	test_view_free(&b);
}

static void slices_and_batches_are_windows(void **state)
{
	struct test_view t = test_view_new(3, 2, 2, 8, 0, 0, 1);
	struct view s = view_slice(&t.v, 2, 3), one = view_batch(&s, 1);

	(void)state;
	assert_ptr_equal(view_at(&s, 1, 1, 1), view_at(&t.v, 1, 1, 1) + 2);
	assert_int_equal(one.n, 1);
	assert_int_equal(one.c, 3);
	assert_int_equal(one.ld, 8);
	assert_false(view_same_shape(&s, &one));
	test_view_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_holds_its_pads_and_starts_on_a_cache_line),
		cmocka_unit_test(nchw_goes_in_and_comes_out),
		cmocka_unit_test(copies_and_sums_keep_to_their_channels_and_clear_pads),
		cmocka_unit_test(slices_and_batches_are_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
