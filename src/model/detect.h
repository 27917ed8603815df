/*
 * detect.h - YOLOv5's head: decoding, loss, non-maximum suppression. Ultralytics YOLOv5 v6/v7.
 */
#ifndef MIST_MODEL_DETECT_H
#define MIST_MODEL_DETECT_H

#include "base/err.h"
#include "base/pool.h"
#include "nn/net.h"

/* A ground-truth box: image index in the batch, class, centre and size normalised to the letterbox.
 */
struct target {
	int image, cls;
	float xc, yc, w, h;
};

struct loss_hyp {
	float box, cls, cls_pw, obj, obj_pw, anchor_t, fl_gamma, label_smoothing;
	/* already scaled as train.py does: loss_hyp_scale */
};
void loss_hyp_default(struct loss_hyp *h); /* hyp.scratch-low: .05 .5 1 1 1 4 0 0 */
void loss_hyp_scale(struct loss_hyp *h, int nl, int nc, int img);

struct loss {
	double box, obj, cls;
}; /* weighted, means; total is n * (box + obj + cls) */

/* Loss of the raw maps, without a gradient: that is head.h's. Deterministic on any number of threads. */
struct loss_ctx;
struct loss_ctx *loss_new(const struct graph *g, const struct loss_hyp *hyp, int max_n, int h,
			  int w);
void loss_free(struct loss_ctx *c);
void loss_detect(struct loss_ctx *c, struct pool *pool, const struct view *maps, int n,
		 const struct target *targets, int ntargets, struct loss *out);

struct det {
	float x1, y1, x2, y2, score;
	int cls;
};

struct nms_options {
	float conf, iou;  /* evaluation: .001, .6; detection: .25, .45 */
	bool multi_label; /* several classes a box */
	bool agnostic;
	int max_det;                  /* 300 */
	int max_candidates;           /* 30000 before NMS */
	const unsigned char *classes; /* NULL, or nc flags of the classes wanted */
};
/* Decodes the maps of one image and suppresses; detections by falling score in pixels of the
 * network's input. Returns how many (<= max_det) in `out`. No wall-clock limit. Scratch is inside
 * nms. */
struct nms;
struct nms *nms_new(const struct graph *g, const struct nms_options *opt);
void nms_free(struct nms *s);
int nms_run(struct nms *s, const struct view *maps, int nl, int image, struct det *out);
/* All boxes, decoded (boxes x (5+nc): xywh in pixels, objectness, classes), for tests. */
void detect_decode(const struct graph *g, const struct view *maps, int image, float *out);
/* How many boxes that is. */
int detect_boxes(const struct graph *g, const struct view *maps);

#endif
