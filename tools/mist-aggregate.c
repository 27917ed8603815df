/*
 * mist-aggregate.c - combine what clients sent: feature streams into one, or weight files into one.
 */
#include "base/cli.h"
#include "fed/gather.h"
#include "fed/inbox.h"
#include "fed/merge.h"
#include "fed/sampling.h"
#include "fed/strategy.h"
#include "io/store.h"

#include <stddef.h>
#include <string.h>

struct opts {
	struct cli cli; /* first: the shared options */
	struct notices notices, details;
	struct strategy_options weights;
	struct merge_options streams;
	struct gather_options gather;
	struct gather_texts texts;
	const char *sample;
	char **files; /* borrowed from argv */
	int nfiles;
};

/* One row an option: where its value goes, its range, and what --help says of it. */
enum kind { TEXT, LONG, REAL, TIME, YES, STRATEGY };
static const struct row {
	const char *name, *arg;
	enum kind kind;
	int group; /* of --help */
	size_t to;
	double min, max;
	const char *doc;
} rows[] = {
#define GENERAL   1
#define WEIGHTS   2
#define INBOX     4
#define OPT(m)    offsetof(struct opts, m)
#define COUNT_MAX 1e9
	{"allow-seeded", NULL, YES, GENERAL, OPT(streams.allow_seeded), 0, 0,
	 "Take feature streams whose noise was made with --seed, and can so be removed"},
	{"drop-duplicates", NULL, YES, GENERAL, OPT(streams.drop_duplicates), 0, 0,
	 "Of feature samples with the same bits take the first, rather than refuse them"},
	{"strategy", "NAME", STRATEGY, WEIGHTS, OPT(weights.strategy), 0, 0,
	 "fedavg (default: the mean, weighted by the samples behind each), fedavgm, fedadam, "
	 "fedyogi, "
	 "median, trimmed-mean, krum, multi-krum or norm-clip"},
	{"global", "FILE", TEXT, WEIGHTS, OPT(weights.global), 0, 0,
	 "The weights that the clients started from"},
	{"report", "FILE", TEXT, WEIGHTS, OPT(weights.report), 0, 0,
	 "Write what each client contributed: a table, or JSON for FILE.json"},
	{"staleness", "A", REAL, WEIGHTS, OPT(weights.staleness), 0, 100,
	 "Weigh files by (1 + rounds behind the newest)^-A (default 0)"},
	{"state-in", "FILE", TEXT, WEIGHTS, OPT(weights.state_in), 0, 0,
	 "fedavgm, fedadam, fedyogi: the server's state after the last round (default: none yet)"},
	{"state-out", "FILE", TEXT, WEIGHTS, OPT(weights.state_out), 0, 0,
	 "fedavgm, fedadam, fedyogi: the server's state after this round"},
	{"server-lr", "X", REAL, WEIGHTS, OPT(weights.server_lr), 0, 1e6,
	 "fedavgm, fedadam, fedyogi: learning rate (default 1, 0.01, 0.01)"},
	{"beta1", "X", REAL, WEIGHTS, OPT(weights.beta1), 0, 1,
	 "fedavgm, fedadam, fedyogi: momentum (default 0.9)"},
	{"beta2", "X", REAL, WEIGHTS, OPT(weights.beta2), 0, 1,
	 "fedadam, fedyogi: decay of the second moment (default 0.99)"},
	{"tau", "X", REAL, WEIGHTS, OPT(weights.tau), 1e-12, 1e6,
	 "fedadam, fedyogi: what is added to its root (default 0.001)"},
	{"trim", "SHARE", REAL, WEIGHTS, OPT(weights.trim), 0, 0.5,
	 "trimmed-mean: cut off this share at either end (default 0.2)"},
	{"byzantine", "F", LONG, WEIGHTS, OPT(weights.byzantine), 0, COUNT_MAX,
	 "krum, multi-krum: F clients may lie (default: the most that N bear, (N - 3) / 2)"},
	{"select", "M", LONG, WEIGHTS, OPT(weights.select), 1, COUNT_MAX,
	 "multi-krum: take M clients (default N - F)"},
	{"clip", "NORM", REAL, WEIGHTS, OPT(weights.clip), 0, 1e30,
	 "norm-clip: shorten updates to NORM (default: the median of their norms)"},
	{"inbox", "DIR", TEXT, INBOX, OPT(gather.inbox), 0, 0,
	 "Take the files that clients drop into DIR"},
	{"min-clients", "N", LONG, INBOX, OPT(gather.min_clients), 1, COUNT_MAX,
	 "As soon as N clients are ready"},
	{"trigger", "EXPR", TEXT, INBOX, OPT(texts.trigger), 0, 0,
	 "As soon as EXPR holds: 'num_of_ready_clients > 5', 'clients >= 3 and time > 600'"},
	{"clients", "LIST", TEXT, INBOX, OPT(texts.clients), 0, 0,
	 "Those expected: names with commas between them, or @FILE with one a line"},
	{"deadline", "T", TEXT, INBOX, OPT(texts.deadline), 0, 0,
	 "From T on a quorum is enough, or it is over: 8h after the first run for this round, or "
	 "2026-11-22T06:00, or @SECONDS since 1970"},
	{"quorum", "M", LONG, INBOX, OPT(gather.quorum), 1, COUNT_MAX,
	 "Clients that are enough at the deadline"},
	{"wait", "T", TIME, INBOX, OPT(gather.wait), 0, 0,
	 "Wait for T (90, 15m, 8h) before saying no (default: look once)"},
	{"round", "NAME", TEXT, INBOX, OPT(gather.round), 0, 0,
	 "Which round this is (default: known by its output)"},
	{"record", "FILE", TEXT, INBOX, OPT(gather.record), 0, 0,
	 "What was taken for which round (default: .mist-inbox.json in DIR)"},
	{"sample", "K", TEXT, INBOX, OPT(sample), 0, 0,
	 "Print K (or 10%) of --clients, drawn by --seed and --round, and end"},
	{"max-staleness", "N", LONG, INBOX, OPT(gather.max_staleness), 0, COUNT_MAX,
	 "Weights more than N rounds behind others are late"},
};
#define KEY(row) (0x100 + (int)(row))

static void take(const struct row *row, struct opts *o, char *arg, struct argp_state *state)
{
	void *to = (char *)o + row->to;
	struct err err;
	char name[32];

	snprintf(name, sizeof(name), "--%s", row->name);
	if (row->kind == TEXT)
		*(const char **)to = arg;
	else if (row->kind == LONG)
		*(long *)to = cli_long(state, name, arg, (long)row->min, (long)row->max);
	else if (row->kind == REAL)
		*(double *)to = cli_double(state, name, arg, row->min, row->max);
	else if (row->kind == STRATEGY)
		*(enum strategy *)to = (enum strategy)cli_choice(state, name, arg, strategy_names);
	else if (row->kind == YES)
		*(bool *)to = true;
	else if (num_duration(name, arg, to, &err))
		argp_error(state, "%s", err.msg);
}

static void check(const struct opts *o, struct argp_state *state)
{
	const char *output = o->cli.output ? o->cli.output : "-";

	if (o->sample && (!o->texts.clients || !o->gather.round || o->gather.inbox || o->nfiles))
		argp_error(state, "--sample goes with --clients and --round, and no more");
	if (o->weights.report && !strcmp(o->weights.report, "-") && !strcmp(output, "-"))
		argp_error(state, "--report - needs -o FILE, for the weights");
	if (!o->gather.inbox && !o->nfiles && !o->sample)
		argp_error(state, "no FILE was given");
	if (o->gather.inbox && o->nfiles)
		argp_error(state, "FILE and --inbox exclude each other");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	if (key >= KEY(0) && key < KEY(ARRAY_LEN(rows))) {
		take(&rows[key - KEY(0)], o, arg, state);
		return 0;
	}
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

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct gather_options *g = &o->gather;
	enum inbox_kind kind;
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
		rc = inbox_kind(o->files, o->nfiles, &kind, err)
			     ? -1
			     : combine(o, kind, o->files, o->nfiles, NULL, err);
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

	for (i = 0; i < ARRAY_LEN(rows); i++)
		options[i + 2] = (struct argp_option){rows[i].name, KEY(i),       rows[i].arg, 0,
						      rows[i].doc,  rows[i].group};
	strategy_defaults(&opts.weights);
	return store_main(argc, argv, &argp, &opts, run);
}
