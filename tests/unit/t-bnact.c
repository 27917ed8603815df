/*
 * bnact against its formula in double precision, and its gradients against central differences of
 * that formula; every activation, odd channel counts, in place, the same bytes on any threads.
 */
#include "nn-views.h"
#include "nn/bnact.h"
#include "nn/bnact-sweep.h"

#define MAX_C 70

struct case_row {
	int n, h, w, c;
	enum act act;
	bool eval, residual, in_place;
};

static const struct case_row cases[] = {
	{2, 5, 7, 16, ACT_SILU, false, true, false},
	{1, 3, 4, 1, ACT_SILU, false, false, true},
	{2, 9, 2, 67, ACT_SILU, true, true, false},
	{1, 4, 4, 31, ACT_NONE, false, false, false},
	{2, 4, 4, 48, ACT_NONE, true, true, true},
	{1, 5, 5, 33, ACT_RELU, false, true, false},
	{1, 5, 3, 7, ACT_LEAKY, false, false, false},
	{2, 3, 3, 20, ACT_HARDSWISH, false, true, true},
	{1, 2, 3, 5, ACT_HARDSWISH, true, false, false},
};

static double act_ref(double u, enum act act)
{
	switch (act) {
	case ACT_SILU:
		return u / (1 + exp(-u));
	case ACT_RELU:
		return u > 0 ? u : 0;
	case ACT_LEAKY:
		return u > 0 ? u : 0.1 * u;
	case ACT_HARDSWISH:
		return u * fmin(fmax(u + 3, 0), 6) / 6;
	case ACT_NONE:
		break;
	}
	return u;
}

struct fixture {
	const struct case_row *k;
	size_t pixels;
	double *z, *dy; /* NHWC */
	float gamma[MAX_C], beta[MAX_C], running_mean[MAX_C], running_var[MAX_C];
	float mean[MAX_C], rstd[MAX_C], scale[MAX_C], shift[MAX_C];
	struct bn bn;
};

/* The formula; optionally with one z, gamma or beta moved. Only what channel c needs. */
static double forward_ref(const struct fixture *f, size_t p, int c, double gamma, double beta)
{
	double mean = 0, var = 0, u;
	size_t i;

	for (i = 0; i < f->pixels; i++)
		mean += f->z[i * f->k->c + c] / f->pixels;
	for (i = 0; i < f->pixels; i++)
		var += pow(f->z[i * f->k->c + c] - mean, 2) / f->pixels;
	if (f->k->eval) {
		mean = f->running_mean[c];
		var = f->running_var[c];
	}
	u = gamma * (f->z[p * f->k->c + c] - mean) / sqrt(var + 1e-3) + beta;
	return act_ref(u, f->k->act);
}

/* sum of dy * y over channel c: what the gradients are gradients of. */
static double objective(const struct fixture *f, int c, double gamma, double beta)
{
	double sum = 0;
	size_t p;

	for (p = 0; p < f->pixels; p++)
		sum += f->dy[p * f->k->c + c] * forward_ref(f, p, c, gamma, beta);
	return sum;
}

static void fixture_make(struct fixture *f, const struct case_row *k, struct rng *rng)
{
	int c;

	*f = (struct fixture){.k = k, .pixels = (size_t)k->n * k->h * k->w};
	f->z = xcalloc(f->pixels * k->c, sizeof(double));
	f->dy = xcalloc(f->pixels * k->c, sizeof(double));
	for (c = 0; c < k->c; c++) {
		f->gamma[c] = (float)rng_range(rng, 0.5, 2);
		f->beta[c] = (float)rng_normal(rng);
		f->running_mean[c] = (float)rng_normal(rng);
		f->running_var[c] = (float)rng_range(rng, 0.5, 2);
	}
	f->bn = (struct bn){k->c,           1e-3f,   0.03f,   f->gamma, f->beta,  f->running_mean,
			    f->running_var, f->mean, f->rstd, f->scale, f->shift, CONV_AUTO};
}

static void take(double *to, const struct view *v)
{
	int n, y, x, c;

	for (n = 0; n < v->n; n++)
		for (y = 0; y < v->h; y++)
			for (x = 0; x < v->w; x++)
				for (c = 0; c < v->c; c++)
					*to++ = view_at(v, n, y, x)[c];
}

static void prepare(struct fixture *f)
{
	double sums[2 * MAX_C] = {0};
	const int c = f->k->c;
	size_t i;

	if (f->k->eval) {
		bn_prepare_eval(&f->bn);
		return;
	}
	for (i = 0; i < f->pixels * c; i++) {
		sums[i % c] += f->z[i];
		sums[c + i % c] += f->z[i] * f->z[i];
	}
	bn_prepare_train(&f->bn, sums, (double)f->pixels);
}

static void check_gradients(struct fixture *f, const struct view *dz, const float *dgamma,
			    const float *dbeta)
{
	const double h = 1e-5;
	const int channels = f->k->c;
	size_t p;
	int c;

	for (c = 0; c < channels; c += 3) {
		const double g = f->gamma[c], b = f->beta[c], norm = sqrt((double)f->pixels);
		double d = objective(f, c, g + h, b) - objective(f, c, g - h, b);

		assert_true(close_to(dgamma[c], 1 + d / (2 * h), norm, 1e-5));
		d = objective(f, c, g, b + h) - objective(f, c, g, b - h);
		assert_true(close_to(dbeta[c], 1 + d / (2 * h), norm, 1e-5));
		for (p = 0; p < f->pixels; p += 2) {
			double *z = &f->z[p * channels + c], keep = *z;
			const int x = (int)(p % dz->w), y = (int)(p / dz->w % dz->h);

			*z = keep + h;
			d = objective(f, c, g, b);
			*z = keep - h;
			d -= objective(f, c, g, b);
			*z = keep;
			assert_true(close_to(view_at(dz, (int)(p / dz->w / dz->h), y, x)[c],
					     d / (2 * h), 2, 1e-5));
		}
	}
}

static void check_values(struct fixture *f, const struct view *y, const struct view *res)
{
	size_t p;
	int c;

	for (p = 0; p < f->pixels; p++)
		for (c = 0; c < f->k->c; c++) {
			const int n = (int)(p / y->w / y->h), row = (int)(p / y->w % y->h);
			const int x = (int)(p % y->w);
			double want = forward_ref(f, p, c, f->gamma[c], f->beta[c]);

			if (f->k->residual)
				want += view_at(res, n, row, x)[c];
			assert_true(close_to(view_at(y, n, row, x)[c], want, fabs(want), 2e-6));
		}
}

static void one_case(const struct case_row *k, int threads, float *out, size_t *floats)
{
	struct pool *pool = pool_new(threads);
	struct test_view z = test_view_new(k->n, k->h, k->w, k->c, 1, 0, 1), y;
	struct test_view dy = test_view_new(k->n, k->h, k->w, k->c, 0, 2, 0);
	struct test_view dz = test_view_new(k->n, k->h, k->w, k->c, 3, 0, 2);
	struct test_view res = test_view_new(k->n, k->h, k->w, k->c, 0, 0, 0);
	struct test_view copy = test_view_new(k->n, k->h, k->w, k->c, 0, 0, 0);
	void *scratch = xaligned(bnact_scratch(k->n, k->h, k->c));
	float dgamma[MAX_C], dbeta[MAX_C];
	struct fixture f;
	struct rng rng;
	int c;

	rng_init(&rng, 4, "bnact", (uint64_t)(k - cases));
	fixture_make(&f, k, &rng);
	test_view_fill(&z, &rng);
	test_view_fill(&dy, &rng);
	test_view_fill(&res, &rng);
	take(f.z, &z.v);
	take(f.dy, &dy.v);
	prepare(&f);
	view_copy(NULL, &z.v, &copy.v);
	y = k->in_place ? z : test_view_new(k->n, k->h, k->w, k->c, 2, 1, 2);
	bnact_forward(pool, &f.bn, k->act, &z.v, k->residual ? &res.v : NULL, &y.v);
	check_values(&f, &y.v, &res.v);
	test_view_check(&y);
	for (c = 0; c < k->c; c++)
		dgamma[c] = dbeta[c] = 1;
	memset(scratch, 0xff, bnact_scratch(k->n, k->h, k->c));
	bnact_backward(pool, &f.bn, k->act, k->eval, &copy.v, &dy.v, k->in_place ? &dy.v : &dz.v,
		       dgamma, dbeta, scratch);
	test_view_check(k->in_place ? &dy : &dz);
	if (threads == 1)
		check_gradients(&f, k->in_place ? &dy.v : &dz.v, dgamma, dbeta);
	*floats = f.pixels * k->c;
	view_to_nchw(k->in_place ? &dy.v : &dz.v, out);
	memcpy(out + *floats, dgamma, sizeof(float) * k->c);
	memcpy(out + *floats + k->c, dbeta, sizeof(float) * k->c);
	*floats += 2 * (size_t)k->c;
	if (!k->in_place)
		test_view_free(&y);
	test_view_free(&z);
	test_view_free(&dy);
	test_view_free(&dz);
	test_view_free(&res);
	test_view_free(&copy);
	free(f.z);
	free(f.dy);
	free(scratch);
	pool_free(pool);
}

static void values_and_gradients_agree_with_the_formula_on_any_number_of_threads(void **state)
{
	static float first[10000], again[10000];
	size_t i, floats;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		one_case(&cases[i], 1, first, &floats);
		assert_true(floats < ARRAY_LEN(first));
		one_case(&cases[i], 3, again, &floats);
		assert_memory_equal(first, again, floats * sizeof(float));
	}
}

/* y NULL: not wanted. */
static void back_sums(const struct fixture *f, const struct test_view *z,
		      const struct test_view *dy, const struct test_view *res, struct test_view *du,
		      struct test_view *y, double *sums)
{
	const struct case_row *k = f->k;
	void *scratch = xaligned(bnact_scratch(k->n, k->h, k->c));
	const struct bnact_again again = {y ? &y->v : NULL, k->residual ? &res->v : NULL};

	bnact_back_sums(NULL, &f->bn, k->act, &z->v, &dy->v, &du->v, &again, sums, scratch);
	test_view_check(du);
	free(scratch);
}

static void made_again(const struct case_row *k)
{
	const size_t floats = (size_t)k->n * k->h * k->w * k->c;
	struct test_view v[7]; /* z, dy, residual, y, y again, du, du with it */
	float *a = xcalloc(floats, sizeof(float)), *b = xcalloc(floats, sizeof(float));
	double sums[2][2 * MAX_C];
	struct fixture f;
	struct rng rng;
	size_t i;

	rng_init(&rng, 6, "again", (uint64_t)(k - cases));
	for (i = 0; i < ARRAY_LEN(v); i++)
		v[i] = test_view_new(k->n, k->h, k->w, k->c, i % 3, i % 2, (int)i % 4);
	fixture_make(&f, k, &rng);
	for (i = 0; i < 3; i++)
		test_view_fill(&v[i], &rng);
	take(f.z, &v[0].v);
	prepare(&f);
	bnact_forward(NULL, &f.bn, k->act, &v[0].v, k->residual ? &v[2].v : NULL, &v[3].v);
	back_sums(&f, &v[0], &v[1], &v[2], &v[5], NULL, sums[0]);
	back_sums(&f, &v[0], &v[1], &v[2], &v[6], &v[4], sums[1]);
	test_view_check(&v[4]);
	for (i = 3; i < 7; i += 2) {
		view_to_nchw(&v[i].v, a);
		view_to_nchw(&v[i + 1].v, b);
		assert_memory_equal(a, b, floats * sizeof(float));
	}
	assert_memory_equal(sums[0], sums[1], 2 * (size_t)k->c * sizeof(double));
	for (i = 0; i < ARRAY_LEN(v); i++)
		test_view_free(&v[i]);
	free(f.z);
	free(f.dy);
	free(a);
	free(b);
}

static void the_sweep_for_the_sums_makes_the_activation_again_to_the_bit(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		made_again(&cases[i]);
}

/* Two batch norms whose du are slices of one buffer, together and one after the other. */
static void parts_side_by_side_are_what_each_is_alone(void **state)
{
	static const struct case_row k = {2, 9, 5, 16, ACT_SILU, false, false, false};
	struct test_view z[2], du[2];
	struct fixture f[2];
	struct bnact_part parts[2];
	struct view slice[2];
	float line[2][2 * MAX_C], waste[MAX_C] = {0};
	double sums[2 * MAX_C];
	struct rng rng;
	int i, j;

	(void)state;
	rng_init(&rng, 7, "parts", 0);
	for (i = 0; i < 2; i++) {
		z[i] = test_view_new(k.n, k.h, k.w, k.c, 2 * i, 1, 1);
		du[i] = test_view_new(k.n, k.h, k.w, 2 * k.c, 1, 2, 1);
	}
	for (i = 0; i < 2; i++) {
		test_view_fill(&z[i], &rng);
		fixture_make(&f[i], &k, &rng);
		take(f[i].z, &z[i].v);
		prepare(&f[i]);
		for (j = 0; j < 2 * k.c; j++)
			sums[j] = rng_normal(&rng);
		bnact_back_line(&f[i].bn, sums, 5, false, waste, waste, line[i]);
	}
	test_view_fill(&du[0], &rng);
	view_copy(NULL, &du[0].v, &du[1].v);
	for (j = 0; j < 2; j++) {
		for (i = 0; i < 2; i++) {
			slice[i] = view_slice(&du[j].v, i * k.c, k.c);
			parts[i] = (struct bnact_part){&f[i].bn, &z[i].v, &slice[i], line[i]};
		}
		if (j)
			bnact_back_apply(NULL, parts, 2);
		for (i = 0; i < 2 && !j; i++)
			bnact_back_apply(NULL, &parts[i], 1);
		test_view_check(&du[j]);
	}
	assert_memory_equal(du[0].buf, du[1].buf, du[0].floats * sizeof(float));
	for (i = 0; i < 2; i++) {
		test_view_free(&z[i]);
		test_view_free(&du[i]);
		free(f[i].z);
		free(f[i].dy);
	}
}

static void running_statistics_follow_with_momentum_and_unbiased_variance(void **state)
{
	float one[1] = {1}, zero[1] = {0}, rm[1] = {1}, rv[1] = {2}, m[1], r[1], sc[1], sh[1];
	struct bn bn = {1, 1e-3f, 0.1f, one, zero, rm, rv, m, r, sc, sh, CONV_AUTO};
	const double sums[2] = {1 + 2 + 6, 1 + 4 + 36}; /* mean 3, squares 14 from it */

	(void)state;
	bn_prepare_train(&bn, sums, 3);
	assert_true(fabs(m[0] - 3) < 1e-6);
	assert_true(fabs(r[0] - 1 / sqrt(14.0 / 3 + 1e-3)) < 1e-6);
	assert_true(fabs(rm[0] - (0.9 * 1 + 0.1 * 3)) < 1e-6);
	assert_true(fabs(rv[0] - (0.9 * 2 + 0.1 * 7)) < 1e-6);
}

static void folding_gives_what_the_batch_norm_gave(void **state)
{
	const float gamma[2] = {1.5f, -1}, beta[2] = {0.25f, 2}, w[4] = {1, 2, 3, 4},
		    b[2] = {0.5f, 0};
	float rm[2] = {0.1f, -2}, rv[2] = {2, 0.5f}, m[2], r[2], sc[2], sh[2], wf[4], bf[2];
	struct bn bn = {2, 1e-3f, 0.03f, gamma, beta, rm, rv, m, r, sc, sh, CONV_AUTO};
	int c;

	(void)state;
	bn_prepare_eval(&bn);
	bn_fold(&bn, w, 2, b, wf, bf);
	for (c = 0; c < 2; c++) {
		const double z = w[2 * c] * 3.0 + w[2 * c + 1] * -1.0 + b[c];
		const double folded = wf[2 * c] * 3.0 + wf[2 * c + 1] * -1.0 + bf[c];

		assert_true(fabs(folded - (z * sc[c] + sh[c])) < 1e-5);
	}
}

/* sigmoid over its whole range, against libm: what SiLU's accuracy rests on */
static void silu_is_accurate_to_a_few_units_in_the_last_place(void **state)
{
	float one[1] = {1}, zero[1] = {0}, rm[1] = {0}, rv[1] = {1}, m[1], r[1], sc[1], sh[1];
	struct bn bn = {1, 0, 0.03f, one, zero, rm, rv, m, r, sc, sh, CONV_AUTO};
	struct test_view z = test_view_new(1, 1, 40001, 1, 0, 0, 0);
	struct test_view y = test_view_new(1, 1, 40001, 1, 0, 0, 0);
	double worst = 0;
	int i;

	(void)state;
	bn_prepare_eval(&bn);
	for (i = 0; i < 40001; i++)
		z.v.p[i] = (float)(i - 20000) / 250;
	bnact_forward(NULL, &bn, ACT_SILU, &z.v, NULL, &y.v);
	for (i = 0; i < 40001; i++) {
		const double u = z.v.p[i], want = u / (1 + exp(-u));

		if (want != 0)
			worst = fmax(worst, fabs(y.v.p[i] / want - 1));
	}
	print_message("# worst relative error of SiLU %.2g\n", worst);
	assert_true(worst < 5e-7);
	z.v.p[0] = NAN;
	bnact_forward(NULL, &bn, ACT_SILU, &z.v, NULL, &y.v);
	assert_true(isnan(y.v.p[0]));
	test_view_free(&z);
	test_view_free(&y);
}

#ifdef HAVE_X86_KERNELS
#define ROW_W 9
#define ROW_C 37

struct row_result {
	float y[ROW_W * ROW_C], dz[ROW_W * ROW_C];
	double sums[2 * ROW_C];
};

static void one_row(const struct bnact_kernels *k, enum act act, const float *v,
		    struct row_result *out)
{
	struct bnact_row r = {.w = ROW_W, .c = ROW_C};

	memset(out, 0, sizeof(*out));
	r.scale = v;
	r.shift = v + ROW_C;
	r.mean = v + 2 * ROW_C;
	r.slope = v + 3 * ROW_C;
	r.offset = v + 4 * ROW_C;
	r.z = v + 5 * ROW_C;
	r.dy = r.z + ROW_W * ROW_C;
	r.residual = r.dy + ROW_W * ROW_C;
	r.z_ld = r.dy_ld = r.residual_ld = r.y_ld = ROW_C;
	r.sums = out->sums;
	r.y = out->y;
	k->forward(&r, act);
	r.y = out->dz;
	k->sums(&r, act);
	k->apply(&r, act);
}

/* Without fused multiply-add the 16-byte kernels round otherwise: who asks for them gets them. */
static void a_forced_path_is_followed(void **state)
{
	struct row_result want;
	struct rng rng;
	float *v, got[ROW_W * ROW_C];
	struct bn bn = {.c = ROW_C, .path = CONV_V128};
	struct view z = {NULL, 1, 1, ROW_W, ROW_C, ROW_C, 0}, residual = z, y = z;

	(void)state;
	rng_init(&rng, 8, "bnact rows", 0);
	v = random_floats(&rng, (5 + 3 * ROW_W) * ROW_C);
	one_row(&bnact_kernels_v128, ACT_SILU, v, &want);
	bn.scale = v;
	bn.shift = v + ROW_C;
	z.p = v + 5 * ROW_C;
	residual.p = z.p + 2 * ROW_W * ROW_C;
	y.p = got;
	bnact_forward(NULL, &bn, ACT_SILU, &z, &residual, &y);
	assert_memory_equal(got, want.y, sizeof(got));
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
		bn.path = CONV_AVX2;
		bnact_forward(NULL, &bn, ACT_SILU, &z, &residual, &y);
		assert_memory_not_equal(got, want.y, sizeof(got));
	}
	free(v);
}

static void avx2_and_avx512_give_the_same_bytes(void **state)
{
	struct row_result narrow, wide;
	struct rng rng;
	float *v;
	int act;

	(void)state;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl")) {
		print_message("skipped: this processor has no AVX-512\n");
		skip();
	}
	rng_init(&rng, 8, "bnact rows", 0);
	v = random_floats(&rng, (5 + 3 * ROW_W) * ROW_C);
	for (act = ACT_NONE; act <= ACT_HARDSWISH; act++) {
		one_row(&bnact_kernels_avx2, act, v, &narrow);
		one_row(&bnact_kernels_avx512, act, v, &wide);
		assert_memory_equal(&narrow, &wide, sizeof(narrow));
	}
	free(v);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			values_and_gradients_agree_with_the_formula_on_any_number_of_threads),
		cmocka_unit_test(the_sweep_for_the_sums_makes_the_activation_again_to_the_bit),
		cmocka_unit_test(parts_side_by_side_are_what_each_is_alone),
		cmocka_unit_test(running_statistics_follow_with_momentum_and_unbiased_variance),
		cmocka_unit_test(folding_gives_what_the_batch_norm_gave),
#ifdef HAVE_X86_KERNELS
		cmocka_unit_test(a_forced_path_is_followed),
		cmocka_unit_test(avx2_and_avx512_give_the_same_bytes),
#endif
		cmocka_unit_test(silu_is_accurate_to_a_few_units_in_the_last_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
