/*
 * noise_cli.h - the options of a program that sends bits with noise, as an argp child: mechanism,
 * epsilon per bit or per image, and which bits are sent.
 */
#ifndef MIST_MIST_NOISE_CLI_H
#define MIST_MIST_NOISE_CLI_H

#include "base/cli.h"
#include "mist/extract.h"

struct noise_cli {
	int mechanism;  /* -1: not given */
	double epsilon; /* per bit; NAN: not given */
	double image;   /* per image; NAN: not given */
	int pool;       /* 0: not given */
	long subset;    /* -1: not given */
};

#define NOISE_CLI_INIT                                                                             \
	{                                                                                          \
		.mechanism = -1, .epsilon = NAN, .image = NAN, .subset = -1                        \
	}

/* Its input is a struct noise_cli. */
extern const struct argp noise_argp;

/* What belongs together, once the encoding is known; ends the program where it does not. */
void noise_cli_check(struct noise_cli *o, enum encoding encoding, struct argp_state *state);
/* The noise, keyed as `x` says, and in `x` which bits are sent; cut, size and copies are known. */
int noise_cli_make(const struct noise_cli *o, const struct model *m, struct extract_options *x,
		   struct noise *noise, struct err *err);

#endif
