/*
 * mist-attack.c - measure what leaks: pictures recovered from features, membership inferred from a model.
 */
#include "attack/leakfiles.h"
#include "base/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct opts {
	struct cli cli; /* first */
	const struct command *command;
	struct inversion_options invert;
	struct leakfiles files;
	char **args; /* behind the command */
	int nargs;
	unsigned given; /* rows, as bits */
	struct progress bar;
	char what[128];
};

enum { INVERT = 1, MEMBERSHIP = 2 };

/* One row an option: who takes it, where its value goes, its range, and what --help says of it. */
enum kind { TEXT, INT, REAL, YES, WEIGHTS };
static const struct row {
	const char *name;
	int key;
	const char *arg;
	enum kind kind;
	size_t to;
	double min, max;
	unsigned commands;
	const char *doc;
} rows[] = {
#define AT(member)  offsetof(struct opts, member)
#define INV(member) offsetof(struct opts, invert.member)
	{"weights", 'w', "FILE", TEXT, INV(weights), 0, 0, INVERT,
	 "The extractor: a weight file, or its edge"},
	{"cfg", 256, "YAML", TEXT, INV(cfg), 0, 0, INVERT,
	 "Its model, for weights that carry none"},
	{"data", 257, "DATASET", TEXT, INV(data), 0, 0, INVERT,
	 "The originals, to measure by: no attack sees them"},
	{"split", 258, "NAME", TEXT, INV(split), 0, 0, INVERT, "Part of DATASET (default train)"},
	{"limit", 259, "N", INT, INV(limit), 0, 1e6, INVERT,
	 "Attack the first N pictures (default 16; 0: all)"},
	{"steps", 260, "N", INT, INV(whitebox.steps), 1, 1e6, INVERT,
	 "Steps of the white-box search (default 400)"},
	{"rate", 261, "X", REAL, INV(whitebox.rate), 1e-6, 1, INVERT,
	 "Its first step size (default 0.02)"},
	{"variation", 262, "W,...", WEIGHTS, 0, 0, 0, INVERT,
	 "Weights of its total-variation prior, of which the best is taken per stream (default: "
	 "three that suit it)"},
	{"sharpness", 263, "X", REAL, INV(whitebox.sharpness), 1e-3, 100, INVERT,
	 "Width of the sigmoid that stands for a bit's step, in deviations (default 0.5)"},
	{"learn", 269, NULL, YES, INV(learn), 0, 0, INVERT,
	 "Train a decoder too, and search from what it makes; needs --public"},
	{"public", 270, "DATASET", TEXT, INV(decoder.public_set), 0, 0, INVERT,
	 "Pictures like the victims' that an attacker may have"},
	{"epochs", 271, "N", INT, INV(decoder.epochs), 1, 1e6, INVERT,
	 "Epochs of the decoder (default 60)"},
	{"detector", 264, "FILE", TEXT, INV(detector), 0, 0, INVERT,
	 "Judges the recovered pictures (default: the weights of -w, gate off)"},
	{"json", 265, "FILE", TEXT, AT(files.json), 0, 0, INVERT, "All figures as JSON"},
	{"tsv", 266, "FILE", TEXT, AT(files.tsv), 0, 0, INVERT, "A line per picture"},
	{"sheet", 267, "FILE", TEXT, AT(files.sheet), 0, 0, INVERT,
	 "Originals and recovered pictures side by side (.png, .jpg)"},
	{"recovered", 268, "DIR", TEXT, AT(files.recovered), 0, 0, INVERT,
	 "Keep the best recovered pictures in DIR/N, N counting the streams"},
};

static void take_weights(struct opts *o, const char *arg, struct argp_state *state)
{
	size_t n, i;
	char **list = names_split(arg, &n);

	if (n < 1 || n > INVERSION_MAX_WEIGHTS)
		argp_error(state, "--variation takes 1 to %d weights", INVERSION_MAX_WEIGHTS);
	for (i = 0; i < n && i < INVERSION_MAX_WEIGHTS; i++)
		o->invert.variation[i] = cli_double(state, "--variation", list[i], 0, 1e6);
	o->invert.nvariation = (int)n;
	names_free(list, n);
}

static void take(const struct row *row, struct opts *o, char *arg, struct argp_state *state)
{
	void *to = (char *)o + row->to;
	char name[32];

	o->given |= 1U << (row - rows);
	snprintf(name, sizeof(name), "--%s", row->name);
	if (row->kind == TEXT)
		*(const char **)to = arg;
	else if (row->kind == INT)
		*(int *)to = (int)cli_long(state, name, arg, (long)row->min, (long)row->max);
	else if (row->kind == REAL)
		*(double *)to = cli_double(state, name, arg, row->min, row->max);
	else if (row->kind == YES)
		*(bool *)to = true;
	else
		take_weights(o, arg, state);
}

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
	struct notices notices = cli_notices(&o->cli);
	struct inversion v;
	int rc;

	o->files.table = o->cli.output;
	o->invert.notices = &notices;
	o->invert.progress = show;
	o->invert.progress_ctx = o;
	o->invert.whitebox.seed = o->invert.decoder.seed = o->cli.seed;
	o->invert.decoder.path = o->invert.whitebox.path;
	o->invert.decoder.notices = &notices;
	rc = inversion_run(&v, o->args, o->nargs, &o->invert, pool, err);
	if (o->what[0])
		progress_end(&o->bar);
	if (!rc)
		rc = leakfiles_write(&v, &o->files, err);
	inversion_release(&v);
	return rc;
}

static const struct command {
	const char *name;
	unsigned bit;
	int (*run)(struct opts *o, struct pool *pool, struct err *err);
} commands[] = {
	{"invert", INVERT, run_invert},
};

static void take_args(struct opts *o, struct argp_state *state)
{
	const char *name = state->argv[state->next];
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands) && strcmp(name, commands[i].name); i++)
		;
	if (i == ARRAY_LEN(commands)) {
		argp_error(state, "there is no command '%s'", name);
		return;
	}
	o->command = &commands[i];
	o->args = state->argv + state->next + 1;
	o->nargs = state->argc - state->next - 1;
}

static void check(const struct opts *o, struct argp_state *state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (o->given & 1U << i && !(rows[i].commands & o->command->bit))
			argp_error(state, "%s does not take --%s", o->command->name, rows[i].name);
	if (o->command->bit == INVERT && (!o->invert.weights || !o->invert.data))
		argp_error(state, "invert needs --%s", o->invert.weights ? "data" : "weights");
	if (o->command->bit == INVERT && o->invert.learn && !o->invert.decoder.public_set)
		argp_error(state, "--learn needs --public");
	if (o->command->bit == INVERT && o->nargs < 1)
		argp_error(state, "invert needs a STREAM");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	size_t i;

	if (key == ARGP_KEY_INIT)
		state->child_inputs[0] = &o->cli;
	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].key == key) {
			take(&rows[i], o, arg, state);
			return 0;
		}
	if (key == ARGP_KEY_ARGS)
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

	if (kernel && *kernel && conv_path_parse(kernel, &o->invert.whitebox.path, err))
		return -1;
	pool = pool_new(o->cli.threads);
	rc = o->command->run(o, pool, err);
	pool_free(pool);
	return rc;
}

int main(int argc, char **argv)
{
	struct argp_option options[ARRAY_LEN(rows) + 1] = {{0}};
	const struct argp argp = {
		options,
		parse,
		"invert STREAM...",
		"Measure what leaks: how much of the pictures can be made again "
		"from the features that edges send.\v"
		"Every attack is white-box: it knows the extractor's weights, the "
		"gate and the flip probability. The data set is only for measuring, "
		"and for choosing the prior's weight. Results are the same for the "
		"same --seed on any number of threads.",
		cli_children,
		NULL,
		NULL};
	struct opts opts = {0};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		options[i] = (struct argp_option){
			rows[i].name, rows[i].key, rows[i].arg, 0, rows[i].doc, 0};
	inversion_defaults(&opts.invert);
	return cli_main(argc, argv, &argp, &opts, run);
}
