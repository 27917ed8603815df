/*
 * cli.h - the one main that every program has.
 *
 *	static const struct argp argp = {options, parse, args_doc, doc, cli_children, NULL, NULL};
 *	int main(int argc, char **argv) { … return cli_main(argc, argv, &argp, &opts.cli, run); }
 *
 * The program's options struct begins with `struct cli`; its argp parser sets
 * `state->child_inputs[0] = state->input` at ARGP_KEY_INIT, so that the shared options land there.
 * Exit statuses and messages are base/err.h's. Results go to standard output, all else to standard
 * error.
 */
#ifndef MIST_BASE_CLI_H
#define MIST_BASE_CLI_H

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "base/pool.h"

#include <argp.h>
#include <stdint.h>

struct cli {
	const char *output; /* -o; NULL when not given */
	int threads;        /* -j; 0: all processors */
	bool quiet;         /* -q */
	int verbose;        /* -v, each one more */
	uint64_t seed;      /* --seed; 0 when not given */
	bool seeded;        /* --seed was given */
};

/* The shared options: put this in `struct argp`'s children. */
extern const struct argp_child cli_children[];
/* What is in cli_children, for a program that has children of its own beside it. */
extern const struct argp cli_argp;

/*
 * Parses the command line and runs the program; returns the exit status. `opts` is the program's
 * options struct (its first member is `struct cli`). A failed run prints "PROGRAM: SENTENCE".
 */
int cli_main(int argc, char **argv, const struct argp *argp, void *opts,
	     int (*run)(void *opts, struct err *err));

/*
 * The same with something around the run: `before` when the command line was understood, `after` with
 * what the run returned (0 or -1, then *err says why); what `after` returns counts.
 */
struct cli_around {
	int (*before)(void *ctx, struct err *err);
	int (*after)(void *ctx, int rc, struct err *err);
	void *ctx;
};
int cli_main_around(int argc, char **argv, const struct argp *argp, void *opts,
		    int (*run)(void *opts, struct err *err), const struct cli_around *around);

/* For argp parsers: number options that end the program with status 2 and argp's usual hint. */
long cli_long(struct argp_state *state, const char *option, const char *arg, long min, long max);
double cli_double(struct argp_state *state, const char *option, const char *arg, double min,
		  double max);
/* Above 0: an epsilon. */
double cli_positive(struct argp_state *state, const char *option, const char *arg);
uint64_t cli_size(struct argp_state *state, const char *option, const char *arg);
/* The index of `arg` in the NULL-ended `names`. */
int cli_choice(struct argp_state *state, const char *option, const char *arg,
	       const char *const *names);

/* Which command argv[next] names: the index into a table of n rows of `stride` bytes, each of which
 * begins with its name, a const char *. */
size_t cli_command(struct argp_state *state, const void *table, size_t n, size_t stride);

/* One line on standard error, "PROGRAM: …", unless -q. */
void cli_note(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same only with at least `level` -v. */
void cli_verbose(const struct cli *cli, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A text for people, on standard error as it is; frees it. */
void cli_tell_take(char *text);
/* A `struct notices` for the library that prints with cli_note. */
struct notices cli_notices(const struct cli *cli);
/* One that prints indented lines without the program's name, unless -q: a table's. */
struct notices cli_lines(const struct cli *cli);

/*
 * Progress: a bar with rate and time left where standard error is a terminal, a line a step with -v
 * otherwise, nothing in pipes or with -q. total 0: unknown.
 */
struct progress {
	const struct cli *cli;
	const char *what; /* "extracting"; borrowed */
	const char *unit; /* "images"; borrowed */
	long total, done;
	double start, shown; /* seconds of the monotonic clock */
	int mode;
};
void progress_begin(struct progress *p, const struct cli *cli, const char *what, const char *unit,
		    long total);
/* `detail` (may be NULL) is shown behind the bar: a loss, a name. */
void progress_step(struct progress *p, long done, const char *detail);
/* progress_step without detail, as a callback: ctx is the struct progress. */
void progress_count(void *ctx, long done);
void progress_end(struct progress *p);

/* From now on SIGINT and SIGTERM are noted, once each, so that what was begun is cleaned up or kept
 * to go on with; the number of the last, or 0. */
void cli_catch_signals(void);
int cli_signal(void);

/*
 * Where installed data lies: $MISTUTILS_SHARE, else the source tree a development build was made
 * in, else PKGDATADIR. Returns the path of NAME there; the caller frees.
 */
char *cli_share(const char *name);

#endif
