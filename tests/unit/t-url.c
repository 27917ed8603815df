#include "base/mem.h"
#include "io/url.h"
#include "unit.h"

struct row {
	const char *url, *want;
};

static void check(char *(*call)(const char *url), const struct row *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		char *got = call(rows[i].url);

		if (rows[i].want && got)
			assert_string_equal(got, rows[i].want);
		else if (rows[i].want || got)
			fail_msg("'%s' gave '%s'", rows[i].url, got ? got : "nothing");
		free(got);
	}
}

static void a_file_is_called_as_the_path_ends(void **state)
{
	static const struct row rows[] = {
		{"http://h/a/b.tar", "b.tar"},
		{"https://h/b.tar?x=/y#/z", "b.tar"},
		{"http://h/a%20b%2B.tar", "a b+.tar"},
		{"http://h/%C3%A9", "\xc3\xa9"},
		{"http://h/100%", "100%"},
		{"http://h/%4", "%4"},
		{"http://h/%zz%41", "%zzA"},
		{"s3://b/d/e+f", "e+f"},
		{"http://h", NULL},
		{"http://h/", NULL},
		{"http://h/d/?f", NULL},
		{"http://h/.hidden", NULL},
		{"http://h/%2E%2e", NULL},
		{"http://h/a%2fb", NULL},
		{"http://h/a%5Cb", NULL},
		{"http://h/a%0Ab", NULL},
		{"http://h/a%00b", NULL},
	};

	(void)state;
	check(url_file_name, rows, ARRAY_LEN(rows));
}

static void a_file_url_has_a_path_here(void **state)
{
	static const struct row rows[] = {
		{"file:a%20b", "a b"}, {"FILE:///x/y", "/x/y"},      {"file://localhost/x", "/x"},
		{"file:///%00", NULL}, {"file://elsewhere/x", NULL}, {"http://h/x", NULL},
	};

	(void)state;
	check(url_local_path, rows, ARRAY_LEN(rows));
}

static void passwords_are_not_shown(void **state)
{
	static const struct row rows[] = {
		{"https://h/x?y#z", "https://h/x?y#z"},
		{"https://me:word@h:8/x@y", "https://h:8/x@y"},
		{"https://me@h", "https://h"},
		{"http://a@b:c@h/", "http://h/"},
		{"http://me:word@h?x@y", "http://h?x@y"},
		{"http:///me:word@h/", "http:///h/"},
		{"http:me:word@h/", "http:h/"},
		{"s3://b/k@1", "s3://b/k@1"},
		{"x@y", "x@y"},
	};

	(void)state;
	check(url_shown, rows, ARRAY_LEN(rows));
}

static void only_http_is_http(void **state)
{
	(void)state;
	assert_true(url_is_http("http://h") && url_is_http("HTTPS://h/x"));
	assert_false(url_is_http("http:x") || url_is_http("ftp://h") || url_is_http("/http://h"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_called_as_the_path_ends),
		cmocka_unit_test(a_file_url_has_a_path_here),
		cmocka_unit_test(passwords_are_not_shown),
		cmocka_unit_test(only_http_is_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
