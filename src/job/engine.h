/*
 * engine.h - a job run, stopped and taken up again: what `mist-job` does beyond the steps.
 */
#ifndef MIST_JOB_ENGINE_H
#define MIST_JOB_ENGINE_H

#include "job/jobplan.h"

/*
 * Puts the plan's script into its folder. A folder that holds another plan is an error (a job is
 * what it was planned as; delete it, or name another folder).
 */
int engine_install(const struct jobplan *p, struct err *err);

/* Runs the script that lies in the folder, until it ends; at most `jobs` edges at a time where the
 * engine can (0: as many as there are processors). What it says goes to standard error. */
int engine_run(const char *folder, int jobs, struct err *err);

/* Ends what runs, and keeps it from going on. Waits until nothing runs any more. */
int engine_stop(const char *folder, struct err *err);
/* Takes engine_stop back. */
int engine_unstop(const char *folder, struct err *err);
/* Removes the folder; a job that runs is an error (status no). */
int engine_delete(const char *folder, struct err *err);

#endif
