/*
 * evaluate.h - a detector judged on a data set: pictures in batches through the network (and its
 * gate), detections by non-maximum suppression, figures by both protocols, and the losses that
 * training is after.
 *
 *	e = evaluator_new(model, gates, dataset, &options, pool, &err);
 *	evaluator_run(e, &result, &err);	… as often as the model changes
 *	evaluation_release(&result);
 *	evaluator_free(e);
 *
 * The figures do not depend on the number of threads.
 */
#ifndef MIST_EVAL_EVALUATE_H
#define MIST_EVAL_EVALUATE_H

#include "data/dataset.h"
#include "eval/cocojson.h"
#include "eval/metrics.h"
#include "eval/runner.h"
#include "model/detect.h"

struct evaluate_options {
	int img, batch;
	bool rect; /* rectangular batches, as val.py's default */
	float conf, iou;
	int max_det;
	unsigned protocols;
	enum gate_mode gate;
	enum conv_path path;
	const uint64_t *seed;       /* of the gate's noise; NULL: the kernel's entropy */
	const struct loss_hyp *hyp; /* losses wanted: already scaled (loss_hyp_scale); else NULL */
	bool profile;               /* note where the time goes: evaluator_profile */
	bool strict;                /* a picture that cannot be decoded is an error */
	const struct notices *notices;
	/* Called after each batch; may be NULL. */
	void (*progress)(void *ctx, long images);
	void *progress_ctx;
};
/* val.py's: 640, 32, square, .001, .6, 300, YOLOv5's protocol, no gate. */
void evaluate_defaults(struct evaluate_options *o);

struct evaluation {
	struct metrics metrics;
	struct loss loss; /* mean over batches, as val.py's; zeros without `hyp` */
	/* What was compared, in pixels of the original images; images are items of the data set. */
	struct boxset set;
};
void evaluation_release(struct evaluation *e);
/* The detections as COCO results; images are called after their files, categories by class index or
 * (coco91; 80 classes needed) by COCO's own ids. */
int evaluation_save(const struct evaluation *e, const struct dataset *d, const char *path,
		    bool coco91_ids, struct err *err);

/*
 * Saved detections (COCO results) judged by saved ground truth (COCO annotations): metrics and set,
 * and class names, which are `a`'s. Only img, protocols and notices of the options count; img is the
 * size that val.py may have found them at (gain.h).
 */
int evaluate_saved(struct evaluation *out, struct annotations *a, const char *predictions,
		   const char *annotations, const struct evaluate_options *opt, struct pool *pool,
		   struct err *err);

struct evaluator;

/* Borrows all but the options; what the options point to is borrowed too. `gates` may be NULL with
 * GATE_OFF. Classes in the data set that the model lacks are an error. */
struct evaluator *evaluator_new(const struct model *m, const struct gates *gates,
				const struct dataset *d, const struct evaluate_options *opt,
				struct pool *pool, struct err *err);
void evaluator_free(struct evaluator *e);

/* Judges the model's parameters as they are now. A network whose output is not finite is an error with
 * STATUS_NONFINITE that names the picture. */
int evaluator_run(struct evaluator *e, struct evaluation *out, struct err *err);

/* With the option: the table of where evaluator_run's time went (nn/profile.h), else "". free(). */
char *evaluator_profile(struct evaluator *e);

/* Bytes that the networks of a run take at most: for a training plan. */
size_t evaluator_bytes(const struct evaluator *e);

#endif
