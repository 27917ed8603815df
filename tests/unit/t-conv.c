/*
 * Every path and method of the convolution against a plain double-precision loop, on one table of
 * cases;
 * gradients as what they are defined to be (they reproduce directional differences of a linear and
 * a bilinear form), neighbours' channels, pads, and the same bytes on 1, 2 and 3 threads.
 */
#include "base/rng.h"
#include "conv-cases.h"
#include "nn-views.h"
#include "nn/conv-plan.h"

/* float sums of up to a few thousand terms of size 1 against double */
#define TOLERANCE 2e-5

struct setup {
	const struct conv_case *k;
	struct conv_shape s;
	struct test_view x, dy;
	float *w, *bias;
	double *y; /* reference results, NHWC dense */
	double *dx, *dw;
};

static void setup_make(struct setup *t, const struct conv_case *k)
{
	struct rng rng;
	int x_pad, dy_pad;

	*t = (struct setup){.k = k};
	t->s = (struct conv_shape){k->cin,    k->cout, k->k, k->k, k->stride, k->pad,
				   k->groups, k->h,    k->w, 0,    0};
	conv_shape_out(&t->s);
	conv_pads(&t->s, &x_pad, &dy_pad);
	rng_init(&rng, 1, "conv", (uint64_t)(k->cin * k->cout));
	t->x = test_view_new(k->n, k->h, k->w, k->cin, k->before, k->after, x_pad + k->more_pad);
	t->dy = test_view_new(k->n, t->s.oh, t->s.ow, k->cout, k->after, k->before,
			      dy_pad + k->more_pad);
	test_view_fill(&t->x, &rng);
	test_view_fill(&t->dy, &rng);
	t->w = random_floats(&rng, (size_t)(k->cout * k->cin / k->groups * k->k * k->k));
	t->bias = random_floats(&rng, (size_t)k->cout);
}

static void setup_free(struct setup *t)
{
	test_view_free(&t->x);
	test_view_free(&t->dy);
	free(t->w);
	free(t->bias);
	free(t->y);
	free(t->dx);
	free(t->dw);
}

/* The definition, and its two transposes, term by term. */
static void reference(struct setup *t)
{
	const struct conv_shape *s = &t->s;
	const int cing = s->cin / s->groups, coutg = s->cout / s->groups;
	int n, oy, ox, co, ci, ky, kx;

	t->y = xcalloc((size_t)t->k->n * s->oh * s->ow * s->cout, sizeof(double));
	t->dx = xcalloc((size_t)t->k->n * s->h * s->w * s->cin, sizeof(double));
	t->dw = xcalloc((size_t)s->cout * cing * s->kh * s->kw, sizeof(double));
	for (n = 0; n < t->k->n; n++)
		for (oy = 0; oy < s->oh; oy++)
			for (ox = 0; ox < s->ow; ox++)
				for (ky = 0; ky < s->kh; ky++)
					for (kx = 0; kx < s->kw; kx++) {
						const int iy = oy * s->stride - s->pad + ky;
						const int ix = ox * s->stride - s->pad + kx;
						const float *x, *dy;
						double *y, *dx;

						if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w)
							continue;
						x = view_at(&t->x.v, n, iy, ix);
						dy = view_at(&t->dy.v, n, oy, ox);
						y = t->y +
						    ((n * s->oh + oy) * s->ow + ox) * s->cout;
						dx = t->dx + ((n * s->h + iy) * s->w + ix) * s->cin;
						for (co = 0; co < s->cout; co++)
							for (ci = 0; ci < cing; ci++) {
								const int c =
									co / coutg * cing + ci;
								const int i =
									((co * cing + ci) * s->kh +
									 ky) * s->kw +
									kx;

								y[co] += (double)x[c] * t->w[i];
								dx[c] += (double)dy[co] * t->w[i];
								t->dw[i] += (double)x[c] * dy[co];
							}
					}
}

struct result {
	struct test_view y, y2, dx, dx2;
	double *sums;
	float *dw;
};

#define DX_START 0.25f
#define DW_START (-0.5f)

static float *start_dw(size_t weights)
{
	float *dw = xaligned(weights * sizeof(float));
	size_t i;

	for (i = 0; i < weights; i++)
		dw[i] = DW_START;
	return dw;
}

/* The same gradient, of the first and of the other output channels in two places. */
static void check_apart(const struct setup *t, const struct conv *c, struct pool *pool,
			const float *dw, void *scratch)
{
	const struct conv_shape *s = &t->s;
	const size_t each = (size_t)(s->cin / s->groups * s->kh * s->kw);
	const int at = s->cout / 3;
	const size_t first = each * (size_t)at, others = each * (size_t)(s->cout - at);
	struct conv_grads apart = {start_dw(first + 1), start_dw(others), at};

	conv_backward_weights(c, pool, &t->x.v, &t->dy.v, &apart, scratch);
	assert_memory_equal(apart.w, dw, first * sizeof(float));
	assert_memory_equal(apart.rest, dw + first, others * sizeof(float));
	assert_true(apart.w[first] == DW_START);
	free(apart.w);
	free(apart.rest);
}

static void run(const struct setup *t, enum conv_path path, enum conv_method method, int threads,
		struct result *r)
{
	const struct conv_case *k = t->k;
	const struct conv_shape *s = &t->s;
	const size_t weights = (size_t)(s->cout * (s->cin / s->groups) * s->kh * s->kw);
	struct pool *pool = pool_new(threads);
	struct conv *c = conv_new_by(s, path, k->n + 2, true, method);
	float *packed = xaligned(conv_packed_floats(c) * sizeof(float));
	const size_t bytes = conv_scratch(c, threads);
	unsigned char *scratch = xaligned(bytes + 64);
	struct test_view res = test_view_new(k->n, s->oh, s->ow, k->cout, 1, 2, 1);
	struct conv_epilogue sums = {.sums = xcalloc(2 * (size_t)s->cout, sizeof(double))};
	struct conv_epilogue all = {.bias = t->bias, .silu = true};
	struct rng rng;
	size_t i;
	int n, y, x, ci;

	rng_init(&rng, 2, "residual", 0);
	test_view_fill(&res, &rng);
	all.residual = res.v;
	memset(scratch, 0xff, bytes); /* NaN: nothing may count on zeros */
	memset(scratch + bytes, 0x5a, 64);
	conv_pack(c, pool, t->w, packed);
	r->y = test_view_new(k->n, s->oh, s->ow, k->cout, k->before, k->after, k->more_pad);
	r->y2 = test_view_new(k->n, s->oh, s->ow, k->cout, k->after, k->before, 1);
	conv_forward(c, pool, packed, &t->x.v, &r->y.v, &sums, scratch);
	conv_forward(c, pool, packed, &t->x.v, &r->y2.v, &all, scratch);
	r->dx = test_view_new(k->n, k->h, k->w, k->cin, k->after, k->before, k->more_pad);
	r->dx2 = test_view_new(k->n, k->h, k->w, k->cin, k->before, k->after, 1);
	for (n = 0; n < k->n; n++)
		for (y = 0; y < k->h; y++)
			for (x = 0; x < k->w; x++)
				for (ci = 0; ci < k->cin; ci++)
					view_at(&r->dx2.v, n, y, x)[ci] = DX_START;
	conv_backward_data(c, pool, packed, &t->dy.v, &r->dx.v, false, scratch);
	conv_backward_data(c, pool, packed, &t->dy.v, &r->dx2.v, true, scratch);
	r->dw = start_dw(weights);
	conv_backward_weights(c, pool, &t->x.v, &t->dy.v, &(struct conv_grads){.w = r->dw},
			      scratch);
	check_apart(t, c, pool, r->dw, scratch);
	r->sums = sums.sums;
	for (i = 0; i < 64; i++)
		assert_int_equal(scratch[bytes + i], 0x5a);
	test_view_free(&res);
	free(scratch);
	free(packed);
	conv_free(c);
	pool_free(pool);
}

static void result_free(struct result *r)
{
	test_view_free(&r->y);
	test_view_free(&r->y2);
	test_view_free(&r->dx);
	test_view_free(&r->dx2);
	free(r->sums);
	free(r->dw);
}

static bool reached(const struct conv_case *k, enum conv_path path)
{
	struct conv_shape s = {k->cin,    k->cout, k->k, k->k, k->stride, k->pad,
			       k->groups, k->h,    k->w, 0,    0};
	struct conv *c;
	bool yes;

	conv_shape_out(&s);
	c = conv_new_by(&s, path, k->n, false, CONV_WINOGRAD);
	yes = strcmp(conv_method_name(c, CONV_FORWARD), "winograd") == 0;
	conv_free(c);
	return yes;
}

static void check_forward(const struct setup *t, const struct result *r)
{
	const struct conv_shape *s = &t->s;
	const double terms = sqrt((double)s->kh * s->kw * s->cin / s->groups);
	const double pixels = (double)t->k->n * s->oh * s->ow;
	double *sum = xcalloc((size_t)s->cout, sizeof(double)), *sq = xcalloc((size_t)s->cout, 8);
	struct test_view res = test_view_new(t->k->n, s->oh, s->ow, s->cout, 1, 2, 1);
	const double *want = t->y;
	struct rng rng;
	int n, y, x, c;

	rng_init(&rng, 2, "residual", 0);
	test_view_fill(&res, &rng);
	for (n = 0; n < t->k->n; n++)
		for (y = 0; y < s->oh; y++)
			for (x = 0; x < s->ow; x++)
				for (c = 0; c < s->cout; c++, want++) {
					const double u = *want + t->bias[c];
					const double v =
						u / (1 + exp(-u)) + view_at(&res.v, n, y, x)[c];

					sum[c] += *want;
					sq[c] += *want * *want;
					assert_true(close_to(view_at(&r->y.v, n, y, x)[c], *want,
							     terms, TOLERANCE));
					assert_true(close_to(view_at(&r->y2.v, n, y, x)[c], v,
							     terms, TOLERANCE));
				}
	for (c = 0; c < s->cout; c++) {
		assert_true(close_to(r->sums[c], sum[c], terms * pixels, TOLERANCE));
		assert_true(
			close_to(r->sums[s->cout + c], sq[c], terms * terms * pixels, TOLERANCE));
	}
	test_view_free(&res);
	free(sum);
	free(sq);
}

static void check_backward(const struct setup *t, const struct result *r)
{
	const struct conv_shape *s = &t->s;
	const double terms = sqrt((double)s->kh * s->kw * s->cout / s->groups);
	const double pixels = sqrt((double)t->k->n * s->oh * s->ow);
	const int weights = s->cout * (s->cin / s->groups) * s->kh * s->kw;
	const double *want = t->dx;
	int n, y, x, c;

	for (n = 0; n < t->k->n; n++)
		for (y = 0; y < s->h; y++)
			for (x = 0; x < s->w; x++)
				for (c = 0; c < s->cin; c++, want++) {
					assert_true(close_to(view_at(&r->dx.v, n, y, x)[c], *want,
							     terms, TOLERANCE));
					assert_true(close_to(view_at(&r->dx2.v, n, y, x)[c],
							     *want + DX_START, terms, TOLERANCE));
				}
	for (c = 0; c < weights; c++)
		assert_true(close_to(r->dw[c], t->dw[c] + DW_START, pixels, TOLERANCE));
}

static void check_same(const struct result *a, const struct result *b, const struct conv_shape *s)
{
	const size_t weights = (size_t)(s->cout * (s->cin / s->groups) * s->kh * s->kw);

	assert_memory_equal(a->y.buf, b->y.buf, a->y.floats * sizeof(float));
	assert_memory_equal(a->y2.buf, b->y2.buf, a->y2.floats * sizeof(float));
	assert_memory_equal(a->dx.buf, b->dx.buf, a->dx.floats * sizeof(float));
	assert_memory_equal(a->dx2.buf, b->dx2.buf, a->dx2.floats * sizeof(float));
	assert_memory_equal(a->dw, b->dw, weights * sizeof(float));
	assert_memory_equal(a->sums, b->sums, 2 * (size_t)s->cout * sizeof(double));
}

static void one_case(const struct conv_case *k, enum conv_path path, enum conv_method method)
{
	struct setup t;
	struct result r, again;
	int threads;

	print_message("# %s%s: n %d, %d -> %d, %dx%d, k %d s %d p %d g %d\n", conv_path_name(path),
		      method == CONV_WINOGRAD ? " winograd" : "", k->n, k->cin, k->cout, k->h, k->w,
		      k->k, k->stride, k->pad, k->groups);
	setup_make(&t, k);
	reference(&t);
	run(&t, path, method, 1, &r);
	check_forward(&t, &r);
	check_backward(&t, &r);
	test_view_check(&r.y);
	test_view_check(&r.y2);
	test_view_check(&r.dx);
	test_view_check(&r.dx2);
	for (threads = 2; threads <= 3; threads++) {
		run(&t, path, method, threads, &again);
		check_same(&r, &again, &t.s);
		result_free(&again);
	}
	result_free(&r);
	setup_free(&t);
}

/* The direct kernels, and Winograd's wherever these reach, whether they pay or not. */
static void each_method(const struct conv_case *k, enum conv_path path)
{
	one_case(k, path, CONV_DIRECT);
	if (reached(k, path))
		one_case(k, path, CONV_WINOGRAD);
}

static void run_path(enum conv_path path)
{
	struct err err = ERR_INIT;
	enum conv_path got;
	size_t i;

	if (conv_resolve(path, &got, &err)) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	assert_int_equal(got, path);
	for (i = 0; i < ARRAY_LEN(conv_cases); i++)
		each_method(&conv_cases[i], path);
	for (i = 0; i < 2 * ARRAY_LEN(yolo_convs); i++) {
		const struct yolo_conv *y = &yolo_convs[i / 2];
		/* maps of 10 x 10 (the image 40 x 40), but 5 x 5 where there are many channels */
		const int shrink = y->size <= 40 ? y->size / 5 : y->size / (y->cin == 3 ? 40 : 10);
		const struct conv_case k = yolo_case(y, i % 2, 1, shrink);

		each_method(&k, path);
	}
}

static void openblas_agrees_with_the_definition(void **state)
{
	(void)state;
	run_path(CONV_OPENBLAS);
}

static void kernels_of_16_bytes_agree_with_the_definition(void **state)
{
	(void)state;
	run_path(CONV_V128);
}

static void avx2_kernels_agree_with_the_definition(void **state)
{
	(void)state;
	run_path(CONV_AVX2);
}

static void avx512_kernels_agree_with_the_definition(void **state)
{
	(void)state;
	run_path(CONV_AVX512);
}

static void avx2_and_avx512_give_the_same_bytes(void **state)
{
	enum conv_path path;
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	if (conv_resolve(CONV_AVX2, &path, &err) || conv_resolve(CONV_AVX512, &path, &err)) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	for (i = 0; i < ARRAY_LEN(conv_cases); i++) {
		struct result narrow, wide;
		enum conv_method m;
		struct setup t;

		setup_make(&t, &conv_cases[i]);
		for (m = CONV_DIRECT; m <= CONV_WINOGRAD; m++) {
			run(&t, CONV_AVX2, m, 1, &narrow);
			run(&t, CONV_AVX512, m, 1, &wide);
			check_same(&narrow, &wide, &t.s);
			result_free(&narrow);
			result_free(&wide);
		}
		setup_free(&t);
	}
}

/*
 * Winograd's error against the definition, relative to the largest |x| times the sum of |w| of an
 * output (dx: |dy| and |w|; dw: |x| and |dy| over all pixels): a tile's other pixels take part in
 * every output of it, so that the sum of that output's own |x||w| is no measure where it is small.
 * The worst seen in these cases is 8e-7 (of dw, over 15 pixels); of the direct kernels, 2e-7.
 */
#define WINOGRAD_BOUND 1.5e-6

static double error_of(const struct view *v, const double *want, double largest,
		       const double *weights)
{
	double worst = 0;
	int n, y, x, c;

	for (n = 0; n < v->n; n++)
		for (y = 0; y < v->h; y++)
			for (x = 0; x < v->w; x++)
				for (c = 0; c < v->c; c++) {
					const double e = fabs(view_at(v, n, y, x)[c] - *want++);

					worst = fmax(worst, e / (largest * weights[c]));
				}
	return worst;
}

/* Sums of |w| per output and per input channel, and of |x||dy| at most. */
static void weight_sums(const struct setup *t, double *out, double *in)
{
	const int taps = t->s.kh * t->s.kw, cin = t->s.cin;
	int i;

	for (i = 0; i < t->s.cout * cin * taps; i++) {
		out[i / (cin * taps)] += fabsf(t->w[i]);
		in[i / taps % cin] += fabsf(t->w[i]);
	}
}

static void winograd_case(const struct conv_case *k, enum conv_path path)
{
	double *out = xcalloc((size_t)k->cout, sizeof(double));
	double *in = xcalloc((size_t)k->cin, sizeof(double));
	double forward, data, weights = 0;
	struct result r;
	struct setup t;
	int i;

	setup_make(&t, k);
	reference(&t);
	weight_sums(&t, out, in);
	run(&t, path, CONV_WINOGRAD, 1, &r);
	/* test_view_fill draws from [-1, 1] */
	forward = error_of(&r.y.v, t.y, 1, out);
	data = error_of(&r.dx.v, t.dx, 1, in);
	for (i = 0; i < k->cout * k->cin * k->k * k->k; i++)
		weights = fmax(weights, fabs(r.dw[i] - DW_START - t.dw[i]));
	weights /= (double)k->n * t.s.oh * t.s.ow;
	print_message("# %d -> %d, %dx%d, k %d s %d: %.1e %.1e %.1e\n", k->cin, k->cout, k->h, k->w,
		      k->k, k->stride, forward, data, weights);
	assert_true(forward < WINOGRAD_BOUND && data < WINOGRAD_BOUND);
	assert_true(weights < WINOGRAD_BOUND);
	result_free(&r);
	setup_free(&t);
	free(out);
	free(in);
}

static void winograds_error_is_bounded(void **state)
{
	enum conv_path path;
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	assert_int_equal(conv_resolve(CONV_AUTO, &path, &err), 0);
	for (i = 0; i < ARRAY_LEN(conv_cases); i++)
		if (reached(&conv_cases[i], path))
			winograd_case(&conv_cases[i], path);
}

static void the_rule_chooses_by_shape(void **state)
{
	static const struct {
		int channels, size, stride;
		const char *want, *weights;
	} rows[] = {{16, 160, 1, "winograd", "winograd"}, {128, 20, 1, "winograd", "winograd"},
		    {8, 320, 2, "direct", "direct"},      {40, 80, 2, "winograd", "direct"},
		    {64, 80, 2, "winograd", "winograd"},  {256, 40, 2, "winograd", "direct"},
		    {128, 1, 1, "direct", "direct"}};
	struct conv_shape stem = {3, 16, 6, 6, 2, 2, 1, 640, 640, 320, 320};
	const struct conv_shape second = {16, 32, 3, 3, 2, 1, 1, 320, 320, 160, 160};
	struct conv *c0 = conv_new(&stem, CONV_V128, 1, true);
	size_t i;

	(void)state;
	assert_string_equal(conv_method_name(c0, CONV_FORWARD), "winograd");
	assert_string_equal(conv_method_name(c0, CONV_DATA), "direct");
	assert_string_equal(conv_method_name(c0, CONV_WEIGHTS), "winograd");
	conv_free(c0);
	stem.cout = 4;
	c0 = conv_new(&stem, CONV_V128, 1, true);
	assert_string_equal(conv_method_name(c0, CONV_FORWARD), "direct");
	conv_free(c0);
	c0 = conv_new(&second, CONV_V128, 1, true); /* by columns, which backwards are not */
	assert_string_equal(conv_method_name(c0, CONV_FORWARD), "winograd");
	assert_string_equal(conv_method_name(c0, CONV_DATA), "direct");
	assert_string_equal(conv_method_name(c0, CONV_WEIGHTS), "direct");
	conv_free(c0);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const int c = rows[i].channels, size = rows[i].size;
		struct conv_shape s = {c, c, 3, 3, rows[i].stride, 1, 1, size, size, 0, 0};
		struct conv *conv;

		conv_shape_out(&s);
		conv = conv_new(&s, CONV_V128, 1, true);
		assert_string_equal(conv_method_name(conv, CONV_FORWARD), rows[i].want);
		assert_string_equal(conv_method_name(conv, CONV_DATA), rows[i].want);
		assert_string_equal(conv_method_name(conv, CONV_WEIGHTS), rows[i].weights);
		conv_free(conv);
		conv = conv_new(&s, CONV_OPENBLAS, 1, true);
		assert_string_equal(conv_method_name(conv, CONV_FORWARD), "openblas");
		conv_free(conv);
	}
}

/* ---- results in two views ---- */

/* On every path whole vectors and blocks, and blocks of which a part goes to either view. */
static const struct rest_case {
	int cin, c, rest, stride, side;
} rest_cases[] = {
	{32, 16, 16, 1, 13}, {5, 48, 20, 1, 6},  {24, 16, 3, 1, 7},
	{9, 64, 40, 2, 9},   {70, 80, 33, 1, 3},
};

struct split {
	struct test_view y, rest;
	double *sums;
};

/* r->y and r->rest are to be what `one` is. */
static void check_split(const struct view *one, const struct split *r)
{
	int n, y, x;

	for (n = 0; n < one->n; n++)
		for (y = 0; y < one->h; y++)
			for (x = 0; x < one->w; x++) {
				const float *want = view_at(one, n, y, x);

				assert_memory_equal(view_at(&r->y.v, n, y, x), want,
						    (size_t)r->y.v.c * sizeof(float));
				assert_memory_equal(view_at(&r->rest.v, n, y, x), want + r->y.v.c,
						    (size_t)r->rest.v.c * sizeof(float));
			}
	test_view_check(&r->y);
	test_view_check(&r->rest);
}

static void one_rest(const struct rest_case *k, enum conv_path path, int threads)
{
	struct conv_shape s = {k->cin, k->c + k->rest, 1,       1, k->stride, 0,
			       1,      k->side,        k->side, 0, 0};
	struct pool *pool = pool_new(threads);
	struct test_view x = test_view_new(2, k->side, k->side, k->cin, 0, 1, 0), y;
	double sums[2][2 * 128];
	struct conv_epilogue epi[] = {{.sums = sums[0]}, {.silu = true}};
	struct rng rng;
	float *w, *bias, *packed;
	void *scratch;
	struct conv *c;
	size_t i;

	conv_shape_out(&s);
	c = conv_new(&s, path, 2, false);
	rng_init(&rng, 3, "rest", (uint64_t)(k - rest_cases));
	test_view_fill(&x, &rng);
	w = random_floats(&rng, (size_t)(s.cin * s.cout));
	bias = random_floats(&rng, (size_t)s.cout);
	packed = xaligned(conv_packed_floats(c) * sizeof(float));
	scratch = xaligned(conv_scratch(c, threads));
	conv_pack(c, pool, w, packed);
	epi[1].bias = bias;
	y = test_view_new(2, s.oh, s.ow, s.cout, 0, 0, 1);
	for (i = 0; i < ARRAY_LEN(epi); i++) {
		struct split r = {.y = test_view_new(2, s.oh, s.ow, k->c, 1, 2, 1),
				  .rest = test_view_new(2, s.oh, s.ow, k->rest, 3, 0, 2)};

		conv_forward(c, pool, packed, &x.v, &y.v, &epi[i], scratch);
		if (epi[i].sums)
			epi[i].sums = sums[1];
		epi[i].rest = r.rest.v;
		conv_forward(c, pool, packed, &x.v, &r.y.v, &epi[i], scratch);
		check_split(&y.v, &r);
		test_view_free(&r.y);
		test_view_free(&r.rest);
	}
	assert_memory_equal(sums[0], sums[1], 2 * (size_t)s.cout * sizeof(double));
	test_view_free(&x);
	test_view_free(&y);
	free(w);
	free(bias);
	free(packed);
	free(scratch);
	conv_free(c);
	pool_free(pool);
}

static void a_result_in_two_views_is_the_same(void **state)
{
	const enum conv_path all[] = {CONV_OPENBLAS, CONV_V128, CONV_AVX2, CONV_AVX512};
	struct err err = ERR_INIT;
	enum conv_path path;
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(all); i++)
		for (k = 0; k < ARRAY_LEN(rest_cases) && !conv_resolve(all[i], &path, &err); k++) {
			one_rest(&rest_cases[k], path, 1);
			one_rest(&rest_cases[k], path, 2);
		}
}

static void paths_have_names_and_foreign_names_are_refused(void **state)
{
	struct err err = ERR_INIT;
	enum conv_path path;

	(void)state;
	assert_int_equal(conv_path_parse("avx2", &path, &err), 0);
	assert_int_equal(path, CONV_AVX2);
	assert_string_equal(conv_path_name(path), "avx2");
	assert_int_equal(conv_path_parse("mmx", &path, &err), -1);
	assert_int_equal(err.status, STATUS_USAGE);
	assert_int_equal(conv_resolve(CONV_AUTO, &path, &err), 0);
	assert_int_not_equal(path, CONV_AUTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openblas_agrees_with_the_definition),
		cmocka_unit_test(kernels_of_16_bytes_agree_with_the_definition),
		cmocka_unit_test(avx2_kernels_agree_with_the_definition),
		cmocka_unit_test(avx512_kernels_agree_with_the_definition),
		cmocka_unit_test(avx2_and_avx512_give_the_same_bytes),
		cmocka_unit_test(winograds_error_is_bounded),
		cmocka_unit_test(the_rule_chooses_by_shape),
		cmocka_unit_test(a_result_in_two_views_is_the_same),
		cmocka_unit_test(paths_have_names_and_foreign_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
