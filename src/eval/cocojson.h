/*
 * cocojson.h - COCO's JSON: annotations (instances_*.json) and results ([{image_id, category_id,
 * bbox, score}, …]), cocodataset.org "data format" and "results format".
 *
 * Images become indices in the order of their ids, categories class indices in the order of theirs.
 * Ids of images may be numbers or strings. What names an image that the annotations lack is an
 * error, as in pycocotools; detections of a category they lack are counted and left out, as there.
 */
#ifndef MIST_EVAL_COCOJSON_H
#define MIST_EVAL_COCOJSON_H

#include "base/err.h"
#include "base/file.h"
#include "eval/boxes.h"
#include "io/jsonpull.h"

#include <stdint.h>

struct coco_image {
	char *id;          /* as text */
	int width, height; /* 0 when the file does not say */
};

struct annotations {
	struct coco_image *images; /* in the order of ids */
	int nimages;
	int with_labels; /* images with at least one object that is not a crowd */
	char **names;    /* of the classes */
	int64_t *ids;    /* of the classes, ascending */
	int nclasses;
	uint32_t *table; /* hash of the images' ids: index + 1, or 0 */
	uint32_t mask;
};

/* Fills `a`, and `set` with the truths. "-": standard input. */
int cocojson_read(struct annotations *a, struct boxset *set, const char *path, struct err *err);
/* The same from an open reader, which stays the caller's. */
int cocojson_parse(struct annotations *a, struct boxset *set, struct jsonpull *p, struct err *err);
void annotations_release(struct annotations *a);

/* Adds the detections of a results file to `set`; *skipped: those of unknown categories. */
int cocojson_read_results(struct boxset *set, const char *path, const struct annotations *a,
			  long *skipped, struct err *err);

int cocojson_parse_results(struct boxset *set, struct jsonpull *p, const struct annotations *a,
			   long *skipped, struct err *err);

/*
 * Writes a results file, detections in the order of `set`. keys: the images' names (file names
 * without suffix); one made of digits alone becomes a number, as in YOLOv5. ids: category id of
 * each class; NULL: the class index.
 */
int cocojson_write_results(const char *path, const struct boxset *set, char *const *keys,
			   const int *ids, struct err *err);

/* COCO's category ids (1 … 90) of its 80 classes: the papers' numbering with its holes. */
extern const int coco91[80];

#endif
