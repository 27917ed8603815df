/*
 * candidates.h - whose files of an inbox may be aggregated: looked at again and again while a run
 * waits, each file read once.
 */
#ifndef MIST_FED_CANDIDATES_H
#define MIST_FED_CANDIDATES_H

#include "fed/arrival.h"
#include "fed/intake.h"

struct candidates {
	/* set by the caller, borrowed */
	const char *dir;
	const struct intake *in;
	const struct intake_round *round; /* files taken for any other are none */
	char *const *clients;             /* those expected; nclients 0: anyone */
	size_t nclients;
	long max_staleness; /* as gather.h */
	bool allow_seeded;
	/* found by candidates_look */
	struct arrival
		*list; /* all but those taken before, by name; `why` says what is against it */
	size_t n;
	const struct arrival *
		*chosen; /* one for each client, by client: whatever order they came in */
	size_t nchosen;
	long ready; /* clients of the chosen */
};

/*
 * Looks at the folder. Against a file is: it is not ready (arrival.h); its content was taken for
 * another round; a client that is not expected; that most others do not fit it; weights too far behind;
 * an earlier file of the same client.
 */
int candidates_look(struct candidates *c, struct err *err);
/*
 * The same of files that are named rather than dropped into a folder: against one is that it is not
 * ready, that its content was named before, and that most others do not fit it. What is chosen is in the
 * order of `paths`; `dir` and what follows it is not looked at. `allow_seeded` counts.
 */
int candidates_judge(struct candidates *c, char *const *paths, size_t n, struct err *err);
/* Is one of the chosen this client's? */
bool candidates_have(const struct candidates *c, const char *client);
void candidates_release(struct candidates *c);

#endif
