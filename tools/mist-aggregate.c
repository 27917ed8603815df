/*
 * mist-aggregate.c - combine what clients sent: feature streams into one, or weight files into one.
 */
#include "base/cli.h"
#include "fed/inbox.h"
#include "fed/merge.h"
#include "fed/strategy.h"

struct opts {
	struct cli cli; /* first: the shared options */
	int strategy;
	bool allow_seeded;
	char **files; /* borrowed from argv */
	int nfiles;
};

enum { KEY_STRATEGY = 0x100, KEY_SEEDED };

static const struct argp_option options[] = {
	{"strategy", KEY_STRATEGY, "NAME", 0,
	 "How weights are combined: fedavg (default), the mean weighted by the samples behind each",
	 0},
	{"allow-seeded", KEY_SEEDED, NULL, 0,
	 "Take feature streams whose noise was made with --seed, and can so be removed", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case KEY_STRATEGY:
		o->strategy = cli_choice(state, "--strategy", arg, strategy_names);
		return 0;
	case KEY_SEEDED:
		o->allow_seeded = true;
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
	options,
	parse,
	"FILE...",
	"Combine what clients sent: the feature streams of mist-extract into one stream, or weight "
	"files into one."
	"\vThe files decide which: all must be of one kind, and fit together. '-' is standard "
	"input, "
	"once. With -v, a line per client on standard error.",
	cli_children,
	NULL,
	NULL};

static void say(void *ctx, const char *sentence)
{
	cli_verbose(ctx, 1, "%s", sentence);
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	const struct notices notices = cli_notices(&o->cli), details = {say, &o->cli};
	const char *output = o->cli.output ? o->cli.output : "-";
	const struct strategy_options average = {(enum strategy)o->strategy, &notices, &details};
	const struct merge_options merge = {o->allow_seeded, &notices, &details};
	struct merge_result merged;
	enum inbox_kind kind;

	if (inbox_kind(o->files, o->nfiles, &kind, err))
		return -1;
	if (kind == INBOX_WEIGHTS)
		return strategy_run(o->files, o->nfiles, output, &average, err);
	if (merge_streams(o->files, o->nfiles, output, &merge, &merged, err))
		return -1;
	cli_verbose(&o->cli, 1, "%ld samples of %ld clients", merged.samples, merged.clients);
	return 0;
}

int main(int argc, char **argv)
{
	struct opts opts = {.strategy = STRATEGY_FEDAVG};

	return cli_main(argc, argv, &argp, &opts, run);
}
