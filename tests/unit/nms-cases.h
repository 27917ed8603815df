/*
 * nms-cases.h - raw maps of a detection head drawn at random, in the proportions that suppression has
 * to do with: t-nms compares them with the definition at a small size, b-nms times them at 640 pixels.
 */
#ifndef MIST_TESTS_NMS_CASES_H
#define MIST_TESTS_NMS_CASES_H

#include "base/mem.h"
#include "base/rng.h"
#include "model/detect.h"

#include <stdlib.h>

struct nms_case {
	const char *name;
	double obj, obj_dev; /* objectness before the sigmoid: mean and deviation */
	double cls, cls_dev; /* classes, likewise */
	struct nms_options opt;
};

/* evaluation: .001, .6, several labels a box; detection: .25, .45, one */
#define NMS_EVALUATION                                                                             \
	{                                                                                          \
		.conf = 0.001f, .iou = 0.6f, .multi_label = true, .max_det = 300,                  \
		.max_candidates = 30000                                                            \
	}
#define NMS_ONE_LABEL                                                                              \
	{                                                                                          \
		.conf = 0.001f, .iou = 0.6f, .max_det = 300, .max_candidates = 30000               \
	}
#define NMS_DETECTION                                                                              \
	{                                                                                          \
		.conf = 0.25f, .iou = 0.45f, .max_det = 1000, .max_candidates = 30000              \
	}

static const struct nms_case nms_cases[] = {
	/* a trained network: few boxes have an object, most of those few candidates */
	{"trained, evaluation", -9, 2, -6, 2, NMS_EVALUATION},
	{"trained, detection", -9, 2, -6, 2, NMS_DETECTION},
	/* a network that knows nothing: every box is a candidate, of one class */
	{"every box, one label", 0, 1, -1, 1, NMS_ONE_LABEL},
	/* a box has one label on average: as many candidates as boxes, but two million to look at */
	{"every box, several labels", 0, 1, -8.6, 1, NMS_EVALUATION},
	/* the worst: all classes of all boxes; the best 30,000 are taken */
	{"every box, every label", 2, 1, 0, 1, NMS_EVALUATION},
};

/* Raw maps of one image of h x w pixels for the graph's head; the caller frees each map's p. */
static inline void nms_case_maps(const struct nms_case *c, const struct graph *g, int h, int w,
				 struct view *maps)
{
	const int no = 5 + g->nc, channels = g->na * no, ld = (channels + 15) / 16 * 16;
	struct rng r;
	int i, k, at;

	rng_init(&r, 1, c->name, 0);
	for (i = 0; i < g->nl; i++) {
		const int mh = h / (int)g->strides[i], mw = w / (int)g->strides[i];

		maps[i] = (struct view){NULL, 1, mh, mw, channels, ld, 0};
		maps[i].p = xaligned((size_t)(mh * mw * ld) * sizeof(float));
		for (at = 0; at < mh * mw; at++)
			for (k = 0; k < channels; k++) {
				const double z = rng_normal(&r);
				const int what = k % no;

				maps[i].p[at * ld + k] =
					(float)(what < 4    ? z
						: what == 4 ? c->obj + c->obj_dev * z
							    : c->cls + c->cls_dev * z);
			}
	}
}

#endif
