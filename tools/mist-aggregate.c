/*
 * mist-aggregate.c - combine what clients sent: feature streams into one, or weight files into one.
 */
#include "base/clirow.h"
#include "base/mem.h"
#include "fed/candidates.h"
#include "fed/gather.h"
#include "fed/inbox.h"
#include "fed/merge.h"
#include "fed/sampling.h"
#include "fed/strategy.h"
#include "io/store.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct opts {
	struct cli cli; /* first: the shared options */
	struct notices notices, details;
	struct strategy_options weights;
	struct merge_options streams;
	struct gather_options gather;
	struct gather_texts texts;
	const char *sample;
	bool keep_going;
	char **files; /* borrowed from argv */
	int nfiles;
};

/* Their `commands` are the groups of --help. */
static const struct cli_row rows[] = {
#define GENERAL   1
#define WEIGHTS   2
#define INBOX     4
#define OPT(m)    offsetof(struct opts, m)
#define COUNT_MAX 1e9
	{"allow-seeded", 256, NULL, CLI_YES, OPT(streams.allow_seeded), 0, 0, GENERAL,
	 "Take feature streams whose noise was made with --seed, and can so be removed", NULL},
	{"drop-duplicates", 257, NULL, CLI_YES, OPT(streams.drop_duplicates), 0, 0, GENERAL,
	 "Of feature samples with the same bits take the first, rather than refuse them", NULL},
	{"keep-going", 283, NULL, CLI_YES, OPT(keep_going), 0, 0, GENERAL,
	 "Leave out FILEs that cannot be used, and name them, rather than end", NULL},
	{"strategy", 258, "NAME", CLI_CHOICE, OPT(weights.strategy), 0, 0, WEIGHTS,
	 "fedavg (default: the mean, weighted by the samples behind each), fedavgm, fedadam, "
	 "fedyogi, "
	 "median, trimmed-mean, krum, multi-krum or norm-clip",
	 strategy_names},
	{"global", 259, "FILE", CLI_TEXT, OPT(weights.global), 0, 0, WEIGHTS,
	 "The weights that the clients started from", NULL},
	{"report", 260, "FILE", CLI_TEXT, OPT(weights.report), 0, 0, WEIGHTS,
	 "Write what each client contributed: a table, or JSON for FILE.json", NULL},
	{"staleness", 261, "A", CLI_REAL, OPT(weights.staleness), 0, 100, WEIGHTS,
	 "Weigh files by (1 + rounds behind the newest)^-A (default 0)", NULL},
	{"state-in", 262, "FILE", CLI_TEXT, OPT(weights.state_in), 0, 0, WEIGHTS,
	 "fedavgm, fedadam, fedyogi: the server's state after the last round (default: none yet)",
	 NULL},
	{"state-out", 263, "FILE", CLI_TEXT, OPT(weights.state_out), 0, 0, WEIGHTS,
	 "fedavgm, fedadam, fedyogi: the server's state after this round", NULL},
	{"server-lr", 264, "X", CLI_REAL, OPT(weights.server_lr), 0, 1e6, WEIGHTS,
	 "fedavgm, fedadam, fedyogi: learning rate (default 1, 0.01, 0.01)", NULL},
	{"beta1", 265, "X", CLI_REAL, OPT(weights.beta1), 0, 1, WEIGHTS,
	 "fedavgm, fedadam, fedyogi: momentum (default 0.9)", NULL},
	{"beta2", 266, "X", CLI_REAL, OPT(weights.beta2), 0, 1, WEIGHTS,
	 "fedadam, fedyogi: decay of the second moment (default 0.99)", NULL},
	{"tau", 267, "X", CLI_REAL, OPT(weights.tau), 1e-12, 1e6, WEIGHTS,
	 "fedadam, fedyogi: what is added to its root (default 0.001)", NULL},
	{"trim", 268, "SHARE", CLI_REAL, OPT(weights.trim), 0, 0.5, WEIGHTS,
	 "trimmed-mean: cut off this share at either end (default 0.2)", NULL},
	{"byzantine", 269, "F", CLI_LONG, OPT(weights.byzantine), 0, COUNT_MAX, WEIGHTS,
	 "krum, multi-krum: F clients may lie (default: the most that N bear, (N - 3) / 2)", NULL},
	{"select", 270, "M", CLI_LONG, OPT(weights.select), 1, COUNT_MAX, WEIGHTS,
	 "multi-krum: take M clients (default N - F)", NULL},
	{"clip", 271, "NORM", CLI_REAL, OPT(weights.clip), 0, 1e30, WEIGHTS,
	 "norm-clip: shorten updates to NORM (default: the median of their norms)", NULL},
	{"inbox", 272, "DIR", CLI_TEXT, OPT(gather.inbox), 0, 0, INBOX,
	 "Take the files that clients drop into DIR", NULL},
	{"min-clients", 273, "N", CLI_LONG, OPT(gather.min_clients), 1, COUNT_MAX, INBOX,
	 "As soon as N clients are ready", NULL},
	{"trigger", 274, "EXPR", CLI_TEXT, OPT(texts.trigger), 0, 0, INBOX,
	 "As soon as EXPR holds: 'num_of_ready_clients > 5', 'clients >= 3 and time > 600'", NULL},
	{"clients", 275, "LIST", CLI_TEXT, OPT(texts.clients), 0, 0, INBOX,
	 "Those expected: names with commas between them, or @FILE with one a line", NULL},
	{"deadline", 276, "T", CLI_TEXT, OPT(texts.deadline), 0, 0, INBOX,
	 "From T on a quorum is enough, or it is over: 8h after the first run for this round, or "
	 "2026-11-22T06:00, or @SECONDS since 1970",
	 NULL},
	{"quorum", 277, "M", CLI_LONG, OPT(gather.quorum), 1, COUNT_MAX, INBOX,
	 "Clients that are enough at the deadline", NULL},
	{"wait", 278, "T", CLI_TIME, OPT(gather.wait), 0, 0, INBOX,
	 "Wait for T (90, 15m, 8h) before saying no (default: look once)", NULL},
	{"round", 279, "NAME", CLI_TEXT, OPT(gather.round), 0, 0, INBOX,
	 "Which round this is (default: known by its output)", NULL},
	{"record", 280, "FILE", CLI_TEXT, OPT(gather.record), 0, 0, INBOX,
	 "What was taken for which round (default: .mist-inbox.json in DIR)", NULL},
	{"sample", 281, "K", CLI_TEXT, OPT(sample), 0, 0, INBOX,
	 "Print K (or 10%) of --clients, drawn by --seed and --round, and end", NULL},
	{"max-staleness", 282, "N", CLI_LONG, OPT(gather.max_staleness), 0, COUNT_MAX, INBOX,
	 "Weights more than N rounds behind others are late", NULL},
};

static void check(const struct opts *o, struct argp_state *state)
{
	const char *output = o->cli.output ? o->cli.output : "-";

	if (o->sample && (!o->texts.clients || !o->gather.round || o->gather.inbox || o->nfiles))
		argp_error(state, "--sample goes with --clients and --round, and no more");
	if (o->weights.report && !strcmp(o->weights.report, "-") && !strcmp(output, "-"))
		argp_error(state, "--report - needs -o FILE, for the weights");
	if (!o->gather.inbox && !o->nfiles && !o->sample)
		argp_error(state, "no FILE was given");
	if (o->keep_going && !o->nfiles)
		argp_error(state, "--keep-going goes with FILE...; an inbox does so anyway");
	if (o->gather.inbox && o->nfiles)
		argp_error(state, "FILE and --inbox exclude each other");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	uint64_t given = 0;

	if (clirow_take(rows, ARRAY_LEN(rows), o, &given, key, arg, state))
		return 0;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case ARGP_KEY_ARGS:
		o->files = state->argv + state->next;
		o->nfiles = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void say(void *ctx, const char *sentence)
{
	cli_verbose(ctx, 1, "%s", sentence);
}

static int combine(void *ctx, enum inbox_kind kind, char *const *paths, int n,
		   const struct confirm *confirm, struct err *err)
{
	struct opts *o = ctx;
	const char *output = o->cli.output ? o->cli.output : "-";
	struct merge_result merged;
	int rc;

	o->weights.confirm = o->streams.confirm = confirm;
	if (kind == INBOX_FEATURES)
		return merge_streams(paths, n, output, &o->streams, &merged, err);
	o->weights.pool = pool_new(o->cli.threads);
	rc = strategy_run(paths, n, output, &o->weights, err);
	pool_free(o->weights.pool);
	return rc;
}

/* The files as they are named, or those of them that can be used. */
static int combine_files(struct opts *o, struct err *err)
{
	struct candidates c = {.allow_seeded = o->streams.allow_seeded};
	char **files = xcalloc((size_t)o->nfiles + 1, sizeof(*files));
	enum inbox_kind kind;
	int i, n = 0, rc = 0;

	if (o->keep_going)
		rc = candidates_judge(&c, o->files, (size_t)o->nfiles, err);
	for (i = 0; i < o->nfiles && !rc; i++)
		if (o->keep_going && c.list[i].why[0])
			notice(&o->notices, "'%s' is left out: %s", o->files[i], c.list[i].why);
		else
			files[n++] = o->files[i];
	if (!rc && !n)
		rc = err_set(err, STATUS_INPUT, "none of the files can be used");
	if (!rc)
		rc = inbox_kind(files, n, &kind, err) ? -1 : combine(o, kind, files, n, NULL, err);
	candidates_release(&c);
	free(files);
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct gather_options *g = &o->gather;
	int rc;

	o->notices = cli_notices(&o->cli);
	o->details = (struct notices){say, &o->cli};
	o->weights.notices = o->streams.notices = g->notices = &o->notices;
	o->weights.details = o->streams.details = g->details = &o->details;
	g->output = o->cli.output;
	g->allow_seeded = o->streams.allow_seeded;
	g->combine = combine;
	g->ctx = o;
	rc = gather_parse(g, &o->texts, !o->sample, err);
	if (!rc && o->sample)
		rc = sampling_print(o->sample, o->cli.seed, g->round, g->clients, g->nclients,
				    g->output, err);
	else if (!rc && g->inbox)
		rc = gather_run(g, err);
	else if (!rc)
		rc = combine_files(o, err);
	gather_release(g);
	return rc;
}

int main(int argc, char **argv)
{
	static const char doc[] =
		"Combine what clients sent: the feature streams of mist-extract into one stream, "
		"or "
		"weight files into one.\vThe files decide which: all must be of one kind, and fit "
		"together. '-' is standard input, once. With -v, a line per client on standard "
		"error.";
	struct argp_option options[ARRAY_LEN(rows) + 3] = {
		{.doc = "Of weights:", .group = WEIGHTS},
		{.doc = "Waiting for clients:", .group = INBOX}};
	const struct argp argp = {options, parse, "FILE...\n--inbox DIR", doc, cli_children,
				  NULL,    NULL};
	struct opts opts = {.gather.max_staleness = -1};
	size_t i;

	clirow_options(rows, ARRAY_LEN(rows), options + 2);
	for (i = 0; i < ARRAY_LEN(rows); i++)
		options[i + 2].group = (int)rows[i].commands;
	strategy_defaults(&opts.weights);
	return store_main(argc, argv, &argp, &opts, run);
}
