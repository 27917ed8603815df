/*
 * gather.h - an aggregation that waits for its clients: a folder that they drop files into.
 *
 * Clients write aside and rename (or begin the name with '.' until the file is whole). What is not
 * whole, foreign, late, of an unknown client or a second one of the same client is named and left
 * alone; nothing in the folder is ever changed, but the record (intake.h) and its lock beside it.
 *
 * One call decides once and returns, after at most `wait` seconds: no daemon. Calls may overlap (a
 * lock), be killed at any moment (what was chosen is recorded before it is combined), and be repeated:
 * a round that is done is not done again.
 */
#ifndef MIST_FED_GATHER_H
#define MIST_FED_GATHER_H

#include "base/err.h"
#include "fed/inbox.h"
#include "fed/stop.h"

/* Options as text. */
struct gather_texts {
	const char *trigger, *clients, *deadline; /* NULL: not given */
};

/* A moment in seconds since 1970, or so many seconds after the round was opened; neither: none. */
struct gather_deadline {
	enum { GATHER_NEVER, GATHER_AT, GATHER_AFTER } kind;
	double seconds;
};

/* "2026-11-22T06:00[:00][Z]" (local time without Z), "@SECONDS since 1970", or a duration (num.h). */
int gather_deadline_parse(const char *text, struct gather_deadline *out, struct err *err);
/* "a,b,c", or "@FILE" with a client a line ('#' begins a comment); each once. names_free. */
int gather_clients(const char *text, char ***out, size_t *n, struct err *err);

/* stop_parse of an expression that may speak of clients and time alone. */
struct stop *gather_trigger(const char *text, struct err *err);

struct gather_options {
	const char *inbox;
	const char *record; /* NULL: ".mist-inbox.json" in the inbox */
	const char *round;  /* which aggregation this is; NULL: known by its output */
	const char *output;
	char **clients; /* those expected; nclients 0: anyone */
	size_t nclients;
	long min_clients;     /* 0: as the trigger says */
	struct stop *trigger; /* over clients and time (since the round was opened) */
	long quorum;          /* enough at the deadline; 0: none is */
	struct gather_deadline deadline;
	double wait;        /* seconds; 0: look once */
	long max_staleness; /* weights that are more rounds behind the newest are late; -1: never */
	bool allow_seeded;
	/* Combines the files into the output; confirm->fn is to be called before it is committed. */
	int (*combine)(void *ctx, enum inbox_kind kind, char *const *paths, int n,
		       const struct confirm *confirm, struct err *err);
	void *ctx;
	const struct notices *notices, *details;
};

/*
 * Sets clients, trigger and deadline from their texts; gather_release frees them, also after -1.
 * `check`: what goes with an inbox goes with nothing else, and an inbox needs an output and a number of
 * clients or a trigger.
 */
int gather_parse(struct gather_options *o, const struct gather_texts *t, bool check,
		 struct err *err);
void gather_release(struct gather_options *o);

/*
 * 0: the output is there, made now or before. -1 with status "no": not enough clients, with those
 * who are missing, or another run holds the lock. Status usage: a trigger that the clients cannot meet.
 */
int gather_run(const struct gather_options *o, struct err *err);

#endif
