#include "fed/inbox.h"
#include "unit.h"

/* A million different things are all new once and all known afterwards. */
static void what_was_seen_is_known_and_nothing_else(void **state)
{
	enum { THINGS = 1000000 };
	struct seen s;
	struct err err;
	int i;

	(void)state;
	assert_int_equal(seen_init(&s, &err), 0);
	for (i = 0; i < THINGS; i++)
		assert_false(seen_before(&s, &i, sizeof(i)));
	for (i = 0; i < THINGS; i++)
		assert_true(seen_before(&s, &i, sizeof(i)));
	assert_int_equal(s.n, THINGS);
	assert_true(s.cap * sizeof(*s.slots) <= 32 * (size_t)THINGS);
	seen_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_seen_is_known_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
