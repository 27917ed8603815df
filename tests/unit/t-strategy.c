#include "base/file.h"
#include "base/rng.h"
#include "fed/strategy.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "unit.h"

#include <math.h>

enum { CLIENTS = 5, MANY = 9, WEIGHTS = 24, STATS = 6 };

static char *dir;

static int make_dir(void **state)
{
	(void)state;
	dir = unit_tmpdir();
	return 0;
}

static int remove_dir(void **state)
{
	struct err err;

	(void)state;
	dir_remove(dir, &err);
	free(dir);
	return 0;
}

/* What a client's file holds, and what of it is spoilt. */
struct client {
	const char *samples; /* NULL: untold */
	const char *round;
	const char *names;
	enum safetensors_type type;
	float weights[WEIGHTS], stats[STATS];
	int64_t counter;
	bool other_shape, lacks, extra, reordered, checkpoint;
};

static struct client client_new(int i)
{
	static const char *const samples[CLIENTS] = {"1", "7", "100", "0", "33"};
	struct client c = {.samples = samples[i], .names = "[\"cat\"]", .counter = 10 * (i % 3)};
	struct rng r;
	int k;

	rng_init(&r, 1, "t-strategy", (uint64_t)i);
	for (k = 0; k < WEIGHTS; k++)
		c.weights[k] = (float)rng_normal(&r);
	for (k = 0; k < STATS; k++)
		c.stats[k] = (float)(100 * rng_double(&r));
	return c;
}

static void put(struct safetensors_writer *w, const struct client *c, const int *what, int n)
{
	struct err err;
	int next;

	while ((next = safetensors_writer_next(w)) >= 0) {
		assert_true(next < n);
		if (what[next] == 0)
			assert_int_equal(safetensors_writer_floats(w, c->weights, &err), 0);
		else if (what[next] == 1)
			assert_int_equal(safetensors_writer_floats(w, c->stats, &err), 0);
		else
			assert_int_equal(safetensors_writer_ints(w, &c->counter, &err), 0);
	}
}

static char *write_client(int i, const struct client *c)
{
	static const char *const names[] = {"m.conv.weight", "m.bn.running_var",
					    "m.bn.num_batches_tracked", "m.more"};
	struct safetensors_writer w = SAFETENSORS_WRITER_INIT;
	const size_t dims[2][4] = {{2, 3, 2, 2}, {3, 2, 2, 2}}, six[1] = {STATS};
	int order[4] = {0, 1, 2}, what[4], n = 0, k;
	char *path = xasprintf("%s/c%d.safetensors", dir, i);
	struct err err;

	if (c->reordered) {
		order[0] = 1;
		order[1] = 0;
	}
	for (k = 0; k < 3; k++) {
		if (order[k] == 0)
			safetensors_writer_add(&w, names[0], c->type, 4, dims[c->other_shape]);
		else if (order[k] == 1 && !c->lacks)
			safetensors_writer_add(&w, names[1], SAFETENSORS_F32, 1, six);
		else if (order[k] == 2)
			safetensors_writer_add(&w, names[2], SAFETENSORS_I64, 0, NULL);
		else
			continue;
		what[n++] = order[k];
	}
	if (c->extra) {
		safetensors_writer_add(&w, names[3], SAFETENSORS_F32, 1, six);
		what[n++] = 1;
	}
	safetensors_writer_meta(&w, "mist.samples", c->samples);
	safetensors_writer_meta(&w, "mist.round", c->round);
	safetensors_writer_meta(&w, "mist.names", c->names);
	safetensors_writer_meta(&w, "mist.train", c->checkpoint ? "{}" : NULL);
	assert_int_equal(safetensors_writer_begin(&w, path, &err), 0);
	put(&w, c, what, n);
	assert_int_equal(safetensors_writer_finish(&w, &err), 0);
	return path;
}

static void record(void *ctx, const char *sentence)
{
	snprintf(ctx, 256, "%s", sentence);
}

/* Writes the clients, averages them; -1 or the result in *out. */
static int average(const struct client *clients, int n, struct safetensors *out, char said[256],
		   struct err *err)
{
	const struct notices notices = {record, said};
	struct strategy_options opt;
	char *paths[CLIENTS], *result = path_join(dir, "out.safetensors");
	int i, rc;

	strategy_defaults(&opt);
	opt.notices = &notices;
	said[0] = '\0';
	for (i = 0; i < n; i++)
		paths[i] = write_client(i, &clients[i]);
	unlink(result);
	rc = strategy_run(paths, n, result, &opt, err);
	if (rc)
		assert_false(path_exists(result));
	else
		assert_int_equal(safetensors_open(out, result, err), 0);
	for (i = 0; i < n; i++)
		free(paths[i]);
	free(result);
	return rc;
}

static void expect_mean(const struct client *c, const double *weight, int n, struct safetensors *s)
{
	double total = 0, want;
	float w[WEIGHTS], b[STATS];
	struct err err;
	int i, k;

	assert_int_equal(safetensors_read_floats(s, safetensors_find(s, "m.conv.weight"), w, &err),
			 0);
	assert_int_equal(
		safetensors_read_floats(s, safetensors_find(s, "m.bn.running_var"), b, &err), 0);
	for (i = 0; i < n; i++)
		total += weight[i];
	for (k = 0; k < WEIGHTS; k++) {
		for (want = 0, i = 0; i < n; i++)
			want += weight[i] * (double)c[i].weights[k];
		assert_true(fabs(w[k] - want / total) < 1e-6 * (1 + fabs(want / total)));
	}
	for (k = 0; k < STATS; k++) {
		for (want = 0, i = 0; i < n; i++)
			want += weight[i] * (double)c[i].stats[k];
		assert_true(fabs(b[k] - want / total) < 1e-6 * (1 + fabs(want / total)));
	}
}

static void the_mean_is_weighted_by_samples_whatever_the_layout(void **state)
{
	static const double weight[CLIENTS] = {1, 7, 100, 0, 33};
	struct client c[CLIENTS];
	struct safetensors s;
	char said[256];
	struct err err;
	int64_t counter;
	int i, round;

	(void)state;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < CLIENTS; i++)
			c[i] = client_new(i);
		c[1].reordered = c[3].reordered = round; /* read by another way */
		assert_int_equal(average(c, CLIENTS, &s, said, &err), 0);
		expect_mean(c, weight, CLIENTS, &s);
		assert_int_equal(
			safetensors_read_ints(&s, safetensors_find(&s, "m.bn.num_batches_tracked"),
					      &counter, &err),
			0);
		assert_int_equal(counter, 20);
		assert_string_equal(safetensors_meta(&s, "mist.samples"), "141");
		assert_string_equal(safetensors_meta(&s, "mist.round"), "1");
		assert_string_equal(safetensors_meta(&s, "mist.names"), "[\"cat\"]");
		assert_string_equal(said, "");
		safetensors_close(&s);
	}
}

static void the_parents_are_the_digests_in_order(void **state)
{
	struct client c[2] = {client_new(0), client_new(1)};
	char hex[2][DIGEST_HEX], said[256], *want;
	struct safetensors s;
	struct err err;
	int i;

	(void)state;
	c[0].round = "3";
	c[1].round = "5";
	assert_int_equal(average(c, 2, &s, said, &err), 0);
	for (i = 0; i < 2; i++) {
		char *path = xasprintf("%s/c%d.safetensors", dir, i);

		assert_int_equal(digest_file(path, hex[i], &err), 0);
		free(path);
	}
	want = xasprintf("[\"%s\",\"%s\"]", hex[0], hex[1]);
	assert_string_equal(safetensors_meta(&s, "mist.parents"), want);
	assert_string_equal(safetensors_meta(&s, "mist.round"), "6");
	free(want);
	safetensors_close(&s);
}

static void without_samples_every_file_counts_the_same(void **state)
{
	static const double weight[3] = {1, 1, 1};
	struct client c[3];
	struct safetensors s;
	char said[256];
	struct err err;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		c[i] = client_new(i);
		c[i].samples = NULL;
		c[i].type = i == 1 ? SAFETENSORS_F16 : SAFETENSORS_F32;
	}
	for (i = 0; i < WEIGHTS; i++) /* what half precision holds exactly */
		c[1].weights[i] = (float)(i - 8) / 16;
	assert_int_equal(average(c, 3, &s, said, &err), 0);
	expect_mean(c, weight, 3, &s);
	assert_non_null(strstr(said, "counts the same"));
	assert_null(safetensors_meta(&s, "mist.samples"));
	safetensors_close(&s);
}

static void files_that_cannot_be_averaged_are_refused(void **state)
{
	static const char *const says[] = {
		"shape (2, 3, 2, 2) in one and (3, 2, 2, 2)",
		"no tensor 'm.bn.running_var'",
		"the first has no tensor 'm.more'",
		"class names differ",
		"only one says how many samples",
		"unfinished run",
		"mist.samples",
		"value 5 of 'm.conv.weight'",
		"value 2 of 'm.bn.running_var'",
		"same file",
		"mist.round",
	};
	struct client c[2];
	struct safetensors s;
	char said[256];
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(says); i++) {
		c[0] = client_new(1);
		c[1] = client_new(2);
		c[1].other_shape = i == 0;
		c[1].lacks = i == 1;
		c[1].extra = i == 2;
		c[1].names = i == 3 ? "[\"dog\"]" : c[0].names;
		c[1].samples = i == 4 ? NULL : i == 6 ? "many" : "3";
		c[1].checkpoint = i == 5;
		if (i == 7)
			c[1].weights[5] = NAN;
		if (i == 8)
			c[1].stats[2] = -INFINITY;
		if (i == 9)
			c[1] = c[0];
		if (i == 10)
			c[1].round = "-1";
		assert_int_equal(average(c, 2, &s, said, &err), -1);
		if (!strstr(err.msg, says[i]) || !strstr(err.msg, "c1.safetensors"))
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(err.status, i == 7 || i == 8 ? STATUS_NONFINITE : STATUS_INPUT);
	}
}

static void nothing_learnt_is_nothing_to_average(void **state)
{
	struct client c[2] = {client_new(0), client_new(1)};
	struct safetensors s;
	char said[256];
	struct err err;

	(void)state;
	c[0].samples = c[1].samples = "0";
	assert_int_equal(average(c, 2, &s, said, &err), -1);
	assert_non_null(strstr(err.msg, "no file has a sample"));
}

/* ------------------------------------------------------------------ clients that lie */

/* Seven honest clients near a common start, and two that are not. */
enum { HONEST = 7 };

static void make_crowd(struct client *c, struct client *global, double huge)
{
	struct rng r;
	int i, k;

	*global = client_new(0);
	global->samples = NULL;
	rng_init(&r, 7, "t-strategy crowd", 0);
	for (i = 0; i < MANY; i++) {
		c[i] = *global;
		c[i].samples = i < HONEST ? "10" : "1000000000"; /* a claim, too */
		c[i].counter = i < HONEST ? 10 + i : INT64_MAX;
		for (k = 0; k < WEIGHTS; k++)
			c[i].weights[k] += (float)(0.05 + 0.01 * rng_normal(&r));
		for (k = 0; k < STATS; k++)
			c[i].stats[k] *= (float)(1 + 0.01 * rng_normal(&r));
	}
	for (k = 0; k < WEIGHTS; k++) {
		const double update = (double)c[MANY - 1].weights[k] - (double)global->weights[k];

		c[MANY - 2].weights[k] = (float)(huge * (double)c[MANY - 2].weights[k]);
		c[MANY - 1].weights[k] = (float)((double)global->weights[k] - 50 * update);
	}
	for (k = 0; k < STATS; k++)
		c[MANY - 2].stats[k] = c[MANY - 1].stats[k] = 3e38f;
}

/* The largest difference from the honest clients' mean, of weights and (relative) of statistics. */
static void differ(const struct client *c, struct safetensors *s, double *weights, double *stats)
{
	float w[WEIGHTS], b[STATS];
	double mean;
	struct err err;
	int i, k;

	assert_int_equal(safetensors_read_floats(s, safetensors_find(s, "m.conv.weight"), w, &err),
			 0);
	assert_int_equal(
		safetensors_read_floats(s, safetensors_find(s, "m.bn.running_var"), b, &err), 0);
	*weights = *stats = 0;
	for (k = 0; k < WEIGHTS; k++) {
		for (mean = 0, i = 0; i < HONEST; i++)
			mean += (double)c[i].weights[k] / HONEST;
		*weights = fmax(*weights, fabs((double)w[k] - mean));
	}
	for (k = 0; k < STATS; k++) {
		for (mean = 0, i = 0; i < HONEST; i++)
			mean += (double)c[i].stats[k] / HONEST;
		*stats = fmax(*stats, fabs((double)b[k] / mean - 1));
	}
}

static int run_crowd(enum strategy strategy, double huge, const char *report, struct client *c,
		     struct safetensors *out, struct err *err)
{
	char *paths[MANY], *global, *result = path_join(dir, "out.safetensors");
	struct strategy_options opt;
	struct client start;
	int i, rc;

	make_crowd(c, &start, huge);
	for (i = 0; i < MANY; i++)
		paths[i] = write_client(i, &c[i]);
	global = write_client(MANY, &start);
	strategy_defaults(&opt);
	opt.strategy = strategy;
	opt.global = global;
	opt.report = report;
	if (strategy == STRATEGY_TRIMMED_MEAN)
		opt.trim = 0.25;
	rc = strategy_run(paths, MANY, result, &opt, err);
	if (!rc)
		rc = safetensors_open(out, result, err);
	for (i = 0; i < MANY; i++)
		free(paths[i]);
	free(global);
	free(result);
	return rc;
}

static void robust_strategies_bear_clients_that_lie_and_fedavg_does_not(void **state)
{
	static const double huge[] = {1e30, -1000, 1e6};
	struct client c[MANY];
	double weights, stats;
	struct safetensors s;
	struct err err;
	int64_t counter;
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(huge); i++)
		for (k = STRATEGY_MEDIAN; k <= STRATEGY_NORM_CLIP; k++) {
			assert_int_equal(run_crowd((enum strategy)k, huge[i], NULL, c, &s, &err),
					 0);
			differ(c, &s, &weights, &stats);
			/* an honest update is 0.05 +- 0.01 a value; norm-clip keeps 5/9 of it */
			if (!(weights < 0.06 && stats < 0.05))
				fail_msg("%s: %g %g", strategy_names[k], weights, stats);
			assert_int_equal(safetensors_read_ints(
						 &s,
						 safetensors_find(&s, "m.bn.num_batches_tracked"),
						 &counter, &err),
					 0);
			assert_in_range(counter, 10, 16);
			safetensors_close(&s);
		}
	assert_int_equal(run_crowd(STRATEGY_FEDAVG, -1000, NULL, c, &s, &err), 0);
	differ(c, &s, &weights, &stats);
	assert_true(weights > 10 && stats > 10);
	safetensors_close(&s);
}

static void a_mean_of_huge_values_is_finite(void **state)
{
	struct client c[2] = {client_new(1), client_new(2)};
	struct safetensors s;
	char said[256];
	struct err err;

	(void)state;
	c[0].weights[0] = 3e38f; /* finite, and so is every mean of finite values */
	c[1].weights[0] = 3e38f;
	assert_int_equal(average(c, 2, &s, said, &err), 0);
	safetensors_close(&s);
}

static void the_report_tells_who_pulled_where(void **state)
{
	char *report = path_join(dir, "report.json");
	struct client c[MANY];
	struct safetensors s;
	struct err err;
	json_t *top, *one;
	int i;

	(void)state;
	assert_int_equal(run_crowd(STRATEGY_MULTI_KRUM, 1e6, report, c, &s, &err), 0);
	safetensors_close(&s);
	top = json_read(report, 1 << 20, &err);
	assert_non_null(top);
	assert_int_equal(json_array_size(json_object_get(top, "clients")), MANY);
	for (i = 0; i < MANY; i++) {
		const bool honest = i < HONEST;
		double cosine, distance;

		one = json_array_get(json_object_get(top, "clients"), (size_t)i);
		cosine = json_real_value(json_object_get(one, "cosine"));
		distance = json_real_value(json_object_get(one, "distance"));
		if (honest) {
			assert_true(cosine > 0.95);
			assert_true(distance > 0.2 && distance < 0.3); /* 0.05 sqrt(24) = 0.245 */
		} else {
			assert_true(json_is_true(json_object_get(one, "rejected")));
			assert_true(json_real_value(json_object_get(one, "weight")) == 0);
			assert_true(distance > 5);
		}
	}
	assert_true(json_real_value(json_object_get(one, "cosine")) < -0.95); /* the flipped one */
	json_decref(top);
	free(report);
}

/* ------------------------------------------------------------------ the server's optimiser */

/* fedadam of one weight over two rounds in double precision: Reddi et al. 2021, algorithm 2. */
static double adam(double w, double first, double second)
{
	const double tau = 1e-3, lr = 0.01;
	double m, v;

	m = 0.1 * (first - w);
	v = 0.99 * tau * tau + 0.01 * (first - w) * (first - w);
	w += lr * m / (sqrt(v) + tau);
	m = 0.9 * m + 0.1 * (second - w);
	v = 0.99 * v + 0.01 * (second - w) * (second - w);
	return w + lr * m / (sqrt(v) + tau);
}

static void the_servers_state_goes_from_round_to_round(void **state)
{
	char *global[3], *states[2], *paths[2];
	struct client start = client_new(0), c[2];
	struct strategy_options opt;
	double mean[2][WEIGHTS];
	float w[WEIGHTS];
	struct safetensors s;
	struct err err;
	int round, i, k;

	(void)state;
	global[0] = write_client(9, &start);
	for (round = 0; round < 2; round++) {
		global[round + 1] = xasprintf("%s/global%d", dir, round);
		states[round] = xasprintf("%s/state%d", dir, round);
		for (i = 0; i < 2; i++) {
			c[i] = client_new(1 + i);
			c[i].weights[0] += (float)round;
			c[i].samples = i ? "3" : "1";
			paths[i] = write_client(i, &c[i]);
		}
		for (k = 0; k < WEIGHTS; k++)
			mean[round][k] =
				0.25 * (double)c[0].weights[k] + 0.75 * (double)c[1].weights[k];
		strategy_defaults(&opt);
		opt.strategy = STRATEGY_FEDADAM;
		opt.global = global[round];
		opt.state_in = round ? states[0] : NULL;
		opt.state_out = states[round];
		assert_int_equal(strategy_run(paths, 2, global[round + 1], &opt, &err), 0);
		if (round) { /* a state serves the weights that it was made with alone */
			opt.global = global[0];
			assert_int_equal(strategy_run(paths, 2, "/nowhere", &opt, &err), -1);
			assert_non_null(strstr(err.msg, "not made together with"));
			opt.global = global[1];
			opt.strategy = STRATEGY_FEDYOGI;
			assert_int_equal(strategy_run(paths, 2, "/nowhere", &opt, &err), -1);
			assert_non_null(strstr(err.msg, "it is of fedadam, not of fedyogi"));
			opt.state_in = global[1];
			assert_int_equal(strategy_run(paths, 2, "/nowhere", &opt, &err), -1);
			assert_non_null(strstr(err.msg, "not the state of a server"));
		}
		for (i = 0; i < 2; i++)
			free(paths[i]);
	}
	assert_int_equal(safetensors_open(&s, global[2], &err), 0);
	assert_int_equal(
		safetensors_read_floats(&s, safetensors_find(&s, "m.conv.weight"), w, &err), 0);
	for (k = 0; k < WEIGHTS; k++)
		assert_true(fabs((double)w[k] -
				 adam((double)start.weights[k], mean[0][k], mean[1][k])) < 1e-6);
	assert_int_equal(
		safetensors_read_floats(&s, safetensors_find(&s, "m.bn.running_var"), w, &err), 0);
	for (k = 0; k < STATS; k++) /* averaged, no step */
		assert_true(fabs((double)w[k] - 0.25 * (double)c[0].stats[k] -
				 0.75 * (double)c[1].stats[k]) < 1e-4);
	safetensors_close(&s);
	for (i = 0; i < 3; i++)
		free(global[i]);
	free(states[0]);
	free(states[1]);
}

static void staleness_weighs_less(void **state)
{
	struct client c[2] = {client_new(1), client_new(2)};
	struct strategy_options opt;
	char *paths[2], *out = path_join(dir, "stale");
	float w[WEIGHTS];
	struct safetensors s;
	struct err err;
	int i, k;

	(void)state;
	for (i = 0; i < 2; i++) {
		c[i].samples = "10";
		c[i].round = i ? "5" : "2";
		paths[i] = write_client(i, &c[i]);
	}
	strategy_defaults(&opt);
	opt.staleness = 0.5; /* 3 rounds behind: 4^-0.5 = 1/2, so 1/3 and 2/3 */
	assert_int_equal(strategy_run(paths, 2, out, &opt, &err), 0);
	assert_int_equal(safetensors_open(&s, out, &err), 0);
	assert_int_equal(
		safetensors_read_floats(&s, safetensors_find(&s, "m.conv.weight"), w, &err), 0);
	for (k = 0; k < WEIGHTS; k++)
		assert_true(fabs((double)w[k] - (double)c[0].weights[k] / 3 -
				 2 * (double)c[1].weights[k] / 3) < 1e-6);
	safetensors_close(&s);
	free(paths[0]);
	free(paths[1]);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mean_is_weighted_by_samples_whatever_the_layout),
		cmocka_unit_test(the_parents_are_the_digests_in_order),
		cmocka_unit_test(without_samples_every_file_counts_the_same),
		cmocka_unit_test(files_that_cannot_be_averaged_are_refused),
		cmocka_unit_test(nothing_learnt_is_nothing_to_average),
		cmocka_unit_test(robust_strategies_bear_clients_that_lie_and_fedavg_does_not),
		cmocka_unit_test(a_mean_of_huge_values_is_finite),
		cmocka_unit_test(the_report_tells_who_pulled_where),
		cmocka_unit_test(the_servers_state_goes_from_round_to_round),
		cmocka_unit_test(staleness_weighs_less),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
