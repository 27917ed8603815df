#include "base/clirow.h"
#include "unit.h"

struct opts {
	const char *text;
	int count, choice;
	long many;
	double real;
	size_t bytes;
	double time;
	bool yes, on;
};

static const char *const colours[] = {"red", "green", NULL};
static const struct cli_row rows[] = {
	{"text", 't', "WORD", CLI_TEXT, offsetof(struct opts, text), 0, 0, 1, "A word", NULL},
	{"count", 256, "N", CLI_INT, offsetof(struct opts, count), -5, 5, 1, "", NULL},
	{"many", 257, "N", CLI_LONG, offsetof(struct opts, many), 0, 1e12, 3, "", NULL},
	{"real", 258, "X", CLI_REAL, offsetof(struct opts, real), 0, 1, 3, "", NULL},
	{"bytes", 259, "SIZE", CLI_BYTES, offsetof(struct opts, bytes), 0, 0, 3, "", NULL},
	{"yes", 260, NULL, CLI_YES, offsetof(struct opts, yes), 0, 0, 2, "", NULL},
	{"colour", 261, "NAME", CLI_CHOICE, offsetof(struct opts, choice), 0, 0, 3, "", colours},
	{"time", 262, "T", CLI_TIME, offsetof(struct opts, time), 0, 0, 3, "", NULL},
	{"off", 263, NULL, CLI_NO, offsetof(struct opts, on), 0, 0, 3, "", NULL},
};

static void every_kind_lands_in_its_place(void **state)
{
	static const struct {
		int key;
		char value[16];
	} given[] = {{'t', "word"},  {256, "-5"},  {257, "1000000000000"},
		     {258, "0.25"},  {259, "2K"},  {260, ""},
		     {261, "green"}, {262, "15m"}, {263, ""}};
	struct argp_option options[ARRAY_LEN(rows) + 1];
	struct argp_state argp = {.name = (char *)"t-clirow"};
	struct opts o = {.on = true};
	uint64_t bits = 0;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(given); i++)
		assert_true(clirow_take(rows, ARRAY_LEN(rows), &o, &bits, given[i].key,
					(char *)given[i].value, &argp));
	assert_false(clirow_take(rows, ARRAY_LEN(rows), &o, &bits, 264, NULL, &argp));
	assert_string_equal(o.text, "word");
	assert_true(o.count == -5 && o.many == 1000000000000L && o.real == 0.25);
	assert_true(o.bytes == 2048 && o.yes && o.choice == 1 && o.time == 900 && !o.on);
	assert_int_equal(bits, (1 << ARRAY_LEN(rows)) - 1);
	clirow_options(rows, ARRAY_LEN(rows), options);
	assert_string_equal(options[0].name, "text");
	assert_int_equal(options[0].key, 't');
	assert_null(options[5].arg);
	assert_null(options[ARRAY_LEN(rows)].name);
	/* what the command takes is no error: this returns */
	clirow_check(rows, ARRAY_LEN(rows), 1 << 2 | 1 << 5, 2, "second", &argp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_lands_in_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
