/*
 * there.h - the other end of a step on another machine.
 *
 * `mist-job step --host` starts `mist-job there` through ssh. It receives files on standard input,
 * one after the other (their names, sizes and digests are options), runs the command beside them in
 * a folder of its own, $XDG_STATE_HOME/mistutils/there/JOB/STEP, and writes the command's output
 * file to standard output, or puts it into a store. The last line it writes to standard error is a report in JSON. The
 * folder stays when something fails, so that a training run goes on from its checkpoint, and is
 * removed when all is done. Of the data nothing leaves but that output file.
 */
#ifndef MIST_JOB_THERE_H
#define MIST_JOB_THERE_H

#include "job/step.h"
#include "job/spawn.h"

#include "io/json.h"

#define THERE_REPORT "mist-job report "

struct there {
	const char *job, *step;
	struct words receive; /* "SIZE:SHA256:NAME" */
	const char *out, *results;
	const char *through, *profile; /* as step.h's */
	uint64_t memory;
	struct words command;
};

void there_release(struct there *t);
/* Runs it; the report goes to `report` (a sentence that begins with THERE_REPORT), whether it
 * failed or not. */
int there_run(struct there *t, struct buf *report, struct err *err);

/* The command line for a step that is to run there, for a shell. The caller frees. NULL on error. */
char *there_command(const struct step *s, const char *job, struct err *err);

/* What a command took, and what its results.csv ends with, as JSON. */
json_t *there_report(const struct usage *used, const char *results);

#endif
