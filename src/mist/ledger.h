/*
 * ledger.h - what an edge has given away, on disk before it leaves.
 *
 * A ledger is two files: FILE (ledger_book.h), which tells of every release and what it cost, and
 * FILE.key (ledger_key.h), from which the noise of every release is derived. So the same clean bits
 * under the same mechanism get the same noise again, which costs nothing more, and anything else is
 * added to the account of picture and client. No noise is stored: a keyed hash of the clean bits is
 * as good as independent noise for whoever has not got the key.
 *
 * ledger_spend decides and records under a lock (flock) that is held for no longer than that, so
 * several programs may use one ledger. A line is written and synced without its newline, then the
 * newline is and is synced: what ends with a newline is whole. After a crash the torn rest of a line
 * is dropped; of what it told, nothing was released. What was recorded and not released is only
 * counted too early: released later, it is the same bits, and free.
 */
#ifndef MIST_MIST_LEDGER_H
#define MIST_MIST_LEDGER_H

#include "base/err.h"
#include "mist/ledger_book.h"
#include "mist/ledger_key.h"

struct ledger;

/*
 * $XDG_STATE_HOME/mistutils/ledger, or ~/.local/state/mistutils/ledger. NULL on error; the caller
 * frees.
 */
char *ledger_default_path(struct err *err);

/*
 * Opens a ledger to record in, or begins one where there is none. Waits up to `wait` seconds for
 * another program that holds it. NULL on error.
 */
struct ledger *ledger_open(const char *path, double wait, const struct notices *notices,
			   struct err *err);
void ledger_close(struct ledger *l);
const char *ledger_path(const struct ledger *l);
const struct ledger_key *ledger_key(const struct ledger *l);
/* As read when it was opened, or when last spent from. */
const struct book *ledger_book(const struct ledger *l);

struct ledger_spend {
	struct book_entry
		entry;       /* its time is set here; any number of releases, which are sorted */
	double budget;       /* what the client's account may come to; infinite: anything */
	double budget_image; /* and that of any one picture */
};

struct ledger_account {
	double before, after; /* the client's */
	double image_max;     /* of the picture that has cost most */
	long fresh, again;    /* releases that cost something, and that were sent before */
};

/*
 * Records releases, after which they may leave. Those recorded before cost nothing. Beyond a budget:
 * an error with status privacy, and nothing is recorded. *out is added up over calls: set to zero
 * before the first.
 */
int ledger_spend(struct ledger *l, const struct ledger_spend *spend, struct ledger_account *out,
		 struct err *err);

/* Reads a ledger to look at it: no key and no lock are needed. NULL on error. */
struct book *ledger_load(const char *path, const struct notices *notices, struct err *err);

#endif
