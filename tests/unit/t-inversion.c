#include "attack/canvas.h"
#include "attack/decoder.h"
#include "attack/evidence.h"
#include "attack/leaks.h"
#include "attack/likelihood.h"
#include "attack/prior.h"
#include "attack/sheet.h"
#include "attack/whitebox.h"
#include "base/file.h"
#include "mist/extract.h"
#include "pictures.h"
#include "unit.h"

#include <math.h>

enum { IMG = 64, CUT = 2, N = 2 };

static const char yaml[] = "nc: 4\nwidth_multiple: 1.0\nbackbone:\n"
			   "- [-1, 1, Conv, [8, 3, 2]]\n- [-1, 1, Conv, [16, 3, 2]]\n"
			   "- [-1, 1, Conv, [8, 1]]\n";

struct fixture {
	char *dir, *set, *stream;
	struct dataset *data;
	struct model *m;
	struct victims v;
};

static void write_stream(const struct fixture *f, enum encoding encoding, enum mechanism mechanism,
			 double epsilon)
{
	const struct extract_options o = {.cut = CUT,
					  .budget = INFINITY,
					  .budget_image = INFINITY,
					  .img = IMG,
					  .encoding = encoding,
					  .client = "edge",
					  .program = "t-inversion",
					  .path = CONV_AUTO,
					  .threads = 1};
	struct extract_options resolved = o;
	const uint64_t seed = 1;
	struct certificate given;
	struct noise noise;
	struct extract *x;
	struct err err;

	assert_int_equal(conv_resolve(o.path, &resolved.path, &err), 0);
	assert_int_equal(noise_init(&noise, mechanism, epsilon, &seed, &err), 0);
	x = extract_new(f->m, f->data, &noise, &resolved, &err);
	assert_non_null(x);
	assert_int_equal(extract_run(x, f->stream, &given, &err), 0);
	extract_free(x);
	noise_release(&noise);
}

static int setup(void **state)
{
	const struct dataset_options any = {.any_class = true};
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	f->dir = unit_tmpdir();
	f->set = path_join(f->dir, "set");
	f->stream = path_join(f->dir, "s.tar");
	make_rectangles(f->set, N);
	f->data = dataset_open(f->set, &any, &err);
	assert_non_null(f->data);
	f->m = model_init(yaml, 4, NULL, 7, &err);
	assert_non_null(f->m);
	assert_int_equal(victims_init(&f->v, f->data, 0, IMG, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err err;

	victims_release(&f->v);
	model_free(f->m);
	dataset_free(f->data);
	assert_int_equal(dir_remove(f->dir, &err), 0);
	free(f->dir);
	free(f->set);
	free(f->stream);
	free(f);
	return 0;
}

/* A smooth picture away from the ends of the range, and a direction. */
static void fill(float *x, float *d, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		x[i] = 0.5F + 0.3F * sinf(0.37F * (float)i) * cosf(0.011F * (float)i);
		d[i] = cosf(1.7F * (float)i + 0.3F * (float)(i % 17));
	}
}

static double dot(const float *a, const float *b, size_t n)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

static void add(const float *x, const float *d, double h, size_t n, float *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = x[i] + (float)h * d[i];
}

static void check_objective(struct fixture *f, enum encoding encoding, enum mechanism mechanism)
{
	const size_t n = (size_t)N * 3 * IMG * IMG;
	float *x = xcalloc(n, sizeof(*x)), *d = xcalloc(n, sizeof(*d)), *g = xcalloc(n, sizeof(*g));
	float *moved = xcalloc(n, sizeof(*moved)), *waste = xcalloc(n, sizeof(*waste));
	struct whitebox_options opt;
	struct evidence e;
	struct whitebox *w;
	const double h = 1e-3;
	double up, down, slope;
	struct err err;

	write_stream(f, encoding, mechanism, 1);
	assert_int_equal(evidence_read(&e, f->stream, f->m, &f->v, &err), 0);
	whitebox_defaults(&opt);
	opt.variation = 3;
	w = whitebox_new(f->m, &e, &opt, NULL, &err);
	assert_non_null(w);
	fill(x, d, n);
	whitebox_objective(w, x, N, g);
	add(x, d, h, n, moved);
	up = whitebox_objective(w, moved, N, waste);
	add(x, d, -h, n, moved);
	down = whitebox_objective(w, moved, N, waste);
	slope = (up - down) / (2 * h);
	if (!(fabs(slope - dot(g, d, n)) < 0.01 * fabs(slope) + 0.5))
		fail_msg("%s: the slope is %g, the gradient says %g", encoding_names[encoding],
			 slope, dot(g, d, n));
	whitebox_free(w);
	evidence_release(&e);
	free(x);
	free(d);
	free(g);
	free(moved);
	free(waste);
}

static void the_gradient_of_the_search_is_its_slope(void **state)
{
	check_objective(*state, ENCODING_BIT, MECHANISM_NONE);
	check_objective(*state, ENCODING_BIT, MECHANISM_RR);
	check_objective(*state, ENCODING_F32, MECHANISM_NONE);
	check_objective(*state, ENCODING_U8, MECHANISM_NONE);
}

static void the_prior_is_zero_on_flat_pictures_and_its_gradient_is_its_slope(void **state)
{
	enum { H = 9, W = 13, SIZE = H * W * 3 };
	float x[SIZE], d[SIZE], g[SIZE] = {0}, moved[SIZE], waste[SIZE] = {0};
	const double h = 1e-4;
	double slope;
	int i;

	(void)state;
	for (i = 0; i < SIZE; i++)
		x[i] = 0.4F;
	assert_true(fabs(prior_variation(x, H, W, 2, g)) < 1e-6);
	for (i = 0; i < SIZE; i++)
		assert_true(fabsf(g[i]) < 1e-6F);
	fill(x, d, SIZE);
	prior_variation(x, H, W, 2, g);
	add(x, d, h, SIZE, moved);
	slope = prior_variation(moved, H, W, 2, waste);
	add(x, d, -h, SIZE, moved);
	slope = (slope - prior_variation(moved, H, W, 2, waste)) / (2 * h);
	assert_true(fabs(slope - dot(g, d, SIZE)) < 2e-3 * fabs(slope));
}

/* One value, by hand: q = .25, a = t + 2 s: P(1) = .25 + .5 sigmoid(2). */
static void a_bits_likelihood_is_what_the_formula_says(void **state)
{
	float threshold = 0.5F, spread = 1, a = 1.5F, da = 0, sent;
	struct gate gate = {.encoding = ENCODING_BIT, .c = 1, .threshold = &threshold};
	const struct likelihood l = {&gate, &spread, 0.5};
	const struct view x = {&a, 1, 1, 1, 1, 1, 0}, dx = {&da, 1, 1, 1, 1, 1, 0};
	const unsigned char one = 0x80, zero = 0;
	const double s = 1 / (1 + exp(-2)), p = 0.25 + 0.5 * s;

	(void)state;
	assert_true(fabs(likelihood_of(&l, &one, 0.25, &x, &dx, 0, &sent) + log(p)) < 1e-6);
	assert_true(fabs((double)da + 0.5 * s * (1 - s) / (p * 0.5)) < 1e-6);
	assert_true(fabs(likelihood_of(&l, &zero, 0.25, &x, &dx, 0, &sent) + log(1 - p)) < 1e-6);
	/* a certain bit on the wrong side is improbable, not impossible */
	a = -1e6F;
	assert_true(isfinite(likelihood_of(&l, &one, 0, &x, &dx, 0, &sent)) && isfinite(da));
	gate.encoding = ENCODING_F32;
	a = 3e38F;
	assert_true(isfinite(likelihood_of(&l, (const unsigned char *)"\0\0\0", 0, &x, &dx, 0,
					   &sent)) &&
		    isfinite(da));
}

static void a_canvas_goes_downhill_and_keeps_its_frame(void **state)
{
	const struct letterbox lb = {.out_w = 32, .out_h = 32, .new_w = 32, .new_h = 16, .top = 8};
	const size_t n = 3 * 32 * 32;
	float g[3 * 32 * 32];
	struct canvas c;
	struct image out;
	size_t i;
	int step;

	(void)state;
	canvas_init(&c, 1, 32, 32);
	canvas_frame(&c, 0, &lb);
	for (step = 0; step < 60; step++) { /* towards black on the left, white on the right */
		for (i = 0; i < n; i++)
			g[i] = c.x[i] - (i / 3 % 32 < 16 ? 0.0F : 1.0F);
		canvas_step(&c, NULL, g, 0.02);
	}
	canvas_image(&c, 0, &out);
	assert_int_equal(out.rgb[0], LETTERBOX_GREY);
	assert_int_equal(out.rgb[n - 1], LETTERBOX_GREY);
	assert_true(out.rgb[3 * (16 * 32 + 4)] < 30);
	assert_true(out.rgb[3 * (16 * 32 + 28)] > 225);
	image_release(&out);
	canvas_release(&c);
}

static void a_search_finds_most_of_a_picture_in_floats_and_little_in_noise(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum encoding encoding;
		enum mechanism mechanism;
	} rows[] = {{ENCODING_F32, MECHANISM_NONE}, {ENCODING_BIT, MECHANISM_RR}};
	double detail[2];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct image *pictures = xcalloc(N, sizeof(*pictures));
		struct whitebox_options opt;
		struct evidence e;
		struct whitebox *w;
		struct outcome o;
		struct err err;

		write_stream(f, rows[i].encoding, rows[i].mechanism, 0.1);
		assert_int_equal(evidence_read(&e, f->stream, f->m, &f->v, &err), 0);
		whitebox_defaults(&opt);
		opt.variation = whitebox_variation(&e);
		opt.steps = 80;
		w = whitebox_new(f->m, &e, &opt, NULL, &err);
		assert_non_null(w);
		assert_int_equal(whitebox_run(w, &f->v, NULL, NULL, pictures, &err), 0);
		whitebox_free(w);
		assert_int_equal(outcome_take(&o, "white-box", 1, pictures, N, &f->v, &err), 0);
		detail[i] = o.mean.detail;
		outcome_release(&o);
		evidence_release(&e);
	}
	if (!(detail[0] > 0.6 && detail[1] < 0.25))
		fail_msg("detail is %g from floats, %g from noise", detail[0], detail[1]);
}

/* ------------------------------------------------------------------ bad evidence */

static void assert_refused(const struct fixture *f, enum status status, const char *part)
{
	struct evidence e;
	struct err err;

	assert_int_equal(evidence_read(&e, f->stream, f->m, &f->v, &err), -1);
	evidence_release(&e);
	assert_int_equal(err.status, status);
	if (!strstr(err.msg, part))
		fail_msg("expected '%s': %s", part, err.msg);
}

/* Writes the samples of f->stream again, with floats of the first one changed, or one sample twice. */
static void rewrite(const struct fixture *f, uint32_t word, bool twice)
{
	char *aside = path_join(f->dir, "aside.tar");
	struct features_reader *r;
	struct features_writer *w;
	struct features_sample s;
	bool first = true;
	struct err err;

	assert_int_equal(rename(f->stream, aside), 0);
	r = features_open(aside, &err);
	assert_non_null(r);
	w = features_create(f->stream, features_header(r), &err);
	assert_non_null(w);
	while (features_next(r, &s, &err) > 0) {
		unsigned char *copy = xmalloc(s.size[0]);

		memcpy(copy, s.data[0], s.size[0]);
		if (first)
			memcpy(copy, &word, sizeof(word));
		s.data[0] = copy;
		if (twice && !first)
			s.key = f->data->items[0].key;
		assert_int_equal(features_write(w, &s, &err), 0);
		first = false;
		free(copy);
	}
	assert_int_equal(features_finish(w, &err), 0);
	features_close(r);
	free(aside);
}

static void evidence_that_cannot_be_is_refused(void **state)
{
	struct fixture *f = *state;
	struct model *other;
	struct err err;

	write_stream(f, ENCODING_F32, MECHANISM_NONE, 0);
	rewrite(f, 0x7fc00000, false); /* NaN */
	assert_refused(f, STATUS_NONFINITE, "finite");
	write_stream(f, ENCODING_F32, MECHANISM_NONE, 0);
	rewrite(f, 0xff800000, false); /* -infinity */
	assert_refused(f, STATUS_NONFINITE, "finite");
	write_stream(f, ENCODING_F16, MECHANISM_NONE, 0);
	rewrite(f, 0x00007c00, false); /* infinity, and 0 */
	assert_refused(f, STATUS_NONFINITE, "finite");
	write_stream(f, ENCODING_F32, MECHANISM_NONE, 0);
	rewrite(f, 0, true);
	assert_refused(f, STATUS_INPUT, "twice");
	write_stream(f, ENCODING_BIT, MECHANISM_NONE, 0);
	other = f->m;
	f->m = model_init(yaml, 4, NULL, 8, &err);
	assert_refused(f, STATUS_INPUT, "made by other layers");
	model_free(f->m);
	f->m = other;
}

/* The largest float there is neither breaks the search nor what is measured. */
static void huge_values_do_not_break_the_search(void **state)
{
	struct fixture *f = *state;
	struct image pictures[N] = {IMAGE_INIT};
	struct whitebox_options opt;
	struct evidence e;
	struct whitebox *w;
	struct err err;
	int i;

	write_stream(f, ENCODING_F32, MECHANISM_NONE, 0);
	rewrite(f, 0x7f7fffff, false);
	assert_int_equal(evidence_read(&e, f->stream, f->m, &f->v, &err), 0);
	whitebox_defaults(&opt);
	opt.variation = 1;
	opt.steps = 5;
	w = whitebox_new(f->m, &e, &opt, NULL, &err);
	assert_int_equal(whitebox_run(w, &f->v, NULL, NULL, pictures, &err), 0);
	whitebox_free(w);
	evidence_release(&e);
	for (i = 0; i < N; i++)
		image_release(&pictures[i]);
}

/* ------------------------------------------------------------------ the decoder */

static void a_decoder_grows_to_the_image_from_whatever_crosses(void **state)
{
	static const struct {
		int n;
		struct shape s[3];
	} rows[] = {
		{1, {{64, 8, 8}}},
		{1, {{16, 64, 64}}},
		{2, {{32, 4, 4}, {20, 16, 16}}}, /* coarse before fine; 20 is no multiple of 8 */
		{3, {{8, 16, 16}, {8, 8, 8}, {24, 1, 1}}},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int from, layers[FEATURES_MAX_TENSORS], k;
		struct err err;
		char *text = decoder_yaml(rows[i].s, rows[i].n, 64, &from, &err);
		struct model *m = model_init(text, 0, NULL, 1, &err);
		struct shape s;

		if (!m)
			fail_msg("%s\n%s", err.msg, text);
		assert_int_equal(graph_frontier(m->graph, from, layers, FEATURES_MAX_TENSORS),
				 rows[i].n);
		for (k = 0; k < rows[i].n; k++) {
			assert_int_equal(graph_shape(m->graph, layers[k], 64, 64, &s, &err), 0);
			assert_memory_equal(&s, &rows[i].s[k], sizeof(s));
		}
		assert_int_equal(graph_shape(m->graph, m->graph->nlayers - 1, 64, 64, &s, &err), 0);
		assert_true(s.c == 3 && s.h == 64 && s.w == 64);
		model_free(m);
		free(text);
	}
}

static void shapes_that_no_decoder_grows_from_are_refused(void **state)
{
	static const struct shape bad[] = {{8, 0, 0}, {8, 7, 7}, {8, 128, 128}, {8, 8, 16}};
	struct err err;
	size_t i;
	int from;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(decoder_yaml(&bad[i], 1, 64, &from, &err));
		assert_int_equal(err.status, STATUS_INPUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gradient_of_the_search_is_its_slope),
		cmocka_unit_test(the_prior_is_zero_on_flat_pictures_and_its_gradient_is_its_slope),
		cmocka_unit_test(a_bits_likelihood_is_what_the_formula_says),
		cmocka_unit_test(a_canvas_goes_downhill_and_keeps_its_frame),
		cmocka_unit_test(a_search_finds_most_of_a_picture_in_floats_and_little_in_noise),
		cmocka_unit_test(evidence_that_cannot_be_is_refused),
		cmocka_unit_test(huge_values_do_not_break_the_search),
		cmocka_unit_test(a_decoder_grows_to_the_image_from_whatever_crosses),
		cmocka_unit_test(shapes_that_no_decoder_grows_from_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
