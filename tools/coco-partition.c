/*
 * coco-partition.c - split a data set into the shards of N clients.
 */
#include "base/cli.h"
#include "data/shards.h"

#include <stdlib.h>

#define MAX_CLIENTS 100000

struct opts {
	struct cli cli; /* first: the shared options */
	struct shards_options shards;
	struct dataset_options dataset;
	const char *path;
};

enum { KEY_ALPHA = 256, KEY_LINK, KEY_SPLIT, KEY_STRICT, KEY_FORCE };

static const char *const links[] = {"auto", "hard", "symbolic", "copy", NULL};

static const struct argp_option options[] = {
	{"scheme", 's', "NAME", 0,
	 "iid (default), contiguous, dirichlet, classes or quantity; see below", 0},
	{"alpha", KEY_ALPHA, "A", 0,
	 "Concentration of dirichlet and quantity, greater than 0: small is skewed, large is even "
	 "(default 0.5)",
	 0},
	{"classes-per-client", 'k', "K", 0, "For the scheme 'classes' (default 2)", 0},
	{"link", KEY_LINK, "HOW", 0,
	 "auto (default): hard links, or copies where the file system gives none; hard, symbolic "
	 "or "
	 "copy: that and nothing else",
	 0},
	{"split", KEY_SPLIT, "NAME", 0, "Which part of a dataset.yaml: train (default), val, test",
	 0},
	{"strict", KEY_STRICT, NULL, 0, "A bad picture or label file is an error, not left out", 0},
	{"force", KEY_FORCE, NULL, 0, "Replace an earlier, different partition in DIR", 0},
	{0},
};

static error_t parse_arg(struct opts *o, char *arg, struct argp_state *state)
{
	if (state->arg_num == 0)
		o->path = arg;
	else if (state->arg_num == 1)
		o->shards.partition.clients = (int)cli_long(state, "N", arg, 1, MAX_CLIENTS);
	else
		argp_error(state, "unexpected argument '%s'", arg);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	struct partition_options *p = &o->shards.partition;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case 's':
		p->scheme = (enum partition_scheme)cli_choice(state, "--scheme", arg,
							      partition_schemes);
		return 0;
	case KEY_ALPHA:
		p->alpha = cli_double(state, "--alpha", arg, 1e-6, 1e6);
		return 0;
	case 'k':
		p->classes = (int)cli_long(state, "--classes-per-client", arg, 1, 65536);
		return 0;
	case KEY_LINK:
		o->shards.link = (enum shards_link)cli_choice(state, "--link", arg, links);
		return 0;
	case KEY_SPLIT:
		o->dataset.split = arg;
		return 0;
	case KEY_STRICT:
		o->dataset.strict = true;
		return 0;
	case KEY_FORCE:
		o->shards.replace = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_arg(o, arg, state);
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "DATASET and N are needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"DATASET N",
	"Split DATASET into the shards DIR/1 ... DIR/N of N clients, each a whole data set, and "
	"write "
	"DIR/partition.json, which says with digests who got what. DIR is given with -o; without, "
	"it "
	"is DATASET's own folder."
	"\v"
	"Every picture goes to exactly one client and every client gets at least one. Copies of a "
	"picture stay together. Schemes:\n\n"
	"iid: shuffled and dealt out.\n\n"
	"contiguous: equal runs in the order of the paths.\n\n"
	"quantity: shuffled; one each, the rest in shares drawn from Dirichlet(A).\n\n"
	"dirichlet: for each class, the clients' shares are drawn from Dirichlet(A). A picture "
	"counts as the one of its classes that is in the fewest pictures.\n\n"
	"classes: each client is given K classes, and a picture goes to a client that was given "
	"its "
	"class, counted as with dirichlet; of several such clients, to the one that was given most "
	"of the picture's other labels, then to the one with the fewest pictures. Labels of other "
	"classes in the picture come along.\n\n"
	"Pictures without labels are dealt evenly by the last two. The first three do not look at "
	"labels.\n\n"
	"Finding the same partition in DIR is success; a different one is left alone without "
	"--force. A table of the shards goes to standard output.",
	cli_children,
	NULL,
	NULL,
};

/* Beside the data: the folder itself, or the one that a YAML or list lies in. In a folder of loose
 * pictures the shards would become part of the data. */
static char *output_folder(const struct opts *o, struct err *err)
{
	char *images = path_join(o->path, "images"), *yaml = path_join(o->path, "dataset.yaml");
	bool loose = path_is_dir(o->path) && !path_exists(images) && !path_exists(yaml);

	free(images);
	free(yaml);
	if (o->cli.output)
		return xstrdup(o->cli.output);
	if (path_is_dir(o->path) && !loose)
		return xstrdup(o->path);
	if (!loose)
		return path_dir(o->path);
	err_set(err, STATUS_USAGE, "'%s' has no folder images/ to put shards beside: give -o DIR",
		o->path);
	return NULL;
}

static int print_table(const struct opts *o, const struct shard *shards, struct err *err)
{
	struct outfile out;
	int k;

	if (o->cli.quiet)
		return 0;
	if (outfile_open(&out, "-", false, err))
		return -1;
	outfile_printf(&out, err, "%8s %8s %8s %8s\n", "client", "images", "boxes", "classes");
	for (k = 0; k < o->shards.partition.clients; k++)
		outfile_printf(&out, err, "%8d %8d %8d %8d\n", k + 1, shards[k].pictures,
			       shards[k].boxes, shards[k].classes);
	return outfile_commit(&out, err);
}

static void step(void *ctx, int done)
{
	progress_step(ctx, done, NULL);
}

static int divide(struct opts *o, const struct dataset *d, const char *dir, struct err *err)
{
	struct shard *shards = xcalloc((size_t)o->shards.partition.clients, sizeof(*shards));
	struct pool *pool = pool_new(o->cli.threads);
	struct progress progress;
	bool same;
	int rc;

	progress_begin(&progress, &o->cli, "reading", "pictures", d->nitems);
	o->shards.step = step;
	o->shards.ctx = &progress;
	rc = shards_write(d, &o->shards, dir, pool, shards, &same, err);
	progress_end(&progress);
	pool_free(pool);
	if (!rc && same)
		cli_note(&o->cli, "'%s' holds this partition already", dir);
	if (!rc)
		rc = print_table(o, shards, err);
	free(shards);
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct notices notices = cli_notices(&o->cli);
	char *dir = output_folder(o, err);
	struct buf line = BUF_INIT;
	struct dataset *d;
	int rc = -1;

	o->dataset.notices = &notices;
	o->shards.notices = &notices;
	o->shards.partition.seed = o->cli.seed;
	d = dir ? dataset_open(o->path, &o->dataset, err) : NULL;
	if (d) {
		dataset_summary(d, &line);
		cli_verbose(&o->cli, 1, "%s", line.data);
		rc = divide(o, d, dir, err);
	}
	buf_release(&line);
	dataset_free(d);
	free(dir);
	return rc;
}

int main(int argc, char **argv)
{
	struct opts opts = {.shards.partition = {.alpha = 0.5, .classes = 2}};

	return cli_main(argc, argv, &argp, &opts, run);
}
