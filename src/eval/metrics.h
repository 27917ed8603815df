/*
 * metrics.h - the figures of one evaluation, and how they are shown: YOLOv5's table, pycocotools'
 * block of twelve lines, one JSON object.
 */
#ifndef MIST_EVAL_METRICS_H
#define MIST_EVAL_METRICS_H

#include "eval/ap.h"
#include "eval/coco.h"
#include "eval/gain.h"

#include <jansson.h>

enum { PROTOCOL_YOLO = 1, PROTOCOL_COCO = 2, PROTOCOL_BOTH = 3 };

struct metrics {
	long images, with_labels, backgrounds, corrupt, instances;
	unsigned protocols; /* which of the two are there */
	struct yolo_metrics yolo;
	struct coco_metrics coco;
	bool timed; /* the times are there, milliseconds per image, and the network's input */
	double preprocess_ms, inference_ms, nms_ms;
	int batch, channels, height, width;
};

/* Where saved detections may carry the scale error of val.py (gain.h), which COCO's protocol takes
 * as it is and YOLOv5's undoes. */
struct saved_by_val {
	const struct coco_image *images; /* of the set */
	int img;                         /* the size they were found at */
	enum gain_rule rule;             /* out: what was undone */
};

/* Sorts the set; fills instances, protocols and their figures, leaves the rest of *m alone. `saved`
 * may be NULL; with it the truths may be moved. */
void metrics_compute(struct metrics *m, struct boxset *s, unsigned protocols,
		     struct saved_by_val *saved, struct pool *pool);
void metrics_release(struct metrics *m);

/* YOLOv5's lines; `classes`: a row for each class too. `names` may be NULL. */
void metrics_table(const struct metrics *m, char *const *names, bool classes, struct buf *out);
/* Just the heading of that table, with its newline. */
void metrics_heading(struct buf *out);
void metrics_coco_lines(const struct metrics *m, struct buf *out);
/* "Speed: …" */
void metrics_speed_line(const struct metrics *m, struct buf *out);
/* All of these that are there, one below the other. */
void metrics_text(const struct metrics *m, char *const *names, bool classes, struct buf *out);
/* The object of mist-eval --json, indented; the second is it as a value, to be json_decref()ed. */
void metrics_json_text(const struct metrics *m, char *const *names, struct buf *out);
json_t *metrics_json(const struct metrics *m, char *const *names);

#endif
