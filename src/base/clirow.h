/*
 * clirow.h - options as a table: one row says an option's name, where its value goes in the program's
 * options struct, its range, which commands take it, and what --help says of it.
 */
#ifndef MIST_BASE_CLIROW_H
#define MIST_BASE_CLIROW_H

#include "base/cli.h"

/* The type at `to`: const char *, int, long, double, size_t, double (seconds, num_duration), bool (set true),
 * bool (set false), int or an enum (index in `names`). */
enum cli_kind {
	CLI_TEXT,
	CLI_INT,
	CLI_LONG,
	CLI_REAL,
	CLI_BYTES,
	CLI_TIME,
	CLI_YES,
	CLI_NO,
	CLI_CHOICE,
};

struct cli_row {
	const char *name;
	int key;
	const char *arg; /* NULL: takes none */
	enum cli_kind kind;
	size_t to;         /* offsetof the options struct */
	double min, max;   /* CLI_INT, CLI_LONG, CLI_REAL */
	unsigned commands; /* a set of bits; a program without commands may use it as it likes */
	const char *doc;
	const char *const *names; /* CLI_CHOICE: NULL-ended */
};

/* The rows as argp's options; `out` has n + 1 elements. */
void clirow_options(const struct cli_row *rows, size_t n, struct argp_option *out);
/* Is `key` one of the rows'? Then its value is stored, and the row's bit set in *given; n <= 64. */
bool clirow_take(const struct cli_row *rows, size_t n, void *opts, uint64_t *given, int key,
		 char *arg, struct argp_state *state);
/* Ends the program if an option was given that `command` (a bit of `commands`) does not take. */
void clirow_check(const struct cli_row *rows, size_t n, uint64_t given, unsigned command,
		  const char *name, struct argp_state *state);

#endif
