/*
 * part.h - a file that is being received: ".NAME.part" beside its final name, hashed as it grows,
 * with the server's validator in ".NAME.part.tag" so that a later process can go on with it.
 * One process at a time: the part is locked.
 */
#ifndef MIST_IO_PART_H
#define MIST_IO_PART_H

#include "base/err.h"
#include "io/digest.h"

#include <stdint.h>

struct part {
	char *path;      /* the name it will have */
	char *temp;      /* the name it has until then */
	char *tag;       /* the file with url and validator */
	char *url;       /* where what is here came from; NULL: not known */
	char *validator; /* its ETag or date; NULL: none */
	int fd;
	uint64_t have; /* bytes */
	struct digest digest;
};

/* Takes up what an earlier process left, or begins with nothing. */
int part_open(struct part *p, const char *path, struct err *err);
int part_add(struct part *p, const void *data, size_t size, struct err *err);
/* Forgets what is there, validator too. */
int part_restart(struct part *p, struct err *err);
/* Notes where the bytes come from; `validator` may be NULL. */
int part_note(struct part *p, const char *url, const char *validator, struct err *err);
/* The digest of what is there. */
void part_digest(const struct part *p, char hex[DIGEST_HEX]);
/* Syncs, renames, releases. */
int part_commit(struct part *p, struct err *err);
/* Releases; without `keep` nothing remains on disk. Harmless after a commit. */
void part_abandon(struct part *p, bool keep);

#endif
