#include "unit.h"

#include "data/labels.h"

static void parse(const char *text, int nc, int rc, struct labels *l, struct err *err)
{
	/* an exact copy without a NUL, so that the sanitizer sees reads beyond the end */
	size_t n = strlen(text);
	char *copy = xmalloc(n);

	memcpy(copy, text, n);
	assert_int_equal(labels_parse("x.txt", copy, n, nc, l, err), rc);
	free(copy);
}

static void rows_are_read(void **state)
{
	struct labels l;
	struct err err;

	(void)state;
	parse("\xef\xbb\xbf"
	      "45 0.5 0.25 1 0.125\r\n\r\n  0\t0 1 1e-1 .5  \n79.0 1 1 0 0",
	      80, 0, &l, &err);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.v[0].cls, 45);
	assert_true(l.v[0].xc == 0.5f && l.v[0].yc == 0.25f && l.v[0].w == 1 && l.v[0].h == 0.125f);
	assert_true(l.v[1].w == 0.1f && l.v[1].h == 0.5f);
	assert_int_equal(l.v[2].cls, 79);
	assert_false(l.polygons);
	labels_release(&l);
	parse("", 80, 0, &l, &err);
	assert_int_equal(l.n, 0);
	labels_release(&l);
}

static void every_mistake_has_its_line_and_column(void **state)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{"0 .5 .5 .5 .5\n\n0 1.02 .5 .5 .5", "x.txt:3: x centre 1.02 is greater than 1"},
		{"0 .5 -0.1 .5 .5", "x.txt:1: y centre -0.1 is negative"},
		{"0 .5 .5 2 .5", "x.txt:1: width 2 is greater than 1"},
		{"0 .5 .5 .5 1.5", "x.txt:1: height 1.5 is greater than 1"},
		{"0 .5 .5 .5 nan", "x.txt:1: height 'nan' is not a number"},
		{"0 .5 .5 .5 inf", "x.txt:1: height 'inf' is not a number"},
		{"0 .5,.5 .5 .5 .5", "x.txt:1: x centre '.5,.5' is not a number"},
		{"0 .5 .5x .5 .5", "x.txt:1: y centre '.5x' is not a number"},
		{"cat .5 .5 .5 .5", "x.txt:1: class 'cat' is not a number"},
		{"80 .5 .5 .5 .5", "x.txt:1: class 80 is too large: the classes are 0 to 79"},
		{"-1 .5 .5 .5 .5", "x.txt:1: class -1 is negative"},
		{"1.5 .5 .5 .5 .5", "x.txt:1: class 1.5 is not a whole number"},
		{"0 .5 .5 .5", "x.txt:1: 4 columns where 5 are wanted"},
		{"0", "x.txt:1: 1 column where 5 are wanted"},
		{"0 .5 .5 .5 .5 .9", "is the last a confidence?"},
		{"0 .1 .1 .2 .1 .2 .2 .3", "x.txt:1: 8 columns where 5 are wanted"},
		{"0 .1 .1 .2 .1 .2 .2\n0 .5 .5 .5 .5", "x.txt:2: a box in a file of polygons"},
		{"0 .5 .5 .5 .5\n0 .1 .1 .2 .1 .2 .2", "x.txt:2: a polygon in a file of boxes"},
		{"0 .1 .1 .2 1.1 .2 .2", "x.txt:1: polygon's y 1.1 is greater than 1"},
		{"0 0.11111111111111111111111111111111111111111111111111111111111111111 .5 .5 .5",
		 "x.txt:1: x centre '0.1111111111111111111111...' is not a number"},
	};
	struct labels l;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		parse(bad[i].text, 80, -1, &l, &err);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, bad[i].sentence)) /* shows both */
			assert_string_equal(err.msg, bad[i].sentence);
		assert_null(l.v);
	}
}

static void a_nul_in_the_text_is_not_skipped(void **state)
{
	struct labels l;
	struct err err;

	(void)state;
	assert_int_equal(labels_parse("x", "0 .5 .5 .5 .5\0 1", 16, 0, &l, &err), -1);
	assert_int_equal(labels_parse("x", "0 .5 .5 .5 .\0005", 14, 0, &l, &err), -1);
}

static void polygons_become_boxes(void **state)
{
	struct labels l;
	struct err err;

	(void)state;
	parse("3 .2 .4 .6 .1 .5 .8\n", 0, 0, &l, &err);
	assert_true(l.polygons);
	assert_int_equal(l.n, 1);
	assert_true(l.v[0].xc == (0.2f + 0.6f) / 2 && l.v[0].h == 0.8f - 0.1f);
	labels_release(&l);
}

static void duplicates_are_dropped_and_order_is_kept(void **state)
{
	struct labels l;
	struct err err;

	(void)state;
	parse("2 .5 .5 .1 .1\n1 .5 .5 .1 .1\n2 .5 .5 .1 .1\n1 .5 .5 .1 .10\n2 .5 .5 .1 .2\n", 0, 0,
	      &l, &err);
	assert_int_equal(l.duplicates, 2);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.v[0].cls, 2);
	assert_int_equal(l.v[1].cls, 1);
	assert_true(l.v[2].h == 0.2f);
	labels_release(&l);
}

static void what_is_written_reads_back(void **state)
{
	static const struct label v[] = {{7, 0.479492f, 0.688771f, 0.955609f, 0.5955f},
					 {0, 0, 1, 1e-7f, 0.333333f}};
	struct buf text = BUF_INIT;
	struct labels l;
	struct err err;

	(void)state;
	labels_format(v, 2, &text);
	assert_string_equal(text.data,
			    "7 0.479492 0.688771 0.955609 0.5955\n0 0 1 1e-07 0.333333\n");
	assert_int_equal(labels_parse("x", text.data, text.len, 8, &l, &err), 0);
	assert_int_equal(l.n, 2);
	assert_memory_equal(l.v, v, sizeof(v));
	labels_release(&l);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_read),
		cmocka_unit_test(every_mistake_has_its_line_and_column),
		cmocka_unit_test(a_nul_in_the_text_is_not_skipped),
		cmocka_unit_test(polygons_become_boxes),
		cmocka_unit_test(duplicates_are_dropped_and_order_is_kept),
		cmocka_unit_test(what_is_written_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
