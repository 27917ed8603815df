#include "nn-views.h"
#include "nn/upsample.h"

static void each_pixel_becomes_four_and_its_gradient_is_their_sum(void **state)
{
	struct test_view x = test_view_new(2, 3, 4, 5, 0, 1, 1);
	struct test_view y = test_view_new(2, 6, 8, 5, 3, 2, 1);
	struct test_view dx = test_view_new(2, 3, 4, 5, 1, 0, 2);
	struct pool *pool = pool_new(2);
	struct rng rng;
	int n, r, q, c;

	(void)state;
	rng_init(&rng, 6, "upsample", 0);
	test_view_fill(&x, &rng);
	upsample_forward(pool, &x.v, &y.v);
	test_view_check(&y);
	for (n = 0; n < 2; n++)
		for (r = 0; r < 6; r++)
			for (q = 0; q < 8; q++)
				for (c = 0; c < 5; c++)
					assert_true(view_at(&y.v, n, r, q)[c] ==
						    view_at(&x.v, n, r / 2, q / 2)[c]);
	upsample_backward(pool, &y.v, &dx.v, false);
	test_view_check(&dx);
	upsample_backward(pool, &y.v, &dx.v, true);
	for (n = 0; n < 2; n++)
		for (r = 0; r < 3; r++)
			for (q = 0; q < 4; q++)
				for (c = 0; c < 5; c++)
					assert_true(view_at(&dx.v, n, r, q)[c] ==
						    8 * view_at(&x.v, n, r, q)[c]);
	pool_free(pool);
	test_view_free(&x);
	test_view_free(&y);
	test_view_free(&dx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pixel_becomes_four_and_its_gradient_is_their_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
