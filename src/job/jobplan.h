/*
 * jobplan.h - a manifest as steps, and the steps as a script.
 *
 * Both algorithms are groups of steps: `start` once; one step an edge (MistNet: once, FedAvg:
 * every round, before which `draw` says who of them, where not all are to train); `combine` what
 * the edges sent (as often); `round`, every round; then deliveries.
 * Round 0's model is what one begins with, so a round always reads rounds/PREV/model.safetensors
 * and ends with rounds/ROUND/model.safetensors.
 */
#ifndef MIST_JOB_JOBPLAN_H
#define MIST_JOB_JOBPLAN_H

#include "job/manifest.h"
#include "job/quote.h"

enum engine { ENGINE_SH, ENGINE_MAKE, ENGINE_SLURM };
extern const char *const engine_names[];
/* "plan.sh", … : the script's name in the job's folder. */
extern const char *const engine_files[];

/* Words may hold QUOTE_ROUND and QUOTE_PREV. */
struct jobplan_step {
	char *name, *out, *results; /* owned; results: NULL */
	const char *client, *host;  /* NULL: the cloud's; here */
	const char *among;          /* who is drawn; NULL: all */
	char *through;              /* owned; NULL: what it makes comes through the pipe */
	const char *profile;
	bool rounds; /* its words have rounds in them */
	uint64_t memory;
	struct words send, maybe, command;
};

struct jobplan_steps {
	struct jobplan_step *step; /* owned */
	size_t n, cap;
};

struct jobplan {
	const struct manifest *manifest; /* borrowed */
	enum engine engine;
	char *folder;       /* the job's, absolute */
	char *source;       /* the manifest's path, for people */
	const char **hosts; /* of each edge; NULL: here (slurm: the node the manifest names) */
	struct jobplan_steps start, draw, edges, combine, round, deliver;
};

struct jobplan_options {
	enum engine engine;
	const char *folder; /* the job's; may be relative; NULL: in folder_root() */
	const char *source; /* path of the manifest */
	struct words hosts; /* "NODE=USER@HOST"; with slurm "NODE=SLURMNODE" */
};

/* NULL on error. Notices tell what a reader of the manifest should know. */
struct jobplan *jobplan_new(const struct manifest *m, const struct jobplan_options *opt,
			    const struct notices *notices, struct err *err);
void jobplan_free(struct jobplan *p);

/* The whole script. */
void jobplan_write(const struct jobplan *p, struct buf *out);

/* For the writers of each engine. */
void jobplan_write_make(const struct jobplan *p, struct buf *out);
void jobplan_write_sh(const struct jobplan *p, struct buf *out);
void jobplan_write_slurm(const struct jobplan *p, struct buf *out);
/* "mist-job begin …", on several lines. */
void jobplan_write_begin(const struct jobplan *p, const char *indent, bool locked,
			 const struct quote_names *names, struct buf *out);
/* "--out … -- COMMAND …": a step's words behind its name, on several lines. */
void jobplan_write_step(const struct jobplan_step *s, const char *indent,
			const struct quote_names *names, struct buf *out);
/* The functions start, edge_N, combine, one_round, deliver_N of a shell script. */
void jobplan_write_functions(const struct jobplan *p, struct buf *out);
/* What a script begins with: #!, whose it is, set -eu. */
void jobplan_write_head(const struct jobplan *p, const char *how, struct buf *out);

#endif
