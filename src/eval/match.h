/*
 * match.h - which detections found an object, by the two protocols, for ten IoU thresholds.
 *
 * YOLOv5 (val.py, process_batch): at each threshold a detection keeps its best ground truth of the
 * class and image; the highest score wins a shared one, and losers do not fall back to another.
 * Crowd regions do not exist for it.
 * COCO (pycocotools, COCOeval.evaluateImg): by falling score, each detection takes the best free
 * ground truth of at least the threshold, real ones before ignored ones; crowds may be taken again
 * and again. Done once for each of four ranges of area: what lies outside is ignored.
 */
#ifndef MIST_EVAL_MATCH_H
#define MIST_EVAL_MATCH_H

#include "base/pool.h"
#include "eval/boxes.h"

enum { MATCH_IOUS = 10 };                                            /* 0.50, 0.55 … 0.95 */
enum { AREA_ALL, AREA_SMALL, AREA_MEDIUM, AREA_LARGE, MATCH_AREAS }; /* cut at 32² and 96² pixels */
enum { COCO_MAX_DETS = 100 }; /* detections of a class in an image that count */

/* What was found of one detection; bit i is threshold i. */
struct verdict {
	uint16_t yolo;                 /* correct */
	uint16_t found[MATCH_AREAS];   /* COCO: matched */
	uint16_t ignored[MATCH_AREAS]; /* COCO: counts neither way */
	uint16_t rank;                 /* by score in its class and image, from 0; 65535 at most */
};

/* numpy.linspace(0.5, 0.95, 10). */
double match_iou(int i);
/* pycocotools' rule, both ends included. */
bool area_inside(int range, double area);

/* Verdicts for s->dets, one each; the caller frees. Threads do not change them. */
struct verdict *match_all(const struct boxset *s, const struct groups *groups, struct pool *pool);

#endif
