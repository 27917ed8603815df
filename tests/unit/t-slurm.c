#include "job/slurm.h"

#include "base/file.h"
#include "unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

static void put(const char *name, const char *text, mode_t mode)
{
	char *path = path_join(dir, name);
	struct err err = ERR_INIT;

	assert_int_equal(file_write(path, text, strlen(text), &err), 0);
	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

/* A queue as squeue prints it, and how squeue ends. */
static void queue(const char *lines, int status)
{
	char *script = xasprintf("#!/bin/sh\nprintf '%s'\nexit %d\n", lines, status);

	put("squeue", script, 0755);
	free(script);
}

static void a_job_is_left_where_the_queue_has_one_of_its_numbers(void **state)
{
	struct err err = ERR_INIT;
	bool left = true;

	(void)state;
	queue("7\\n", 0);
	assert_int_equal(slurm_jobs_left(dir, &left, &err), 0); /* it never submitted any */
	assert_false(left);
	put("slurm.jobs", "12\n13\n", 0644);
	assert_int_equal(slurm_jobs_left(dir, &left, &err), 0);
	assert_false(left);
	queue("7\\n13\\n13\\n", 0);
	assert_int_equal(slurm_jobs_left(dir, &left, &err), 0);
	assert_true(left);
	queue("1\\n2\\n113\\n", 0);
	assert_int_equal(slurm_jobs_left(dir, &left, &err), 0);
	assert_false(left);
}

static void a_slurm_that_does_not_answer_is_an_error(void **state)
{
	struct err err = ERR_INIT;
	bool left;

	(void)state;
	put("slurm.jobs", "12\n", 0644);
	queue("12\\n", 1);
	assert_int_equal(slurm_jobs_left(dir, &left, &err), -1);
	assert_string_equal(err.msg, "cannot ask Slurm for its queue");
	assert_int_equal(err.status, STATUS_SYSTEM);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_left_where_the_queue_has_one_of_its_numbers),
		cmocka_unit_test(a_slurm_that_does_not_answer_is_an_error),
	};
	char *path;

	dir = unit_tmpdir();
	path = xasprintf("%s:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
	free(path);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
