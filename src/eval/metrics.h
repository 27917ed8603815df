/*
 * metrics.h - the figures of one evaluation, and how they are shown: YOLOv5's table, pycocotools'
 * block of twelve lines, one JSON object.
 */
#ifndef MIST_EVAL_METRICS_H
#define MIST_EVAL_METRICS_H

#include "eval/ap.h"
#include "eval/coco.h"

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

/* Sorts the set; fills instances and the figures of `protocols`, adds those to m->protocols. */
void metrics_compute(struct metrics *m, struct boxset *s, unsigned protocols, struct pool *pool);
void metrics_release(struct metrics *m);

/* YOLOv5's lines; `classes`: a row for each class too. `names` may be NULL. */
void metrics_table(const struct metrics *m, char *const *names, bool classes, struct buf *out);
/* Just the heading of that table, with its newline. */
void metrics_heading(struct buf *out);
void metrics_coco_lines(const struct metrics *m, struct buf *out);
/* "Speed: …" */
void metrics_speed_line(const struct metrics *m, struct buf *out);
/* The object of mist-eval --json; the caller json_decref()s. */
json_t *metrics_json(const struct metrics *m, char *const *names);

#endif
