/*
 * record.h - how a step of a job went: steps/NAME.json.
 */
#ifndef MIST_JOB_RECORD_H
#define MIST_JOB_RECORD_H

#include "base/err.h"

#include <stdint.h>

enum record_state { RECORD_RUNNING, RECORD_SUCCEEDED, RECORD_FAILED };

struct record {
	char *name;    /* owned, like all texts here */
	char *client;  /* whose step; NULL: the cloud's */
	char *message; /* of a failure: one sentence; NULL */
	long round;    /* 0: before the first */
	enum record_state state;
	int status;          /* of the last attempt */
	long attempts, pid;  /* pid: of the runner */
	double began, ended; /* seconds since 1970, of the last attempt */
	double seconds, cpu; /* of all attempts that ended */
	uint64_t peak;       /* the highest of them, bytes */
	uint64_t down, up;   /* bytes to and from the client */
	bool trained;        /* the three that follow are known */
	long epochs;         /* trained in this step */
	double loss[3];      /* box, object, class: of its last epoch */
	double samples;      /* behind the weights it made; 0: not known */
};

void record_release(struct record *r);
/* -1 with an error where there is none. */
int record_read(struct record *r, const char *folder, const char *name, struct err *err);
int record_write(const struct record *r, const char *folder, struct err *err);

/* Every record of a job, by name; a damaged one is an error. Free each, and the list. */
int record_all(struct record **out, size_t *n, const char *folder, struct err *err);
void records_free(struct record *list, size_t n);
/* Is the step running at this moment (its lock is held)? */
bool record_is_live(const struct record *r, const char *folder);

#endif
