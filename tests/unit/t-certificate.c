#include "mist/certificate.h"
#include "io/json.h"
#include "unit.h"

#include <math.h>

static void collect(void *ctx, const char *sentence)
{
	buf_printf(ctx, "%s\n", sentence);
}

static const char *tell(const struct certificate *c, struct buf *said)
{
	const struct notices to = {collect, said};

	buf_clear(said);
	certificate_tell(c, &to, &to);
	return said->data;
}

static struct certificate good(void)
{
	return (struct certificate){
		.spent = {.mechanism = MECHANISM_RR,
			  .q = 0.499,
			  .per_bit = 0x1p-10,
			  .values = 1024,
			  .releases = 1,
			  .images = 4,
			  .labels = "none"},
		.ledger = "x",
		.account = {.before = 2, .after = 6, .image_max = 3, .fresh = 4},
		.image_bytes = 125,
		.picture_bytes = 4000,
		.weights_bytes = 7500000};
}

static void the_figures_stand_together(void **state)
{
	struct certificate c = good();
	struct buf said = BUF_INIT;
	const char *text = tell(&c, &said);

	(void)state;
	assert_non_null(strstr(text, "each bit is flipped with probability 0.499"));
	assert_non_null(strstr(text, "epsilon per bit     0.000976563\n"));
	assert_non_null(strstr(text, "epsilon per image   1 (1024 bits, sent 1 time)\n"));
	assert_non_null(strstr(text, "epsilon per client  6 (before: 2; 4 new, 0 sent before; most "
				     "for one image: 3)\n"));
	assert_non_null(strstr(text, "flips per image     510.976 expected\n"));
	assert_non_null(strstr(text, "bytes per image     125 (the picture's file: 4000"));
	assert_non_null(strstr(text, "7500000 bytes of weights a round, as much as 6e+04 images"));
	assert_null(strstr(text, "warning"));
	buf_release(&said);
}

static void every_empty_promise_is_named(void **state)
{
	struct certificate c = good();
	struct buf said = BUF_INIT;

	(void)state;
	c.spent.seeded = true;
	c.spent.q = 1e-5;
	c.spent.per_bit = 11.5;
	c.spent.labels = "clear";
	c.ledger = NULL;
	tell(&c, &said);
	assert_non_null(strstr(said.data, "warning: no privacy in practice"));
	assert_non_null(strstr(said.data, "warning: --seed"));
	assert_non_null(strstr(said.data, "warning: labels are sent in clear"));
	assert_non_null(strstr(said.data, "warning: no ledger"));
	assert_non_null(strstr(said.data, "epsilon per client  infinite"));
	c.spent.seeded = false;
	tell(&c, &said);
	assert_non_null(strstr(said.data, "promises nothing formally"));
	assert_non_null(strstr(said.data, "epsilon per client  47104 (4 images; no account"));
	c.spent.mechanism = MECHANISM_NONE;
	c.spent.encoding = ENCODING_BIT;
	tell(&c, &said);
	assert_non_null(strstr(said.data, "warning: no differential privacy"));
	assert_non_null(strstr(said.data, "epsilon per image   infinite"));
	assert_null(strstr(said.data, "flips per image"));
	buf_release(&said);
}

static json_t *parse(const struct certificate *c, bool final)
{
	char *text = certificate_json(c, final);
	struct err err;
	json_t *o = json_parse("certificate", text, strlen(text), &err);

	assert_non_null(o);
	free(text);
	return o;
}

static void json_says_the_same(void **state)
{
	struct certificate c = good();
	json_t *o = parse(&c, true);

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(o, "version")), CERTIFICATE_VERSION);
	assert_string_equal(json_string_value(json_object_get(o, "generator")), "ledger");
	assert_true(json_real_value(json_object_get(o, "epsilon_per_client")) == 6);
	assert_true(json_real_value(json_object_get(o, "epsilon_per_image")) == 1);
	assert_int_equal(json_array_size(json_object_get(o, "warnings")), 0);
	json_decref(o);
	o = parse(&c, false);
	assert_true(json_real_value(json_object_get(o, "epsilon_per_client")) == 4);
	assert_null(json_object_get(o, "picture_bytes_per_image"));
	json_decref(o);
	c.spent.seeded = true;
	o = parse(&c, true);
	assert_true(json_is_null(json_object_get(o, "epsilon_per_bit")));
	assert_true(json_is_null(json_object_get(o, "epsilon_per_client")));
	assert_string_equal(json_string_value(json_object_get(o, "generator")), "seed");
	assert_int_equal(json_array_size(json_object_get(o, "warnings")), 1);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_figures_stand_together),
		cmocka_unit_test(every_empty_promise_is_named),
		cmocka_unit_test(json_says_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
