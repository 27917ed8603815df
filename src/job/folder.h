/*
 * folder.h - the state of a job: plain files in one folder, which mist-job(5) lists.
 *
 *	job.json          what it is: name, algorithm, engine, clients, when it began
 *	plan.sh …         what is run; yours to edit
 *	steps/NAME.json   how each step went; steps/NAME.lock is held while one runs
 *	logs/NAME.log     what it said
 *	lock              held by whoever runs the plan, and by what that runs
 *	stop              there while the job is stopped
 *	done.json         there when it has succeeded
 *
 * A file is there whole or not at all; nothing is kept elsewhere.
 */
#ifndef MIST_JOB_FOLDER_H
#define MIST_JOB_FOLDER_H

#include "io/json.h"
#include "job/words.h"

/* The folder of all jobs: $XDG_STATE_HOME/mistutils/jobs, else ~/.local/state/…; the caller frees.
 */
char *folder_root(void);
/* The folder of the job of that name; what has a '/' in it is the folder itself. NULL and a sentence
 * where there is no such job. The caller frees. */
char *folder_of(const char *name, struct err *err);

struct job_info {
	char *name, *algorithm, *engine, *stop; /* stop: "" for none */
	struct words clients;
	int min_clients;
	double began; /* seconds since 1970 */
};

void job_info_release(struct job_info *j);
int job_info_read(struct job_info *j, const char *folder, struct err *err);

/*
 * Begins, or begins again: makes the folder's folders and job.json (the first time's `began` is
 * kept). With `lock_fd` >= 0, a descriptor of FOLDER/lock, takes that lock; it is held until all
 * that inherited the descriptor have ended. Errors: another holds it, or the job is stopped (status
 * no).
 */
int job_begin(const char *folder, const struct job_info *j, int lock_fd, struct err *err);

/* FOLDER/NAME as JSON; NULL with an error, also where it is not there. */
json_t *folder_json(const char *folder, const char *name, struct err *err);
int folder_write_json(const char *folder, const char *name, const json_t *value, struct err *err);
/* Appends a field to a path: "FOLDER/a/b"; the caller frees. */
char *folder_path(const char *folder, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Is a lock file held by anybody? A missing one is not. */
bool folder_locked(const char *path);
/* Opens and locks; waits where `wait`. -1: an error, or (status no) held by another. */
int folder_lock(const char *path, bool wait, struct err *err);

#endif
