/*
 * coco-synth.c - draw a labelled synthetic detection data set.
 */
#include "base/cli.h"
#include "data/shapes.h"
#include "data/synth.h"

#include <stdlib.h>

struct opts {
	struct cli cli; /* first: the shared options */
	struct synth_options synth;
	bool val_given;
};

enum { KEY_DRAWN = 0x100 };

static const struct argp_option options[] = {
	{"images", 'n', "N", 0, "Training pictures (default 128)", 0},
	{"val", 'V', "N", 0,
	 "Validation pictures besides (default: a quarter of the training pictures; 0: "
	 "dataset.yaml "
	 "names the training pictures for both)",
	 0},
	{"classes", 'c', "K", 0, "Classes, 1 to 10 (default 6)", 0},
	{"drawn", KEY_DRAWN, "N", 0,
	 "Draw the first N classes only; dataset.yaml still names all K (default: all)", 0},
	{"img", 's', "PIXELS", 0, "Longer side, 32 to 4096 (default 320)", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case 'n':
		o->synth.images = (int)cli_long(state, "--images", arg, 1, 1000000);
		return 0;
	case 'V':
		o->synth.val = (int)cli_long(state, "--val", arg, 0, 1000000);
		o->val_given = true;
		return 0;
	case 'c':
		o->synth.classes = (int)cli_long(state, "--classes", arg, 1, shape_count());
		return 0;
	case KEY_DRAWN:
		o->synth.drawn = (int)cli_long(state, "--drawn", arg, 1, shape_count());
		return 0;
	case 's':
		o->synth.img = (int)cli_long(state, "--img", arg, 32, 4096);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'; the folder is given with -o", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->cli.output)
			argp_error(state, "no folder was given (-o DIR)");
		if (o->synth.drawn > o->synth.classes)
			argp_error(state, "--drawn %d: there are %d classes", o->synth.drawn,
				   o->synth.classes);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"-o DIR",
	"Draw a labelled synthetic detection data set into the new folder DIR."
	"\v"
	"Shapes (circle, square, triangle, star, ring, cross, heart, crescent, arrow, hexagon) of "
	"several sizes lie over textured backgrounds, some partly hidden by others; a few pictures "
	"are backgrounds only. A box is drawn around what is seen of a shape. DIR holds images/, "
	"labels/ and dataset.yaml, as YOLOv5 reads them.\n\n"
	"With --drawn a set lacks some of the classes that it names: public pictures, say, that "
	"show less than private ones do.\n\n"
	"The same options and the same --seed give the same files on every machine.",
	cli_children,
	NULL,
	NULL,
};

static void step(void *ctx, int done)
{
	progress_step(ctx, done, NULL);
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct pool *pool = pool_new(o->cli.threads);
	struct progress progress;
	int rc;

	if (!o->val_given)
		o->synth.val = o->synth.images / 4;
	o->synth.seed = o->cli.seed;
	progress_begin(&progress, &o->cli, "drawing", "pictures", o->synth.images + o->synth.val);
	rc = synth_write(&o->synth, o->cli.output, pool, step, &progress, err);
	progress_end(&progress);
	pool_free(pool);
	return rc;
}

int main(int argc, char **argv)
{
	struct opts opts = {.synth = {.images = 128, .classes = 6, .img = 320}};

	return cli_main(argc, argv, &argp, &opts, run);
}
