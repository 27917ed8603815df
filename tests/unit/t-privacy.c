#include "mist/privacy.h"
#include "unit.h"

#include <math.h>

static void published_figures_are_never_rounded_down(void **state)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = {{1, "1"},
		    {0.5, "0.5"},
		    {409600, "409600"},
		    {1.0000001, "1.00001"},
		    {0.123456789, "0.123457"},
		    {0.1234561, "0.123457"},
		    {99999.91, "100000"},
		    {52428800, "5.24288e+07"},
		    {52428801, "5.24289e+07"},
		    {INFINITY, "inf"}};
	char text[32];
	size_t i;
	double v;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		privacy_format_up(rows[i].v, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
	for (v = 1e-9; v < 1e12; v *= 1.37) {
		privacy_format_up(v, text, sizeof(text));
		assert_true(strtod(text, NULL) >= v);
		assert_true(strtod(text, NULL) <= v * 1.0000101);
	}
}

static void an_image_costs_all_its_bits_and_a_client_all_its_images(void **state)
{
	struct privacy p = {.mechanism = MECHANISM_RR, .q = 0.25, .per_bit = 1, .labels = "clear"};

	(void)state;
	p.values = 409600; /* YOLOv5n, cut 4, 640 pixels */
	p.releases = 1;
	p.images = 128;
	assert_true(privacy_per_image(&p) == 409600);
	assert_true(privacy_per_client(&p) == 128 * 409600.0);
	assert_true(privacy_flips(&p) == 102400);
	p.releases = 2; /* mirrored copies are releases, too */
	assert_true(privacy_per_image(&p) == 819200);
	assert_true(privacy_per_client(&p) == 128 * 819200.0);
	p.images = 0;
	p.per_bit = INFINITY;
	assert_true(privacy_per_client(&p) == 0);
}

static void collect(void *ctx, const char *sentence)
{
	buf_printf(ctx, "%s\n", sentence);
}

static void every_empty_promise_is_named(void **state)
{
	struct privacy p = {.mechanism = MECHANISM_RR,
			    .q = 0.5,
			    .per_bit = 1e-6,
			    .values = 100,
			    .releases = 1,
			    .images = 1,
			    .labels = "clear"};
	struct buf said = BUF_INIT;
	const struct notices to = {collect, &said};

	(void)state;
	privacy_certificate(&p, &to);
	assert_null(strstr(said.data, "warning"));
	assert_non_null(strstr(said.data, "1e-06 per bit, 0.0001 per image"));
	buf_clear(&said);
	p.seeded = true;
	p.q = 1e-5;
	p.per_bit = 11.5;
	privacy_certificate(&p, &to);
	assert_non_null(strstr(said.data, "warning: no privacy in practice"));
	assert_non_null(strstr(said.data, "warning: --seed"));
	assert_non_null(strstr(said.data, "promises nothing formally"));
	buf_clear(&said);
	p.mechanism = MECHANISM_NONE;
	p.encoding = ENCODING_BIT;
	p.labels = "none";
	privacy_certificate(&p, &to);
	assert_non_null(strstr(said.data, "no differential privacy"));
	assert_non_null(strstr(said.data, "infinite per bit, per image and per client"));
	assert_non_null(strstr(said.data, "no labels are sent"));
	buf_release(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_figures_are_never_rounded_down),
		cmocka_unit_test(an_image_costs_all_its_bits_and_a_client_all_its_images),
		cmocka_unit_test(every_empty_promise_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
