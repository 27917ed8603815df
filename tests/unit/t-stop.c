#include "fed/stop.h"
#include "unit.h"

static struct stop_values values(double epochs, double accuracy, double delta)
{
	struct stop_values v = {0};

	v.value[STOP_EPOCHS] = epochs;
	v.known[STOP_EPOCHS] = true;
	v.value[STOP_ACCURACY] = accuracy;
	v.known[STOP_ACCURACY] = accuracy >= 0;
	v.value[STOP_DELTA_LOSS] = delta;
	v.known[STOP_DELTA_LOSS] = delta >= 0;
	return v;
}

static bool decide(const char *text, struct stop_values v)
{
	struct err err = ERR_INIT;
	struct stop *s = stop_parse(text, &err);
	bool yes;

	assert_non_null(s);
	yes = stop_holds(s, &v, NULL, 0);
	stop_free(s);
	return yes;
}

static void the_reference_jobs_condition_is_understood(void **state)
{
	static const char text[] = "rounds>100 or targetAccuracy>0.95 or deltaLoss<0.03";

	(void)state;
	assert_false(decide(text, values(1, 0.5, 0.2)));
	assert_true(decide(text, values(1, 0.96, 0.2)));
	assert_true(decide(text, values(1, 0.5, 0.01)));
}

static void and_binds_tighter_than_or_and_not_than_and(void **state)
{
	(void)state;
	assert_true(decide("epochs>1 or epochs>5 and accuracy>0.9", values(2, 0.1, -1)));
	assert_false(decide("(epochs>1 or epochs>5) and accuracy>0.9", values(2, 0.1, -1)));
	assert_false(decide("not epochs>1 and epochs>1", values(2, 0.1, -1)));
	assert_true(decide("not (epochs>1 and epochs>5)", values(2, 0.1, -1)));
	assert_true(decide("epochs>=2and epochs<=2", values(2, 0, -1)));
	assert_true(decide(" epochs == 2 ", values(2, 0, -1)));
	assert_false(decide("epochs!=2", values(2, 0, -1)));
}

static void what_is_not_known_yet_stops_nothing(void **state)
{
	(void)state;
	assert_false(decide("deltaLoss<0.03", values(1, -1, -1)));
	assert_false(decide("accuracy<0.5", values(1, -1, -1)));
}

static void sednas_trigger_is_an_expression_too(void **state)
{
	struct stop_values v = {0};

	(void)state;
	assert_false(decide("num_of_ready_clients > 5", v));
	v.known[STOP_CLIENTS] = true;
	v.value[STOP_CLIENTS] = 5;
	assert_false(decide("num_of_ready_clients > 5", v));
	assert_true(decide("num_of_ready_clients >= 5", v));
	assert_true(decide("clients = 5", v));
}

static void the_reason_names_the_comparison_that_held(void **state)
{
	struct stop_values v = values(3, 0.96, 0.2);
	struct err err = ERR_INIT;
	struct stop *s = stop_parse("epochs>100 or accuracy>0.95", &err);
	char reason[64];

	(void)state;
	assert_true(stop_holds(s, &v, reason, sizeof(reason)));
	assert_string_equal(reason, "accuracy 0.96 > 0.95");
	assert_true(stop_uses(s, STOP_ACCURACY));
	assert_false(stop_uses(s, STOP_DELTA_LOSS));
	stop_free(s);
}

static void bad_expressions_say_where(void **state)
{
	static const struct {
		const char *text, *column;
	} bad[] = {
		{"", "column 1"},           {"epochs", "column 7"},
		{"epochs>", "column 8"},    {"epochs>x", "column 8"},
		{"epoch>3", "column 1"},    {"epochs>3 or", "column 12"},
		{"(epochs>3", "column 10"}, {"epochs>3)", "column 9"},
		{"epochs>inf", "column 8"}, {"epochs>3 epochs>4", "column 10"},
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(stop_parse(bad[i].text, &err));
		assert_int_equal(err.status, STATUS_USAGE);
		assert_non_null(strstr(err.msg, bad[i].column));
	}
}

static void nesting_is_bounded(void **state)
{
	char deep[4096];
	struct err err;

	(void)state;
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_null(stop_parse(deep, &err));
	assert_non_null(strstr(err.msg, "nested deeper"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_jobs_condition_is_understood),
		cmocka_unit_test(and_binds_tighter_than_or_and_not_than_and),
		cmocka_unit_test(what_is_not_known_yet_stops_nothing),
		cmocka_unit_test(sednas_trigger_is_an_expression_too),
		cmocka_unit_test(the_reason_names_the_comparison_that_held),
		cmocka_unit_test(bad_expressions_say_where),
		cmocka_unit_test(nesting_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
