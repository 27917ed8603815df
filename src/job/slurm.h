/*
 * slurm.h - what Slurm knows of a job: FOLDER/slurm.jobs has the number of each of its jobs, a line
 * each.
 */
#ifndef MIST_JOB_SLURM_H
#define MIST_JOB_SLURM_H

#include "base/err.h"

/* Are some of them in Slurm's queue still? A number that Slurm has forgotten is none. -1 where Slurm
 * cannot be asked, or what was asked for it was interrupted. */
int slurm_jobs_left(const char *folder, bool *left, struct err *err);
/* Cancels all of them. That they had ended, or that Slurm is not there, is no error. */
void slurm_cancel(const char *folder);

#endif
