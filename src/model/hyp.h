/*
 * hyp.h - hyper-parameters: YOLOv5's hyp.*.yaml, key by key (Ultralytics YOLOv5 v7.0, data/hyps).
 *
 * A file names what it changes; the rest keeps hyp.scratch-low's values. Unknown keys are errors
 * that name the nearest known one. 'anchors' is refused: they belong to the model's YAML.
 */
#ifndef MIST_MODEL_HYP_H
#define MIST_MODEL_HYP_H

#include "base/err.h"
#include "base/mem.h"
#include "model/detect.h"

struct hyp {
	double lr0, lrf, momentum, weight_decay;
	double warmup_epochs, warmup_momentum, warmup_bias_lr;
	double box, cls, cls_pw, obj, obj_pw, iou_t, anchor_t, fl_gamma, label_smoothing;
	double hsv_h, hsv_s, hsv_v;
	double degrees, translate, scale, shear, perspective;
	double flipud, fliplr, mosaic, mixup, copy_paste;
};

/* hyp.scratch-low.yaml. */
void hyp_default(struct hyp *h);
/* Changes what the text (a YAML named `name` in sentences) says; every value is range-checked. */
int hyp_parse(struct hyp *h, const char *name, const char *text, size_t len, struct err *err);
int hyp_read(struct hyp *h, const char *path, struct err *err);
/* One key, as a text: for options and job manifests. */
int hyp_set(struct hyp *h, const char *key, double value, struct err *err);

/* All keys as YAML, in a fixed order, so that equal hyper-parameters are equal texts. */
void hyp_write(const struct hyp *h, struct buf *out);
/* The n-th key and its value; NULL beyond the last. */
const char *hyp_key(const struct hyp *h, int n, double *value);

/* The loss's gains, scaled for this head and image size as train.py does. */
void hyp_loss(const struct hyp *h, const struct graph *g, int img, struct loss_hyp *out);

#endif
