/*
 * step.h - one step of a job: run unless its output is there, watched, written down.
 *
 * A step is done when its output has its name, which it gets by a rename when it is whole. So a step
 * can be killed at any moment and run again, and only what it did itself is lost (of mist-train not
 * even that: its checkpoints are beside it). Two runners of one step wait for each other.
 *
 * On another machine (`host`) the step is run by `mist-job there`, through ssh: what it is sent and
 * what comes back goes through that one pipe, with digests; see there.h. With `through` what it made
 * comes by way of a store (io/store.h) instead; a step of this machine is then run by `mist-job there`
 * all the same.
 */
#ifndef MIST_JOB_STEP_H
#define MIST_JOB_STEP_H

#include "job/words.h"

#include "base/err.h"

#include <stdint.h>

struct step {
	const char *folder; /* the job's; the command runs there */
	const char *name;
	const char *client;  /* whose; NULL: the cloud's */
	const char *host;    /* USER@HOST; NULL: here */
	const char *out;     /* the file it makes, in the folder */
	const char *results; /* a results.csv it writes; NULL */
	const char *among;   /* a file of names: a client's that is not there is idle; NULL */
	const char *through; /* the URL by way of which its output comes; NULL: the pipe */
	const char *profile; /* whose credentials a store is shown; NULL: the default's */
	struct words send;   /* files it reads that come from the cloud */
	struct words
		maybe; /* files that may not be there: words that end in one are then left out */
	long round;
	uint64_t memory; /* 0: no limit */
	struct words command;
	const struct notices *notices;
};

void step_release(struct step *s); /* of its lists */
/* 0 when it is done, or not to be. Else the status is the command's own where that is one of ours. */
int step_run(struct step *s, struct err *err);

#endif
