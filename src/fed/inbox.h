/*
 * inbox.h - what clients sent: feature streams or weight files, told apart by their first bytes.
 */
#ifndef MIST_FED_INBOX_H
#define MIST_FED_INBOX_H

#include "base/err.h"

#include <stdint.h>

enum inbox_kind { INBOX_FEATURES, INBOX_WEIGHTS };

/*
 * The one kind of all files; mixed kinds, foreign and empty files are errors, and so is "-" given
 * twice. Standard input is looked at without being read.
 */
int inbox_kind(char *const *paths, int n, enum inbox_kind *out, struct err *err);

/* To be asked once everything is read and before the result is committed: is it still to be? */
struct confirm {
	int (*fn)(void *ctx, struct err *err);
	void *ctx;
};

/*
 * A set of things already seen, by a 64-bit keyed hash: 12 to 24 bytes each. Two different things
 * are taken for one with a probability of n^2 / 2^65: one in 30 million for a million samples. The
 * key is random, so nobody can make them collide.
 */
struct seen {
	uint64_t *slots; /* owned */
	size_t n, cap;
	uint8_t key[16];
};

int seen_init(struct seen *s, struct err *err);
void seen_release(struct seen *s);
/* True when it was there already; else it is there now. */
bool seen_before(struct seen *s, const void *thing, size_t size);

#endif
