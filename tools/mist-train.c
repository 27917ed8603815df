/* mist-train.c - train the layers behind a cut from features, or a whole model from images. */
#include "base/clirow.h"
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

static const struct cli_row rows[] = {
#define SESSION(member) offsetof(struct opts, session.member)
#define TRAIN(member)   offsetof(struct opts, session.train.member)
	{"weights", 'w', "WEIGHTS", CLI_TEXT, SESSION(weights), 0, 0, 0, "Start from WEIGHTS",
	 NULL},
	{"features", 256, "STREAM", CLI_TEXT, SESSION(features), 0, 0, 0,
	 "Train the layers behind the cut from STREAM; '-' is standard input (the default)", NULL},
	{"data", 257, "DATASET", CLI_TEXT, SESSION(data), 0, 0, 0,
	 "Train from images instead; through the gate and its noise where WEIGHTS has one", NULL},
	{"extractor-rate", 290, "X", CLI_REAL, TRAIN(extractor), 0, 1, 0,
	 "Through a gate, let the layers before it learn at X times the rate (default 0: not at "
	 "all)",
	 NULL},
	{"val", 258, "DATASET", CLI_TEXT, SESSION(val), 0, 0, 0,
	 "Evaluate on DATASET after every epoch", NULL},
	{"gate", 259, "MODE", CLI_CHOICE, SESSION(gate), 0, 0, 0,
	 "The gate in evaluation: off, clean (the default where there is one) or noisy",
	 gate_mode_names},
	{"epochs", 260, "N", CLI_LONG, TRAIN(epochs), 1, 1e6, 0, "Epochs (default 100)", NULL},
	{"batch-size", 261, "N", CLI_INT, TRAIN(batch), 1, 65536, 0,
	 "Images in a batch (default 16)", NULL},
	{"nbs", 262, "N", CLI_INT, TRAIN(nbs), 1, 1e6, 0,
	 "Accumulate batches to steps of N images (default 64)", NULL},
	{"img", 263, "SIZE", CLI_INT, SESSION(img), 32, 8192, 0,
	 "Side of the letterboxed images (default 640; features have their own)", NULL},
	{"hyp", 264, "FILE", CLI_TEXT, SESSION(hyp), 0, 0, 0,
	 "Hyper-parameters, a YAML like YOLOv5's (default: our mist.yaml, or scratch-low.yaml)",
	 NULL},
	{"lr0", 265, "X", CLI_REAL, SESSION(lr0), 0, 10, 0, "First learning rate, not the file's",
	 NULL},
	{"warmup-epochs", 266, "X", CLI_REAL, SESSION(warmup), 0, 1e4, 0,
	 "Warm up for X epochs, not for the file's number and at least 100 batches", NULL},
	{"optimizer", 267, "NAME", CLI_CHOICE, TRAIN(optimizer), 0, 0, 0,
	 "sgd, adam or adamw (default sgd)", optim_names},
	{"cos-lr", 268, NULL, CLI_YES, TRAIN(cosine), 0, 0, 0, "Let the rate fall as a cosine",
	 NULL},
	{"freeze", 269, "N", CLI_INT, TRAIN(freeze), 0, 1e4, 0,
	 "Freeze the first N layers, batch norms included", NULL},
	{"proximal", 284, "MU", CLI_REAL, TRAIN(proximal), 0, 1e6, 0,
	 "FedProx: add MU/2 |w - w0|^2 to a step's loss, w0 being WEIGHTS", NULL},
	{"sync-bn", 285, NULL, CLI_YES, TRAIN(sync_bn), 0, 0, 0,
	 "Under mpirun: batch norm's statistics are those of all ranks' images", NULL},
	{"no-shuffle", 270, NULL, CLI_NO, TRAIN(shuffle), 0, 0, 0,
	 "Take the samples in their order", NULL},
	{"patience", 271, "N", CLI_LONG, TRAIN(patience), 0, 1e6, 0,
	 "With --val, end after N epochs without a better one (default 100; 0: never)", NULL},
	{"stop", 272, "EXPR", CLI_TEXT, SESSION(stop), 0, 0, 0,
	 "End when EXPR holds: 'epochs>100 or accuracy>0.95 or deltaLoss<0.03'", NULL},
	{"project", 273, "DIR", CLI_TEXT, TRAIN(project), 0, 0, 0,
	 "Keep results.csv, last.safetensors (a checkpoint) and best.safetensors in DIR", NULL},
	{"resume", 274, NULL, CLI_YES, offsetof(struct opts, resume), 0, 0, 0,
	 "Go on from the checkpoint in the project's DIR; without one, begin", NULL},
	{"save-steps", 275, "N", CLI_LONG, TRAIN(save_steps), 1, 1e9, 0,
	 "Write a checkpoint every N steps (default: every minute) and every epoch", NULL},
	{"mem-limit", 276, "SIZE", CLI_BYTES, TRAIN(mem_limit), 0, 0, 0,
	 "Stay within SIZE bytes (K, M, G), in micro-batches if need be", NULL},
	{"dry-run", 277, NULL, CLI_YES, offsetof(struct opts, dry_run), 0, 0, 0,
	 "Print what memory the run would take, and end", NULL},
	{"profile", 280, NULL, CLI_YES, TRAIN(profile), 0, 0, 0,
	 "Print where the time went, per layer and operation", NULL},
	{"client", 278, "NAME", CLI_TEXT, SESSION(client), 0, 0, 0,
	 "Note in the weights who trained", NULL},
	{"strict", 279, NULL, CLI_YES, SESSION(strict), 0, 0, 0,
	 "Let the first bad image or label file be an error", NULL},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	uint64_t given = 0;

	if (key == ARGP_KEY_INIT)
		state->child_inputs[0] = &o->cli;
	if (clirow_take(rows, ARRAY_LEN(rows), o, &given, key, arg, state))
		return 0;
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

	clirow_options(rows, ARRAY_LEN(rows), options);
	session_defaults(&opts.session);
	return store_main(argc, argv, &argp, &opts, run);
}
