/*
 * loss.h - inside the detection loss only (loss.c, head.c): targets matched to anchors and cells, and
 * the terms of a match. Ultralytics YOLOv5 v7, utils/loss.py, ComputeLoss.
 */
#ifndef MIST_MODEL_LOSS_H
#define MIST_MODEL_LOSS_H

#include "model/detect.h"

/* Images [first, first + n) of a batch of `all`, and the targets of all. */
struct part {
	int first, n, all;
	const struct target *targets;
	int ntargets;
};

struct match {
	int image, anchor, y, x, cls; /* image: of the part */
	double box[4];                /* of the target in cells, relative to the cell's corner */
};

struct matches {
	struct match *v;
	size_t n, cap;
};

/*
 * Appends the part's matches of a level of h x w cells and returns how many all images of the batch
 * have. In PyTorch's order: where two share a cell and an anchor, the later one says what its
 * objectness should be.
 */
size_t loss_match(const struct graph *g, const struct loss_hyp *hyp, int level, int h, int w,
		  const struct part *p, struct matches *out);

struct match_terms {
	double box, cls; /* 1 - CIoU; the mean over classes */
	float wanted;    /* the objectness that its cell should have */
};

/* raw: the 5 + nc values of the match's anchor. grad, unless NULL, as many: of box*hyp->box + cls*hyp->cls,
 * times `scale`; the objectness's is 0. */
void loss_match_terms(const struct graph *g, const struct loss_hyp *hyp, int level,
		      const struct match *m, const float *raw, double scale,
		      struct match_terms *terms, float *grad);

/* The weight of a level's objectness. */
double loss_balance(const struct graph *g, int level);

/* Binary cross-entropy of a logit x with target t and weight pw of the positive part
 * (torch.nn.BCEWithLogitsLoss), with gamma > 0 times focal loss's factor (alpha 0.25). */
double loss_bce(double x, double t, double pw, double gamma, double *grad);

#endif
