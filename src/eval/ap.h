/*
 * ap.h - precision, recall and average precision as YOLOv5's val.py reports them (utils/metrics.py,
 * ap_per_class and compute_ap, v6.2 to v7.0): precision and recall at the confidence of the best
 * mean F1; AP as the area under the precision envelope, interpolated linearly at 101 recalls.
 *
 * Classes without ground truth do not count. Where nothing at all was found, all is 0.
 */
#ifndef MIST_EVAL_AP_H
#define MIST_EVAL_AP_H

#include "eval/match.h"

struct yolo_class {
	int cls;
	long instances;
	double p, r, map50, map; /* map: mean over the ten thresholds */
};

struct yolo_metrics {
	double p, r, map50, map;    /* means over classes */
	double confidence;          /* where the best F1 lies */
	struct yolo_class *classes; /* those with ground truth, ascending */
	int nclasses;
};

void yolo_metrics_init(struct yolo_metrics *m);
void yolo_metrics_release(struct yolo_metrics *m);

/* `ranking` is boxset_rank's, `verdicts` match_all's. */
void yolo_metrics_compute(struct yolo_metrics *out, const struct boxset *s,
			  const struct groups *groups, const size_t *ranking,
			  const struct verdict *verdicts, struct pool *pool);

#endif
