#include "io/credentials.h"
#include "io/store.h"
#include "base/file.h"
#include "unit.h"

#include <sys/stat.h>

static char *dir, *path;

static int setup(void **state)
{
	static const char *const names[] = {"AWS_ACCESS_KEY_ID",
					    "AWS_SECRET_ACCESS_KEY",
					    "AWS_SESSION_TOKEN",
					    "AWS_PROFILE",
					    "AWS_REGION",
					    "AWS_DEFAULT_REGION",
					    "MISTUTILS_TOKEN",
					    "MISTUTILS_TOKEN_FILE",
					    "NETRC"};
	size_t i;

	(void)state;
	dir = unit_tmpdir();
	path = path_join(dir, "file");
	for (i = 0; i < ARRAY_LEN(names); i++)
		unsetenv(names[i]);
	setenv("HOME", dir, 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	return 0;
}

static int teardown(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(dir_remove(dir, &err), 0);
	free(dir);
	free(path);
	return 0;
}

static void put(const char *text, mode_t mode)
{
	struct err err;

	assert_int_equal(file_write(path, text, strlen(text), &err), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void an_object_has_a_url(void **state)
{
	static const struct {
		const char *text, *endpoint, *url;
	} rows[] = {
		{"s3://b/k", NULL, "https://b.s3.eu-west-3.amazonaws.com/k"},
		{"s3://b.c/k", NULL, "https://s3.eu-west-3.amazonaws.com/b.c/k"},
		{"s3://b/d/e f+g%.tar", "http://127.0.0.1:9",
		 "http://127.0.0.1:9/b/d/e%20f%2Bg%25.tar"},
		{"s3://b/\xc3\xa9?x#y", "http://h/", "http://h/b/%C3%A9%3Fx%23y"},
	};
	static const char *const bad[] = {"s3://",   "s3://b",    "s3://b/",
					  "s3:///k", "s3://b/d/", "s3://b@h/k"};
	struct err err;
	size_t i;
	char *url;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		url = store_s3_url(rows[i].text, rows[i].endpoint, "eu-west-3", &err);
		assert_non_null(url);
		assert_string_equal(url, rows[i].url);
		free(url);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(store_s3_url(bad[i], NULL, "r", &err));
		assert_int_equal(err.status, STATUS_USAGE);
	}
	assert_true(store_is_remote("s3://b/k") && store_is_remote("HTTPS://h/x"));
	assert_false(store_is_remote("s3/b/k") || store_is_remote("-") ||
		     store_is_remote("file:x"));
}

static void aws_credentials_are_the_environments_or_a_profile(void **state)
{
	struct credentials c;
	struct err err;

	(void)state;
	assert_int_equal(credentials_s3(&c, "s3://b/k", NULL, &err), -1);
	assert_int_equal(err.status, STATUS_USAGE);
	put("[other]\naws_access_key_id=O\naws_secret_access_key = OS\n\n[default]\n"
	    "  aws_access_key_id = D\r\naws_secret_access_key=D S=\naws_session_token = T",
	    0600);
	assert_int_equal(credentials_s3(&c, "s3://b/k", NULL, &err), 0);
	assert_string_equal(c.auth.user, "D");
	assert_string_equal(c.auth.secret, "D S=");
	assert_string_equal(c.auth.session, "T");
	assert_string_equal(c.auth.sigv4, "aws:amz:us-east-1:s3");
	credentials_release(&c);
	setenv("AWS_PROFILE", "other", 1);
	setenv("AWS_REGION", "eu-west-3", 1);
	assert_int_equal(credentials_s3(&c, "s3://b/k", NULL, &err), 0);
	assert_string_equal(c.auth.secret, "OS");
	assert_null(c.auth.session);
	assert_string_equal(c.auth.sigv4, "aws:amz:eu-west-3:s3");
	credentials_release(&c);
	setenv("AWS_PROFILE", "third", 1);
	assert_int_equal(credentials_s3(&c, "s3://b/k", NULL, &err), -1);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(credentials_s3(&c, "s3://b/k", NULL, &err), -1);
	assert_int_equal(err.status, STATUS_PRIVACY);
	assert_non_null(strstr(err.msg, "others can read"));
	setenv("AWS_ACCESS_KEY_ID", "E", 1); /* the environment comes before a file */
	setenv("AWS_SECRET_ACCESS_KEY", "ES", 1);
	assert_int_equal(credentials_s3(&c, "s3://b/k", NULL, &err), 0);
	assert_string_equal(c.auth.user, "E");
	credentials_release(&c);
	/* a profile that is asked for by name before the environment; not where its store is */
	put("[edges]\naws_access_key_id=P\naws_secret_access_key=PS\nregion = ap-1\n"
	    "endpoint_url = http://e:1\n[other]\nregion = no\n",
	    0600);
	unsetenv("AWS_REGION");
	assert_int_equal(credentials_s3(&c, "s3://b/k", "edges", &err), 0);
	assert_string_equal(c.auth.user, "P");
	assert_string_equal(c.region, "ap-1");
	assert_string_equal(c.endpoint, "http://e:1");
	credentials_release(&c);
	setenv("AWS_ENDPOINT_URL", "http://f:2", 1);
	assert_int_equal(credentials_s3(&c, "s3://b/k", "edges", &err), 0);
	assert_string_equal(c.endpoint, "http://f:2");
	credentials_release(&c);
	unsetenv("AWS_ENDPOINT_URL");
	assert_int_equal(credentials_s3(&c, "s3://b/k", "nobody", &err), -1);
	assert_non_null(strstr(err.msg, "profile 'nobody'"));
}

static void a_token_is_not_sent_in_clear(void **state)
{
	static const struct {
		const char *url;
		bool fine;
	} rows[] = {{"https://h/x", true},
		    {"http://127.0.0.1:80/x", true},
		    {"http://localhost/x", true},
		    {"http://[::1]:8/x", true},
		    {"http://h/x", false},
		    {"http://localhost.evil/x", false},
		    {"http://127.0.0.1@evil/x", false},
		    {"http://localhost:80@evil/x", false},
		    {"http://127.0.0.1.evil/x", false}};
	struct credentials c;
	struct err err;
	size_t i;

	(void)state;
	setenv("MISTUTILS_TOKEN", "secret", 1);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(credentials_http(&c, rows[i].url, &err), rows[i].fine ? 0 : -1);
		if (rows[i].fine)
			assert_string_equal(c.auth.bearer, "secret");
		else
			assert_int_equal(err.status, STATUS_PRIVACY);
		credentials_release(&c);
	}
	unsetenv("MISTUTILS_TOKEN");
	setenv("MISTUTILS_TOKEN_FILE", path, 1);
	put("from a file\n", 0600);
	assert_int_equal(credentials_http(&c, "https://h/", &err), 0);
	assert_string_equal(c.auth.bearer, "from a file");
	credentials_release(&c);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(credentials_http(&c, "https://h/", &err), -1);
	unsetenv("MISTUTILS_TOKEN_FILE");
	setenv("NETRC", path, 1);
	assert_int_equal(credentials_http(&c, "https://h/", &err), -1);
	assert_int_equal(err.status, STATUS_PRIVACY);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(credentials_http(&c, "https://h/", &err), 0);
	assert_string_equal(c.auth.netrc, path);
	credentials_release(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_object_has_a_url),
		TEST(aws_credentials_are_the_environments_or_a_profile),
		TEST(a_token_is_not_sent_in_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
