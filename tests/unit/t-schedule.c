#include "model/schedule.h"
#include "unit.h"

#include <math.h>

/* The values of hyp.scratch-low.yaml that schedules use. */
static const struct hyp low = {
	.lr0 = .01,
	.lrf = .01,
	.momentum = .937,
	.weight_decay = .0005,
	.warmup_epochs = 3,
	.warmup_momentum = .8,
	.warmup_bias_lr = .1,
};

struct point {
	long ni, epoch;
	int accumulate;
	double lr[OPTIM_GROUPS], momentum, decay;
};

static void check_points(const struct schedule *s, const struct point *want, size_t n)
{
	struct optim_rates r;
	size_t i;
	int j;

	for (i = 0; i < n; i++) {
		assert_int_equal(schedule_at(s, want[i].ni, want[i].epoch, &r), want[i].accumulate);
		for (j = 0; j < OPTIM_GROUPS; j++)
			assert_true(fabs(r.lr[j] - want[i].lr[j]) <= 1e-8 * want[i].lr[j]);
		assert_true(fabs(r.momentum - want[i].momentum) < 1e-8);
		assert_true(fabs(r.decay[OPTIM_WEIGHT] - want[i].decay) < 1e-12);
		assert_true(r.decay[OPTIM_BIAS] == 0 && r.decay[OPTIM_BN] == 0);
	}
}

/* The expected rows were computed with NumPy by the lines of YOLOv5's train.py. */
static void a_line_with_the_least_warm_up_is_that_of_train_py(void **state)
{
	static const struct point want[] = {
		{0, 0, 1, {0.1, 0, 0}, 0.8, 0.0005},
		{1, 0, 1, {0.0991, 0.0001, 0.0001}, 0.80137, 0.0005},
		{17, 2, 2, {0.08468878, 0.00168878, 0.00168878}, 0.82329, 0.0005},
		{50, 6, 2, {0.054901, 0.004901, 0.004901}, 0.8685, 0.0005},
		{83, 10, 3, {0.0250261, 0.0080261, 0.0080261}, 0.91371, 0.0005},
		{99, 12, 4, {0.01050796, 0.00950796, 0.00950796}, 0.93563, 0.0005},
		{100, 12, 4, {0.009604, 0.009604, 0.009604}, 0.937, 0.0005},
		{101, 12, 4, {0.009604, 0.009604, 0.009604}, 0.937, 0.0005},
		{1200, 150, 4, {0.00505, 0.00505, 0.00505}, 0.937, 0.0005},
		{2399, 299, 4, {0.000133, 0.000133, 0.000133}, 0.937, 0.0005},
	};
	struct schedule s;

	(void)state;
	schedule_init(&s, &low, OPTIM_SGD, false, 300, 8, 16, 64, 100);
	check_points(&s, want, ARRAY_LEN(want));
}

static void a_cosine_with_three_epochs_of_warm_up_is_that_of_train_py(void **state)
{
	static const struct point want[] = {
		{0, 0, 1, {0.1, 0, 0}, 0.8, 0.0005625},
		{700, 1, 2, {0.0545215341, 0.0049175024, 0.0049175024}, 0.869042477, 0.0005625},
		{1388, 2, 3, {0.00912010955, 0.00904811531, 0.00904811531}, 0.936901368, 0.0005625},
		{1389, 3, 3, {0.007959537, 0.007959537, 0.007959537}, 0.937, 0.0005625},
		{4000, 8, 3, {0.00104536588, 0.00104536588, 0.00104536588}, 0.937, 0.0005625},
	};
	struct schedule s;

	(void)state;
	schedule_init(&s, &low, OPTIM_SGD, true, 10, 463, 24, 64, 100);
	check_points(&s, want, ARRAY_LEN(want));
}

static void warm_up_without_a_floor_ends_when_it_is_told_to(void **state)
{
	struct hyp none = low;
	struct optim_rates r;
	struct schedule s;

	(void)state;
	schedule_init(&s, &low, OPTIM_SGD, false, 15, 8, 16, 16, 0);
	assert_int_equal(s.warmup, 24);
	assert_int_equal(schedule_at(&s, 25, 3, &r), 1);
	assert_true(r.lr[OPTIM_BIAS] == r.lr[OPTIM_WEIGHT] && r.momentum == low.momentum);
	none.warmup_epochs = 0;
	schedule_init(&s, &none, OPTIM_SGD, false, 15, 8, 16, 64, 0);
	assert_int_equal(schedule_at(&s, 0, 0, &r), 4);
	assert_true(r.lr[OPTIM_BIAS] == .01);
}

static void adam_keeps_its_beta_in_warm_up(void **state)
{
	struct optim_rates r;
	struct schedule s;

	(void)state;
	schedule_init(&s, &low, OPTIM_ADAM, false, 15, 8, 16, 16, 100);
	schedule_at(&s, 0, 0, &r);
	assert_true(r.momentum == low.momentum && r.lr[OPTIM_WEIGHT] == 0);
}

static void the_average_and_the_fitness_are_yolov5s(void **state)
{
	(void)state;
	/* 0.9999 * (1 - math.exp(-x / 2000)) */
	assert_true(fabs(schedule_ema(1) - 0.00049982502) < 1e-10);
	assert_true(fabs(schedule_ema(2000) - 0.63205735) < 1e-8);
	assert_true(fabs(schedule_fitness(.6, .4) - .42) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_with_the_least_warm_up_is_that_of_train_py),
		cmocka_unit_test(a_cosine_with_three_epochs_of_warm_up_is_that_of_train_py),
		cmocka_unit_test(warm_up_without_a_floor_ends_when_it_is_told_to),
		cmocka_unit_test(adam_keeps_its_beta_in_warm_up),
		cmocka_unit_test(the_average_and_the_fitness_are_yolov5s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
