/*
 * mist-model - weight files: import from PyTorch, init, info, split at a cut, join, compare.
 */
#include "base/clirow.h"
#include "io/store.h"
#include "mist/calibrate_model.h"
#include "mist/gate_text.h"
#include "model/import.h"
#include "model/info.h"
#include "model/parts.h"
#include "model/weightdiff.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

struct opts {
	struct cli cli;
	const struct command *command;
	const char *cfg, *names, *data;
	int classes, img;
	struct calibrate_options gate;
	bool json, half;
	char **args; /* behind the command; borrowed from argv */
	int nargs;
	uint64_t given; /* rows, as a set of bits */
};

enum { IMPORT = 1, INIT = 2, INFO = 4, SPLIT = 8, JOIN = 16, DIFF = 32, CALIBRATE = 64 };
static const struct cli_row rows[] = {
#define TO(member) offsetof(struct opts, member)
	{"cfg", 256, "YAML", CLI_TEXT, TO(cfg), 0, 0, IMPORT,
	 "import: the model of a checkpoint that does not carry it", NULL},
	{"classes", 257, "N", CLI_INT, TO(classes), 1, 65536, INIT,
	 "init: number of classes (default: the YAML's)", NULL},
	{"names", 258, "A,B,...", CLI_TEXT, TO(names), 0, 0, INIT, "init: the names of the classes",
	 NULL},
	{"half", 259, NULL, CLI_YES, TO(half), 0, 0, IMPORT | INIT | JOIN | CALIBRATE,
	 "import, init, join, calibrate: write 16-bit floats", NULL},
	{"img", 260, "N", CLI_INT, TO(img), 1, 32768, INFO | CALIBRATE,
	 "info, calibrate: side of the image (default 640)", NULL},
	{"json", 261, NULL, CLI_YES, TO(json), 0, 0, INFO, "info: one JSON object", NULL},
	{"cut", 'c', "CUT", CLI_INT, TO(gate.cut), 1, 1000, SPLIT | CALIBRATE,
	 "split, calibrate: the first layer of the cloud", NULL},
	{"data", 262, "DATASET", CLI_TEXT, TO(data), 0, 0, CALIBRATE,
	 "calibrate: pictures that may be published", NULL},
	{"threshold", 263, "RULE", CLI_CHOICE, TO(gate.rule), 0, 0, CALIBRATE,
	 "calibrate: zero, median (default) or otsu, per channel", threshold_names},
	{"epsilon", 'e', "E", CLI_REAL, TO(gate.epsilon), -HUGE_VAL, HUGE_VAL, CALIBRATE,
	 "calibrate: the noise that the gate is for, per bit (default: none)", NULL},
	{"mechanism", 264, "NAME", CLI_CHOICE, TO(gate.mechanism), 0, 0, CALIBRATE,
	 "calibrate: rr (default with --epsilon), sue or none", mechanism_names},
	{"pool", 266, "N", CLI_INT, TO(gate.pool), 1, GATE_MAX_POOL, CALIBRATE,
	 "calibrate: average squares of N x N values to one bit, without a filter (default 1: "
	 "none)",
	 NULL},
	{"filter", 265, "SIZE", CLI_INT, TO(gate.filter), 0, GATE_MAX_FILTER, CALIBRATE,
	 "calibrate: estimate a value from the bits around it, SIZE by SIZE of all channels "
	 "(default 3; 0: from its own bit)",
	 NULL},
	{"net", 267, "N", CLI_INT, TO(gate.net), 0, GATE_MAX_NET, CALIBRATE,
	 "calibrate: add a network with N hidden channels to the filter (default 0: none; 64 is "
	 "good), which takes a minute to learn",
	 NULL},
	{"net-steps", 268, "N", CLI_INT, TO(gate.net_steps), 1, 1000000, CALIBRATE,
	 "calibrate: steps that the network learns for (default 300)", NULL},
};

static int save(const struct opts *o, struct model *m, struct err *err)
{
	const char *path = o->cli.output ? o->cli.output : "-";
	int rc = m ? o->half ? model_save_half(m, path, err) : model_save(m, path, err) : -1;

	model_free(m);
	return rc;
}

static int run_import(struct opts *o, struct err *err)
{
	return save(o, import_torchpt(o->args[0], o->cfg, err), err);
}

static int run_init(struct opts *o, struct err *err)
{
	return save(o, import_init(o->args[0], o->classes, o->names, o->cli.seed, err), err);
}

static int run_info(struct opts *o, struct err *err)
{
	struct model *m = model_load_part(o->args[0], NULL, err);
	struct buf out = BUF_INIT;
	int rc = -1;

	if (m && o->json)
		rc = info_json(m, o->img, &out, err);
	else if (m && !info_text(m, o->img, &out, err))
		rc = gates_describe_json(model_meta(m, "mist.gate"), &out, err)
			     ? err_prefix(err, "cannot read '%s'", o->args[0])
			     : 0;
	if (!rc)
		rc = file_write(o->cli.output ? o->cli.output : "-", out.data, out.len, err);
	buf_release(&out);
	model_free(m);
	return rc;
}

static int run_calibrate(struct opts *o, struct err *err)
{
	struct notices notices = cli_notices(&o->cli);

	if (!o->data)
		return err_set(err, STATUS_USAGE, "calibrate needs --data, public pictures");
	o->gate.img = o->img;
	o->gate.seed = o->cli.seed;
	o->gate.notices = &notices;
	return save(o, calibrate_file(o->args[0], o->data, &o->gate, o->cli.threads, err), err);
}

static int run_split(struct opts *o, struct err *err)
{
	return parts_split(o->args[0], o->gate.cut, o->cli.output, err);
}

static int run_join(struct opts *o, struct err *err)
{
	return save(o, parts_join(o->args[0], o->args[1], err), err);
}

static int run_diff(struct opts *o, struct err *err)
{
	struct buf out = BUF_INIT;
	bool same;
	int rc = weightdiff_files(o->args[0], o->args[1], &out, &same, err);

	if (!rc)
		rc = file_write(o->cli.output ? o->cli.output : "-", out.data, out.len, err);
	buf_release(&out);
	if (!rc && !same)
		return err_set(err, STATUS_NO, "'%s' and '%s' differ", o->args[0], o->args[1]);
	return rc;
}

static const struct command {
	const char *name;
	int nargs;
	unsigned self;
	int (*run)(struct opts *o, struct err *err);
} commands[] = {
	{"import", 1, IMPORT, run_import},
	{"init", 1, INIT, run_init},
	{"info", 1, INFO, run_info},
	{"split", 1, SPLIT, run_split},
	{"join", 2, JOIN, run_join},
	{"diff", 2, DIFF, run_diff},
	{"calibrate", 1, CALIBRATE, run_calibrate},
};

static void take_args(struct opts *o, struct argp_state *state)
{
	o->command =
		&commands[cli_command(state, commands, ARRAY_LEN(commands), sizeof(*commands))];
	o->args = state->argv + state->next + 1;
	o->nargs = state->argc - state->next - 1;
	if (o->nargs != o->command->nargs)
		argp_error(state, "%s takes %d file%s", o->command->name, o->command->nargs,
			   o->command->nargs > 1 ? "s" : "");
	clirow_check(rows, ARRAY_LEN(rows), o->given, o->command->self, o->command->name, state);
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
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static int run(void *opts, struct err *err)
{
	return ((struct opts *)opts)->command->run(opts, err);
}

static const char usage[] = "import CKPT.pt\ninit CFG.yaml\ninfo WEIGHTS\nsplit WEIGHTS\n"
			    "join EDGE CLOUD\ndiff A B\ncalibrate WEIGHTS";
static const char doc[] =
	"Make, describe, split, join, compare and calibrate weight files.\v"
	"import reads a PyTorch checkpoint without running anything in it. init makes a fresh "
	"model; a "
	"CFG that is no file is looked for among the models that come with the programs "
	"(yolov5n.yaml). split writes PREFIX.edge.safetensors and PREFIX.cloud.safetensors, PREFIX "
	"being -o or the name of WEIGHTS. diff exits with 1 when the files differ. calibrate gives "
	"the "
	"cut a gate: per channel a threshold and two levels, and a filter for the noise of "
	"--epsilon, "
	"all learnt from public pictures alone.";

int main(int argc, char **argv)
{
	struct argp_option options[ARRAY_LEN(rows) + 1] = {{0}};
	const struct argp argp = {options, parse, usage, doc, cli_children, NULL, NULL};
	struct opts opts = {.img = 640, .gate = CALIBRATE_DEFAULTS};

	clirow_options(rows, ARRAY_LEN(rows), options);
	return store_main(argc, argv, &argp, &opts, run);
}
