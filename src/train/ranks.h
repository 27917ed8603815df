/*
 * ranks.h - one batch over several ranks (base/comm.h): each takes images that follow each other, all
 * know the targets of all, so that the losses are averages over the whole batch, and gradients add up
 * to the batch's before a step. Then every rank makes the same step.
 *
 * A batch of fewer images than ranks is rank 0's alone.
 */
#ifndef MIST_TRAIN_RANKS_H
#define MIST_TRAIN_RANKS_H

#include "base/comm.h"
#include "nn/graph.h"
#include "train/source.h"

struct share {
	int first, n, all; /* this rank's images of the batch's */
	bool solo;         /* rank 0 has them all */
};

/* Images of a batch that a rank must have room for. */
int ranks_room(const struct comm *c, int batch);
/* This rank's images of a batch of `all`. */
struct share ranks_share(const struct comm *c, int all);
/*
 * After they were filled in (rc, err; s->n are left of them): the share within what the ranks have
 * together, and the targets of all, numbered so. -1 when a rank failed, or has none left.
 */
int ranks_join(struct comm *c, int rc, struct share *s, struct target_list *targets,
	       struct err *err);
/* Running statistics of layers >= from: the ranks' mean, or after a batch of its own rank 0's. */
void ranks_statistics(struct comm *c, const struct share *s, const struct graph *g, int from,
		      float *params);
/* Rank 0's values for all. */
void ranks_follow(struct comm *c, double *v, size_t n);

#endif
