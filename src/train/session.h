/*
 * session.h - a training run from the names of its inputs to the file of its weights: what
 * mist-train does, as calls.
 *
 *	s = session_open(&options, &events, pool, &err);
 *	session_plan(s) …
 *	session_run(s, &err);
 *	session_close(s);
 */
#ifndef MIST_TRAIN_SESSION_H
#define MIST_TRAIN_SESSION_H

#include "train/train.h"

struct session_options {
	const char *weights;  /* to start from */
	const char *data;     /* images; NULL: features */
	const char *features; /* a stream; NULL or "-": standard input */
	const char *val;      /* a data set to judge every epoch by; NULL: none */
	const char *hyp;    /* a YAML; NULL: mist.yaml for features, scratch-low.yaml for images */
	const char *output; /* NULL: weights.safetensors of the project, else "-" */
	const char *client; /* noted in the weights; NULL: as they were */
	const char *stop;   /* an expression; NULL: none */
	double lr0, warmup; /* negative: as `hyp` says */
	int img;            /* 0: 640 for images; features know their own, and it must be that */
	int gate;           /* for `val`: an enum gate_mode, or -1 for clean where there is one */
	bool strict;        /* the first bad picture or label file is an error */
	struct notices notices;
	struct train_options train; /* but hyp, stop, evaluation: they are made here */
};

/* What makes sense without being asked: train.py's defaults. */
void session_defaults(struct session_options *o);

struct session;
/* Opens, checks and allocates everything, so that what can fail fails before the first batch. The
 * options, events and pool are borrowed; `events->validate` is replaced when there is a `val`. */
struct session *session_open(const struct session_options *o, const struct train_events *events,
			     struct pool *pool, struct err *err);
void session_close(struct session *s);

const struct plan *session_plan(const struct session *s);
long session_batches(const struct session *s); /* of the whole run */
/* With train.profile, after the run: the table of where its time went, else "". free(). */
char *session_profile(const struct session *s);
/* Why the run ended before its last epoch, or "". */
const char *session_reason(const struct session *s);

/* Goes on from the project's checkpoint; *found is false when there is none, and all begins. */
int session_resume(struct session *s, bool *found, struct err *err);
/* Trains and writes the weights. */
int session_run(struct session *s, struct err *err);

#endif
