#include "base/file.h"
#include "base/num.h"
#include "fed/gather.h"
#include "fed/intake.h"
#include "unit.h"

static void deadlines_are_moments_or_times(void **state)
{
	static const struct {
		const char *text;
		int kind;
		double seconds;
	} good[] = {
		{"90", GATHER_AFTER, 90},
		{"1.5h", GATHER_AFTER, 5400},
		{"2d", GATHER_AFTER, 172800},
		{"15m", GATHER_AFTER, 900},
		{"@1732312800.5", GATHER_AT, 1732312800.5},
		{"1970-01-02T00:00Z", GATHER_AT, 86400},
		{"2026-11-22T06:00:30Z", GATHER_AT, 1795327230},
	};
	static const char *const bad[] = {"",
					  "soon",
					  "-1",
					  "1w",
					  "1hh",
					  "@",
					  "2026-11-22",
					  "2026-11-22T25:00Z",
					  "2026-11-22T06:00+01",
					  "nan"};
	struct gather_deadline d;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(gather_deadline_parse(good[i].text, &d, &err), 0);
		assert_int_equal(d.kind, good[i].kind);
		assert_true(d.seconds == good[i].seconds);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(gather_deadline_parse(bad[i], &d, &err), -1);
		assert_int_equal(err.status, STATUS_USAGE);
	}
}

static void clients_are_listed_once_each(void **state)
{
	struct err err;
	char **list;
	size_t n;

	(void)state;
	assert_int_equal(gather_clients("a, b,,c # the rest\nd", &list, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_string_equal(list[3], "d");
	names_free(list, n);
	assert_int_equal(gather_clients("a,b,a", &list, &n, &err), -1);
	assert_int_equal(gather_clients(" ,", &list, &n, &err), -1);
	assert_int_equal(gather_clients("@/nowhere", &list, &n, &err), -1);
	assert_null(list);
}

static struct arrival arrival(const char *name, uint64_t ino, char digit)
{
	struct arrival a = {.name = (char *)name, .id = {1, ino, 3, 4, 5}, .ready = true};

	memset(a.digest, digit, DIGEST_HEX - 1);
	return a;
}

static void a_record_tells_what_was_taken_after_it_was_written(void **state)
{
	const struct arrival a = arrival("a", 1, 'a'), b = arrival("b", 2, 'b');
	const struct arrival *both[] = {&a, &b};
	struct file_id other = {1, 9, 9, 9, 9};
	char *dir = unit_tmpdir(), *path = path_join(dir, "record");
	struct intake in;
	struct err err;

	(void)state;
	assert_int_equal(intake_read(&in, path, &err), 0);
	assert_int_equal(in.n, 0);
	intake_choose(intake_round(&in, "1", 12.25), "out", both, 2);
	assert_int_equal(intake_write(&in, path, &err), 0);
	intake_release(&in);
	assert_int_equal(intake_read(&in, path, &err), 0);
	assert_int_equal(in.n, 1);
	assert_true(in.rounds[0].opened == 12.25);
	assert_string_equal(in.rounds[0].digest, "");
	assert_ptr_equal(intake_round(&in, "1", 99), &in.rounds[0]);
	assert_ptr_equal(intake_taken(&in, "a", &a.id, ""), &in.rounds[0]);
	assert_null(intake_taken(&in, "a", &other, ""));
	assert_null(intake_taken(&in, "c", &a.id, ""));
	assert_ptr_equal(intake_taken(&in, "c", &other, b.digest), &in.rounds[0]);
	intake_choose(&in.rounds[0], NULL, NULL, 0);
	assert_null(intake_taken(&in, "a", &a.id, a.digest));
	intake_release(&in);
	dir_remove(dir, &err);
	free(path);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_are_moments_or_times),
		cmocka_unit_test(clients_are_listed_once_each),
		cmocka_unit_test(a_record_tells_what_was_taken_after_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
