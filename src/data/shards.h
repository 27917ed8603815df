/*
 * shards.h - a partition on disk: DIR/1 … DIR/N, each a whole data set (images/, labels/,
 * dataset.yaml), and DIR/partition.json that says who got what.
 *
 * Everything is made and checked in a hidden folder inside DIR first, then renamed into place: a
 * failed run leaves what was there. Nothing of the user's is rewritten. Copies of one picture (the same
 * SHA-256) stay together at the client of the first of them, so that no picture is in two shards.
 *
 * partition.json: scheme, seed and settings, and per client its files with SHA-256 and label counts.
 * It holds no dates, paths of the source or ways of linking: equal partitions are equal bytes.
 */
#ifndef MIST_DATA_SHARDS_H
#define MIST_DATA_SHARDS_H

#include "base/pool.h"
#include "data/partition.h"

enum shards_link {
	SHARDS_AUTO, /* hard links; copies where the file system gives none */
	SHARDS_HARD,
	SHARDS_SYMBOLIC,
	SHARDS_COPY,
};

struct shards_options {
	struct partition_options partition;
	enum shards_link link;
	bool replace; /* an earlier partition in DIR, instead of refusing */
	const struct notices *notices;
	void (*step)(void *ctx, int done); /* pictures digested; may be NULL */
	void *ctx;
};

/* What one client got. */
struct shard {
	int pictures, boxes, classes; /* classes: how many different ones */
};

/*
 * Divides `d` and writes the shards. shards[] (one per client, the caller's) is filled. Where DIR
 * holds this very partition already, nothing is written and *same becomes true; another one is an
 * error unless `replace`.
 */
int shards_write(const struct dataset *d, const struct shards_options *opt, const char *dir,
		 struct pool *pool, struct shard *shards, bool *same, struct err *err);

#endif
