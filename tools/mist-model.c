/*
 * mist-model - weight files: import from PyTorch, init, info, split at a cut, join, compare.
 */
#include "base/cli.h"
#include "mist/calibrate_model.h"
#include "mist/gate_text.h"
#include "model/import.h"
#include "model/info.h"
#include "model/parts.h"
#include "model/weightdiff.h"

#include <stdlib.h>
#include <string.h>

struct opts {
	struct cli cli;
	const struct command *command;
	const char *cfg, *names, *data;
	long classes, img, cut;
	enum threshold_rule threshold;
	bool json, half;
	char **args; /* behind the command; borrowed from argv */
	int nargs;
	unsigned given; /* options, as a set of enum key */
};

enum key { CFG = 256, CLASSES, NAMES, IMG, JSON, HALF, DATA, THRESHOLD };
#define SET(o) (1u << ((o) == 'c' ? 0 : (o)-255))

static const struct argp_option options[] = {
	{"cfg", CFG, "YAML", 0, "import: the model of a checkpoint that does not carry it", 0},
	{"classes", CLASSES, "N", 0, "init: number of classes (default: the YAML's)", 0},
	{"names", NAMES, "A,B,...", 0, "init: the names of the classes", 0},
	{"half", HALF, NULL, 0, "import, init, join, calibrate: write 16-bit floats", 0},
	{"img", IMG, "N", 0, "info, calibrate: side of the image (default 640)", 0},
	{"json", JSON, NULL, 0, "info: one JSON object", 0},
	{"cut", 'c', "CUT", 0, "split, calibrate: the first layer of the cloud", 0},
	{"data", DATA, "DATASET", 0, "calibrate: pictures that may be published", 0},
	{"threshold", THRESHOLD, "RULE", 0,
	 "calibrate: zero, median (default) or otsu, per channel", 0},
	{0},
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
	struct buf text = BUF_INIT;
	char **names = NULL;
	size_t n = 0;
	int rc = 0;

	if (o->names)
		names = names_split(o->names, &n);
	if (names && o->classes && n != (size_t)o->classes)
		rc = err_set(err, STATUS_USAGE, "--names has %zu names for %ld classes", n,
			     o->classes);
	if (!rc)
		rc = import_config(o->args[0], &text, err);
	if (!rc)
		rc = save(o,
			  model_init(text.data, n ? (int)n : (int)o->classes, names, o->cli.seed,
				     err),
			  err);
	names_free(names, n);
	buf_release(&text);
	return rc;
}

static int run_info(struct opts *o, struct err *err)
{
	struct model *m = model_load_part(o->args[0], NULL, err);
	struct buf out = BUF_INIT;
	int rc = -1;

	if (m && o->json)
		rc = info_json(m, (int)o->img, &out, err);
	else if (m && !info_text(m, (int)o->img, &out, err))
		rc = gates_describe_json(model_meta(m, "mist.gate"), &out, err);
	if (!rc)
		rc = file_write(o->cli.output ? o->cli.output : "-", out.data, out.len, err);
	buf_release(&out);
	model_free(m);
	return rc;
}

static int run_calibrate(struct opts *o, struct err *err)
{
	struct notices notices = cli_notices(&o->cli);
	struct calibrate_options opt = {(int)o->cut, (int)o->img, o->threshold, CONV_AUTO,
					&notices};

	if (!o->data)
		return err_set(err, STATUS_USAGE, "calibrate needs --data, public pictures");
	return save(o, calibrate_file(o->args[0], o->data, &opt, o->cli.threads, err), err);
}

static int run_split(struct opts *o, struct err *err)
{
	return parts_split(o->args[0], (int)o->cut, o->cli.output, err);
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
	unsigned takes; /* options */
	int (*run)(struct opts *o, struct err *err);
} commands[] = {
	{"import", 1, SET(CFG) | SET(HALF), run_import},
	{"init", 1, SET(CLASSES) | SET(NAMES) | SET(HALF), run_init},
	{"info", 1, SET(IMG) | SET(JSON), run_info},
	{"split", 1, SET('c'), run_split},
	{"join", 2, SET(HALF), run_join},
	{"diff", 2, 0, run_diff},
	{"calibrate", 1, SET('c') | SET(DATA) | SET(THRESHOLD) | SET(IMG) | SET(HALF),
	 run_calibrate},
};

static void take_args(struct opts *o, struct argp_state *state)
{
	const char *name = state->argv[state->next];
	const struct argp_option *opt;
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands) && strcmp(name, commands[i].name); i++)
		;
	if (i == ARRAY_LEN(commands))
		argp_error(state, "there is no command '%s'", name);
	o->command = &commands[i < ARRAY_LEN(commands) ? i : 0];
	o->args = state->argv + state->next + 1;
	o->nargs = state->argc - state->next - 1;
	if (o->nargs != o->command->nargs)
		argp_error(state, "%s takes %d file%s", name, o->command->nargs,
			   o->command->nargs > 1 ? "s" : "");
	for (opt = options; opt->name; opt++)
		if (o->given & ~o->command->takes & SET(opt->key))
			argp_error(state, "%s does not take --%s", name, opt->name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	if (key == 'c' || (key >= CFG && key <= THRESHOLD))
		o->given |= SET(key);
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case CFG:
		o->cfg = arg;
		return 0;
	case NAMES:
		o->names = arg;
		return 0;
	case CLASSES:
		o->classes = cli_long(state, "--classes", arg, 1, 65536);
		return 0;
	case IMG:
		o->img = cli_long(state, "--img", arg, 1, 32768);
		return 0;
	case 'c':
		o->cut = cli_long(state, "--cut", arg, 1, 1000);
		return 0;
	case DATA:
		o->data = arg;
		return 0;
	case THRESHOLD:
		o->threshold =
			(enum threshold_rule)cli_choice(state, "--threshold", arg, threshold_names);
		return 0;
	case JSON:
		o->json = true;
		return 0;
	case HALF:
		o->half = true;
		return 0;
	case ARGP_KEY_ARGS:
		take_args(o, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command was given");
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"import CKPT.pt\ninit CFG.yaml\ninfo WEIGHTS\nsplit WEIGHTS\njoin EDGE CLOUD\ndiff A "
	"B\ncalibrate WEIGHTS",
	"Make, describe, split, join, compare and calibrate weight files.\v"
	"import reads a PyTorch checkpoint without running anything in it. init makes a fresh "
	"model; "
	"a CFG that is no file is looked for among the models that come with the programs "
	"(yolov5n.yaml). split writes PREFIX.edge.safetensors and PREFIX.cloud.safetensors, PREFIX "
	"being -o or the name of WEIGHTS. diff exits with 1 when the files differ. calibrate gives "
	"the cut a gate: per channel a threshold and two levels, learnt from public pictures "
	"alone.",
	cli_children,
	NULL,
	NULL};

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;

	return o->command->run(o, err);
}

int main(int argc, char **argv)
{
	struct opts opts = {.img = 640, .threshold = THRESHOLD_MEDIAN};

	return cli_main(argc, argv, &argp, &opts, run);
}
