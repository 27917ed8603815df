/*
 * strategy.h - weight files of several clients to one. The formulas and their sources: combine.h.
 *
 *	fedavg		the mean, weighted by the images behind each file (mist.samples)
 *	fedavgm, fedadam, fedyogi	the same mean, then a step of the server's optimiser from the
 *			weights that the clients started from; its state is a file (server.h)
 *	median, trimmed-mean	of each coordinate
 *	krum, multi-krum	the client (the mean of the clients) nearest to the others
 *	norm-clip	the mean of the clients' updates, each shortened to a norm
 *
 * What a client claims of its samples counts in the first four alone: in the others, which are there
 * for clients that lie, all count the same.
 *
 * Three kinds of tensors (cohort.h). Trained ones: as above. Statistics of batch norms (and anchors):
 * the first four take the weighted mean, without a step, which could make a variance negative; median
 * and trimmed-mean treat them as any; krum, multi-krum and norm-clip take the median over all clients,
 * and do not measure distances by them, for their scale is the features', not the weights'. Counters:
 * the first four take the maximum, the others the lower median, never a mean.
 *
 * Sums are in double precision and in the order of the files, so the same files give the same bytes.
 * Tensors are read in pieces of all clients: memory is at most that of the largest tensor times the
 * number of clients, at most 16 MiB of it at a time (krum: 48, and n^2 numbers). One file is open.
 */
#ifndef MIST_FED_STRATEGY_H
#define MIST_FED_STRATEGY_H

#include "base/err.h"
#include "base/pool.h"
#include "fed/inbox.h"

enum strategy {
	STRATEGY_FEDAVG,
	STRATEGY_FEDAVGM,
	STRATEGY_FEDADAM,
	STRATEGY_FEDYOGI,
	STRATEGY_MEDIAN,
	STRATEGY_TRIMMED_MEAN,
	STRATEGY_KRUM,
	STRATEGY_MULTI_KRUM,
	STRATEGY_NORM_CLIP,
};

/* "fedavg", …, NULL: indexed by enum strategy. */
extern const char *const strategy_names[];

/* Numbers below 0 and NULL: not given. A parameter that the strategy has no use for is an error. */
struct strategy_options {
	enum strategy strategy;
	const char
		*global; /* what the clients started from; must for fedavgm … fedyogi, norm-clip */
	const char *state_in, *state_out; /* fedavgm … fedyogi */
	double server_lr;                 /* 1 for fedavgm, else 0.01 */
	double beta1, beta2, tau;         /* 0.9, 0.99, 0.001: Reddi et al., section 5.2 */
	double trim;                      /* the share cut off at either end: 0.2 */
	long byzantine;                   /* clients that may lie: the most that n clients bear */
	long select;                      /* of multi-krum: n - byzantine */
	double clip;                      /* the norm: the median of the clients' norms */
	double staleness;   /* weight times (1 + rounds behind)^-staleness (Xie et al. 2019): 0 */
	const char *report; /* contribution.h */
	struct pool *pool;  /* NULL: one thread */
	const struct notices *notices; /* what a user should know */
	const struct notices *details; /* a line per file */
	const struct confirm *confirm; /* may be NULL */
};
void strategy_defaults(struct strategy_options *o);

/*
 * Writes the combination of the n files to `output`, with the first file's model, names, cut and
 * gate, mist.samples summed, mist.round one more than the largest, and mist.parents the SHA-256 of
 * the files in their order, then of `global`. Errors: files of different models, the same file twice,
 * mist.samples in some but not in all (in none: every file counts the same, with a notice), checkpoints
 * of unfinished runs, and, with status not finite, a value that is not.
 */
int strategy_run(char *const *paths, int n, const char *output, const struct strategy_options *opt,
		 struct err *err);

#endif
