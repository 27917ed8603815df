/*
 * checkpoint.h - a training run on disk: a safetensors file with the weights under their own names,
 * their moving average as "ema.NAME", the optimiser's moments as "optim.MOMENT.NAME", and in the
 * metadata mist.train where the run stands and which options it was started with.
 *
 * A checkpoint is taken right after an optimiser step, so gradients are zero and not stored; random
 * numbers are functions of (seed, epoch, sample), so the seed and the position are the generator's
 * state. What a resumed run makes equals what an uninterrupted run makes, byte for byte.
 */
#ifndef MIST_TRAIN_CHECKPOINT_H
#define MIST_TRAIN_CHECKPOINT_H

#include "base/err.h"
#include "model/model.h"
#include "model/results.h"
#include "nn/optim.h"

#include <jansson.h>

struct train_state {
	long epoch, batch; /* the next batch: its epoch, and its number in it */
	long last_step;    /* the batch, counted from the start, that ended the last step; -1 */
	int64_t steps;     /* of the optimiser, and updates of the moving average */
	double loss[3];    /* box, obj, cls: sums over this epoch's batches so far */
	struct results results; /* the epochs that are done */
	double best;            /* fitness; -1: none yet */
	long best_epoch;
	bool done; /* nothing is left to do but to write the weights */
};

#define TRAIN_STATE_INIT                                                                           \
	{                                                                                          \
		.last_step = -1, .results = RESULTS_INIT, .best = -1                               \
	}

void train_state_release(struct train_state *s);
/* The state as mist.train's JSON object, and back. Every number is range-checked. */
json_t *train_state_json(const struct train_state *s);
int train_state_parse(struct train_state *s, const char *name, const json_t *json, struct err *err);

/* All borrowed; loading writes into them. */
struct checkpoint {
	struct model *model;
	float *ema; /* laid out as model->params */
	struct optim *optim;
	struct train_state *state;
	const json_t *options; /* an object of strings: what must not change between runs */
};

int checkpoint_save(const struct checkpoint *c, const char *path, struct err *err);
/*
 * Fails, naming the option and both values, when the run was started with other options; on any
 * failure the contents of *c are undefined.
 */
int checkpoint_load(const struct checkpoint *c, const char *path, struct err *err);

#endif
