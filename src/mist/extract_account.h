/*
 * extract_account.h - what a run of the edge has to have recorded before it may let go of it.
 *
 * Releases gather as samples are written; settling records them in the ledger (ledger.h). Where the
 * output is seen as it is written (a pipe), samples are held back until they are settled, group by
 * group; else, or with a budget, which is to refuse before anything is seen, once in the end.
 */
#ifndef MIST_MIST_EXTRACT_ACCOUNT_H
#define MIST_MIST_EXTRACT_ACCOUNT_H

#include "mist/features.h"
#include "mist/ledger.h"
#include "mist/privacy.h"

struct extract_account {
	struct ledger *ledger; /* borrowed; NULL: nothing is recorded */
	double budget, budget_image;
	const char *client, *labels; /* borrowed */
	bool seeded;
	char *mechanism;
	char model[DIGEST_HEX]; /* of all that determines the bits */
	struct book_release *releases;
	size_t n, cap;
	size_t group; /* settle when so many have gathered */
	struct ledger_account sum;
};

/* `h` is what the stream begins with and stays; `ledger` may be NULL. */
void extract_account_init(struct extract_account *a, struct ledger *ledger, double budget,
			  double budget_image, const struct features_header *h,
			  const struct privacy *each);
void extract_account_release(struct extract_account *a);

/* The stream, held back where that is needed. NULL on error. */
struct features_writer *extract_account_open(struct extract_account *a, const char *path,
					     const struct features_header *h, size_t payload_bytes,
					     struct err *err);
/* A release that was written to the stream, and cost this much at most. */
int extract_account_add(struct extract_account *a, const struct book_release *r,
			struct features_writer *w, struct err *err);
/* Records what has gathered, and lets go of it. */
int extract_account_settle(struct extract_account *a, struct features_writer *w, struct err *err);

#endif
