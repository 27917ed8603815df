#include "job/condition.h"
#include "job/manifest.h"
#include "job/quantity.h"
#include "job/verdict.h"
#include "unit.h"

static const char head[] =
	"apiVersion: sedna.io/v1alpha1\nkind: Dataset\nmetadata: {name: d}\n"
	"spec: {url: /d, format: dir, nodeName: n}\n---\n"
	"apiVersion: sedna.io/v1alpha1\nkind: Model\nmetadata: {name: m}\n"
	"spec: {url: /m.safetensors, format: safetensors}\n---\n"
	"apiVersion: sedna.io/v1alpha1\nkind: FederatedLearningJob\nmetadata: {name: j}\n";

static struct manifest *parse(const char *cloud_env, const char *a_env, const char *b_env,
			      struct err *err)
{
	char *text = xasprintf(
		"%sspec:\n  aggregationWorker: {model: {name: m}, template: {spec: {containers: "
		"[{env: [%s]}]}}}\n"
		"  trainingWorkers:\n"
		"  - {dataset: {name: d}, template: {spec: {containers: [{env: [%s]}]}}}\n"
		"  - {dataset: {name: d}, template: {spec: {containers: [{env: [%s]}]}}}\n",
		head, cloud_env, a_env, b_env);
	struct manifest *m = manifest_parse("x", text, strlen(text), err);

	free(text);
	return m;
}

static void what_one_side_says_holds_for_the_other(void **state)
{
	struct err err = ERR_INIT;
	struct manifest *m = parse("{name: img, value: 64}, {name: epochs, value: 3}",
				   "{name: epochs, value: 2}, {name: batch_size, value: 8}",
				   "{name: batch_size, value: 8}", &err);

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->algorithm, ALGORITHM_MISTNET);
	assert_int_equal(m->min_clients, 2);
	assert_string_equal(manifest_value(m, &m->edges[0], "img"), "64");
	assert_string_equal(manifest_value(m, &m->edges[0], "epochs"), "2");
	assert_string_equal(manifest_value(m, &m->edges[1], "epochs"), "3");
	assert_string_equal(manifest_value(m, &m->cloud, "batch_size"), "8");
	assert_null(manifest_value(m, &m->cloud, "val"));
	/* Two workers of one node and one data set are still two clients. */
	assert_string_not_equal(m->edges[0].id, m->edges[1].id);
	manifest_free(m);
}

static void edges_that_disagree_are_refused_where_the_cloud_must_know(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_null(
		parse("", "{name: batch_size, value: 8}", "{name: batch_size, value: 9}", &err));
	assert_non_null(strstr(err.msg, "differ in 'batch_size'"));
}

static void of_those_that_are_drawn_all_must_be_ready(void **state)
{
	struct err err = ERR_INIT;
	struct manifest *m = parse("{name: aggregation_algorithm, value: fedavg}, "
				   "{name: sample, value: 50%}",
				   "", "", &err);

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->min_clients, 1);
	manifest_free(m);
	/* MistNet's edges send once, all of them */
	m = parse("{name: sample, value: 50%}", "", "", &err);
	assert_non_null(m);
	assert_int_equal(m->min_clients, 2);
	manifest_free(m);
	assert_null(parse("{name: aggregation_algorithm, value: fedavg}, {name: sample, value: 0}",
			  "", "", &err));
	assert_non_null(strstr(err.msg, "'sample' is a number of the 2 training workers"));
}

static int trigger(const char *condition, int declared, int *least)
{
	struct err err = ERR_INIT;
	struct yaml *y = yaml_parse("x", condition, strlen(condition), &err);
	int rc;

	assert_non_null(y);
	rc = condition_trigger(y->doc[0], declared, "declared", least, &err);
	yaml_tree_free(y);
	return rc;
}

static void a_trigger_is_a_number_of_clients(void **state)
{
	static const struct {
		const char *op, *threshold;
		int declared, least; /* 0: refused */
	} cases[] = {
		{">", "5", 6, 6},    {">", "5", 5, 0},     {">=", "5", 5, 5}, {">", "1.5", 2, 2},
		{">=", "1.5", 2, 2}, {"==", "2", 2, 2},    {"=", "1", 2, 1},  {"==", "1.5", 2, 0},
		{">", "-1", 2, 0},   {"<", "2", 2, 0},     {"<=", "2", 2, 0}, {"!=", "2", 2, 0},
		{">", "0", 1, 1},    {">", "1e300", 2, 0}, {">=", "0", 2, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		char *text =
			xasprintf("{metric: num_of_ready_clients, operator: '%s', threshold: %s}",
				  cases[i].op, cases[i].threshold);
		int least = 0;
		int rc = trigger(text, cases[i].declared, &least);

		assert_int_equal(rc, cases[i].least ? 0 : -1);
		assert_int_equal(least, cases[i].least);
		free(text);
	}
}

static void quantities_are_kubernetes(void **state)
{
	struct err err = ERR_INIT;
	uint64_t bytes;
	int cpus;

	(void)state;
	assert_int_equal(quantity_bytes("m", "2Gi", &bytes, &err), 0);
	assert_true(bytes == (uint64_t)2 << 30);
	assert_int_equal(quantity_bytes("m", "1.5Gi", &bytes, &err), 0);
	assert_true(bytes == (uint64_t)3 << 29);
	assert_int_equal(quantity_bytes("m", "512M", &bytes, &err), 0);
	assert_true(bytes == 512000000);
	assert_int_equal(quantity_bytes("m", "2e9", &bytes, &err), 0);
	assert_true(bytes == 2000000000);
	assert_int_equal(quantity_bytes("m", "2", &bytes, &err), -1);
	assert_int_equal(quantity_bytes("m", "-2Gi", &bytes, &err), -1);
	assert_int_equal(quantity_bytes("m", "Gi", &bytes, &err), -1);
	assert_int_equal(quantity_bytes("m", "2GB", &bytes, &err), -1);
	assert_int_equal(quantity_bytes("m", "1e30", &bytes, &err), -1);
	assert_int_equal(quantity_cpus("c", "500m", &cpus, &err), 0);
	assert_int_equal(cpus, 1);
	assert_int_equal(quantity_cpus("c", "2.5", &cpus, &err), 0);
	assert_int_equal(cpus, 3);
	assert_int_equal(quantity_cpus("c", "0", &cpus, &err), -1);
}

static void a_table_says_what_stop_conditions_ask_for(void **state)
{
	struct results table = RESULTS_INIT;
	struct results_row row = {{0}};
	struct stop_values v;

	(void)state;
	verdict_values(&table, -1, &v);
	assert_false(v.known[STOP_ROUNDS] || v.known[STOP_TIME] || v.known[STOP_DELTA_LOSS]);
	row.value[RESULTS_EPOCH] = 4;
	row.value[RESULTS_TRAIN_BOX] = 1;
	row.value[RESULTS_TRAIN_CLS] = 2;
	results_add(&table, &row);
	verdict_values(&table, 7, &v);
	assert_true(v.value[STOP_ROUNDS] == 1 && v.value[STOP_EPOCHS] == 5);
	assert_true(v.value[STOP_LOSS] == 3 && v.value[STOP_TIME] == 7);
	assert_false(v.known[STOP_DELTA_LOSS] || v.known[STOP_ACCURACY]);
	row.value[RESULTS_EPOCH] = 9;
	row.value[RESULTS_TRAIN_OBJ] = .5;
	row.value[RESULTS_MAP50] = .25;
	results_add(&table, &row);
	verdict_values(&table, -1, &v);
	assert_true(v.value[STOP_ROUNDS] == 2 && v.value[STOP_EPOCHS] == 10);
	assert_true(v.known[STOP_DELTA_LOSS] && v.value[STOP_DELTA_LOSS] == .5);
	assert_true(v.known[STOP_ACCURACY] && v.value[STOP_ACCURACY] == .25);
	results_release(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_side_says_holds_for_the_other),
		cmocka_unit_test(edges_that_disagree_are_refused_where_the_cloud_must_know),
		cmocka_unit_test(of_those_that_are_drawn_all_must_be_ready),
		cmocka_unit_test(a_trigger_is_a_number_of_clients),
		cmocka_unit_test(quantities_are_kubernetes),
		cmocka_unit_test(a_table_says_what_stop_conditions_ask_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
