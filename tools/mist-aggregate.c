/*
 * mist-aggregate.c - combine what clients sent: feature streams into one, or weight files into one.
 */
#include "base/cli.h"
#include "fed/gather.h"
#include "fed/inbox.h"
#include "fed/merge.h"
#include "fed/strategy.h"

struct opts {
	struct cli cli; /* first: the shared options */
	struct notices notices, details;
	struct strategy_options weights;
	struct merge_options streams;
	struct gather_options gather;
	const char *trigger, *clients, *deadline, *wait; /* as given */
	char **files;                                    /* borrowed from argv */
	int nfiles;
};

enum {
	KEY_STRATEGY = 0x100,
	KEY_SEEDED,
	KEY_INBOX,
	KEY_MIN,
	KEY_TRIGGER,
	KEY_CLIENTS,
	KEY_DEADLINE,
	KEY_QUORUM,
	KEY_WAIT,
	KEY_ROUND,
	KEY_RECORD,
	KEY_STALE,
};

static const struct argp_option options[] = {
	{"strategy", KEY_STRATEGY, "NAME", 0,
	 "How weights are combined: fedavg (default), the mean weighted by the samples behind each",
	 0},
	{"allow-seeded", KEY_SEEDED, NULL, 0,
	 "Take feature streams whose noise was made with --seed, and can so be removed", 0},
	{0, 0, 0, 0, "Waiting for clients:", 1},
	{"inbox", KEY_INBOX, "DIR", 0, "Take the files that clients drop into DIR", 1},
	{"min-clients", KEY_MIN, "N", 0, "As soon as N clients are ready", 1},
	{"trigger", KEY_TRIGGER, "EXPR", 0,
	 "As soon as EXPR holds: 'num_of_ready_clients > 5', 'clients >= 3 and time > 600'", 1},
	{"clients", KEY_CLIENTS, "LIST", 0,
	 "Those expected: names with commas between them, or @FILE with one a line", 1},
	{"deadline", KEY_DEADLINE, "T", 0,
	 "From T on a quorum is enough, or it is over: 8h after the first run for this round, or "
	 "2026-11-22T06:00, or @SECONDS since 1970",
	 1},
	{"quorum", KEY_QUORUM, "M", 0, "Clients that are enough at the deadline", 1},
	{"wait", KEY_WAIT, "T", 0, "Wait for T (90, 15m, 8h) before saying no (default: look once)",
	 1},
	{"round", KEY_ROUND, "NAME", 0, "Which round this is (default: known by its output)", 1},
	{"record", KEY_RECORD, "FILE", 0,
	 "What was taken for which round (default: .mist-inbox.json in DIR)", 1},
	{"max-staleness", KEY_STALE, "N", 0, "Weights more than N rounds behind others are late",
	 1},
	{0}};

static error_t parse_inbox(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	struct gather_options *g = &o->gather;

	switch (key) {
	case KEY_INBOX:
		g->inbox = arg;
		return 0;
	case KEY_MIN:
		g->min_clients = cli_long(state, "--min-clients", arg, 1, 1000000000);
		return 0;
	case KEY_TRIGGER:
		o->trigger = arg;
		return 0;
	case KEY_CLIENTS:
		o->clients = arg;
		return 0;
	case KEY_DEADLINE:
		o->deadline = arg;
		return 0;
	case KEY_QUORUM:
		g->quorum = cli_long(state, "--quorum", arg, 1, 1000000000);
		return 0;
	case KEY_WAIT:
		o->wait = arg;
		return 0;
	case KEY_ROUND:
		g->round = arg;
		return 0;
	case KEY_RECORD:
		g->record = arg;
		return 0;
	case KEY_STALE:
		g->max_staleness = cli_long(state, "--max-staleness", arg, 0, 1000000000);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void check(const struct opts *o, struct argp_state *state)
{
	const struct gather_options *g = &o->gather;

	if (!g->inbox) {
		if (!o->nfiles)
			argp_error(state, "no FILE was given");
		if (g->min_clients || o->trigger || o->clients || o->deadline || g->quorum ||
		    o->wait || g->round || g->record || g->max_staleness >= 0)
			argp_error(state, "waiting for clients needs --inbox DIR");
		return;
	}
	if (o->nfiles)
		argp_error(state, "FILE and --inbox exclude each other");
	if (!o->cli.output || (o->cli.output[0] == '-' && !o->cli.output[1]))
		argp_error(state, "--inbox needs -o FILE, which is looked at when a round is asked "
				  "for again");
	if (!g->min_clients && !o->trigger)
		argp_error(state, "--inbox needs --min-clients N or --trigger EXPR");
	if (g->quorum && !o->deadline)
		argp_error(state, "--quorum needs --deadline T");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case KEY_STRATEGY:
		o->weights.strategy =
			(enum strategy)cli_choice(state, "--strategy", arg, strategy_names);
		return 0;
	case KEY_SEEDED:
		o->streams.allow_seeded = true;
		return 0;
	case ARGP_KEY_ARGS:
		o->files = state->argv + state->next;
		o->nfiles = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	}
	return parse_inbox(key, arg, state);
}

static const struct argp argp = {
	options,
	parse,
	"FILE...\n--inbox DIR",
	"Combine what clients sent: the feature streams of mist-extract into one stream, or weight "
	"files into one."
	"\vThe files decide which: all must be of one kind, and fit together. '-' is standard "
	"input, once. With -v, a line per client on standard error.",
	cli_children,
	NULL,
	NULL};

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

	o->weights.confirm = o->streams.confirm = confirm;
	if (kind == INBOX_WEIGHTS)
		return strategy_run(paths, n, output, &o->weights, err);
	if (merge_streams(paths, n, output, &o->streams, &merged, err))
		return -1;
	cli_verbose(&o->cli, 1, "%ld samples of %ld clients", merged.samples, merged.clients);
	return 0;
}

static int run_inbox(struct opts *o, struct err *err)
{
	struct gather_options *g = &o->gather;
	struct stop *trigger = NULL;
	char **clients = NULL;
	int rc = 0;

	g->output = o->cli.output;
	g->allow_seeded = o->streams.allow_seeded;
	g->combine = combine;
	g->ctx = o;
	g->notices = &o->notices;
	g->details = &o->details;
	if (o->wait)
		rc = num_duration("--wait", o->wait, &g->wait, err);
	if (!rc && o->deadline)
		rc = gather_deadline_parse(o->deadline, &g->deadline, err);
	if (!rc && o->clients)
		rc = gather_clients(o->clients, &clients, &g->nclients, err);
	if (!rc && o->trigger) {
		g->trigger = trigger = gather_trigger(o->trigger, err);
		rc = trigger ? 0 : -1;
	}
	g->clients = clients;
	if (!rc)
		rc = gather_run(g, err);
	stop_free(trigger);
	names_free(clients, g->nclients);
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	enum inbox_kind kind;

	o->notices = cli_notices(&o->cli);
	o->details = (struct notices){say, &o->cli};
	o->weights.notices = o->streams.notices = &o->notices;
	o->weights.details = o->streams.details = &o->details;
	if (o->gather.inbox)
		return run_inbox(o, err);
	if (inbox_kind(o->files, o->nfiles, &kind, err))
		return -1;
	return combine(o, kind, o->files, o->nfiles, NULL, err);
}

int main(int argc, char **argv)
{
	struct opts opts = {.weights.strategy = STRATEGY_FEDAVG, .gather.max_staleness = -1};

	return cli_main(argc, argv, &argp, &opts, run);
}
