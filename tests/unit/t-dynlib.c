#include "base/dynlib.h"
#include "base/file.h"
#include "base/mem.h"
#include "unit.h"

#include <math.h>

/* The C library's own mathematics stand for a library that few need. */
#define SONAME "libm.so.6"

struct table {
	typeof(hypot) *hypot;
	typeof(floor) *floor;
};

static const struct dynlib_call calls[] = {
	{"hypot", offsetof(struct table, hypot)},
	{"floor", offsetof(struct table, floor)},
};

static void calls_are_found_by_name(void **state)
{
	struct table t = {NULL, NULL};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(dynlib_load(SONAME, calls, ARRAY_LEN(calls), &t, &err), 0);
	assert_true(t.hypot(3, 4) == 5);
	assert_true(t.floor(3.5) == 3);
}

static void a_library_that_is_not_there_is_a_sentence(void **state)
{
	struct err err = ERR_INIT;
	struct table t;

	(void)state;
	assert_int_equal(dynlib_load("libnone.so.1", calls, ARRAY_LEN(calls), &t, &err), -1);
	assert_int_equal(err.status, STATUS_SYSTEM);
	assert_string_equal(err.msg, "cannot load 'libnone.so.1': cannot open shared object file: "
				     "No such file or directory");
}

static void a_library_that_is_none_is_a_sentence(void **state)
{
	char *dir = unit_tmpdir(), *path = path_join(dir, "x.so");
	struct err err = ERR_INIT;
	struct table t;

	(void)state;
	assert_int_equal(file_write(path, "x", 1, &err), 0);
	assert_int_equal(dynlib_load(path, calls, ARRAY_LEN(calls), &t, &err), -1);
	assert_int_equal(err.status, STATUS_SYSTEM);
	assert_non_null(strstr(err.msg, "x.so': file too short"));
	assert_int_equal(dir_remove(dir, &err), 0);
	free(path);
	free(dir);
}

static void a_library_without_a_call_is_a_sentence(void **state)
{
	const struct dynlib_call more[] = {calls[0], {"hypot_of_2100", 0}};
	struct err err = ERR_INIT;
	struct table t;

	(void)state;
	assert_int_equal(dynlib_load(SONAME, more, ARRAY_LEN(more), &t, &err), -1);
	assert_int_equal(err.status, STATUS_SYSTEM);
	assert_non_null(strstr(err.msg, "cannot load '" SONAME "': "));
	assert_non_null(strstr(err.msg, "hypot_of_2100"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_found_by_name),
		cmocka_unit_test(a_library_that_is_not_there_is_a_sentence),
		cmocka_unit_test(a_library_that_is_none_is_a_sentence),
		cmocka_unit_test(a_library_without_a_call_is_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
