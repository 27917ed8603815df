/*
 * validate.h - what a training run asks after every epoch: the figures of its weights on a
 * validation set (eval/evaluate.h), through the gate that they were trained with.
 */
#ifndef MIST_TRAIN_VALIDATE_H
#define MIST_TRAIN_VALIDATE_H

#include "eval/evaluate.h"
#include "model/hyp.h"
#include "train/train.h"

struct validate_options {
	int img, batch;
	int gate; /* an enum gate_mode, or -1: GATE_CLEAN where the model has a gate */
	enum conv_path path;
	uint64_t seed; /* of the noise of GATE_NOISY */
	bool strict;
	const struct notices *notices;
};

struct validator;

/* Borrows model and pool; the model's metadata say which gate there is. `dataset` is a path; of a
 * dataset.yaml the split "val" is taken. */
struct validator *validator_new(const char *dataset, const struct model *m, const struct hyp *hyp,
				const struct validate_options *opt, struct pool *pool,
				struct err *err);
void validator_free(struct validator *v);
/* Of the networks and the data set. */
size_t validator_bytes(const struct validator *v);
/* A train_events.validate; ctx is the validator. */
int validator_run(void *ctx, struct train_metrics *out, struct err *err);

#endif
