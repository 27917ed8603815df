#include "base/rng.h"
#include "model/detect.h"
#include "model/model.h"
#include "nms-cases.h"
#include "unit.h"

#include <math.h>

#define H 64
#define W 96

#define TEXT                                                                                       \
	"nc: 3\nanchors: [[10,13, 16,30], [30,61, 62,45]]\nbackbone:\n"                            \
	"- [-1, 1, Conv, [8, 3, 4]]\n- [-1, 1, Conv, [8, 3, 2]]\n"                                 \
	"head:\n- [[0, 1], 1, Detect, [nc, anchors]]\n"

enum { LEVELS = 2, MOST = 1000 };

struct fixture {
	struct model *m;
	struct view maps[LEVELS];
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;
	struct rng r;
	int i, k;

	f->m = model_new("x", TEXT, 0, &err);
	if (!f->m)
		fail_msg("%s", err.msg);
	rng_init(&r, 1, "test", 0);
	for (i = 0; i < 2; i++) {
		f->maps[i] = (struct view){NULL, 1, H / 4 >> i, W / 4 >> i, 16, 16, 0};
		f->maps[i].p = xcalloc(H / 4 * W / 4 * 16, sizeof(float));
		for (k = 0; k < (H / 4 >> i) * (W / 4 >> i) * 16; k++)
			f->maps[i].p[k] = (float)(2 * rng_normal(&r));
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->maps[0].p);
	free(f->maps[1].p);
	model_free(f->m);
	free(f);
	return 0;
}

static double iou(const struct det *a, const struct det *b)
{
	const double w = fmin(a->x2, b->x2) - fmax(a->x1, b->x1);
	const double h = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
	const double inter = fmax(w, 0) * fmax(h, 0);

	return inter / ((double)(a->x2 - a->x1) * (a->y2 - a->y1) +
			(double)(b->x2 - b->x1) * (b->y2 - b->y1) - inter);
}

static int by_score(const void *a, const void *b)
{
	const struct det *p = a, *q = b;

	return p->score < q->score ? 1 : -1;
}

/* The definition, from the decoded boxes: sort, then every pair. */
static int plainly(const struct fixture *f, const struct nms_options *opt, struct det *out)
{
	const int nc = f->m->graph->nc, no = 5 + nc;
	const int n = detect_boxes(f->m->graph, f->maps);
	float *boxes = xcalloc((size_t)(n * no), sizeof(float));
	struct det *all = xcalloc((size_t)(n * nc), sizeof(*all));
	int i, k, j, count = 0, kept = 0;

	detect_decode(f->m->graph, f->maps, 0, boxes);
	for (i = 0; i < n; i++) {
		const float *b = boxes + i * no;
		int best = 0;

		for (k = 1; k < nc; k++)
			best = b[5 + k] > b[5 + best] ? k : best;
		for (k = 0; k < nc; k++) {
			if (!(b[4] > opt->conf) || !(b[4] * b[5 + k] > opt->conf) ||
			    (!opt->multi_label && k != best) || (opt->classes && !opt->classes[k]))
				continue;
			all[count++] =
				(struct det){b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2,
					     b[1] + b[3] / 2, b[4] * b[5 + k], k};
		}
	}
	qsort(all, (size_t)count, sizeof(*all), by_score);
	for (i = 0; i < count && i < opt->max_candidates && kept < opt->max_det; i++) {
		for (j = 0; j < kept; j++)
			if ((opt->agnostic || out[j].cls == all[i].cls) &&
			    iou(&out[j], &all[i]) > opt->iou)
				break;
		if (j == kept)
			out[kept++] = all[i];
	}
	free(boxes);
	free(all);
	return kept;
}

/* How many were kept. */
static int compare(const struct fixture *f, const struct nms_options *opt)
{
	struct nms *s = nms_new(f->m->graph, opt);
	struct det ours[MOST], theirs[MOST];
	int i, n = nms_run(s, f->maps, LEVELS, 0, ours);

	assert_int_equal(n, plainly(f, opt, theirs));
	for (i = 0; i < n; i++) {
		assert_int_equal(ours[i].cls, theirs[i].cls);
		assert_true(ours[i].score == theirs[i].score);
		assert_true(ours[i].x1 == theirs[i].x1 && ours[i].y2 == theirs[i].y2);
	}
	nms_free(s);
	return n;
}

static void what_is_kept_is_what_the_definition_keeps(void **state)
{
	static const unsigned char only[] = {1, 0, 1};
	const struct nms_options rows[] = {
		{.conf = 0.001f,
		 .iou = 0.6f,
		 .multi_label = true,
		 .max_det = 300,
		 .max_candidates = 30000},
		{.conf = 0.25f, .iou = 0.45f, .max_det = 300, .max_candidates = 30000},
		{.conf = 0.25f,
		 .iou = 0.45f,
		 .max_det = 1000,
		 .max_candidates = 200,
		 .multi_label = true},
		{.conf = 0.1f,
		 .iou = 0.3f,
		 .max_det = 1000,
		 .max_candidates = 30000,
		 .multi_label = true,
		 .agnostic = true},
		{.conf = 0.1f,
		 .iou = 0.3f,
		 .max_det = 1000,
		 .max_candidates = 30000,
		 .classes = only},
		{.conf = 0.9999f, .iou = 0.3f, .max_det = 1000, .max_candidates = 30000},
	};
	size_t r;

	for (r = 0; r < ARRAY_LEN(rows); r++)
		compare(*state, &rows[r]);
}

/* The proportions that b-nms times, with as many classes as fill vectors and leave a rest. */
static void random_heads_are_suppressed_by_the_definition(void **state)
{
	struct fixture f;
	struct err err;
	size_t r;

	(void)state;
	f.m = model_new("x", TEXT, 37, &err);
	if (!f.m)
		fail_msg("%s", err.msg);
	for (r = 0; r < ARRAY_LEN(nms_cases); r++) {
		struct nms_options opt = nms_cases[r].opt;

		nms_case_maps(&nms_cases[r], f.m->graph, H, W, f.maps);
		assert_true(compare(&f, &opt) > 0 || opt.conf > 0.1f);
		opt.max_candidates = 100; /* fewer than there are, mostly */
		compare(&f, &opt);
		free(f.maps[0].p);
		free(f.maps[1].p);
	}
	model_free(f.m);
}

static void what_is_not_a_number_is_no_detection(void **state)
{
	const struct nms_options opt = {.conf = 0.001f,
					.iou = 0.6f,
					.multi_label = true,
					.max_det = 300,
					.max_candidates = 30000};
	struct fixture *f = *state;
	struct det dets[300];
	struct nms *s = nms_new(f->m->graph, &opt);
	int i, k;

	for (i = 0; i < 2; i++)
		for (k = 0; k < (H / 4 >> i) * (W / 4 >> i) * 16; k++)
			f->maps[i].p[k] = NAN;
	assert_int_equal(nms_run(s, f->maps, 2, 0, dets), 0);
	nms_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_what_the_definition_keeps),
		cmocka_unit_test(random_heads_are_suppressed_by_the_definition),
		cmocka_unit_test(what_is_not_a_number_is_no_detection),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
