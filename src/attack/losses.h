/*
 * losses.h - the loss of a detector on each picture of a set by itself: what membership shows in.
 */
#ifndef MIST_ATTACK_LOSSES_H
#define MIST_ATTACK_LOSSES_H

#include "data/dataset.h"
#include "eval/runner.h"
#include "model/detect.h"

struct losses_options {
	int img, batch;
	const struct loss_hyp *hyp; /* scaled: hyp_loss */
	enum gate_mode gate;
	const uint64_t *seed; /* of GATE_NOISY */
	enum conv_path path;
	const struct notices *notices;
};

/*
 * out[i] is the loss on item i of the set. A picture that cannot be decoded, a class that the model
 * lacks and a loss that is not finite are errors. `gates` may be NULL with GATE_OFF.
 */
int losses_of(const struct model *m, const struct gates *gates, const struct dataset *d,
	      const struct losses_options *opt, struct pool *pool, struct loss *out,
	      struct err *err);

/* Box, objectness and class together: what training minimised. */
static inline double loss_total(const struct loss *l)
{
	return l->box + l->obj + l->cls;
}

#endif
