/*
 * strategy.h - weight files of several clients to one.
 *
 * fedavg: McMahan et al. 2017, "Communication-efficient learning", algorithm 1: every value is the
 * mean over the files, weighted by the images behind each (mist.samples); batch-norm statistics are
 * values like others; integers, and num_batches_tracked of any type, are the maximum. Sums are in
 * double precision and in the order of the files, so the same files give the same bytes.
 *
 * One tensor is held at a time, and of a file its name and a few numbers: memory does not grow with
 * the number of files, and at most one is open.
 */
#ifndef MIST_FED_STRATEGY_H
#define MIST_FED_STRATEGY_H

#include "base/err.h"
#include "fed/inbox.h"

enum strategy { STRATEGY_FEDAVG };

/* "fedavg", NULL: indexed by enum strategy. */
extern const char *const strategy_names[];

struct strategy_options {
	enum strategy strategy;
	const struct notices *notices; /* what a user should know */
	const struct notices *details; /* a line per file */
	const struct confirm *confirm; /* may be NULL */
};

/*
 * Writes the combination of the n files to `output`, with the first file's model, names, cut and
 * gate, mist.samples summed, mist.round one more than the largest, and mist.parents the SHA-256 of
 * the files in their order. Errors: files of different models, the same file twice, mist.samples in
 * some but not in all (in none: every file counts the same, with a notice), checkpoints of
 * unfinished runs, and, with status not finite, a value that is not.
 */
int strategy_run(char *const *paths, int n, const char *output, const struct strategy_options *opt,
		 struct err *err);

#endif
