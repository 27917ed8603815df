/*
 * arrival.h - one file that a client has dropped: is it whole, of what kind, and whose?
 *
 * A feature stream is whole when every segment has its end member with the right digest; a weight
 * file when it is as long as its header says and every value is finite. Whatever else is there
 * (half-written, damaged, poisoned, a link, a pipe, a folder) is not ready, and `why` says so.
 */
#ifndef MIST_FED_ARRIVAL_H
#define MIST_FED_ARRIVAL_H

#include "base/err.h"
#include "fed/inbox.h"
#include "io/digest.h"

#include <stdint.h>
#include <sys/stat.h>

/* Which file it is: a file that is renamed over it or written to has another. */
struct file_id {
	uint64_t dev, ino, size;
	int64_t mtime, ctime; /* nanoseconds */
};

struct arrival {
	char *name;  /* in its folder */
	char *label; /* the same, fit for a sentence: no control characters */
	struct file_id id;
	bool ready;
	char why[1024]; /* not ready: the rest of the sentence "'NAME' is left alone: …" */
	enum inbox_kind kind;
	char **clients; /* one; or those of a stream of several segments */
	size_t nclients;
	long round; /* of weights; -1: untold */
	char digest[DIGEST_HEX];
	char *fit; /* private: what arrival_fit compares */
};

struct file_id file_id_of(const struct stat *st);
bool file_id_same(const struct file_id *a, const struct file_id *b);

/*
 * Looks at DIR/NAME. 0 with everything filled but `id` of a file that is gone meanwhile, which is
 * then not ready; -1 when the system fails. `allow_seeded` is merge.h's. Released by
 * arrival_release, after -1 too.
 */
int arrival_inspect(struct arrival *a, const char *dir, const char *name, bool allow_seeded,
		    struct err *err);
/* Can both, which are ready, be combined? -1 and why not. */
int arrival_fit(const struct arrival *a, const struct arrival *b, struct err *err);
void arrival_release(struct arrival *a);

#endif
