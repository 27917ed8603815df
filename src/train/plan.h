/*
 * plan.h - what a training run will take of memory, known before the first batch.
 */
#ifndef MIST_TRAIN_PLAN_H
#define MIST_TRAIN_PLAN_H

#include "base/err.h"
#include "nn/net.h"
#include "nn/optim.h"

struct plan {
	size_t weights, gradients, moments, average; /* one arena each */
	size_t start;      /* the weights that training started from, for --proximal */
	size_t net;        /* activations, their gradients, packed weights, scratch */
	size_t samples;    /* held by the source */
	size_t evaluation; /* the second network, for --val */
	size_t program;    /* code, libraries, buffers of files and threads */
	size_t total;
	int micro; /* images that go through the network at once; the batch where it fits */
};

/*
 * Of the micro-batches 1 … batch the largest that stays within `limit` bytes (0: no limit). When
 * not even one image does, an error that states the least limit that would do. `net` describes the
 * network before the head (head.h), its path resolved; its max_n is the batch on entry and the micro-batch on
 * return. `proximal`: the weights that
 * training started from are kept.
 */
int plan_make(struct plan *p, const struct graph *g, struct net_options *net, struct pool *pool,
	      enum optim_kind kind, bool proximal, size_t samples, size_t evaluation, size_t limit,
	      struct err *err);
/* The plan as a table of "%-16s %10.1f MiB" lines. */
void plan_format(const struct plan *p, int batch, struct buf *out);

#endif
