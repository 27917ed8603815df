#include "base/file.h"
#include "io/half.h"
#include "mist/gate.h"
#include "unit.h"

#include <math.h>

/* A view of n x h x w x c inside a wider buffer (as after a concat), filled from a fixed pattern.
 */
struct patch {
	struct view v;
	float *buffer;
};

static struct patch patch_new(int n, int h, int w, int c, int extra)
{
	struct patch p = {{NULL, n, h, w, c + extra, c + extra, 1}, NULL};
	size_t lead, floats = view_floats(&p.v, &lead), i;

	p.buffer = xaligned(floats * sizeof(float));
	for (i = 0; i < floats; i++)
		p.buffer[i] = (float)((int)((uint32_t)i * 2654435761u >> 20) - 2048) / 512;
	p.v.p = p.buffer + lead;
	p.v = view_slice(&p.v, extra, c);
	return p;
}

static const struct {
	int c, h, w, extra;
} shape[] = {{64, 8, 8, 0},  {16, 3, 5, 0},  {1, 1, 1, 0},  {17, 2, 9, 3},
	     {33, 4, 16, 0}, {32, 5, 23, 8}, {5, 80, 7, 1}, {64, 20, 80, 0}};

static float threshold_of(const struct gate *g, int c)
{
	return g->threshold ? g->threshold[c] : 0;
}

static int bit_of(const unsigned char *bits, int h, int w, int c, int y, int x)
{
	size_t row = ((size_t)w + 7) / 8;

	return bits[((size_t)c * (size_t)h + (size_t)y) * row + (size_t)x / 8] >> (7 - x % 8) & 1;
}

static void gate_ramps(struct gate *g)
{
	int i;

	g->threshold = xcalloc((size_t)g->c, sizeof(float));
	g->low = xcalloc((size_t)g->c, sizeof(float));
	g->high = xcalloc((size_t)g->c, sizeof(float));
	for (i = 0; i < g->c; i++) {
		g->threshold[i] = (float)(i % 7) / 4 - 0.75F;
		g->low[i] = -0.25F - (float)i / 64;
		g->high[i] = 1.5F + (float)i / 32;
	}
}

static void bits_lie_as_numpy_packs_them(void **state)
{
	size_t s;
	int ramps;

	(void)state;
	for (s = 0; s < 2 * ARRAY_LEN(shape); s++) {
		const int c = shape[s / 2].c, h = shape[s / 2].h, w = shape[s / 2].w;
		struct patch p = patch_new(2, h, w, c, shape[s / 2].extra);
		size_t size = gate_packed_bytes(c, h, w), set = 0;
		unsigned char *bits = xcalloc(1, size + 1);
		int i, y, x, expected = 0;
		struct gate g;

		ramps = (int)(s & 1);
		gate_init(&g, ENCODING_BIT, c);
		if (ramps)
			gate_ramps(&g);
		bits[size] = 0xa5;
		gate_encode(&g, &p.v, 1, bits);
		assert_int_equal(bits[size], 0xa5);
		for (i = 0; i < c; i++)
			for (y = 0; y < h; y++)
				for (x = 0; x < w; x++) {
					int want = view_at(&p.v, 1, y, x)[i] > threshold_of(&g, i);

					expected += want;
					assert_int_equal(bit_of(bits, h, w, i, y, x), want);
				}
		for (set = 0; size--;)
			set += (size_t)__builtin_popcount(bits[size]);
		assert_int_equal(set, expected); /* so the pads are 0 */
		free(bits);
		free(p.buffer);
		gate_release(&g);
	}
}

static void a_nan_and_the_threshold_itself_are_zeros(void **state)
{
	struct patch p = patch_new(1, 1, 8, 16, 0);
	unsigned char bits[16];
	struct gate g;
	int i;

	(void)state;
	for (i = 0; i < 8 * 16; i++)
		p.v.p[i] = i & 1 ? NAN : 0;
	gate_init(&g, ENCODING_BIT, 16);
	gate_encode(&g, &p.v, 0, bits);
	for (i = 0; i < 16; i++)
		assert_int_equal(bits[i], 0);
	free(p.buffer);
}

static void decoding_gives_the_levels_and_applying_is_both(void **state)
{
	size_t s;

	(void)state;
	for (s = 0; s < ARRAY_LEN(shape); s++) {
		const int c = shape[s].c, h = shape[s].h, w = shape[s].w, e = shape[s].extra;
		struct patch p = patch_new(1, h, w, c, e), q = patch_new(1, h, w, c, e);
		unsigned char *bits = xmalloc(gate_packed_bytes(c, h, w));
		struct pool *pool = pool_new(2);
		struct gate g;
		int i, y, x;

		gate_init(&g, ENCODING_BIT, c);
		gate_ramps(&g);
		gate_encode(&g, &p.v, 0, bits);
		gate_decode(&g, bits, &q.v, 0);
		for (y = 0; y < h; y++)
			for (x = 0; x < w; x++)
				for (i = 0; i < c; i++)
					assert_true(view_at(&q.v, 0, y, x)[i] ==
						    (view_at(&p.v, 0, y, x)[i] > g.threshold[i]
							     ? g.high[i]
							     : g.low[i]));
		for (i = 0; i < c; i++) /* the pad behind the first row */
			assert_true(view_at(&q.v, 0, 0, w)[i] == 0);
		gate_apply(&g, pool, &p.v);
		for (y = 0; y < h; y++)
			for (x = 0; x < w; x++)
				assert_memory_equal(view_at(&p.v, 0, y, x), view_at(&q.v, 0, y, x),
						    (size_t)c * sizeof(float));
		pool_free(pool);
		free(bits);
		free(p.buffer);
		free(q.buffer);
		gate_release(&g);
	}
}

/* 4096 draws of 80 bits: the mean of 327680 values; five standard deviations. */
static void de_biased_bits_have_the_clean_mean(void **state)
{
	const uint64_t seed = 3;
	struct patch p = patch_new(1, 2, 5, 8, 0), q = patch_new(1, 2, 5, 8, 0);
	unsigned char clean[16], noisy[16];
	double sum = 0, want = 0, sd;
	const int draws = 4096;
	struct noise n;
	struct gate g;
	struct err err;
	int i, x, y, d;

	(void)state;
	assert_int_equal(noise_init(&n, MECHANISM_RR, 1, &seed, &err), 0);
	gate_init(&g, ENCODING_BIT, 8);
	gate_set_noise(&g, &n);
	g.debias = true;
	gate_encode(&g, &p.v, 0, clean);
	for (d = 0; d < draws; d++) {
		memcpy(noisy, clean, sizeof(noisy));
		gate_flip(&n, (uint64_t)d, noisy, 8, 2, 5);
		gate_decode(&g, noisy, &q.v, 0);
		for (y = 0; y < 2; y++)
			for (x = 0; x < 5; x++)
				for (i = 0; i < 8; i++)
					sum += view_at(&q.v, 0, y, x)[i];
	}
	for (i = 0; i < 16; i++) {
		assert_int_equal(noisy[i] & 7, 0); /* noise leaves the pads alone */
		want += __builtin_popcount(clean[i]);
	}
	sd = sqrt(80.0 / draws * n.q * (1 - n.q)) / (1 - 2 * n.q);
	assert_true(want > 20 && want < 60);
	assert_true(fabs(sum / draws - want) < 5 * sd);
	free(p.buffer);
	free(q.buffer);
}

static void noisy_application_is_encode_flip_decode_on_any_threads(void **state)
{
	const uint64_t seed = 4;
	struct pool *pool = pool_new(3);
	struct patch p = patch_new(3, 6, 11, 40, 0), q = patch_new(3, 6, 11, 40, 0);
	size_t size = gate_packed_bytes(40, 6, 11);
	unsigned char *scratch = xmalloc(3 * size), *bits = xmalloc(size);
	struct noise n;
	struct gate g;
	struct err err;
	int i;

	(void)state;
	assert_int_equal(noise_init(&n, MECHANISM_SUE, 2, &seed, &err), 0);
	gate_init(&g, ENCODING_BIT, 40);
	gate_ramps(&g);
	gate_set_noise(&g, &n);
	g.debias = true;
	for (i = 0; i < 3; i++) {
		gate_encode(&g, &p.v, i, bits);
		gate_flip(&n, 100 + (uint64_t)i, bits, 40, 6, 11);
		gate_decode(&g, bits, &p.v, i);
	}
	gate_apply_noisy(&g, pool, &q.v, &n, 100, scratch);
	assert_memory_equal(p.v.p, q.v.p, view_image(&p.v) * 3 * sizeof(float));
	pool_free(pool);
	free(scratch);
	free(bits);
	free(p.buffer);
	free(q.buffer);
	gate_release(&g);
}

static void bytes_and_floats_keep_values_as_well_as_they_can(void **state)
{
	static const enum encoding encodings[] = {ENCODING_U8, ENCODING_F16, ENCODING_F32};
	/* patterns reach from -4 to 4: half a step of 255, 2^-12 of 4, nothing */
	static const double worst[] = {8 / 255.0 / 2 + 1e-6, 0x1p-10, 0};
	size_t e;

	(void)state;
	for (e = 0; e < ARRAY_LEN(encodings); e++) {
		struct patch p = patch_new(1, 3, 5, 6, 2), q = patch_new(1, 3, 5, 6, 2);
		unsigned char *payload = xmalloc(gate_payload_bytes(encodings[e], 6, 3, 5));
		float low[6], high[6];
		struct gate g;
		int y, x, i;

		gate_init(&g, encodings[e], 6);
		for (i = 0; i < 6; i++) {
			low[i] = -4;
			high[i] = 4;
		}
		g.low = low;
		g.high = high;
		gate_encode(&g, &p.v, 0, payload);
		gate_decode(&g, payload, &q.v, 0);
		for (y = 0; y < 3; y++)
			for (x = 0; x < 5; x++)
				for (i = 0; i < 6; i++)
					assert_true(fabs(view_at(&q.v, 0, y, x)[i] -
							 view_at(&p.v, 0, y, x)[i]) <= worst[e]);
		gate_apply(&g, NULL, &p.v);
		for (y = 0; y < 3; y++)
			assert_memory_equal(view_at(&p.v, 0, y, 4), view_at(&q.v, 0, y, 4),
					    6 * sizeof(float));
		free(payload);
		free(p.buffer);
		free(q.buffer);
	}
}

static void values_outside_a_byte_are_clamped(void **state)
{
	static const float in[] = {-9, 9, NAN, -INFINITY, INFINITY, 1};
	static const unsigned char want[] = {0, 255, 0, 0, 255, 255};
	float x[6];
	struct view v = {x, 1, 1, 6, 1, 1, 0};
	unsigned char out[6];
	struct gate g;

	(void)state;
	memcpy(x, in, sizeof(x));
	gate_init(&g, ENCODING_U8, 1);
	gate_encode(&g, &v, 0, out);
	assert_memory_equal(out, want, sizeof(want));
}

static void gate_filtered(struct gate *g)
{
	size_t i;

	g->filter_size = 3;
	g->filter = xreallocarray(NULL, gate_filter_floats(g), sizeof(float));
	g->mean = xcalloc((size_t)g->c, sizeof(float));
	for (i = 0; i < gate_filter_floats(g); i++)
		g->filter[i] = (float)i / 7 - 100;
	for (i = 0; i < (size_t)g->c; i++)
		g->mean[i] = (float)i / 3;
	g->net_width = 2;
	g->net = xreallocarray(NULL, gate_net_floats(g), sizeof(float));
	for (i = 0; i < gate_net_floats(g); i++)
		g->net[i] = 50 - (float)i / 9;
}

static void a_filter_is_lent_to_gates_of_the_same_levels_alone(void **state)
{
	struct gate a, b;

	(void)state;
	gate_init(&a, ENCODING_BIT, 4);
	gate_ramps(&a);
	gate_copy(&b, &a);
	gate_filtered(&a);
	b.low[2] -= 1;
	gate_lend_filter(&b, &a);
	assert_null(b.filter);
	b.low[2] += 1;
	gate_lend_filter(&b, &a);
	assert_int_equal(b.filter_size, 3);
	assert_memory_equal(b.filter, a.filter, gate_filter_floats(&a) * sizeof(float));
	assert_int_equal(b.net_width, 2);
	/* 4 to 2, 2 to 2 and 2 to 4 channels, 3x3, and a bias for each that comes out */
	assert_int_equal(gate_net_floats(&b), 9 * (8 + 4 + 8) + 2 + 2 + 4);
	assert_memory_equal(b.net, a.net, gate_net_floats(&a) * sizeof(float));
	gate_drop_filter(&b);
	assert_null(b.filter);
	assert_null(b.net);
	assert_non_null(b.mean);
	gate_release(&a);
	gate_release(&b);
}

/* With a filter behind it, a gate decodes to what the filter takes: levels less their means. */
static void a_filtered_gate_decodes_around_the_mean(void **state)
{
	struct patch p = patch_new(1, 3, 5, 17, 0), q = patch_new(1, 3, 5, 17, 0);
	struct gate g;
	int y, x, c;

	(void)state;
	gate_init(&g, ENCODING_BIT, 17);
	gate_ramps(&g);
	gate_apply(&g, NULL, &p.v);
	gate_filtered(&g);
	gate_apply(&g, NULL, &q.v);
	for (y = 0; y < 3; y++)
		for (x = 0; x < 5; x++)
			for (c = 0; c < 17; c++)
				assert_float_equal(view_at(&p.v, 0, y, x)[c] - g.mean[c],
						   view_at(&q.v, 0, y, x)[c], 1e-5);
	gate_release(&g);
	free(p.buffer);
	free(q.buffer);
}

/* dx = dy where low < x < high, as the header defines; in place too, and pads are zeros. */
static void the_straight_through_gradient_is_its_definition(void **state)
{
	struct pool *pool = pool_new(2);
	struct patch x = patch_new(2, 4, 16, 33, 0), dy = patch_new(2, 4, 16, 33, 3);
	struct patch dx = patch_new(2, 4, 16, 33, 0);
	int n, y, col, c, k, passed = 0;
	float slope, want;
	struct gate g;

	(void)state;
	for (k = 0; k < 3; k++) { /* clean, de-biased, noisy as it is */
		gate_init(&g, ENCODING_BIT, 33);
		gate_ramps(&g);
		g.q = k ? 0.25 : 0;
		g.debias = k == 1;
		slope = k == 2 ? 0.5f : 1;
		gate_gradient(&g, pool, &x.v, &dy.v, &dx.v);
		for (n = 0; n < 2; n++)
			for (y = 0; y < 4; y++)
				for (col = 0; col < 16; col++)
					for (c = 0; c < 33; c++) {
						const float v = view_at(&x.v, n, y, col)[c];

						want = v > g.low[c] && v < g.high[c]
							       ? slope * view_at(&dy.v, n, y,
										 col)[c]
							       : 0;
						passed += want != 0;
						assert_true(view_at(&dx.v, n, y, col)[c] == want);
					}
		assert_true(view_at(&dx.v, 0, 1, 16)[0] == 0);
		gate_release(&g);
	}
	assert_in_range(passed, 1000, 3 * 2 * 4 * 16 * 33 - 1000);
	gate_init(&g, ENCODING_F32, 33);
	gate_gradient(&g, NULL, &x.v, &dy.v, &dy.v);
	gate_gradient(&g, NULL, &x.v, &dy.v, &dx.v);
	assert_memory_equal(view_at(&dx.v, 1, 2, 3), view_at(&dy.v, 1, 2, 3), 33 * sizeof(float));
	gate_release(&g);
	free(x.buffer);
	free(dy.buffer);
	free(dx.buffer);
	pool_free(pool);
}

static void a_gate_survives_its_json(void **state)
{
	struct gate gate[2];
	struct gates g = {9, 2, gate}, back;
	const uint64_t seed = 1;
	char *text, *again;
	struct noise n;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(noise_init(&n, MECHANISM_RR, 0.7, &seed, &err), 0);
	gate_init(&gate[0], ENCODING_BIT, 20);
	gate_ramps(&gate[0]);
	gate_set_noise(&gate[0], &n);
	gate[0].debias = true;
	gate_filtered(&gate[0]);
	gate_init(&gate[1], ENCODING_F32, 3);
	text = gates_json(&g);
	assert_int_equal(gates_parse(text, &back, &err), 0);
	assert_int_equal(back.cut, 9);
	assert_int_equal(back.n, 2);
	assert_true(back.gate[0].q == n.q && back.gate[0].epsilon == 0.7 && back.gate[0].debias);
	assert_memory_equal(back.gate[0].threshold, gate[0].threshold, 20 * sizeof(float));
	assert_memory_equal(back.gate[0].high, gate[0].high, 20 * sizeof(float));
	assert_int_equal(back.gate[0].filter_size, 3);
	assert_memory_equal(back.gate[0].filter, gate[0].filter, 20 * 20 * 9 * sizeof(float));
	assert_int_equal(back.gate[0].net_width, 2);
	assert_memory_equal(back.gate[0].net, gate[0].net,
			    gate_net_floats(&gate[0]) * sizeof(float));
	assert_memory_equal(back.gate[0].mean, gate[0].mean, 20 * sizeof(float));
	assert_true(back.gate[1].encoding == ENCODING_F32 && !back.gate[1].threshold);
	again = gates_json(&back);
	assert_string_equal(text, again);
	free(text);
	free(again);
	gates_release(&back);
	gate_release(&gate[0]);
}

#define GATE(rest) "{\"cut\":4,\"gates\":[{\"encoding\":\"bit\",\"channels\":2," rest "}]}"
#define MEAN       ",\"mean\":[0,1]"
#define FILTER     ",\"filter\":{\"size\":1,\"f32\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}"
#define CLEAN      "\"mechanism\":\"none\",\"epsilon\":0,\"q\":0,\"debias\":false"

static void a_gate_that_cannot_be_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "mist.gate:"},
		{"[]", "missing"},
		{"{\"cut\":4,\"gates\":[]}", "0 gates"},
		{"{\"cut\":4,\"gates\":[3]}", "missing"},
		{GATE("\"mechanism\":\"magic\",\"epsilon\":0,\"q\":0,\"debias\":false"), "'magic'"},
		{GATE("\"mechanism\":\"none\",\"epsilon\":1,\"q\":0,\"debias\":false"), "epsilon"},
		{GATE("\"mechanism\":\"rr\",\"epsilon\":1,\"q\":0.2,\"debias\":false"),
		 "does not belong"},
		{GATE("\"mechanism\":\"rr\",\"epsilon\":0,\"q\":0.5,\"debias\":true"), "epsilon"},
		{GATE("\"mechanism\":\"rr\",\"epsilon\":1,\"q\":1e400,\"debias\":false"), "gate"},
		{GATE(CLEAN ",\"threshold\":[1]"), "1 values for 2 channels"},
		{GATE(CLEAN ",\"threshold\":[1,\"x\"]"), "not a number"},
		{GATE(CLEAN ",\"threshold\":[1,1e300]"), "not a number"},
		{GATE(CLEAN ",\"low\":[0,1.5]"), "channel 1"},
		{GATE(CLEAN ",\"filter\":{\"size\":1,\"f32\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}"),
		 "a mean"},
		{GATE(CLEAN MEAN ",\"filter\":{\"size\":2,\"f32\":\"AAAA\"}"), "odd"},
		{GATE(CLEAN MEAN ",\"filter\":{\"size\":1,\"f32\":\"AAAA\"}"), "too short"},
		{GATE(CLEAN MEAN ",\"filter\":{\"size\":9,\"f32\":\"AAAA\"}"), "size"},
		{GATE(CLEAN MEAN ",\"filter\":{\"size\":1,\"f32\":\"AAAAAAAAAAAAAAAAAAAA==\"}"),
		 "base64"},
		{GATE(CLEAN MEAN ",\"filter\":{\"size\":1,\"f32\":\"AAAAAAAA*AAAAAAAAAAAAA==\"}"),
		 "base64"},
		{GATE(CLEAN MEAN ",\"filter\":{\"size\":1,\"f32\":\"AACAfwAAgH8AAIB/AACAfw==\"}"),
		 "not finite"},
		{GATE(CLEAN MEAN ",\"net\":{\"width\":1,\"f32\":\"AAAA\"}"), "needs a filter"},
		{GATE(CLEAN MEAN FILTER ",\"net\":{\"width\":0,\"f32\":\"AAAA\"}"), "width"},
		{GATE(CLEAN MEAN FILTER ",\"net\":{\"width\":513,\"f32\":\"AAAA\"}"), "width"},
		{GATE(CLEAN MEAN FILTER ",\"net\":{\"width\":1}"), "f32"},
		{GATE(CLEAN MEAN FILTER ",\"net\":[1]"), "net"},
		{GATE(CLEAN MEAN FILTER ",\"net\":{\"width\":1,\"f32\":\"AAAA\"}"),
		 "'net' is too short"},
	};
	struct gates g;
	struct err err;
	size_t i;

	(void)state;
	assert_int_equal(gates_parse(GATE(CLEAN), &g, &err), 0);
	gates_release(&g);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(gates_parse(bad[i].text, &g, &err), -1);
		assert_int_equal(err.status, STATUS_INPUT);
		assert_non_null(strstr(err.msg, bad[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_lie_as_numpy_packs_them),
		cmocka_unit_test(a_nan_and_the_threshold_itself_are_zeros),
		cmocka_unit_test(decoding_gives_the_levels_and_applying_is_both),
		cmocka_unit_test(de_biased_bits_have_the_clean_mean),
		cmocka_unit_test(noisy_application_is_encode_flip_decode_on_any_threads),
		cmocka_unit_test(bytes_and_floats_keep_values_as_well_as_they_can),
		cmocka_unit_test(values_outside_a_byte_are_clamped),
		cmocka_unit_test(a_filter_is_lent_to_gates_of_the_same_levels_alone),
		cmocka_unit_test(a_filtered_gate_decodes_around_the_mean),
		cmocka_unit_test(the_straight_through_gradient_is_its_definition),
		cmocka_unit_test(a_gate_survives_its_json),
		cmocka_unit_test(a_gate_that_cannot_be_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
