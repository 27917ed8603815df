/* Every number below was computed with NumPy 1.24 from the formulas that combine.h cites. */
#include "base/rng.h"
#include "fed/combine.h"
#include "unit.h"

#include <math.h>

enum { N = 6, M = 4 };

/* Three alike, one huge, one that is another's opposite; in binary fractions, so exact. */
static const float rows[N * M] = {
	0.5f, -1.25f, 3.0f,   0.125f, 0.75f,  -1.0f,   2.5f,  0.25f, 0.25f, -1.5f, 3.5f,  0.0f,
	8.0f, 16.0f,  -32.0f, 64.0f,  0.625f, -1.125f, 2.75f, 0.5f,  -0.5f, 1.25f, -3.0f, -0.125f,
};

static void expect(const double *is, const double *want, int n, double tolerance)
{
	int i;

	for (i = 0; i < n; i++)
		if (!(fabs(is[i] - want[i]) <= tolerance))
			fail_msg("%d: %.17g, not %.17g", i, is[i], want[i]);
}

static void the_mean_is_weighted(void **state)
{
	/* w = [1, 7, 100, 0, 33, 2]; (w / w.sum()) @ v */
	static const double want[M] = {0.3522727272727273, -1.3487762237762237, 3.1835664335664333,
				       0.12674825174825177};
	double w[N] = {1, 7, 100, 0, 33, 2}, out[M];
	int i;

	(void)state;
	for (i = 0; i < N; i++)
		w[i] /= 143;
	combine_mean(rows, w, N, M, out);
	expect(out, want, M, 1e-15);
}

static void ranks_are_those_of_each_coordinate(void **state)
{
	/* numpy.median(v, 0), of all and of the first five; numpy.sort(v, 0)[k:-k].mean(0) */
	static const double even[M] = {0.5625, -1.0625, 2.625, 0.1875},
			    odd[M] = {0.625, -1.125, 2.75, 0.25},
			    one[M] = {0.53125, -0.53125, 1.3125, 0.21875},
			    plain[M] = {1.604166666666666667, 2.0625, -3.875, 10.791666666666666};
	double out[M], used[N] = {0};
	struct pool *pool = pool_new(2);

	(void)state;
	combine_median(pool, rows, N, M, out, used);
	expect(out, even, M, 0);
	/* the middle two are: 0, 4 | 4, 1 | 4, 1 | 0, 1 */
	expect(used, (const double[N]){2, 3, 0, 0, 3, 0}, N, 0);
	combine_median(NULL, rows, N - 1, M, out, NULL);
	expect(out, odd, M, 0);
	combine_trimmed(pool, rows, N, M, 1, out, NULL);
	expect(out, one, M, 1e-15);
	combine_trimmed(pool, rows, N, M, 2, out, NULL);
	expect(out, even, M, 1e-15);
	combine_trimmed(pool, rows, N, M, 0, out, NULL);
	expect(out, plain, M, 1e-14);
	pool_free(pool);
}

/* Selection, which many clients need, against sorting; with ties, in order, in reverse. */
static void many_clients_have_the_same_ranks_as_when_sorted(void **state)
{
	enum { MANY = 301, WIDE = 3000 };
	float *v = xcalloc(MANY * WIDE, sizeof(*v)), column[MANY], t;
	double *out = xcalloc(WIDE, sizeof(*out)), *trimmed = xcalloc(WIDE, sizeof(*out)), sum;
	struct pool *pool = pool_new(3);
	struct rng r;
	int i, k, j;

	(void)state;
	rng_init(&r, 3, "t-combine", 0);
	for (i = 0; i < WIDE; i++)
		for (k = 0; k < MANY; k++)
			v[k * WIDE + i] = i % 4 == 0   ? (float)rng_below(&r, 5)
					  : i % 4 == 1 ? (float)k
					  : i % 4 == 2 ? (float)-k
						       : (float)rng_normal(&r);
	combine_median(pool, v, MANY, WIDE, out, NULL);
	combine_trimmed(pool, v, MANY, WIDE, 60, trimmed, NULL);
	for (i = 0; i < WIDE; i++) {
		for (k = 0; k < MANY; k++) {
			t = v[k * WIDE + i];
			for (j = k; j > 0 && column[j - 1] > t; j--)
				column[j] = column[j - 1];
			column[j] = t;
		}
		for (sum = 0, k = 60; k < MANY - 60; k++)
			sum += (double)column[k];
		assert_true(out[i] == (double)column[MANY / 2]);
		assert_true(fabs(trimmed[i] - sum / (MANY - 120)) < 1e-12 * (1 + fabs(sum)));
	}
	pool_free(pool);
	free(v);
	free(out);
	free(trimmed);
}

static void krum_takes_the_client_nearest_to_the_others(void **state)
{
	/* d = ((v[:, None] - v[None]) ** 2).sum(-1); sort(delete(d[i], i))[:n - f - 2].sum() */
	static const double scores[2][N] = {
		{44.328125, 39.125, 53.4375, 22085.0, 41.84375, 171.078125},
		{1.015625, 2.109375, 3.046875, 16426.171875, 1.484375, 120.6875}};
	double d[N * N] = {0}, scratch[N * M], score[N];
	int chosen[4], f;

	(void)state;
	combine_gram(rows, N, 3, scratch, d); /* overwritten: pieces must add up */
	memset(d, 0, sizeof(d));
	for (f = 0; f < M; f++) { /* a coordinate at a time */
		float piece[N];
		int k;

		for (k = 0; k < N; k++)
			piece[k] = rows[k * M + f];
		combine_gram(piece, N, 1, scratch, d);
	}
	combine_distances(d, N);
	assert_true(d[0 * N + 3] == 5658.828125 && d[3 * N + 0] == 5658.828125);
	assert_true(d[1 * N + 4] == 0.15625 && d[2 * N + 2] == 0);
	for (f = 0; f < 2; f++) {
		combine_krum(d, N, f, score);
		expect(score, scores[f], N, 1e-9);
	}
	combine_least(score, N, 4, chosen);
	assert_memory_equal(chosen, ((const int[]){0, 1, 2, 4}), sizeof(chosen));
	combine_least(score, N, 1, chosen);
	assert_int_equal(chosen[0], 0);
}

static void the_servers_optimisers_step_twice_as_published(void **state)
{
	static const double means[2][M] = {{0.75, -1.5, 2.5, 0.25}, {1, -1.25, 2, 0.5}};
	static const double want[3][M] = {
		{1.225, -1.7, 2.45, 0.5},
		{0.522383813045313, -1.0220714783480387, 2.0184726461038265, 0.25960814365181273},
		{0.5223707535230413, -1.0220223745809738, 2.018433266781738, 0.25960799680257607}};
	struct combine_step step = {.beta1 = 0.9, .beta2 = 0.99, .tau = 1e-3};
	int kind, round, i;

	(void)state;
	for (kind = 0; kind < 3; kind++) {
		float w[M] = {0.5f, -1, 2, 0.25f}, m[M] = {0}, v[M] = {1e-6f, 1e-6f, 1e-6f, 1e-6f};
		double out[M];

		step.kind = kind;
		step.lr = kind == STEP_MOMENTUM ? 1 : 0.01;
		for (round = 0; round < 2; round++) {
			combine_step(&step, means[round], w, M, m, v, out);
			for (i = 0; i < M; i++)
				w[i] = (float)out[i];
		}
		expect(out, want[kind], M, 1e-6);
	}
}

static void counters_have_a_lower_median(void **state)
{
	int64_t v[] = {7, INT64_MAX, 3, INT64_MIN};

	(void)state;
	assert_int_equal(combine_median_int(v, 4), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mean_is_weighted),
		cmocka_unit_test(ranks_are_those_of_each_coordinate),
		cmocka_unit_test(many_clients_have_the_same_ranks_as_when_sorted),
		cmocka_unit_test(krum_takes_the_client_nearest_to_the_others),
		cmocka_unit_test(the_servers_optimisers_step_twice_as_published),
		cmocka_unit_test(counters_have_a_lower_median),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
