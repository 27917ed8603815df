#include "base/clock.h"
#include "nn/profile.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The milliseconds of the row called `what` in the per-layer table. */
static double row_ms(const char *table, const char *what)
{
	const char *at = strstr(table, what);

	if (!at)
		fail_msg("no row '%s'", what);
	return strtod(at + strlen(what), NULL);
}

static void what_was_noted_and_the_rest_make_the_whole(void **state)
{
	struct pool *pool = pool_new(2);
	struct profile *p = profile_new();
	struct buf text = BUF_INIT;
	double t = clock_seconds();

	(void)state;
	assert_true(profile_lap(p, "reading", t - 0.5) >= t);
	profile_lap(p, "writing", clock_seconds() - 0.25);
	profile_lap(p, "reading", clock_seconds() - 0.25);
	profile_text(p, pool, CONV_V128, 2, 10, &text);
	assert_non_null(strstr(text.data, "2 threads, kernel v128; sgemm "));
	assert_non_null(strstr(text.data, "10 images\n"));
	assert_float_equal(row_ms(text.data, "reading"), 75, 1);
	assert_float_equal(row_ms(text.data, "writing"), 25, 1);
	assert_float_equal(row_ms(text.data, "everything else"), 100, 1.5);
	assert_float_equal(row_ms(text.data, "total"), 200, 1e-6);
	buf_release(&text);
	profile_free(p);
	pool_free(pool);
}

static void nobody_needs_to_ask_whether_a_profile_is_wanted(void **state)
{
	const double t = clock_seconds();

	(void)state;
	assert_true(profile_lap(NULL, "reading", t) >= t);
	profile_net(NULL, NULL);
	profile_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_noted_and_the_rest_make_the_whole),
		cmocka_unit_test(nobody_needs_to_ask_whether_a_profile_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
