/*
 * ledger_cli.h - the options of a program that keeps a ledger, as an argp child.
 */
#ifndef MIST_MIST_LEDGER_CLI_H
#define MIST_MIST_LEDGER_CLI_H

#include "base/cli.h"
#include "mist/ledger.h"

#include <math.h>

struct ledger_cli {
	const char *path; /* NULL: the default */
	bool none;        /* --no-ledger */
	bool show, json;
	double wait, budget, budget_image;
};

#define LEDGER_CLI_INIT                                                                            \
	{                                                                                          \
		.wait = 5, .budget = HUGE_VAL, .budget_image = HUGE_VAL                            \
	}

/* Its input is a struct ledger_cli. */
extern const struct argp ledger_argp;

/* *out is NULL with --no-ledger. */
int ledger_cli_open(const struct ledger_cli *o, const struct notices *notices, struct ledger **out,
		    struct err *err);
/* --show-ledger: writes the accounts where `cli` says. */
int ledger_cli_show(const struct ledger_cli *o, const struct cli *cli, struct err *err);

#endif
