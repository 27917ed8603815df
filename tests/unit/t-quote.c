#include "job/quote.h"
#include "unit.h"

static const struct quote_names sh = {"$round", "$prev", false};

static void assert_quoted(const char *word, const char *want, const struct quote_names *names)
{
	struct buf out = BUF_INIT;

	quote_word(&out, word, names);
	assert_string_equal(out.data, want);
	buf_release(&out);
}

static void plain_words_stay_as_they_are(void **state)
{
	(void)state;
	assert_quoted("mist-train", "mist-train", &sh);
	assert_quoted("--out=rounds/1/x.tar", "--out=rounds/1/x.tar", &sh);
}

static void others_are_quoted(void **state)
{
	(void)state;
	assert_quoted("", "''", &sh);
	assert_quoted("a b", "'a b'", &sh);
	assert_quoted("it's", "'it'\\''s'", &sh);
	assert_quoted("'", "\\'", &sh);
	assert_quoted("$HOME", "'$HOME'", &sh);
	assert_quoted("~", "'~'", &sh);
}

static void markers_become_variables(void **state)
{
	const struct quote_names make = {"$(ROUND)", "$(PREV)", true};

	(void)state;
	assert_quoted("r/" QUOTE_ROUND "/x", "\"r/$round/x\"", &sh);
	assert_quoted("r/" QUOTE_PREV "/a b", "'r/'\"$prev\"'/a b'", &sh);
	assert_quoted("r/" QUOTE_ROUND "/x", "r/$(ROUND)/x", &make);
	assert_quoted("$x", "'$$x'", &make);
}

/* A shell is asked: whatever the bytes, it reads the same word. */
static void a_shell_reads_back_every_byte(void **state)
{
	struct buf word = BUF_INIT, line = BUF_INIT, back = BUF_INIT;
	char *dir = unit_tmpdir(), *script = xasprintf("%s/x.sh", dir);
	char *command = xasprintf("sh %s", script);
	char got[1024];
	FILE *fp;
	int c;

	(void)state;
	for (c = 3; c < 256; c++) {
		char ch = (char)c;

		buf_add(&word, &ch, 1);
		buf_add(&word, c % 2 ? "'" : "\\", 1);
	}
	buf_add_str(&line, "printf %s ");
	quote_word(&line, word.data, &sh);
	fp = fopen(script, "w");
	assert_int_equal(fwrite(line.data, 1, line.len, fp), line.len);
	fclose(fp);
	fp = popen(command, "r");
	buf_add(&back, got, fread(got, 1, sizeof(got), fp));
	assert_int_equal(pclose(fp), 0);
	assert_int_equal(back.len, word.len);
	assert_memory_equal(back.data, word.data, word.len);
	unlink(script);
	rmdir(dir);
	free(command);
	free(script);
	free(dir);
	buf_release(&back);
	buf_release(&line);
	buf_release(&word);
}

static void long_lines_are_broken(void **state)
{
	struct words w = WORDS_INIT;
	struct buf out = BUF_INIT;
	int i;

	(void)state;
	for (i = 0; i < 40; i++)
		words_addf(&w, "word%d", i);
	quote_words(&out, &w, "\t", 0, &sh);
	assert_non_null(strstr(out.data, " \\\n\t"));
	assert_true(strcspn(out.data, "\n") <= 100);
	buf_release(&out);
	words_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words_stay_as_they_are),
		cmocka_unit_test(others_are_quoted),
		cmocka_unit_test(markers_become_variables),
		cmocka_unit_test(a_shell_reads_back_every_byte),
		cmocka_unit_test(long_lines_are_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
