/* t-thin.c - pooling and the public subset of the bits. */
#include "mist/thin.h"

#include "attack/likelihood.h"
#include "nn-views.h"

#include <math.h>

/* What https://prng.di.unimi.it/splitmix64.c gives for the seed 1234567. */
static const uint64_t splitmix[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
				    UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
				    UINT64_C(16408922859458223821)};

static void a_bit_is_sent_by_splitmix64(void **state)
{
	struct gate g = {.c = 1, .subset = 1234567};
	uint64_t k;

	(void)state;
	for (k = 0; k < ARRAY_LEN(splitmix); k++) {
		g.keep = (uint32_t)(splitmix[k] >> 32);
		assert_false(thin_sends(&g, k));
		g.keep++;
		assert_true(thin_sends(&g, k));
	}
	g.keep = 0;
	assert_true(thin_sends(&g, 0));
	assert_false(thin_has(&g));
	g.pool = 1;
	assert_false(thin_has(&g));
}

static void as_many_are_chosen_as_may_be_sent_and_no_more(void **state)
{
	static const size_t want[] = {1, 2, 7, 100, 1599, 1600, 1601, 9999, SIZE_MAX};
	struct gate g[2] = {{.c = 8}, {.c = 16, .subset = 1}};
	static const int h[] = {10, 5}, w[] = {10, 10}; /* 800 values each */
	size_t i, sent, n;

	(void)state;
	for (i = 0; i < ARRAY_LEN(want); i++) {
		const uint32_t keep = thin_choose(g, h, w, 2, want[i], &sent);

		assert_int_equal(sent, want[i] < 1600 ? want[i] : 1600);
		assert_int_equal(keep == 0, want[i] >= 1600);
		g[0].keep = g[1].keep = keep;
		n = gate_sent(&g[0], 10, 10) + gate_sent(&g[1], 5, 10);
		assert_int_equal(n, sent);
		g[0].keep = g[1].keep = 0;
	}
	assert_int_equal(thin_choose(g, h, w, 2, 0, &sent), 0);
	assert_int_equal(sent, 0);
}

/* The rule of the format, written down once more and as slowly as possible. */
static void check_payload(const struct gate *g, const struct view *x, const unsigned char *payload)
{
	const int p = g->pool > 1 ? g->pool : 1, h = (x->h + p - 1) / p, w = (x->w + p - 1) / p;
	size_t next = 0;
	int c, y, col, dy, dx;

	for (c = 0; c < g->c; c++)
		for (y = 0; y < h; y++)
			for (col = 0; col < w; col++) {
				double sum = 0;
				int n = 0;

				if (!thin_sends(g, ((uint64_t)c * (uint64_t)h + (uint64_t)y) *
								   (uint64_t)w +
							   (uint64_t)col))
					continue;
				for (dy = 0; dy < p && y * p + dy < x->h; dy++)
					for (dx = 0; dx < p && col * p + dx < x->w; dx++, n++)
						sum += (double)view_at(x, 0, y * p + dy,
								       col * p + dx)[c];
				assert_int_equal(payload[next / 8] >> (7 - next % 8) & 1,
						 sum / n > (double)g->threshold[c]);
				next++;
			}
	assert_int_equal(next, gate_sent(g, x->h, x->w));
	assert_int_equal((next + 7) / 8, gate_bytes(g, x->h, x->w));
	for (; next % 8; next++)
		assert_int_equal(payload[next / 8] >> (7 - next % 8) & 1, 0);
}

static void gate_make(struct gate *g, int pool, uint32_t keep)
{
	int c;

	gate_init(g, ENCODING_BIT, 5);
	g->pool = pool;
	g->keep = keep;
	g->subset = 3;
	g->threshold = xcalloc(5, sizeof(float));
	g->low = xcalloc(5, sizeof(float));
	g->high = xcalloc(5, sizeof(float));
	for (c = 0; c < 5; c++) {
		g->threshold[c] = (float)c / 8 - .25F;
		g->low[c] = -1 - (float)c / 4;
		g->high[c] = 1 + (float)c / 2;
	}
}

static const struct {
	int pool;
	uint32_t keep;
} cases[] = {{2, 0}, {3, 0}, {0, 1u << 30}, {1, 3u << 30}, {2, 1u << 31}, {16, 0}, {4, 1u << 28}};

static void payloads_and_what_they_decode_to(void **state)
{
	struct test_view a = test_view_new(1, 7, 9, 5, 2, 3, 1), b;
	struct rng rng;
	size_t i;

	(void)state;
	rng_init(&rng, 1, "t-thin", 0);
	test_view_fill(&a, &rng);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned char payload[5 * 7 * 2], scratch[5 * 7 * 2];
		const struct noise none = {.mechanism = MECHANISM_NONE};
		struct gate g;
		int y, x, c;

		gate_make(&g, cases[i].pool, cases[i].keep);
		gate_encode(&g, &a.v, 0, payload);
		check_payload(&g, &a.v, payload);
		b = test_view_new(1, 7, 9, 5, 2, 3, 1);
		gate_decode(&g, payload, &b.v, 0);
		for (y = 0; y < 7; y++)
			for (x = 0; x < 9; x++)
				for (c = 0; c < 5; c++) {
					const float v = view_at(&b.v, 0, y, x)[c];

					assert_true(
						v == g.low[c] || v == g.high[c] ||
						(cases[i].keep && v == (g.low[c] + g.high[c]) / 2));
				}
		/* in place, it is the same */
		for (c = 0; c < 2; c++) {
			struct test_view d = test_view_new(1, 7, 9, 5, 2, 3, 1);

			view_clear(&d.v);
			view_copy(NULL, &a.v, &d.v);
			if (c)
				gate_apply(&g, NULL, &d.v);
			else
				gate_apply_noisy(&g, NULL, &d.v, &none, 0, scratch);
			for (y = 0; y < 7; y++)
				for (x = 0; x < 9; x++)
					assert_memory_equal(view_at(&d.v, 0, y, x),
							    view_at(&b.v, 0, y, x),
							    5 * sizeof(float));
			test_view_free(&d);
		}
		test_view_free(&b);
		gate_release(&g);
	}
	test_view_free(&a);
}

static void a_bit_that_was_not_sent_is_the_public_mean(void **state)
{
	const unsigned char nothing[64] = {0};
	float x[5 * 64];
	struct view v = {x, 1, 8, 8, 5, 5, 0};
	size_t i, unknown = 0;
	struct gate g;

	(void)state;
	gate_make(&g, 0, 1u << 30);
	g.mean = xcalloc(5, sizeof(float));
	g.mean[0] = .375F;
	gate_decode(&g, nothing, &v, 0);
	for (i = 0; i < 5 * 64; i += 5) {
		assert_true(x[i] == .375F || x[i] == g.low[0]);
		unknown += x[i] == .375F;
	}
	assert_in_range(unknown, 30, 63);
	gate_release(&g);
}

/* The gradient of a sum of squares' means, weighed by dy, for values between the levels. */
static void a_square_shares_its_gradient(void **state)
{
	struct test_view x = test_view_new(1, 5, 6, 5, 0, 0, 0),
			 dy = test_view_new(1, 5, 6, 5, 0, 0, 0),
			 dx = test_view_new(1, 5, 6, 5, 0, 0, 0);
	struct rng rng;
	struct gate g;
	int i, j;

	(void)state;
	gate_make(&g, 2, 0);
	rng_init(&rng, 2, "t-thin", 0);
	test_view_fill(&dy, &rng);
	view_clear(&x.v); /* 0 lies between all levels */
	view_at(&x.v, 0, 0, 0)[0] = 100;
	gate_gradient(&g, NULL, &x.v, &dy.v, &dx.v);
	assert_true(view_at(&dx.v, 0, 1, 1)[0] == 0); /* a mean of 25 is beyond them */
	for (i = 0; i < 2; i++) { /* a whole square; the lower edge, where it has a row */
		const int y = i ? 4 : 2, rows = i ? 1 : 2;
		float sum = 0;

		for (j = 0; j < 2 * rows; j++)
			sum += view_at(&dy.v, 0, y + j / 2, 2 + j % 2)[3];
		for (j = 0; j < 2 * rows; j++)
			assert_true(fabsf(view_at(&dx.v, 0, y + j / 2, 2 + j % 2)[3] -
					  sum / (float)(2 * rows)) < 1e-6F);
	}
	test_view_free(&x);
	test_view_free(&dy);
	test_view_free(&dx);
	gate_release(&g);
}

/* An attacker's gradient is that of its likelihood, and bits that were not sent pull nowhere. */
static void the_likelihood_has_its_gradient(void **state)
{
	static const float spread[5] = {1, .5F, 2, 1, 1};
	struct test_view x = test_view_new(1, 4, 5, 5, 0, 0, 0),
			 dx = test_view_new(1, 4, 5, 5, 0, 0, 0),
			 no = test_view_new(1, 4, 5, 5, 0, 0, 0);
	unsigned char payload[5 * 4];
	float sent[5 * 20];
	struct rng rng;
	size_t i;
	int at;

	(void)state;
	rng_init(&rng, 3, "t-thin", 0);
	test_view_fill(&x, &rng);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate g;
		const struct likelihood l = {&g, spread, 1};

		gate_make(&g, cases[i].pool, cases[i].keep);
		gate_encode(&g, &x.v, 0, payload);
		likelihood_of(&l, payload, .1, &x.v, &dx.v, 0, sent);
		for (at = 0; at < 5 * 20; at += 7) {
			float *p = view_at(&x.v, 0, at / 25, at / 5 % 5) + at % 5;
			const float keep = *p;
			double up, down;

			*p = keep + 1e-2F;
			up = likelihood_of(&l, payload, .1, &x.v, &no.v, 0, sent);
			*p = keep - 1e-2F;
			down = likelihood_of(&l, payload, .1, &x.v, &no.v, 0, sent);
			*p = keep;
			assert_true(fabs((up - down) / 2e-2 -
					 (double)view_at(&dx.v, 0, at / 25, at / 5 % 5)[at % 5]) <
				    2e-3);
		}
		gate_release(&g);
	}
	test_view_free(&x);
	test_view_free(&dx);
	test_view_free(&no);
}

static void noise_stays_among_the_bits_that_are_sent(void **state)
{
	const uint64_t seed = 5;
	unsigned char payload[2] = {0, 0};
	struct gate g = {.c = 11, .pool = 2};
	struct noise n;
	struct err err;
	int i, ones = 0;

	(void)state;
	assert_int_equal(noise_init(&n, MECHANISM_RR, 1e-9, &seed, &err), 0);
	for (i = 0; i < 100; i++) {
		gate_flip_payload(&g, &n, (uint64_t)i, payload, 2, 1, gate_sent(&g, 2, 1));
		assert_int_equal(payload[1] & 0x1f, 0);
		ones += payload[1] >> 5 & 1;
	}
	assert_in_range(ones, 20, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bit_is_sent_by_splitmix64),
		cmocka_unit_test(as_many_are_chosen_as_may_be_sent_and_no_more),
		cmocka_unit_test(payloads_and_what_they_decode_to),
		cmocka_unit_test(a_bit_that_was_not_sent_is_the_public_mean),
		cmocka_unit_test(a_square_shares_its_gradient),
		cmocka_unit_test(the_likelihood_has_its_gradient),
		cmocka_unit_test(noise_stays_among_the_bits_that_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
