/*
 * mist-attack.c - measure what leaks: pictures recovered from features, membership inferred from a model.
 */
#include "attack/leakfiles.h"
#include "attack/membership.h"
#include "base/clirow.h"
#include "io/store.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct opts {
	struct cli cli; /* first */
	const struct command *command;
	struct inversion_options invert;
	struct membership_options member;
	struct leakfiles files;
	const char *weights, *public_set, *split, *variation;
	int epochs; /* 0: not given */
	enum conv_path path;
	char **args; /* behind the command */
	int nargs;
	uint64_t given; /* rows */
	struct progress bar;
	char what[128];
};

enum { INVERT = 1, MEMBER = 2, BOTH = 3 };

static const struct cli_row rows[] = {
#define AT(member) offsetof(struct opts, member)
#define TRAIN(x)   offsetof(struct opts, member.shadow.session.train.x)
	{"weights", 'w', "FILE", CLI_TEXT, AT(weights), 0, 0, BOTH,
	 "invert: the extractor, or its whole model; membership: the trained model", NULL},
	{"public", 256, "DATASET", CLI_TEXT, AT(public_set), 0, 0, BOTH,
	 "Pictures like the victims' that an attacker may have", NULL},
	{"epochs", 257, "N", CLI_INT, AT(epochs), 1, 1e6, BOTH,
	 "Train so long: the decoder (default 60), or each shadow model (default 100)", NULL},
	{"split", 258, "NAME", CLI_TEXT, AT(split), 0, 0, BOTH,
	 "Part of the data sets: train (default), val or test", NULL},
	{"json", 259, "FILE", CLI_TEXT, AT(files.json), 0, 0, BOTH, "All figures as JSON", NULL},
	{"cfg", 260, "YAML", CLI_TEXT, AT(invert.cfg), 0, 0, INVERT,
	 "invert: the model, for weights that carry none", NULL},
	{"data", 261, "DATASET", CLI_TEXT, AT(invert.data), 0, 0, INVERT,
	 "invert: the originals, to measure by", NULL},
	{"limit", 262, "N", CLI_INT, AT(invert.limit), 0, 1e6, INVERT,
	 "invert: attack the first N pictures (default 16; 0: all)", NULL},
	{"steps", 263, "N", CLI_INT, AT(invert.whitebox.steps), 1, 1e6, INVERT,
	 "invert: steps of the white-box search (default 400)", NULL},
	{"rate", 264, "X", CLI_REAL, AT(invert.whitebox.rate), 1e-6, 1, INVERT,
	 "invert: its first step size (default 0.02)", NULL},
	{"variation", 265, "W,...", CLI_TEXT, AT(variation), 0, 0, INVERT,
	 "invert: weights of its prior; the best is taken (default: three that suit)", NULL},
	{"sharpness", 266, "X", CLI_REAL, AT(invert.whitebox.sharpness), 1e-3, 100, INVERT,
	 "invert: width of the sigmoid that stands for a bit's step (default 0.5)", NULL},
	{"learn", 267, NULL, CLI_YES, AT(invert.learn), 0, 0, INVERT,
	 "invert: train a decoder on --public too, and search from what it makes", NULL},
	{"detector", 268, "FILE", CLI_TEXT, AT(invert.detector), 0, 0, INVERT,
	 "invert: judges recovered pictures (default: the weights, gate off)", NULL},
	{"tsv", 269, "FILE", CLI_TEXT, AT(files.tsv), 0, 0, INVERT, "invert: by picture", NULL},
	{"sheet", 270, "FILE", CLI_TEXT, AT(files.sheet), 0, 0, INVERT,
	 "invert: originals and recovered pictures side by side (.png, .jpg)", NULL},
	{"recovered", 271, "DIR", CLI_TEXT, AT(files.recovered), 0, 0, INVERT,
	 "invert: keep the best recovered pictures in DIR/N, N counting the streams", NULL},
	{"start", 272, "FILE", CLI_TEXT, AT(member.shadow.start), 0, 0, MEMBER,
	 "membership: the weights that the model was trained from", NULL},
	{"members", 273, "DATASET", CLI_TEXT, AT(member.members), 0, 0, MEMBER,
	 "membership: what it was trained on, to measure by", NULL},
	{"others", 274, "DATASET", CLI_TEXT, AT(member.others), 0, 0, MEMBER,
	 "membership: what it was not trained on", NULL},
	{"shadows", 275, "N", CLI_INT, AT(member.shadows), 2, 1000, MEMBER,
	 "membership: shadow models (default 4)", NULL},
	{"gate", 276, "MODE", CLI_CHOICE, AT(member.gate), 0, 0, MEMBER,
	 "membership: of the losses: clean (default), noisy or off", gate_mode_names},
	{"img", 277, "SIZE", CLI_INT, AT(member.shadow.img), 32, 8192, MEMBER,
	 "membership: side of the letterboxed images (default 640)", NULL},
	{"batch-size", 278, "N", CLI_INT, TRAIN(batch), 1, 65536, MEMBER,
	 "membership: this and the next three are as mist-train has them", NULL},
	{"nbs", 279, "N", CLI_INT, TRAIN(nbs), 1, 1e6, MEMBER, "Nominal batch (default 64)", NULL},
	{"lr0", 280, "X", CLI_REAL, AT(member.shadow.session.lr0), 0, 10, MEMBER, "First rate",
	 NULL},
	{"warmup-epochs", 281, "X", CLI_REAL, AT(member.shadow.session.warmup), 0, 1e4, MEMBER,
	 "Warm-up", NULL},
};

static void show(void *ctx, const char *what, double done)
{
	struct opts *o = ctx;

	if (strcmp(what, o->what)) {
		if (o->what[0])
			progress_end(&o->bar);
		snprintf(o->what, sizeof(o->what), "%s", what);
		progress_begin(&o->bar, &o->cli, o->what, "%", 100);
	}
	progress_step(&o->bar, (long)(100 * done), NULL);
}

static int run_invert(struct opts *o, struct pool *pool, struct err *err)
{
	const struct notices notices = cli_notices(&o->cli);
	struct inversion_options *i = &o->invert;
	struct inversion v;
	int rc;

	if (o->variation && inversion_weights(i, o->variation, err))
		return -1;
	o->files.table = o->cli.output;
	i->weights = o->weights;
	i->split = i->decoder.split = o->split;
	i->decoder.public_set = o->public_set;
	i->decoder.epochs = o->epochs ? o->epochs : i->decoder.epochs;
	i->whitebox.path = i->decoder.path = o->path;
	i->whitebox.seed = i->decoder.seed = o->cli.seed;
	i->notices = i->decoder.notices = &notices;
	i->progress = show;
	i->progress_ctx = o;
	rc = inversion_run(&v, o->args, o->nargs, i, pool, err);
	if (o->what[0])
		progress_end(&o->bar);
	if (!rc)
		rc = leakfiles_write(&v, &o->files, err);
	inversion_release(&v);
	return rc;
}

static void show_shadows(void *ctx, int shadows)
{
	struct opts *o = ctx;

	show(o, "shadow models", (double)shadows / o->member.shadows);
}

static int run_membership(struct opts *o, struct pool *pool, struct err *err)
{
	const struct notices notices = cli_notices(&o->cli);
	struct membership_options *m = &o->member;
	struct membership found;
	int rc;

	m->target = o->weights;
	m->public_set = o->public_set;
	m->split = o->split;
	m->notices = &notices;
	m->shadow.session.train.epochs = o->epochs ? o->epochs : m->shadow.session.train.epochs;
	m->shadow.session.train.path = o->path;
	m->shadow.seed = o->cli.seed;
	m->shadow.threads = o->cli.threads;
	m->progress = show_shadows;
	m->progress_ctx = o;
	rc = membership_run(&found, m, pool, err);
	if (o->what[0])
		progress_end(&o->bar);
	return rc ? rc : membership_write(&found, o->cli.output, o->files.json, err);
}

static const struct command {
	const char *name;
	unsigned bit;
	int (*run)(struct opts *o, struct pool *pool, struct err *err);
} commands[] = {{"invert", INVERT, run_invert}, {"membership", MEMBER, run_membership}};

static void take_args(struct opts *o, struct argp_state *state)
{
	o->command =
		&commands[cli_command(state, commands, ARRAY_LEN(commands), sizeof(*commands))];
	o->args = state->argv + state->next + 1;
	o->nargs = state->argc - state->next - 1;
}

static void check(const struct opts *o, struct argp_state *state)
{
	const struct membership_options *m = &o->member;

	clirow_check(rows, ARRAY_LEN(rows), o->given, o->command->bit, o->command->name, state);
	if (!o->weights)
		argp_error(state, "%s needs --weights", o->command->name);
	if (!o->public_set && (o->command->bit == MEMBER || o->invert.learn))
		argp_error(state, "%s needs --public", o->invert.learn ? "--learn" : "membership");
	if (o->command->bit == MEMBER && (!m->shadow.start || !m->members || !m->others))
		argp_error(state, "membership needs --start, --members and --others");
	if (o->command->bit == MEMBER && o->nargs)
		argp_error(state, "membership takes no STREAM");
	if (o->command->bit == INVERT && (!o->invert.data || o->nargs < 1))
		argp_error(state, "invert needs %s", o->invert.data ? "a STREAM" : "--data");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	if (clirow_take(rows, ARRAY_LEN(rows), o, &o->given, key, arg, state))
		return 0;
	if (key == ARGP_KEY_INIT)
		state->child_inputs[0] = &o->cli;
	else if (key == ARGP_KEY_ARGS)
		take_args(o, state);
	else if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "no command was given");
	else if (key == ARGP_KEY_END && o->command)
		check(o, state);
	else if (key != ARGP_KEY_END)
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	const char *kernel = getenv("MIST_KERNEL");
	struct pool *pool;
	int rc;

	if (kernel && *kernel && conv_path_parse(kernel, &o->path, err))
		return -1;
	pool = pool_new(o->cli.threads);
	rc = o->command->run(o, pool, err);
	pool_free(pool);
	return rc;
}

int main(int argc, char **argv)
{
	struct argp_option options[ARRAY_LEN(rows) + 1];
	const struct argp argp = {
		options,
		parse,
		"invert STREAM...\nmembership",
		"Measure what leaks: how much of the pictures can be made again from the features "
		"that edges send, and how well those that a model was trained on can be told.\v"
		"Every attack knows the weights, the gate and the flip probability. Results are "
		"the same for the same --seed on any number of threads.",
		cli_children,
		NULL,
		NULL};
	struct opts opts = {.split = "train"};

	clirow_options(rows, ARRAY_LEN(rows), options);
	inversion_defaults(&opts.invert);
	membership_defaults(&opts.member);
	return store_main(argc, argv, &argp, &opts, run);
}
