#include "io/jsonpull.h"

#include "base/file.h"
#include "unit.h"

/* Reads `text` to its end; -1 and a sentence, or the number of tokens. */
static int tokens(const char *text, size_t size, struct err *err)
{
	struct jsonpull p;
	enum pull token;
	int n = 0;

	jsonpull_init(&p, "x.json", text, size);
	while ((token = jsonpull_next(&p, err)) > PULL_DONE)
		n++;
	jsonpull_close(&p);
	return token == PULL_BAD ? -1 : n;
}

static void what_is_json_is_read(void **state)
{
	static const struct {
		const char *text;
		int tokens;
	} cases[] = {
		{"0", 1},
		{" [ ] ", 2},
		{"{}", 2},
		{"[1,-2,3.5e+2,true,false,null,\"\"]", 9},
		{"{\"a\":{\"b\":[[]]}}", 10},
		{"\"\\u0041\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 1},
	};
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(tokens(cases[i].text, strlen(cases[i].text), &err),
				 cases[i].tokens);
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{"", "the text ends where a value should be"},
		{"[1,]", "byte 3: found ']' where a value should be"},
		{"[1 2]", "found '2' where ',' or ']' should be"},
		{"{\"a\" 1}", "':'"},
		{"{1:2}", "a name"},
		{"{\"a\":1,}", "a name"},
		{"[1}", "',' or ']'"},
		{"01", "begins with a zero"},
		{"1.", "a digit"},
		{".5", "a value"},
		{"+1", "a value"},
		{"1e", "an exponent"},
		{"-", "a digit"},
		{"[NaN]", "not finite"},
		{"[-Infinity]", "not finite"},
		{"[Infinity]", "not finite"},
		{"1e999", "out of range"},
		{"\"a\nb\"", "control character"},
		{"\"\\x\"", "an escape"},
		{"\"\\u12g4\"", "hexadecimal"},
		{"\"\\u0000\"", "NUL"},
		{"\"\\ud800\"", "surrogate"},
		{"\"\\udc00\"", "surrogate"},
		{"\"\xff\"", "UTF-8"},
		{"\"\xc0\x80\"", "UTF-8"},
		{"\"\xed\xa0\x80\"", "UTF-8"},
		{"\"abc", "the end of a string"},
		{"tru", "a value"},
		{"1 1", "the end of the text"},
		{"\x01", "byte 0x01"},
	};
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(tokens(cases[i].text, strlen(cases[i].text), &err), -1);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, cases[i].part) || !strstr(err.msg, "'x.json': byte "))
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

static void nesting_and_strings_are_bounded(void **state)
{
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;
	int i;

	(void)state;
	for (i = 0; i <= JSONPULL_DEPTH; i++)
		buf_add_str(&b, "[");
	assert_int_equal(tokens(b.data, b.len, &err), -1);
	assert_non_null(strstr(err.msg, "nested deeper"));
	buf_clear(&b);
	buf_add_str(&b, "\"");
	for (i = 0; i <= JSONPULL_STRING; i++)
		buf_add_str(&b, "a");
	buf_add_str(&b, "\"");
	assert_int_equal(tokens(b.data, b.len, &err), -1);
	assert_non_null(strstr(err.msg, "longer than"));
	buf_release(&b);
}

static void numbers_are_rounded_as_strtod_does(void **state)
{
	static const char *const texts[] = {"0",
					    "-0",
					    "0.84225",
					    "9007199254740993",
					    "5e-324",
					    "2.2250738585072014e-308",
					    "1.7976931348623157e308",
					    "123456789012345678",
					    "0.1e-2",
					    "0.30000000000000004",
					    "8.5249999999999999",
					    "12345678901234567890123",
					    "1e22",
					    "1e23",
					    "9007199254740993.0",
					    "0.000000000000000000000001",
					    "3.14159265358979323846",
					    "72057594037927945",
					    "72057594037927933e-1"};
	struct err err = ERR_INIT;
	uint64_t seed = 1;
	char text[64];
	struct jsonpull p;
	size_t i;

	(void)state;
	for (i = 0; i < 20000 + ARRAY_LEN(texts); i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (i < ARRAY_LEN(texts))
			snprintf(text, sizeof(text), "%s", texts[i]);
		else
			snprintf(text, sizeof(text), "%llu.%llue%d",
				 (unsigned long long)(seed >> 50),
				 (unsigned long long)(seed >> (seed & 31)), (int)(i % 40) - 20);
		jsonpull_init(&p, "x", text, strlen(text));
		assert_int_equal(jsonpull_next(&p, &err), PULL_NUM);
		if (p.number != strtod(text, NULL))
			fail_msg("%s: %.17g", text, p.number);
		jsonpull_close(&p);
	}
}

static void an_empty_string_is_a_string(void **state)
{
	struct err err = ERR_INIT;
	struct jsonpull p;

	(void)state;
	jsonpull_init(&p, "x", "\"\"", 2);
	assert_int_equal(jsonpull_next(&p, &err), PULL_TEXT);
	assert_string_equal(p.text.data, "");
	jsonpull_close(&p);
}

static void whole_numbers_are_told_from_others(void **state)
{
	static const struct {
		const char *text;
		bool integer;
		int64_t whole;
	} cases[] = {{"12", true, 12},
		     {"-7", true, -7},
		     {"9223372036854775807", true, INT64_MAX},
		     {"9223372036854775808", false, 0},
		     {"1.0", false, 0},
		     {"1e2", false, 0}};
	struct err err = ERR_INIT;
	struct jsonpull p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		jsonpull_init(&p, "x", cases[i].text, strlen(cases[i].text));
		assert_int_equal(jsonpull_next(&p, &err), PULL_NUM);
		assert_int_equal(p.integer, cases[i].integer);
		assert_true(p.whole == cases[i].whole);
		assert_string_equal(p.text.data, cases[i].text);
		jsonpull_close(&p);
	}
}

/* Tokens of every kind lie across the ends of chunks. */
static void files_are_read_in_chunks(void **state)
{
	char *dir = unit_tmpdir(), *path = path_join(dir, "x.json");
	struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	struct jsonpull p;
	enum pull token;
	int i, texts = 0;
	double sum = 0;

	(void)state;
	buf_add_str(&b, "[");
	for (i = 0; i < 60000; i++)
		buf_printf(&b, "%s{\"k\\u00e9y\":%d.25,\"t\":\"\xc3\xa9%d\"}", i ? ", " : "", i, i);
	buf_add_str(&b, "]");
	assert_int_equal(file_write(path, b.data, b.len, &err), 0);
	assert_int_equal(jsonpull_open(&p, path, &err), 0);
	while ((token = jsonpull_next(&p, &err)) > PULL_DONE) {
		if (token == PULL_NUM)
			sum += p.number;
		if (token == PULL_TEXT)
			texts += (int)p.text.len >= 3;
	}
	assert_int_equal(token, PULL_DONE);
	assert_int_equal(texts, 60000);
	assert_true(sum == 60000.0 * 59999 / 2 + 0.25 * 60000);
	jsonpull_close(&p);
	buf_release(&b);
	assert_int_equal(dir_remove(dir, &err), 0);
	free(path);
	free(dir);
}

static void what_is_skipped_is_checked_but_not_stored(void **state)
{
	const char *text = "[{\"a\":[1,{\"b\":\"\"}]},\"next\"]", *bad = "[{\"a\":[1,}]";
	struct err err = ERR_INIT;
	struct jsonpull p;

	(void)state;
	jsonpull_init(&p, "x", text, strlen(text));
	assert_int_equal(jsonpull_expect(&p, PULL_BEGIN_ARRAY, &err), 0);
	assert_int_equal(jsonpull_skip(&p, jsonpull_next(&p, &err), &err), 0);
	assert_int_equal(jsonpull_expect(&p, PULL_TEXT, &err), 0);
	assert_string_equal(p.text.data, "next");
	assert_int_equal(jsonpull_expect(&p, PULL_NUM, &err), -1);
	assert_non_null(strstr(err.msg, "expected a number, found the end of the array"));
	jsonpull_close(&p);
	jsonpull_init(&p, "x", bad, strlen(bad));
	assert_int_equal(jsonpull_expect(&p, PULL_BEGIN_ARRAY, &err), 0);
	assert_int_equal(jsonpull_skip(&p, jsonpull_next(&p, &err), &err), -1);
	jsonpull_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_json_is_read),
		cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
		cmocka_unit_test(nesting_and_strings_are_bounded),
		cmocka_unit_test(numbers_are_rounded_as_strtod_does),
		cmocka_unit_test(an_empty_string_is_a_string),
		cmocka_unit_test(whole_numbers_are_told_from_others),
		cmocka_unit_test(files_are_read_in_chunks),
		cmocka_unit_test(what_is_skipped_is_checked_but_not_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
