/*
 * standing.h - how a job stands, read from its folder: Sedna's status fields, and what they left out.
 */
#ifndef MIST_JOB_STANDING_H
#define MIST_JOB_STANDING_H

#include "io/json.h"
#include "job/folder.h"

enum phase { PHASE_PENDING, PHASE_RUNNING, PHASE_SUCCEEDED, PHASE_FAILED };
extern const char *const phase_names[];

struct standing {
	char *folder;
	struct job_info info;
	enum phase phase;
	char reason[64];    /* one word: "Completed", "Stopped", "Interrupted", "StepFailed" */
	char message[1200]; /* one sentence */
	double ended;       /* seconds since 1970; 0: not */
	double age;         /* seconds since it began */
	int ready;          /* clients whose step of the last round ended well */
	int active, succeeded, failed; /* workers, the cloud's among them */
	long rounds;                   /* ended */
	bool evaluated, trained;       /* the next three; the last */
	double precision, recall, map50, map, loss;
	/* Costs, over all clients. */
	double up, down, edge_cpu; /* the mean of a client: bytes, seconds */
	uint64_t edge_peak;        /* the highest, bytes */
	double wall;               /* from the first step to the end of the last */
};

/* -1 where there is no job. */
int standing_read(struct standing *s, const char *folder, struct err *err);
void standing_release(struct standing *s);

/* Sedna's FLJobStatus, with name, algorithm, engine, rounds, metrics and costs. The caller owns. */
json_t *standing_json(const struct standing *s);
/* "NAME PHASE ROUND CLIENTS mAP50 LOSS AGE"; wide: with engine, algorithm and the message. */
void standing_table(const struct standing *list, size_t n, bool wide, struct buf *out);
/* The comparison: what each was worth and what it cost. */
void standing_compare(const struct standing *list, size_t n, struct buf *out);

#endif
