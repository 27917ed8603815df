/*
 * mist-extract.c - the edge: run the layers before the cut, pass them through the gate, send them.
 */
#include "base/cli.h"
#include "io/store.h"
#include "mist/extract.h"
#include "mist/ledger_cli.h"
#include "mist/noise_cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct opts {
	struct cli cli; /* first: the shared options */
	struct ledger_cli ledger;
	struct noise_cli noise;
	const char *weights, *cfg, *client, *dataset, *split;
	int cut; /* 0: the file's */
	int encoding;
	double label_epsilon; /* 0: not given */
	int img;
	bool hflip, no_labels, strict;
};

enum { KEY_ENCODING = 0x100, KEY_IMG, KEY_CLIENT, KEY_HFLIP };
enum { KEY_LABELS = 0x110, KEY_LABEL_EPSILON, KEY_STRICT, KEY_CFG, KEY_SPLIT };

static const struct argp_option options[] = {
	{"weights", 'w', "FILE", 0, "Take the layers from this weight file", 0},
	{"cfg", KEY_CFG, "YAML", 0, "The model, where the weight file does not tell", 0},
	{"cut", 'c', "LAYER", 0,
	 "Send what crosses from before this layer (default: the file's, or 4)", 0},
	{"encoding", KEY_ENCODING, "KIND", 0,
	 "bit (default), u8, f16 or f32; only bits can be sent with noise", 0},
	{"img", KEY_IMG, "SIZE", 0, "Side of the letterboxed square (default 640)", 0},
	{"client", KEY_CLIENT, "NAME", 0, "Who sends (default: the data set's name)", 0},
	{"hflip", KEY_HFLIP, NULL, 0,
	 "Send every image a second time, mirrored; this doubles what an image costs", 0},
	{"no-labels", KEY_LABELS, NULL, 0, "Keep labels and boxes here", 0},
	{"label-epsilon", KEY_LABEL_EPSILON, "E", 0, "Randomise each object's class with epsilon E",
	 0},
	{"split", KEY_SPLIT, "NAME", 0, "Part of the data set: train (default), val or test", 0},
	{"strict", KEY_STRICT, NULL, 0, "A damaged image or label file is an error, not a skip", 0},
	{0},
};

/* Privacy is the default: what is sent without noise was asked for by name. */
static void check(struct opts *o, struct argp_state *state)
{
	if (o->ledger.show)
		return;
	if (!o->weights || !o->dataset)
		argp_error(state, "no %s was given", o->weights ? "DATASET" : "--weights");
	noise_cli_check(&o->noise, (enum encoding)o->encoding, state);
	if (o->no_labels && o->label_epsilon > 0)
		argp_error(state, "--no-labels leaves none for --label-epsilon");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		state->child_inputs[1] = &o->ledger;
		state->child_inputs[2] = &o->noise;
		return 0;
	case 'w':
		o->weights = arg;
		return 0;
	case KEY_CFG:
		o->cfg = arg;
		return 0;
	case 'c':
		o->cut = (int)cli_long(state, "--cut", arg, 1, INT_MAX);
		return 0;
	case KEY_ENCODING:
		o->encoding = cli_choice(state, "--encoding", arg, encoding_names);
		return 0;
	case KEY_IMG:
		o->img = (int)cli_long(state, "--img", arg, 32, 8192);
		return 0;
	case KEY_CLIENT:
		o->client = arg;
		return 0;
	case KEY_HFLIP:
		o->hflip = true;
		return 0;
	case KEY_LABELS:
		o->no_labels = true;
		return 0;
	case KEY_LABEL_EPSILON:
		o->label_epsilon = cli_positive(state, "--label-epsilon", arg);
		return 0;
	case KEY_SPLIT:
		o->split = arg;
		return 0;
	case KEY_STRICT:
		o->strict = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->dataset)
			argp_error(state, "one DATASET at a time");
		o->dataset = arg;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {
	{&cli_argp, 0, NULL, -1}, {&ledger_argp, 0, NULL, 0}, {&noise_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
	options,
	parse,
	"DATASET",
	"Run the layers before the cut over the images of DATASET, pass what crosses through the "
	"gate and write it with the labels as a feature stream."
	"\vThe data set is a folder with images/ and labels/, a dataset.yaml, or a list of images. "
	"Bits are only sent with noise (--epsilon) unless --mechanism none is said. A certificate "
	"on standard error tells what was given away. A ledger keeps account of it: what was sent "
	"before gets the same noise again, which costs nothing. With --seed the noise can be made "
	"again, and so removed.",
	children,
	NULL,
	NULL};

static void advance(void *ctx, long done)
{
	progress_step(ctx, done, NULL);
}

static int extract(const struct opts *o, const struct model *m, const struct dataset *d,
		   const struct noise *noise, struct extract_options *opt, struct err *err)
{
	const struct notices lines = cli_lines(&o->cli);
	struct certificate given;
	struct progress progress;
	struct extract *x;
	int rc;

	opt->progress_ctx = &progress;
	x = extract_new(m, d, noise, opt, err);
	if (!x)
		return -1;
	progress_begin(&progress, &o->cli, "extracting", "images", d->nitems);
	rc = extract_run(x, o->cli.output ? o->cli.output : "-", &given, err);
	progress_end(&progress);
	if (!rc) {
		cli_note(&o->cli, "client '%s': %ld images, %ld skipped", opt->client,
			 given.spent.images, extract_skipped(x));
		certificate_tell(&given, &lines, opt->notices);
	}
	extract_free(x);
	return rc;
}

static int with_data(const struct opts *o, const struct model *m, struct err *err)
{
	const struct notices notices = cli_notices(&o->cli);
	const struct dataset_options dopt = {
		.split = o->split, .strict = o->strict, .nc = m->nnames, .notices = &notices};
	struct extract_options opt = {.cut = o->cut,
				      .img = o->img,
				      .encoding = (enum encoding)o->encoding,
				      .program = "mist-extract " PACKAGE_VERSION,
				      .hflip = o->hflip,
				      .labels = !o->no_labels,
				      .label_epsilon = o->label_epsilon,
				      .seed = o->cli.seeded ? &o->cli.seed : NULL,
				      .strict = o->strict,
				      .budget = o->ledger.budget,
				      .budget_image = o->ledger.budget_image,
				      .threads = o->cli.threads,
				      .notices = &notices,
				      .progress = advance};
	const char *kernel = getenv("MIST_KERNEL");
	struct dataset *d;
	struct noise noise = {0};
	char *client;
	int rc = -1;

	if (conv_path_parse(kernel ? kernel : "auto", &opt.path, err) ||
	    conv_resolve(opt.path, &opt.path, err))
		return -1;
	d = dataset_open(o->dataset, &dopt, err);
	if (!d)
		return -1;
	client = o->client ? xstrdup(o->client) : extract_client(o->dataset);
	opt.client = client;
	if (!extract_cut(m, &opt.cut, err) && !noise_cli_make(&o->noise, m, &opt, &noise, err) &&
	    !ledger_cli_open(&o->ledger, &notices, &opt.ledger, err)) {
		extract_key(&noise, opt.ledger);
		rc = extract(o, m, d, &noise, &opt, err);
	}
	noise_release(&noise);
	ledger_close(opt.ledger);
	dataset_free(d);
	free(client);
	return rc;
}

static int run(void *opts, struct err *err)
{
	const struct opts *o = opts;
	struct model *m;
	int rc;

	if (o->ledger.show)
		return ledger_cli_show(&o->ledger, &o->cli, err);
	m = model_load_part(o->weights, o->cfg, err);
	if (!m)
		return -1;
	rc = with_data(o, m, err);
	model_free(m);
	return rc;
}

int main(int argc, char **argv)
{
	struct opts opts = {.ledger = LEDGER_CLI_INIT,
			    .noise = NOISE_CLI_INIT,
			    .encoding = ENCODING_BIT,
			    .img = 640};

	return store_main(argc, argv, &argp, &opts, run);
}
