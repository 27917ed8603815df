#include "attack/logistic.h"
#include "attack/losses.h"
#include "attack/membership.h"
#include "attack/roc.h"
#include "attack/shadow.h"
#include "base/rng.h"
#include "model/hyp.h"
#include "pictures.h"
#include "unit.h"

#include <math.h>

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-12;
}

/* Pairs counted by hand: of 3 x 4, seven are right, two are ties. */
static void the_area_counts_pairs_and_half_of_ties(void **state)
{
	const double in[] = {0.9, 0.4, 0.5}, out[] = {0.1, 0.5, 0.4, 0.6};
	const double same[] = {1, 1, 1};

	(void)state;
	/* .9 beats 4; .4 beats 1, ties 1; .5 beats 2, ties 1 */
	assert_true(near(roc_auc(in, 3, out, 4), (4 + 1.5 + 2.5) / 12));
	assert_true(near(roc_auc(out, 4, in, 3), 1 - 8.0 / 12));
	assert_true(near(roc_auc(same, 3, same, 2), 0.5));
	assert_true(near(roc_auc(in, 1, out, 4), 1));
	assert_true(near(roc_auc(out, 1, in, 3), 0));
}

static void the_true_positive_rate_allows_as_many_false_ones_as_said(void **state)
{
	double in[10], out[200];
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		in[i] = 10 * i; /* 0, 10, … 90 */
	for (i = 0; i < 200; i++)
		out[i] = 0.3 * i; /* up to 59.7 */
	/* 1 % of 200 is two: above the third largest, 59.1: 60, 70, 80, 90 */
	assert_true(near(roc_tpr(in, 10, out, 200, 0.01), 0.4));
	/* 1 % of 99 is none: all above the largest */
	assert_true(near(roc_tpr(in, 10, out, 99, 0.01), 0.7));
	out[0] = 1e9; /* one outlier takes all, and with 200 it is allowed */
	assert_true(near(roc_tpr(in, 10, out, 99, 0.01), 0));
	assert_true(near(roc_tpr(in, 10, out, 200, 0.01), 0.4));
	assert_true(near(roc_tpr(in, 10, out, 200, 1), 1));
	/* ties with the threshold are no true positives */
	in[0] = out[0] = 5;
	assert_true(near(roc_tpr(in, 1, out, 1, 0), 0));
}

static void the_balanced_threshold_splits_what_can_be_split(void **state)
{
	const double in[] = {3, 4, 5, 9}, out[] = {0, 1, 2, 8};
	const double t = roc_balanced(in, 4, out, 4);
	struct roc r, again;

	(void)state;
	assert_true(near(t, 2.5));
	roc_measure(&r, in, 4, out, 4, t, 7);
	assert_true(near(r.recall.value, 1) && near(r.precision.value, 0.8));
	assert_true(near(r.accuracy.value, 0.875) && near(r.auc.value, 13.0 / 16));
	assert_true(near(r.tpr1.value, 0.25));
	assert_true(r.auc.low < r.auc.value && r.auc.value < r.auc.high);
	assert_true(r.auc.low >= 0 && r.auc.high <= 1);
	roc_measure(&again, in, 4, out, 4, t, 7);
	assert_memory_equal(&r, &again, sizeof(r));
}

/* The interval of 500 normal scores a side holds the area that is known: Phi(d / sqrt 2). */
static void intervals_hold_the_truth(void **state)
{
	enum { N = 500 };
	static double in[N], out[N];
	const double truth = 0.5 * erfc(-0.5 / sqrt(2) / sqrt(2));
	struct rng r;
	struct roc m;
	int i;

	(void)state;
	rng_init(&r, 11, "t-membership", 0);
	for (i = 0; i < N; i++) {
		in[i] = rng_normal(&r) + 0.5;
		out[i] = rng_normal(&r);
	}
	roc_measure(&m, in, N, out, N, 0.25, 3);
	assert_true(m.auc.low < truth && truth < m.auc.high);
	assert_true(m.auc.high - m.auc.low > 0.05 && m.auc.high - m.auc.low < 0.1);
	assert_true(m.recall.low < m.recall.value && m.recall.value < m.recall.high);
}

static void a_regression_finds_the_direction_and_survives_separable_classes(void **state)
{
	enum { N = 400 };
	static double x[N * 3];
	static bool label[N];
	struct logistic l;
	struct rng r;
	int i, right = 0;

	(void)state;
	rng_init(&r, 5, "t-membership", 1);
	for (i = 0; i < N; i++) {
		label[i] = i % 4 == 0; /* unequal numbers */
		x[3 * i] = 1000 + 10 * (rng_normal(&r) + (label[i] ? 2 : 0));
		x[3 * i + 1] = 1e-3 * rng_normal(&r);
		x[3 * i + 2] = 7; /* says nothing, and has no deviation */
	}
	logistic_fit(&l, x, label, N, 3);
	assert_true(l.weight[0] > 5 * fabs(l.weight[1]));
	assert_true(near(l.weight[2], 0));
	for (i = 0; i < N; i++)
		right += (logistic_score(&l, x + 3 * i) > 0) == label[i];
	assert_true(right > 0.8 * N);
	for (i = 0; i < N; i++)
		x[3 * i] = label[i] ? 1 : -1;
	logistic_fit(&l, x, label, N, 3);
	assert_true(isfinite(l.weight[0]) && logistic_score(&l, x) > 1);
}

static void shadows_come_in_complementary_halves(void **state)
{
	bool a[7], b[7], c[7], d[7];
	int i, n = 0, differ = 0;

	(void)state;
	shadow_split(0, 7, 9, a);
	shadow_split(1, 7, 9, b);
	shadow_split(2, 7, 9, c);
	shadow_split(0, 7, 10, d);
	for (i = 0; i < 7; i++) {
		assert_true(a[i] != b[i]);
		n += a[i];
		differ += a[i] != c[i] || a[i] != d[i];
	}
	assert_int_equal(n, 3);
	assert_true(differ > 0);
}

/* The mean of losses by picture is the loss that an evaluation of one batch gives, part by part where
 * pictures have boxes alike; each stands by itself whatever shares its batch. */
static void a_pictures_loss_does_not_depend_on_its_batch(void **state)
{
	static const char yaml[] =
		"nc: 4\nwidth_multiple: 1.0\nanchors:\n- [8, 8, 16, 16]\nbackbone:\n"
		"- [-1, 1, Conv, [8, 3, 2]]\n- [-1, 1, Conv, [16, 3, 2]]\n"
		"- [-1, 1, Conv, [16, 3, 2]]\n- [[2], 1, Detect, [nc, anchors]]\n";
	char *dir = unit_tmpdir();
	struct loss_hyp scaled;
	struct hyp hyp;
	struct losses_options o = {.img = 64, .batch = 1, .hyp = &scaled};
	struct loss one[5], four[5];
	struct dataset *d;
	struct model *m;
	struct err err;
	int i;

	(void)state;
	make_rectangles(dir, 5);
	d = dataset_open(dir, NULL, &err);
	m = model_init(yaml, 4, NULL, 2, &err);
	assert_non_null(d);
	assert_non_null(m);
	hyp_default(&hyp);
	hyp_loss(&hyp, m->graph, 64, &scaled);
	assert_int_equal(losses_of(m, NULL, d, &o, NULL, one, &err), 0);
	o.batch = 4;
	assert_int_equal(losses_of(m, NULL, d, &o, NULL, four, &err), 0);
	for (i = 0; i < 5; i++) {
		assert_true(loss_total(&one[i]) > 0 && one[i].box > 0 && one[i].cls > 0);
		assert_true(fabs(loss_total(&one[i]) - loss_total(&four[i])) < 1e-5);
	}
	assert_true(fabs(loss_total(&one[0]) - loss_total(&one[1])) > 1e-6);
	d->items[2].labels[0].cls = 9;
	assert_int_equal(losses_of(m, NULL, d, &o, NULL, one, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	model_free(m);
	dataset_free(d);
	assert_int_equal(dir_remove(dir, &err), 0);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_area_counts_pairs_and_half_of_ties),
		cmocka_unit_test(the_true_positive_rate_allows_as_many_false_ones_as_said),
		cmocka_unit_test(the_balanced_threshold_splits_what_can_be_split),
		cmocka_unit_test(intervals_hold_the_truth),
		cmocka_unit_test(a_regression_finds_the_direction_and_survives_separable_classes),
		cmocka_unit_test(shadows_come_in_complementary_halves),
		cmocka_unit_test(a_pictures_loss_does_not_depend_on_its_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
