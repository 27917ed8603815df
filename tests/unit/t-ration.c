/* t-ration.c - what a budget per image buys. */
#include "mist/ration.h"

#include "unit.h"

#include "mist/extract_gate.h"
#include "mist/privacy.h"

#include <math.h>

/* Before layer 1: 8 channels, half the size. Before layer 3: two tensors. */
static const char yaml[] =
	"nc: 3\ndepth_multiple: 1.0\nwidth_multiple: 1.0\n"
	"anchors:\n  - [10, 13, 16, 30]\n"
	"backbone:\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, Conv, [16, 3, 2]]\n"
	"  - [-1, 1, Conv, [16, 3, 1]]\n"
	"head:\n  - [[1, 2], 1, Concat, [1]]\n  - [[3], 1, Detect, [nc, anchors]]\n";

static struct model *model;

static int setup(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	model = model_init(yaml, 3, NULL, 1, &err);
	if (!model)
		fail_msg("%s", err.msg);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

/* The bits that are sent, and what an image costs with them. */
static size_t sent(const struct ration *r, double epsilon, const struct thinning *t, double *cost)
{
	struct privacy p = {.mechanism = r->mechanism, .releases = r->releases};
	struct gates gates;
	struct noise noise;
	struct err err;
	int i;

	assert_int_equal(noise_init(&noise, r->mechanism, epsilon, NULL, &err), 0);
	assert_int_equal(extract_gates(model, r->cut, ENCODING_BIT, &noise, t, NULL, &gates, &err),
			 0);
	for (i = 0; i < gates.n; i++) {
		const int side = r->cut == 1 ? r->img / 2 : r->img / 4;

		assert_int_equal(gates.gate[i].subset, t->keep ? r->subset + (uint64_t)i : 0);
		p.values += gate_sent(&gates.gate[i], side, side);
	}
	p.per_bit = noise.epsilon_effective;
	*cost = privacy_per_image(&p);
	gates_release(&gates);
	noise_release(&noise);
	return p.values;
}

static void a_budget_is_spent_and_never_exceeded(void **state)
{
	/* cut 1 at 64 pixels: 8192 bits; cut 3: 2 x 4096 */
	static const struct {
		double image, epsilon;
		int cut, releases, pool;
		enum mechanism mechanism;
		size_t bits;
		double per_bit; /* effective */
	} cases[] = {
		{100, 1, 1, 1, 0, MECHANISM_RR, 100, 1},
		{100, 1, 3, 1, 0, MECHANISM_RR, 100, 1},
		{100, 1, 1, 2, 0, MECHANISM_RR, 50, 1},
		{100.9, 2, 1, 1, 0, MECHANISM_SUE, 100, 1},
		{100, NAN, 1, 1, 0, MECHANISM_RR, 40, 2.5},
		{100, NAN, 1, 1, 0, MECHANISM_SUE, 40, 2.5},
		{81920, NAN, 1, 1, 0, MECHANISM_RR, 8192, 10},
		{12800, NAN, 1, 1, 4, MECHANISM_RR, 512, 25},
		{81920, 1, 1, 1, 0, MECHANISM_RR, 8192, 1}, /* not all is spent */
		{1000, 1, 1, 1, 4, MECHANISM_RR, 512, 1},
		{.3, .1, 1, 1, 0, MECHANISM_RR, 2, .1}, /* .1 is more than a tenth */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		const struct ration r = {.epsilon_image = cases[i].image,
					 .cut = cases[i].cut,
					 .img = 64,
					 .releases = cases[i].releases,
					 .mechanism = cases[i].mechanism,
					 .subset = 7,
					 .pool = cases[i].pool};
		double epsilon = cases[i].epsilon, cost;
		struct thinning t;
		struct err err;
		size_t bits;

		assert_int_equal(ration_choose(model, &r, &epsilon, &t, &err), 0);
		bits = sent(&r, epsilon, &t, &cost);
		if (cost > cases[i].image || bits != cases[i].bits)
			fail_msg("%zu: %zu bits of %g cost %g", i, bits, epsilon, cost);
		assert_true(fabs(noise_effective(r.mechanism, epsilon) / cases[i].per_bit - 1) <
			    1e-6);
	}
}

static void less_than_a_bit_a_tensor_is_refused(void **state)
{
	struct ration r = {
		.epsilon_image = 2, .cut = 1, .img = 64, .releases = 1, .mechanism = MECHANISM_RR};
	double epsilon = NAN;
	struct thinning t;
	struct err err;

	(void)state;
	assert_int_equal(ration_choose(model, &r, &epsilon, &t, &err), -1);
	assert_int_equal(err.status, STATUS_USAGE);
	r.cut = 3;
	r.epsilon_image = epsilon = 1; /* one bit, and two tensors */
	assert_int_equal(ration_choose(model, &r, &epsilon, &t, &err), -1);
	assert_non_null(strstr(err.msg, "does not pay for one bit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_budget_is_spent_and_never_exceeded),
		cmocka_unit_test(less_than_a_bit_a_tensor_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
