/*
 * schedule.h - learning rates, momentum and accumulation at every step, as YOLOv5's train.py
 * (v7.0): a line (or half a cosine) from lr0 to lr0*lrf over the epochs; during warm-up, biases
 * come down from warmup_bias_lr, all others rise from 0, momentum rises from warmup_momentum, and
 * accumulation grows from 1 to nbs/batch. Pure functions of the step: nothing to save in a
 * checkpoint.
 */
#ifndef MIST_MODEL_SCHEDULE_H
#define MIST_MODEL_SCHEDULE_H

#include "model/hyp.h"
#include "nn/optim.h"

struct schedule {
	struct hyp hyp;
	enum optim_kind kind; /* Adam's beta1 is not warmed up */
	bool cosine;
	long epochs;
	long nb;     /* batches an epoch */
	long warmup; /* batches of warm-up: schedule_init */
	int batch, nbs;
	double decay; /* weight decay, scaled by batch * accumulate / nbs */
};

/*
 * warmup_floor: train.py's least number of warm-up batches (100), or 0 where the user has asked for
 * so many epochs and no more.
 */
void schedule_init(struct schedule *s, const struct hyp *hyp, enum optim_kind kind, bool cosine,
		   long epochs, long nb, int batch, int nbs, int warmup_floor);
/* lf(epoch) of train.py: the factor of lr0. */
double schedule_factor(const struct schedule *s, long epoch);
/* At batch `ni` (counted from the start of training), which lies in `epoch`. Returns how many
 * batches make a step. */
int schedule_at(const struct schedule *s, long ni, long epoch, struct optim_rates *rates);

/* The moving average's decay at its x-th update (from 1): .9999 * (1 - exp(-x / 2000)). */
double schedule_ema(int64_t updates);
/* What the best epoch is judged by: .1 * mAP50 + .9 * mAP50-95. */
double schedule_fitness(double map50, double map);

#endif
