/*
 * coco.h - COCO's twelve figures as pycocotools' COCOeval (accumulate, summarize) reports them.
 * A figure that nothing defines (no ground truth of that size) is -1, as there.
 */
#ifndef MIST_EVAL_COCO_H
#define MIST_EVAL_COCO_H

#include "eval/match.h"

enum { COCO_FIGURES = 12 };

/* AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl */
extern const char *const coco_names[COCO_FIGURES];

struct coco_metrics {
	double figure[COCO_FIGURES];
};

/* `ranking` is boxset_rank's, `verdicts` match_all's. */
void coco_metrics_compute(struct coco_metrics *out, const struct boxset *s,
			  const struct groups *groups, const size_t *ranking,
			  const struct verdict *verdicts, struct pool *pool);

#endif
