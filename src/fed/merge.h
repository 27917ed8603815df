/*
 * merge.h - the feature streams of several clients as one.
 *
 * What comes out are the clients' segments one after the other, byte for byte: each keeps its
 * header, with what decodes and de-biases its bits, and its end, with the client's own digest. They
 * must fit together (features_fit). Memory does not grow with the streams, but for at most 24
 * bytes a sample in each of two sets that find duplicates.
 */
#ifndef MIST_FED_MERGE_H
#define MIST_FED_MERGE_H

#include "base/err.h"
#include "fed/inbox.h"

struct merge_options {
	bool allow_seeded;
	bool drop_duplicates; /* of samples of the same bits the first is taken, whoever sent them */
	const struct notices *notices; /* what a user should know */
	const struct notices *details; /* a line per client */
	const struct confirm *confirm; /* may be NULL */
};

struct merge_result {
	long clients, samples; /* segments, that is, and samples */
	long dropped;
};

/*
 * Refused: streams that do not fit; the same key of the same client twice, and the same noisy bits
 * under another name, unless they are to be dropped; seeded noise (status privacy) unless allowed. Noticed: noiseless features
 * that several clients sent alike, and bits of different noise that are not de-biased.
 */
int merge_streams(char *const *paths, int n, const char *output, const struct merge_options *opt,
		  struct merge_result *out, struct err *err);

#endif
