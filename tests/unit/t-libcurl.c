#include "io/libcurl.h"
#include "unit.h"

/* What libcurl says of itself, and what one of 2022 would. */
static curl_version_info_data *of_2022(CURLversion at_least)
{
	static curl_version_info_data v = {.version = "7.84.0", .version_num = 0x075400};

	(void)at_least;
	return &v;
}

static void the_table_is_whole_and_its_functions_work(void **state)
{
	struct libcurl lib = {0}, again = {0};
	struct err err = ERR_INIT;
	char *url = NULL;
	long code = 1;
	CURLU *parts;
	CURL *curl;

	(void)state;
	assert_int_equal(libcurl_load(&lib, &err), 0);
#define WHOLE(name) assert_non_null(lib.name);
	LIBCURL_CALLS(WHOLE)
	assert_int_equal(libcurl_load(&again, &err), 0);
	assert_memory_equal(&lib, &again, sizeof(lib));
	curl = lib.curl_easy_init();
	assert_int_equal(libcurl_set(&lib, curl, CURLOPT_URL, "http://h/x"), CURLE_OK);
	assert_int_equal(libcurl_set(&lib, curl, CURLOPT_MAXREDIRS, 1L), CURLE_OK);
	assert_int_equal(libcurl_get(&lib, curl, CURLINFO_RESPONSE_CODE, &code), CURLE_OK);
	assert_int_equal(code, 0);
	lib.curl_easy_cleanup(curl);
	parts = lib.curl_url();
	assert_int_equal(lib.curl_url_set(parts, CURLUPART_URL, "HTTP://h/x", 0), CURLUE_OK);
	assert_int_equal(lib.curl_url_get(parts, CURLUPART_SCHEME, &url, 0), CURLUE_OK);
	assert_string_equal(url, "http");
	lib.curl_free(url);
	lib.curl_url_cleanup(parts);
}

static void an_old_libcurl_is_refused(void **state)
{
	struct err err = ERR_INIT;
	struct libcurl lib;

	(void)state;
	assert_int_equal(libcurl_load(&lib, &err), 0);
	assert_int_equal(libcurl_check(&lib, &err), 0);
	lib.curl_version_info = of_2022;
	assert_int_equal(libcurl_check(&lib, &err), -1);
	assert_int_equal(err.status, STATUS_SYSTEM);
	assert_string_equal(err.msg, "libcurl 7.85.0 or newer is needed, this is 7.84.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_whole_and_its_functions_work),
		cmocka_unit_test(an_old_libcurl_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
