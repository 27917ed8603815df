/* mist-train.c - train the layers behind a cut from features, or a whole model from images. */
#include "base/cli.h"
#include "base/file.h"
#include "io/store.h"
#include "train/session.h"
#include "train/validate.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

struct opts {
	struct cli cli; /* first */
	struct session_options session;
	bool resume, dry_run;
};

/* One row an option: where its value goes, its range, and what --help says of it. */
enum kind { TEXT, INT, LONG, REAL, BYTES, YES, NO, GATE, OPTIMIZER };
static const struct row {
	const char *name;
	int key;
	const char *arg;
	enum kind kind;
	size_t to;
	double min, max;
	const char *doc;
} rows[] = {
#define SESSION(member) offsetof(struct opts, session.member)
#define TRAIN(member)   offsetof(struct opts, session.train.member)
	{"weights", 'w', "WEIGHTS", TEXT, SESSION(weights), 0, 0, "Start from WEIGHTS"},
	{"features", 256, "STREAM", TEXT, SESSION(features), 0, 0,
	 "Train the layers behind the cut from STREAM; '-' is standard input (the default)"},
	{"data", 257, "DATASET", TEXT, SESSION(data), 0, 0,
	 "Train from images instead; through the gate and its noise where WEIGHTS has one"},
	{"extractor-rate", 290, "X", REAL, TRAIN(extractor), 0, 1,
	 "Through a gate, let the layers before it learn at X times the rate (default 0: not at "
	 "all)"},
	{"val", 258, "DATASET", TEXT, SESSION(val), 0, 0, "Evaluate on DATASET after every epoch"},
	{"gate", 259, "MODE", GATE, SESSION(gate), 0, 0,
	 "The gate in evaluation: off, clean (the default where there is one) or noisy"},
	{"epochs", 260, "N", LONG, TRAIN(epochs), 1, 1e6, "Epochs (default 100)"},
	{"batch-size", 261, "N", INT, TRAIN(batch), 1, 65536, "Images in a batch (default 16)"},
	{"nbs", 262, "N", INT, TRAIN(nbs), 1, 1e6,
	 "Accumulate batches to steps of N images (default 64)"},
	{"img", 263, "SIZE", INT, SESSION(img), 32, 8192,
	 "Side of the letterboxed images (default 640; features have their own)"},
	{"hyp", 264, "FILE", TEXT, SESSION(hyp), 0, 0,
	 "Hyper-parameters, a YAML like YOLOv5's (default: our mist.yaml, or scratch-low.yaml)"},
	{"lr0", 265, "X", REAL, SESSION(lr0), 0, 10, "First learning rate, not the file's"},
	{"warmup-epochs", 266, "X", REAL, SESSION(warmup), 0, 1e4,
	 "Warm up for X epochs, not for the file's number and at least 100 batches"},
	{"optimizer", 267, "NAME", OPTIMIZER, TRAIN(optimizer), 0, 0,
	 "sgd, adam or adamw (default sgd)"},
	{"cos-lr", 268, NULL, YES, TRAIN(cosine), 0, 0, "Let the rate fall as a cosine"},
	{"freeze", 269, "N", INT, TRAIN(freeze), 0, 1e4,
	 "Freeze the first N layers, batch norms included"},
	{"proximal", 284, "MU", REAL, TRAIN(proximal), 0, 1e6,
	 "FedProx: add MU/2 |w - w0|^2 to a step's loss, w0 being WEIGHTS"},
	{"sync-bn", 285, NULL, YES, TRAIN(sync_bn), 0, 0,
	 "Under mpirun: batch norm's statistics are those of all ranks' images"},
	{"no-shuffle", 270, NULL, NO, TRAIN(shuffle), 0, 0, "Take the samples in their order"},
	{"patience", 271, "N", LONG, TRAIN(patience), 0, 1e6,
	 "With --val, end after N epochs without a better one (default 100; 0: never)"},
	{"stop", 272, "EXPR", TEXT, SESSION(stop), 0, 0,
	 "End when EXPR holds: 'epochs>100 or accuracy>0.95 or deltaLoss<0.03'"},
	{"project", 273, "DIR", TEXT, TRAIN(project), 0, 0,
	 "Keep results.csv, last.safetensors (a checkpoint) and best.safetensors in DIR"},
	{"resume", 274, NULL, YES, offsetof(struct opts, resume), 0, 0,
	 "Go on from the checkpoint in the project's DIR; without one, begin"},
	{"save-steps", 275, "N", LONG, TRAIN(save_steps), 1, 1e9,
	 "Write a checkpoint every N steps (default: every minute) and every epoch"},
	{"mem-limit", 276, "SIZE", BYTES, TRAIN(mem_limit), 0, 0,
	 "Stay within SIZE bytes (K, M, G), in micro-batches if need be"},
	{"dry-run", 277, NULL, YES, offsetof(struct opts, dry_run), 0, 0,
	 "Print what memory the run would take, and end"},
	{"profile", 280, NULL, YES, TRAIN(profile), 0, 0,
	 "Print where the time went, per layer and operation"},
	{"client", 278, "NAME", TEXT, SESSION(client), 0, 0, "Note in the weights who trained"},
	{"strict", 279, NULL, YES, SESSION(strict), 0, 0,
	 "Let the first bad image or label file be an error"},
};

static void take(const struct row *row, struct opts *o, char *arg, struct argp_state *state)
{
	void *to = (char *)o + row->to;
	char name[32];

	snprintf(name, sizeof(name), "--%s", row->name);
	if (row->kind == TEXT)
		*(const char **)to = arg;
	else if (row->kind == INT)
		*(int *)to = (int)cli_long(state, name, arg, (long)row->min, (long)row->max);
	else if (row->kind == LONG)
		*(long *)to = cli_long(state, name, arg, (long)row->min, (long)row->max);
	else if (row->kind == REAL)
		*(double *)to = cli_double(state, name, arg, row->min, row->max);
	else if (row->kind == BYTES)
		*(size_t *)to = cli_size(state, name, arg);
	else if (row->kind == GATE)
		*(int *)to = cli_choice(state, name, arg, gate_mode_names);
	else if (row->kind == OPTIMIZER)
		*(enum optim_kind *)to = (enum optim_kind)cli_choice(state, name, arg, optim_names);
	else
		*(bool *)to = row->kind == YES;
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
	if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is not an option; data come by --features or --data", arg);
	if (key != ARGP_KEY_END)
		return ARGP_ERR_UNKNOWN;
	if (!o->session.weights)
		argp_error(state, "-w WEIGHTS was not given");
	if (o->session.features && o->session.data)
		argp_error(state, "--features and --data exclude each other");
	if (o->resume && !o->session.train.project)
		argp_error(state, "--resume needs --project DIR, where the checkpoint is");
	return 0;
}

static bool is_interrupted(void *ctx)
{
	(void)ctx;
	return cli_signal() != 0;
}

/* What a person sees of a run: a bar on a terminal, else a line an epoch with -v. */
struct display {
	const struct opts *o;
	struct progress bar;
	bool terminal;
	char judged[80]; /* what the last epoch was found to be */
};

static void on_batch(void *ctx, long epoch, long batch, long nb, const double *loss)
{
	struct display *d = ctx;
	char detail[160];

	snprintf(detail, sizeof(detail), "epoch %ld  box %.4f  obj %.4f  cls %.4f%s", epoch + 1,
		 loss[0], loss[1], loss[2], d->judged);
	if (d->terminal)
		progress_step(&d->bar, epoch * nb + batch, detail);
}

static void on_epoch(void *ctx, const struct results_row *row)
{
	struct display *d = ctx;
	const double *v = row->value;

	if (d->o->session.val)
		snprintf(d->judged, sizeof(d->judged),
			 "  P %.3f  R %.3f  mAP50 %.3f  mAP50-95 %.3f", v[RESULTS_PRECISION],
			 v[RESULTS_RECALL], v[RESULTS_MAP50], v[RESULTS_MAP]);
	if (!d->terminal)
		cli_verbose(&d->o->cli, 1, "epoch %.0f/%ld  box %.4f  obj %.4f  cls %.4f%s",
			    v[RESULTS_EPOCH] + 1, d->o->session.train.epochs, v[RESULTS_TRAIN_BOX],
			    v[RESULTS_TRAIN_OBJ], v[RESULTS_TRAIN_CLS], d->judged);
}

static int print_plan(const struct opts *o, const struct session *s, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc;

	if (comm_rank(o->session.train.comm))
		return 0;
	plan_format(session_plan(s), o->session.train.batch, &text);
	rc = file_write("-", text.data, text.len, err);
	buf_release(&text);
	return rc;
}

static int train(struct opts *o, struct session *s, struct display *d, struct err *err)
{
	bool found = true;
	int rc;

	if (o->resume && session_resume(s, &found, err))
		return -1;
	if (!found)
		cli_note(&o->cli, "there is no checkpoint yet: beginning");
	progress_begin(&d->bar, &o->cli, "training", "batches", session_batches(s));
	rc = session_run(s, err);
	if (d->terminal)
		progress_end(&d->bar);
	cli_tell_take(session_profile(s));
	if (!rc && session_reason(s)[0])
		cli_note(&o->cli, "ended early: %s", session_reason(s));
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	const char *kernel = getenv("MIST_KERNEL");
	struct display display = {.o = o, .terminal = isatty(STDERR_FILENO)};
	struct train_events events = {&display, on_batch, on_epoch, is_interrupted, NULL};
	struct session *s;
	struct pool *pool;
	int rc = -1;

	if (kernel && *kernel && conv_path_parse(kernel, &o->session.train.path, err))
		return -1;
	o->session.train.comm = comm_open(err);
	if (!o->session.train.comm)
		return -1;
	o->cli.quiet |= comm_rank(o->session.train.comm) > 0; /* rank 0 speaks for all */
	display.terminal &= comm_rank(o->session.train.comm) == 0;
	cli_catch_signals();
	o->session.output = o->cli.output;
	o->session.train.seed = o->cli.seed;
	o->session.notices = cli_notices(&o->cli);
	pool = pool_new(o->cli.threads);
	s = session_open(&o->session, &events, pool, err);
	if (s)
		rc = o->dry_run ? print_plan(o, s, err) : train(o, s, &display, err);
	session_close(s);
	pool_free(pool);
	comm_close(o->session.train.comm);
	return rc;
}

int main(int argc, char **argv)
{
	struct argp_option options[ARRAY_LEN(rows) + 1] = {{0}};
	static const char doc[] = "Train a detector: the layers behind a cut from a feature "
				  "stream, or all of them from images.";
	const struct argp argp = {options, parse, NULL, doc, cli_children, NULL, NULL};
	struct opts opts = {0};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		options[i] = (struct argp_option){
			rows[i].name, rows[i].key, rows[i].arg, 0, rows[i].doc, 0};
	session_defaults(&opts.session);
	return store_main(argc, argv, &argp, &opts, run);
}
