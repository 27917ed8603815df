/*
 * template.c - the program to copy. It counts the bytes of its inputs and writes the sum.
 */
#include "base/cli.h"

#include <stdlib.h>

struct opts {
	struct cli cli; /* first: the shared options */
	long times;
	char **files; /* borrowed from argv */
	int nfiles;
};

static const struct argp_option options[] = {
	{"times", 't', "N", 0, "Count everything N times (default 1)", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case 't':
		o->times = cli_long(state, "--times", arg, 1, 1000);
		return 0;
	case ARGP_KEY_ARGS:
		o->files = state->argv + state->next;
		o->nfiles = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no FILE was given");
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,      parse, "FILE...", "Count the bytes of each FILE; '-' is standard input.",
	cli_children, NULL,  NULL};

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct outfile out;
	size_t sum = 0;
	int i;

	for (i = 0; i < o->nfiles; i++) {
		struct buf data = BUF_INIT;
		int rc = file_read(o->files[i], SIZE_MAX - 1, &data, err);

		sum += data.len;
		buf_release(&data);
		if (rc)
			return rc;
	}
	if (outfile_open(&out, o->cli.output ? o->cli.output : "-", false, err))
		return -1;
	if (outfile_printf(&out, err, "%zu\n", sum * (size_t)o->times)) {
		outfile_abort(&out);
		return -1;
	}
	return outfile_commit(&out, err);
}

int main(int argc, char **argv)
{
	struct opts opts = {.times = 1};

	return cli_main(argc, argv, &argp, &opts, run);
}
