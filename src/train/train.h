/*
 * train.h - the training loop: YOLOv5's train.py (Ultralytics, v7.0) over a source of samples.
 *
 * An epoch draws all samples in an order of (seed, epoch); the last batch may be smaller. Batches
 * accumulate to a step (schedule.h); gradients are clipped to a norm of 10; after each step the
 * moving average of the weights follows. With a project folder, results.csv and the checkpoint
 * last.safetensors are replaced at every epoch, and the checkpoint in between, so that a killed run
 * goes on where it was; best.safetensors is kept when there is validation.
 *
 * The result (weights and metadata) is the same for any number of threads, for a second run, and
 * for a run that was interrupted and resumed.
 */
#ifndef MIST_TRAIN_TRAIN_H
#define MIST_TRAIN_TRAIN_H

#include "base/err.h"
#include "base/comm.h"
#include "base/pool.h"
#include "fed/stop.h"
#include "model/hyp.h"
#include "model/model.h"
#include "model/results.h"
#include "nn/optim.h"
#include "train/plan.h"
#include "train/source.h"

struct train_metrics {
	double precision, recall, map50, map;
	double box, obj, cls; /* losses on the validation set */
};

/* What the loop tells its caller, and asks of it. Any of them may be NULL. */
struct train_events {
	void *ctx;
	/* After a batch: the epoch's mean losses so far, box, obj, cls. */
	void (*batch)(void *ctx, long epoch, long batch, long nb, const double *loss);
	/* After an epoch, its row of results.csv is there. */
	void (*epoch)(void *ctx, const struct results_row *row);
	/* True: write the checkpoint and end with an error. */
	bool (*interrupted)(void *ctx);
	/* Judges the model, which holds the averaged weights while this is called. */
	int (*validate)(void *ctx, struct train_metrics *out, struct err *err);
};

struct train_options {
	struct hyp hyp;
	enum optim_kind optimizer;
	bool cosine, shuffle;
	long epochs;
	int batch, nbs, freeze;
	int warmup_floor; /* see schedule_init */
	double proximal;  /* FedProx's mu (proximal.h); 0: none */
	double extractor; /* images through a gate: the layers before it learn at this times the rate;
			     0: not at all */
	struct comm *comm; /* ranks that train together; NULL: one */
	bool sync_bn;      /* batch norm's statistics are those of all ranks' images */
	double clip;       /* largest norm of a step's gradient; 0: any */
	uint64_t seed;
	enum conv_path path;
	size_t mem_limit;        /* bytes; 0: none */
	size_t evaluation;       /* bytes that validate() takes */
	long patience;           /* epochs without a better one before the end; 0: never */
	const struct stop *stop; /* may be NULL */
	const char *project;     /* folder; NULL: nothing is kept */
	long save_steps;         /* a checkpoint every so many steps; 0: every minute */
	bool profile;            /* notes where the time goes: train_profile */
};

struct train;
/* Borrows all it is given; `m` will be trained. NULL on error. */
struct train *train_new(const struct train_options *opt, struct model *m, struct source *source,
			struct pool *pool, const struct train_events *events, struct err *err);
void train_free(struct train *t);
const struct plan *train_plan(const struct train *t);

/* Goes on from the project's checkpoint. 0 with *found false when there is none yet. */
int train_resume(struct train *t, bool *found, struct err *err);
/* Trains; then `m` holds the averaged weights, and metadata that says what they were made from. */
int train_run(struct train *t, struct err *err);
/* With the option: the table of where train_run's time went (nn/profile.h), else "". free(). */
char *train_profile(const struct train *t);
/* Why it ended before its last epoch; "" if it did not. */
const char *train_reason(const struct train *t);

#endif
