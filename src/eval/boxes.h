/*
 * boxes.h - what an evaluation compares: the ground truth and the detections of a set of images,
 * and their order by class, image and score.
 *
 * Boxes are corner and size in pixels of the original image. Classes and images are indices; the
 * images' order is COCO's order of ids, for it decides between equal scores.
 */
#ifndef MIST_EVAL_BOXES_H
#define MIST_EVAL_BOXES_H

#include "base/mem.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct box {
	double x, y, w, h;
};

struct truth {
	struct box box;
	double area; /* COCO's: of the mask where there is one */
	int image, cls;
	bool crowd; /* a region of many: COCO forgives detections in it, YOLOv5 knows it not */
};

struct detection {
	struct box box;
	double score;
	int image, cls;
};

struct boxset {
	int nimages, nclasses;
	struct truth *truths;
	size_t ntruths, truths_cap;
	struct detection *dets;
	size_t ndets, dets_cap;
};

/* A zeroed boxset with its two counts set is empty. */
void boxset_release(struct boxset *s);
/* Forget what was added; keeps the storage. */
void boxset_clear(struct boxset *s);
/* BUG_IF image or class are not below the counts. */
void boxset_add_truth(struct boxset *s, const struct truth *t);
void boxset_add_detection(struct boxset *s, const struct detection *d);

/* The boxes of one class in one image. */
struct group {
	int cls, image;
	size_t truth0, ntruths;
	size_t det0, ndets;
};

/* Every group that is not empty, by class, then by image. */
struct groups {
	struct group *group;
	size_t n;
	size_t *of_class; /* nclasses + 1: class c has the groups of_class[c] … of_class[c+1]-1 */
};

/*
 * Sorts truths by class and image, detections by class, image and falling score; equals keep the
 * order in which they were added.
 */
void boxset_sort(struct boxset *s, struct groups *out);
void groups_release(struct groups *g);

/* Where the truths and the detections of a class lie in the sorted set. */
struct span {
	size_t first, n;
};
struct span class_truths(const struct groups *g, int cls);
struct span class_dets(const struct groups *g, int cls);

/* Indices of the detections, class by class in their spans, by falling score over all images;
 * equals in the order of images. The caller frees. */
size_t *boxset_rank(const struct boxset *s, const struct groups *groups, struct pool *pool);

/* Intersection over union; with a crowd (COCO): over the detection's own area. */
double box_iou(const struct box *det, const struct box *truth, bool crowd);

#endif
