/*
 * inspect.h - a detector that looks at one picture at a time, of any size: letterboxed into the
 * smallest rectangle of whole strides (YOLOv5's detect.py), detections in the picture's own pixels.
 */
#ifndef MIST_EVAL_INSPECT_H
#define MIST_EVAL_INSPECT_H

#include "eval/runner.h"
#include "io/image.h"
#include "model/detect.h"

struct inspect_options {
	int img;
	struct nms_options nms;
	const uint64_t *seed; /* of the gate's noise; NULL: the kernel's entropy */
};
/* detect.py's: 640, .25, .45, one label a box, 1000 detections. */
void inspect_defaults(struct inspect_options *o);

/* Sets flags[class] for each name or number in the comma-separated list; nc flags, zeroed before. An
 * unknown one is an error with STATUS_USAGE. */
int inspect_classes(const struct model *m, const char *list, unsigned char *flags, struct err *err);

struct inspection {
	const struct det *dets; /* by falling score; borrowed until the next picture */
	int n;
	int w, h;  /* of the network's input */
	double ms; /* from the picture in memory to the detections */
};

struct inspector;
/* Borrows detector, pool and what the options point to. Never NULL. */
struct inspector *inspector_new(const struct detector *d, const struct inspect_options *opt,
				struct pool *pool);
void inspector_free(struct inspector *s);
/* A network whose output is not finite is an error with STATUS_NONFINITE. */
int inspector_run(struct inspector *s, const struct image *picture, struct inspection *out,
		  struct err *err);

/* "640x480 4 persons, 1 bus, 12.3 ms", by class; the input's height comes first, as in YOLOv5. */
void inspection_summary(const struct inspection *i, char *const *names, struct buf *out);

#endif
