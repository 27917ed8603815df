/*
 * Matching and the figures of both protocols on cases small enough to compute by hand, and the
 * reference of ../shared.
 */
#include "eval/metrics.h"

#include "base/rng.h"
#include "eval/cocojson.h"
#include "io/json.h"
#include "unit.h"

#include <math.h>

static void truth(struct boxset *s, int image, int cls, double x, double y, double w, double h)
{
	boxset_add_truth(s, &(struct truth){{x, y, w, h}, w * h, image, cls, false});
}

static void crowd(struct boxset *s, int image, int cls, double x, double y, double w, double h)
{
	boxset_add_truth(s, &(struct truth){{x, y, w, h}, w * h, image, cls, true});
}

static void found(struct boxset *s, int image, int cls, double score, double x, double y, double w,
		  double h)
{
	boxset_add_detection(s, &(struct detection){{x, y, w, h}, score, image, cls});
}

static struct metrics both(struct boxset *s)
{
	struct metrics m = {.images = s->nimages};

	metrics_compute(&m, s, PROTOCOL_BOTH, NULL, NULL);
	return m;
}

#define assert_near(a, b)                                                                          \
	do {                                                                                       \
		double a_ = (a), b_ = (b);                                                         \
		if (!(fabs(a_ - b_) < 1e-9))                                                       \
			fail_msg("%s is %.12g, not %.12g", #a, a_, b_);                            \
	} while (0)

static void a_perfect_detector_has_AP_1_and_YOLOv5s_995(void **state)
{
	struct boxset s = {.nimages = 1, .nclasses = 1};
	struct metrics m;

	(void)state;
	truth(&s, 0, 0, 10, 10, 50, 50);
	found(&s, 0, 0, 0.9, 10, 10, 50, 50);
	m = both(&s);
	/* compute_ap ends at (1, 0): the last of 100 intervals is half empty. */
	assert_near(m.yolo.map50, 0.995);
	assert_near(m.yolo.map, 0.995);
	assert_near(m.yolo.p, 1);
	assert_near(m.yolo.r, 1);
	assert_near(m.coco.figure[0], 1);
	assert_near(m.coco.figure[6], 1);  /* AR1 */
	assert_near(m.coco.figure[3], -1); /* no small object */
	assert_near(m.coco.figure[4], 1);
	assert_int_equal(m.instances, 1);
	metrics_release(&m);
	boxset_release(&s);
}

/* The second detection overlaps the first truth with 90/110, the second with 80/120. */
static void losers_fall_back_with_COCO_but_not_with_YOLOv5(void **state)
{
	struct boxset s = {.nimages = 1, .nclasses = 1};
	struct groups groups;
	struct verdict *v;
	struct metrics m;

	(void)state;
	truth(&s, 0, 0, 0, 0, 100, 100);
	truth(&s, 0, 0, 30, 0, 100, 100);
	found(&s, 0, 0, 0.8, 10, 0, 100, 100);
	found(&s, 0, 0, 0.9, 0, 0, 100, 100);
	boxset_sort(&s, &groups);
	v = match_all(&s, &groups, NULL);
	assert_true(s.dets[0].score == 0.9);
	assert_int_equal(v[0].yolo, 0x3ff);
	assert_int_equal(v[1].yolo, 0);
	assert_int_equal(v[0].found[AREA_ALL], 0x3ff);
	assert_int_equal(v[1].found[AREA_ALL], 0x00f); /* up to 0.65 */
	free(v);
	groups_release(&groups);
	m = both(&s);
	/* One of two found, then a miss: 1 up to recall 0.49, a step to 0.5 at 0.5, a line to 0. */
	assert_near(m.yolo.map50, 0.49 + 0.0075 + 0.125);
	/* 51 of the 101 recalls are at most 0.5. */
	assert_near(m.coco.figure[0], (4 + 6 * 51 / 101.0) / 10);
	assert_near(m.coco.figure[8], (4 + 6 * 0.5) / 10);
	metrics_release(&m);
	boxset_release(&s);
}

static void detections_in_a_crowd_count_for_YOLOv5_only(void **state)
{
	struct boxset s = {.nimages = 1, .nclasses = 1};
	struct metrics m;

	(void)state;
	crowd(&s, 0, 0, 0, 0, 200, 200);
	truth(&s, 0, 0, 300, 300, 100, 100);
	found(&s, 0, 0, 0.9, 10, 10, 50, 50);
	found(&s, 0, 0, 0.8, 20, 20, 50, 50);
	found(&s, 0, 0, 0.7, 300, 300, 100, 100);
	m = both(&s);
	assert_int_equal(m.instances, 1);
	assert_near(m.coco.figure[0], 1);
	/* Precision is 1/3 when the only object is found. */
	assert_near(m.yolo.map50, 0.99 / 3 + 0.005 / 3);
	metrics_release(&m);
	boxset_release(&s);
}

static void areas_decide_what_is_ignored(void **state)
{
	struct boxset s = {.nimages = 1, .nclasses = 1};
	struct metrics m;

	(void)state;
	truth(&s, 0, 0, 0, 0, 20, 20);       /* small */
	truth(&s, 0, 0, 100, 100, 200, 200); /* large */
	truth(&s, 0, 0, 400, 100, 32, 32); /* 1024: both small and medium, as pycocotools has it */
	found(&s, 0, 0, 0.9, 500, 500, 100, 100); /* a large miss */
	found(&s, 0, 0, 0.8, 0, 0, 20, 20);
	found(&s, 0, 0, 0.7, 100, 100, 200, 200);
	m = both(&s);
	/* Small: the miss does not count; one of two found. */
	assert_near(m.coco.figure[3], 51 / 101.0);
	assert_near(m.coco.figure[9], 0.5);
	assert_near(m.coco.figure[4], 0);
	/* Large: the miss comes first. */
	assert_near(m.coco.figure[5], 0.5);
	assert_near(m.coco.figure[11], 1);
	metrics_release(&m);
	boxset_release(&s);
}

/* Equal scores: the image that comes first counts first. */
static void ties_keep_the_order_of_images(void **state)
{
	struct boxset s = {.nimages = 2, .nclasses = 1};
	struct metrics m;
	int order;

	(void)state;
	for (order = 0; order < 2; order++) {
		truth(&s, 0, 0, 0, 0, 10, 10);
		if (order)
			found(&s, 1, 0, 0.5, 0, 0, 10, 10);
		found(&s, 0, 0, 0.5, 0, 0, 10, 10);
		if (!order)
			found(&s, 1, 0, 0.5, 0, 0, 10, 10);
		m = both(&s);
		assert_near(m.coco.figure[0], 1);
		assert_near(m.yolo.map50, 0.995);
		metrics_release(&m);
		boxset_clear(&s);
	}
	boxset_release(&s);
}

static void only_a_hundred_detections_of_a_class_and_image_count_for_COCO(void **state)
{
	struct boxset s = {.nimages = 1, .nclasses = 1};
	struct metrics m;
	int i;

	(void)state;
	truth(&s, 0, 0, 500, 500, 50, 50);
	for (i = 0; i < 100; i++)
		found(&s, 0, 0, 0.9 - 0.001 * i, 0, 0, 50, 50);
	found(&s, 0, 0, 0.1, 500, 500, 50, 50);
	m = both(&s);
	assert_near(m.coco.figure[0], 0);
	assert_true(m.yolo.map50 > 0);
	metrics_release(&m);
	boxset_release(&s);
}

static void nothing_found_is_0_and_nothing_to_find_is_undefined(void **state)
{
	struct boxset s = {.nimages = 2, .nclasses = 3};
	struct metrics m;

	(void)state;
	m = both(&s); /* an empty set */
	assert_near(m.coco.figure[0], -1);
	assert_near(m.yolo.map50, 0);
	assert_int_equal(m.yolo.nclasses, 0);
	metrics_release(&m);
	found(&s, 0, 1, 0.9, 0, 0, 10, 10);
	m = both(&s); /* no ground truth */
	assert_near(m.coco.figure[0], -1);
	assert_near(m.yolo.p, 0);
	metrics_release(&m);
	truth(&s, 1, 2, 0, 0, 10, 10);
	m = both(&s); /* another class, another image */
	assert_near(m.coco.figure[0], 0);
	assert_near(m.coco.figure[8], 0);
	assert_near(m.yolo.r, 0);
	assert_int_equal(m.yolo.nclasses, 1);
	assert_int_equal(m.yolo.classes[0].cls, 2);
	metrics_release(&m);
	boxset_release(&s);
}

/* One class found, the other not: the P of the second is 0 where nothing of it was predicted. */
static void classes_without_ground_truth_do_not_count(void **state)
{
	struct boxset s = {.nimages = 1, .nclasses = 4};
	struct metrics m;

	(void)state;
	truth(&s, 0, 0, 0, 0, 10, 10);
	truth(&s, 0, 3, 0, 0, 10, 10);
	found(&s, 0, 0, 0.6, 0, 0, 10, 10);
	found(&s, 0, 1, 0.9, 0, 0, 10, 10); /* no such ground truth */
	m = both(&s);
	assert_int_equal(m.yolo.nclasses, 2);
	assert_near(m.yolo.map50, 0.995 / 2);
	assert_near(m.yolo.p, 0.5);
	assert_near(m.yolo.r, 0.5);
	assert_near(m.coco.figure[0], 0.5);
	metrics_release(&m);
	boxset_release(&s);
}

static void random_set(struct boxset *s, uint64_t seed)
{
	struct rng r;
	int i;

	*s = (struct boxset){.nimages = 60, .nclasses = 7};
	rng_init(&r, seed, "test", 0);
	for (i = 0; i < 6000; i++) {
		double x = rng_below(&r, 40) * 10, y = rng_below(&r, 40) * 10;
		double w = 10 + rng_below(&r, 12) * 10, h = 10 + rng_below(&r, 12) * 10;
		int image = (int)rng_below(&r, 60), cls = (int)rng_below(&r, 7);

		if (i % 10 == 0)
			boxset_add_truth(
				s, &(struct truth){
					   {x, y, w, h}, w * h, image, cls, rng_below(&r, 8) == 0});
		else
			found(s, image, cls, rng_below(&r, 50) / 50.0, x, y, w, h);
	}
}

static void threads_do_not_change_a_bit(void **state)
{
	struct pool *pool = pool_new(4);
	int seed;

	(void)state;
	for (seed = 0; seed < 5; seed++) {
		struct metrics a = {0}, b = {0};
		struct boxset s;

		random_set(&s, (uint64_t)seed);
		metrics_compute(&a, &s, PROTOCOL_BOTH, NULL, NULL);
		boxset_release(&s);
		random_set(&s, (uint64_t)seed);
		metrics_compute(&b, &s, PROTOCOL_BOTH, NULL, pool);
		boxset_release(&s);
		assert_memory_equal(&a.coco, &b.coco, sizeof(a.coco));
		assert_true(a.yolo.map == b.yolo.map && a.yolo.p == b.yolo.p);
		assert_true(a.yolo.map > 0 && a.coco.figure[0] > 0);
		metrics_release(&a);
		metrics_release(&b);
	}
	pool_free(pool);
}

/* What val.py v6.2 would save of a perfect detector in a 500 x 332 image at 640. */
static void the_scale_error_of_saved_results_is_found_and_undone(void **state)
{
	struct coco_image image = {(char *)"1", 500, 332};
	struct saved_by_val saved = {&image, 640, GAIN_EXACT};
	double error = gain_error(GAIN_TRUNCATED, 500, 332, 640);
	struct boxset s = {.nimages = 1, .nclasses = 1};
	struct metrics m = {0};

	(void)state;
	assert_near(error, (640 / 500.0) / (424 / 332.0));
	assert_near(gain_error(GAIN_TRUNCATED, 640, 332, 640), 1);
	assert_near(gain_error(GAIN_TRUNCATED, 0, 0, 640), 1);
	truth(&s, 0, 0, 440, 10, 6, 50);
	found(&s, 0, 0, 0.9, 440 * error, 10, 6 * error, 50);
	metrics_compute(&m, &s, PROTOCOL_BOTH, &saved, NULL);
	assert_int_equal(saved.rule, GAIN_TRUNCATED);
	assert_near(m.yolo.map, 0.995);
	assert_true(m.coco.figure[0] < 1); /* COCO's takes boxes as they are */
	metrics_release(&m);
	boxset_clear(&s);
	truth(&s, 0, 0, 440, 10, 6, 50);
	found(&s, 0, 0, 0.9, 440, 10, 6, 50);
	metrics_compute(&m, &s, PROTOCOL_BOTH, &saved, NULL);
	assert_int_equal(saved.rule, GAIN_EXACT);
	assert_near(m.coco.figure[0], 1);
	metrics_release(&m);
	boxset_release(&s);
}

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		fail_msg("no number '%s'", key);
	return json_number_value(v);
}

static void same_figures(const json_t *ours, const json_t *reference)
{
	static const char *const keys[][2] = {
		{"P", "P"}, {"R", "R"}, {"mAP50", "mAP50"}, {"mAP50-95", "mAP50_95"}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(keys); i++) {
		double a = number(ours, keys[i][0]), b = number(reference, keys[i][1]);

		/* the reference has three digits */
		if (!(fabs(a - b) <= 5.01e-4))
			fail_msg("%s: %g, not %g", keys[i][0], a, b);
	}
}

static void the_reference_is_reproduced(void **state)
{
	char *truths = unit_shared("reference/annotations.json");
	char *results = unit_shared("reference/predictions.json");
	char *path = unit_shared("reference/metrics.json");
	struct metrics m = {0};
	struct saved_by_val saved = {NULL, 640, GAIN_EXACT};
	struct annotations a;
	struct boxset set;
	struct err err = ERR_INIT;
	json_t *ref = json_read(path, 1 << 20, &err), *ours, *row;
	const char *name;
	long skipped;
	int i;

	(void)state;
	assert_non_null(ref);
	assert_int_equal(cocojson_read(&a, &set, truths, &err), 0);
	assert_int_equal(cocojson_read_results(&set, results, &a, &skipped, &err), 0);
	assert_int_equal(skipped, 0);
	saved.images = a.images;
	metrics_compute(&m, &set, PROTOCOL_BOTH, &saved, NULL);
	for (i = 0; i < COCO_FIGURES; i++) {
		const json_t *want = json_array_get(json_object_get(ref, "coco_stats"), (size_t)i);

		assert_true(fabs(m.coco.figure[i] - json_number_value(want)) < 1e-6);
	}
	ours = metrics_json(&m, a.names);
	assert_int_equal(m.yolo.nclasses, 71);
	json_object_foreach(json_object_get(ref, "yolov5"), name, row)
	{
		json_t *mine = json_object_get(ours, "yolov5");

		if (strcmp(name, "all"))
			mine = json_object_get(json_object_get(mine, "classes"), name);
		assert_non_null(mine);
		same_figures(mine, row);
	}
	json_decref(ours);
	json_decref(ref);
	metrics_release(&m);
	annotations_release(&a);
	boxset_release(&set);
	free(truths);
	free(results);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_perfect_detector_has_AP_1_and_YOLOv5s_995),
		cmocka_unit_test(losers_fall_back_with_COCO_but_not_with_YOLOv5),
		cmocka_unit_test(detections_in_a_crowd_count_for_YOLOv5_only),
		cmocka_unit_test(areas_decide_what_is_ignored),
		cmocka_unit_test(ties_keep_the_order_of_images),
		cmocka_unit_test(only_a_hundred_detections_of_a_class_and_image_count_for_COCO),
		cmocka_unit_test(nothing_found_is_0_and_nothing_to_find_is_undefined),
		cmocka_unit_test(classes_without_ground_truth_do_not_count),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(the_scale_error_of_saved_results_is_found_and_undone),
		cmocka_unit_test(the_reference_is_reproduced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
