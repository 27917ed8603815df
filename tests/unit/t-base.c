#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/pool.h"
#include "base/rng.h"
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void errors_carry_a_sentence_a_status_and_a_cause(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(err_errno(&err, "cannot write '%s'", "x"), -1);
	assert_string_equal(err.msg, "cannot write 'x': No space left on device");
	assert_int_equal(err.status, STATUS_SYSTEM);
	err_prefix(&err, "edge %d", 1);
	assert_string_equal(err.msg, "edge 1: cannot write 'x': No space left on device");
}

static void numbers_are_whole_strings_in_range(void **state)
{
	static const char *const bad_longs[] = {"", " 1", "1 ", "1x", "99999999999999999999", "11"};
	static const char *const bad_sizes[] = {"", "-1", "1T", "1KK", "99999999999999999999G"};
	struct err err;
	uint64_t u;
	double d;
	size_t i;
	long v;

	(void)state;
	assert_int_equal(num_long("n", "-3", -5, 10, &v, &err), 0);
	assert_int_equal(v, -3);
	for (i = 0; i < ARRAY_LEN(bad_longs); i++)
		assert_int_equal(num_long("n", bad_longs[i], -5, 10, &v, &err), -1);
	assert_int_equal(num_size("s", "900M", &u, &err), 0);
	assert_true(u == 900ull << 20);
	assert_int_equal(num_size("s", "2GiB", &u, &err), 0);
	assert_true(u == 2ull << 30);
	for (i = 0; i < ARRAY_LEN(bad_sizes); i++)
		assert_int_equal(num_size("s", bad_sizes[i], &u, &err), -1);
	assert_int_equal(num_double("e", "nan", 0, 1, &d, &err), -1);
	assert_int_equal(num_double("e", "inf", 0, 1, &d, &err), -1);
	assert_int_equal(num_double("e", "0.5", 0, 1, &d, &err), 0);
	assert_true(d == 0.5);
	assert_int_equal(num_u64("u", "18446744073709551615", &u, &err), 0);
	assert_true(u == UINT64_MAX);
}

static void a_seed_gives_the_same_numbers_and_purposes_differ(void **state)
{
	struct rng a, b, c;
	double sum = 0, squares = 0;
	int i, same = 0;

	(void)state;
	rng_init(&a, 7, "x", 0);
	rng_init(&b, 7, "x", 0);
	rng_init(&c, 7, "y", 0);
	for (i = 0; i < 1000; i++) {
		uint32_t v = rng_u32(&a);

		assert_int_equal(v, rng_u32(&b));
		same += v == rng_u32(&c);
	}
	assert_true(same < 3);
	for (i = 0; i < 100000; i++) {
		double z = rng_normal(&a);

		sum += z;
		squares += z * z;
	}
	/* 5 standard errors of 100,000 draws */
	assert_true(fabs(sum / 1e5) < 5 / sqrt(1e5));
	assert_true(fabs(squares / 1e5 - 1) < 5 * sqrt(2 / 1e5));
}

struct sums {
	long slot[1000];
	int worst_worker;
};

static void add_job(void *ctx, int job, int worker)
{
	struct sums *s = ctx;

	s->slot[job] += job + 1;
	if (worker > 63)
		s->worst_worker = worker;
}

static void every_job_runs_once_on_any_number_of_threads(void **state)
{
	int threads, i, round;

	(void)state;
	for (threads = 1; threads <= 5; threads++) {
		struct pool *pool = pool_new(threads);
		struct sums *s = xcalloc(1, sizeof(*s));

		for (round = 0; round < 50; round++)
			(round % 2 ? pool_spread : pool_run)(pool, 1000, add_job, s);
		for (i = 0; i < 1000; i++)
			assert_int_equal(s->slot[i], 50 * (i + 1));
		assert_int_equal(s->worst_worker, 0);
		free(s);
		pool_free(pool);
	}
}

/* Most workers come late to such rounds, and some to the next one. */
static void rounds_may_be_over_before_a_worker_comes(void **state)
{
	struct pool *pool = pool_new(7);
	struct sums *s = xcalloc(1, sizeof(*s));
	int round, jobs, total = 0;

	(void)state;
	for (round = 0; round < 20000; round++) {
		jobs = 2 + round % 3;
		(round % 2 ? pool_spread : pool_run)(pool, jobs, add_job, s);
		total += jobs * (jobs + 1) / 2;
		if (round % 100 == 0)
			usleep(400); /* long enough to fall asleep over */
	}
	assert_int_equal(s->slot[0] + s->slot[1] + s->slot[2] + s->slot[3], total);
	free(s);
	pool_free(pool);
}

static void outputs_appear_whole_or_not_at_all(void **state)
{
	char *dir = unit_tmpdir(), *path = path_join(dir, "out");
	struct buf data = BUF_INIT;
	struct err err = ERR_INIT;
	struct outfile o;
	char **names;
	size_t n;

	(void)state;
	assert_int_equal(outfile_open(&o, path, true, &err), 0);
	assert_int_equal(outfile_write(&o, "half", 4, &err), 0);
	assert_false(path_exists(path));
	outfile_abort(&o);
	assert_int_equal(dir_list(dir, &names, &n, &err), 0);
	assert_int_equal(n, 0);
	names_free(names, n);
	assert_int_equal(file_write(path, "whole", 5, &err), 0);
	assert_int_equal(file_read(path, 100, &data, &err), 0);
	assert_string_equal(data.data, "whole");
	assert_int_equal(file_read(path, 4, &data, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	buf_release(&data);
	assert_int_equal(dir_remove(dir, &err), 0);
	assert_false(path_exists(dir));
	free(path);
	free(dir);
}

static void a_staged_folder_never_replaces_a_full_one(void **state)
{
	char *dir = unit_tmpdir(), *path = path_join(dir, "set"), *temp, *file;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(dir_stage(path, &temp, &err), 0);
	file = path_join(temp, "a");
	assert_int_equal(file_write(file, "1", 1, &err), 0);
	free(file);
	assert_int_equal(dir_install(temp, path, &err), 0);
	free(temp);
	assert_int_equal(dir_stage(path, &temp, &err), 0);
	assert_int_equal(dir_install(temp, path, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_int_equal(dir_remove(temp, &err), 0);
	free(temp);
	assert_int_equal(dir_remove(dir, &err), 0);
	free(path);
	free(dir);
}

static void clocks_measure_and_write_down(void **state)
{
	const double begun = clock_seconds();
	char text[CLOCK_UTC];

	(void)state;
	clock_utc(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clock_utc(1795382220, text); /* date -u -d 2026-11-22T21:17:00Z +%s */
	assert_string_equal(text, "2026-11-22T21:17:00Z");
	assert_true(clock_seconds() >= begun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_carry_a_sentence_a_status_and_a_cause),
		cmocka_unit_test(numbers_are_whole_strings_in_range),
		cmocka_unit_test(a_seed_gives_the_same_numbers_and_purposes_differ),
		cmocka_unit_test(every_job_runs_once_on_any_number_of_threads),
		cmocka_unit_test(rounds_may_be_over_before_a_worker_comes),
		cmocka_unit_test(outputs_appear_whole_or_not_at_all),
		cmocka_unit_test(clocks_measure_and_write_down),
		cmocka_unit_test(a_staged_folder_never_replaces_a_full_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
