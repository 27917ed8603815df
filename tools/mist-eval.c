/*
 * mist-eval.c - precision, recall and mean average precision, by YOLOv5's protocol and by COCO's: of a
 * model on a data set, or of saved detections against annotations.
 */
#include "base/cli.h"
#include "eval/evaluate.h"
#include "io/store.h"

#include <stdlib.h>

struct opts {
	struct cli cli;
	const char *weights, *cfg, *dataset, *split;  /* borrowed from argv */
	const char *predictions, *annotations, *save; /* borrowed from argv */
	struct evaluate_options eval;
	int gate; /* enum gate_mode; -1: as the model has it */
	bool json, coco91;
};

enum { KEY_PREDICTIONS = 0x100, KEY_ANNOTATIONS, KEY_PROTOCOL, KEY_JSON, KEY_SAVE, KEY_MAP };
enum { KEY_RECT = 0x200, KEY_CONF, KEY_IOU, KEY_MAX, KEY_GATE, KEY_CFG, KEY_SPLIT, KEY_STRICT };
enum { KEY_PROFILE = 0x300 };

static const struct argp_option options[] = {
	{NULL, 0, NULL, 0, "A model on a data set:", 1},
	{"weights", 'w', "FILE", 0, "The model (safetensors)", 1},
	{"cfg", KEY_CFG, "FILE", 0, "Its YAML, for weights that carry none", 1},
	{"img", 'i', "SIZE", 0, "Longer side of the pictures in pixels (default 640)", 1},
	{"batch-size", 'b', "N", 0, "Pictures in a batch (default 32)", 1},
	{"rect", KEY_RECT, NULL, 0, "Rectangular batches, as val.py", 1},
	{"conf-thres", KEY_CONF, "X", 0, "Least confidence (default 0.001)", 1},
	{"iou-thres", KEY_IOU, "X", 0, "Overlap from which boxes are one (default 0.6)", 1},
	{"max-det", KEY_MAX, "N", 0, "Most detections in a picture (default 300)", 1},
	{"gate", KEY_GATE, "MODE", 0, "At the model's cut: clean (default), noisy or off", 1},
	{"split", KEY_SPLIT, "NAME", 0, "train, val (default) or test of the data set", 1},
	{"strict", KEY_STRICT, NULL, 0, "Bad pictures and labels are errors, not skipped", 1},
	{"profile", KEY_PROFILE, NULL, 0, "Print where the time went, per layer and operation", 1},
	{"save-json", KEY_SAVE, "FILE", 0, "Keep the detections as COCO results", 1},
	{"category-map", KEY_MAP, "NAME", 0,
	 "Category ids there: index (default), or coco91 for COCO's own of its 80 classes", 1},
	{NULL, 0, NULL, 0, "Saved detections:", 2},
	{"predictions", KEY_PREDICTIONS, "FILE", 0, "Judge these detections (COCO results JSON)",
	 2},
	{"annotations", KEY_ANNOTATIONS, "FILE", 0, "Their ground truth (COCO annotation JSON)", 2},
	{NULL, 0, NULL, 0, "Figures:", 3},
	{"protocol", KEY_PROTOCOL, "NAME", 0, "yolov5 (default), coco or both", 3},
	{"json", KEY_JSON, NULL, 0, "Print one JSON object instead of tables", 3},
	{0},
};

static const char *const protocols[] = {"yolov5", "coco", "both", NULL};
static const char *const splits[] = {"train", "val", "test", NULL};
static const char *const maps[] = {"index", "coco91", NULL};

static void check(struct argp_state *state, const struct opts *o)
{
	bool model = o->weights || o->dataset, saved = o->predictions || o->annotations;

	if (model && saved)
		argp_error(state, "--predictions and --annotations need no model and no data set");
	if (saved && (!o->predictions || !o->annotations))
		argp_error(state, "--predictions and --annotations belong together");
	if (!saved && (!o->weights || !o->dataset))
		argp_error(state, "no %s given", o->weights ? "DATASET was" : "--weights were");
	if (saved && o->save)
		argp_error(state, "--save-json needs a model");
}

static error_t parse_model(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	struct evaluate_options *e = &o->eval;

	switch (key) {
	case 'w':
		return o->weights = arg, 0;
	case KEY_CFG:
		return o->cfg = arg, 0;
	case 'i':
		return e->img = (int)cli_long(state, "--img", arg, 32, 8192), 0;
	case 'b':
		return e->batch = (int)cli_long(state, "--batch-size", arg, 1, 1024), 0;
	case KEY_RECT:
		return e->rect = true, 0;
	case KEY_CONF:
		return e->conf = (float)cli_double(state, "--conf-thres", arg, 0, 1), 0;
	case KEY_IOU:
		return e->iou = (float)cli_double(state, "--iou-thres", arg, 0, 1), 0;
	case KEY_MAX:
		return e->max_det = (int)cli_long(state, "--max-det", arg, 1, 30000), 0;
	case KEY_GATE:
		return o->gate = cli_choice(state, "--gate", arg, gate_mode_names), 0;
	case KEY_SPLIT:
		return o->split = splits[cli_choice(state, "--split", arg, splits)], 0;
	case KEY_STRICT:
		return e->strict = true, 0;
	case KEY_PROFILE:
		return e->profile = true, 0;
	case KEY_SAVE:
		return o->save = arg, 0;
	case KEY_MAP:
		return o->coco91 = cli_choice(state, "--category-map", arg, maps) == 1, 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		return state->child_inputs[0] = &o->cli, 0;
	case KEY_PREDICTIONS:
		return o->predictions = arg, 0;
	case KEY_ANNOTATIONS:
		return o->annotations = arg, 0;
	case KEY_PROTOCOL: /* the order of the names is that of the bits */
		return o->eval.protocols =
			       1u + (unsigned)cli_choice(state, "--protocol", arg, protocols),
		       0;
	case KEY_JSON:
		return o->json = true, 0;
	case ARGP_KEY_ARG:
		if (o->dataset)
			argp_error(state, "more than one DATASET");
		return o->dataset = arg, 0;
	case ARGP_KEY_END:
		return check(state, o), 0;
	}
	return parse_model(key, arg, state);
}

static const struct argp argp = {options,
				 parse,
				 "-w WEIGHTS DATASET\n--predictions FILE --annotations FILE",
				 "Measure a detector by the protocols of YOLOv5 and COCO.",
				 cli_children,
				 NULL,
				 NULL};

static int print(const struct opts *o, const struct metrics *m, char *const *names, int nclasses,
		 struct err *err)
{
	/* YOLOv5 shows the classes of small models; -v shows them all */
	const bool all = o->cli.verbose > 0 || (nclasses > 1 && nclasses < 50);
	struct buf text = BUF_INIT;
	int rc;

	if (o->json)
		metrics_json_text(m, names, &text);
	else
		metrics_text(m, names, all, &text);
	rc = file_write(o->cli.output ? o->cli.output : "-", text.data, text.len, err);
	buf_release(&text);
	return rc;
}

static int run_saved(struct opts *o, struct pool *pool, struct err *err)
{
	struct evaluation result;
	struct annotations a;
	int rc;

	if (evaluate_saved(&result, &a, o->predictions, o->annotations, &o->eval, pool, err))
		return -1;
	rc = print(o, &result.metrics, a.names, a.nclasses, err);
	evaluation_release(&result);
	annotations_release(&a);
	return rc;
}

static int judge(struct opts *o, const struct detector *det, const struct dataset *d,
		 struct pool *pool, struct err *err)
{
	struct evaluation result;
	struct evaluator *e;
	struct progress p;
	int rc;

	o->eval.progress = progress_count;
	o->eval.progress_ctx = &p;
	e = evaluator_new(det->model, &det->gates, d, &o->eval, pool, err);
	if (!e)
		return -1;
	progress_begin(&p, &o->cli, "evaluating", "images", d->nitems);
	rc = evaluator_run(e, &result, err);
	progress_end(&p);
	cli_tell_take(evaluator_profile(e));
	evaluator_free(e);
	if (rc)
		return -1;
	if (o->save)
		rc = evaluation_save(&result, d, o->save, o->coco91, err);
	if (!rc)
		rc = print(o, &result.metrics, det->model->names, det->model->graph->nc, err);
	evaluation_release(&result);
	return rc;
}

static int run_model(struct opts *o, struct pool *pool, struct err *err)
{
	struct dataset_options opt = {
		.split = o->split, .strict = o->eval.strict, .notices = o->eval.notices};
	struct detector det;
	struct dataset *d;
	int rc = -1;

	if (detector_open(&det, o->weights, o->cfg, o->gate, getenv("MIST_KERNEL"), err))
		return -1;
	opt.nc = det.model->graph->nc;
	d = dataset_open(o->dataset, &opt, err);
	if (d) {
		o->eval.gate = det.gate;
		o->eval.path = det.path;
		o->eval.seed = o->cli.seeded ? &o->cli.seed : NULL;
		rc = judge(o, &det, d, pool, err);
	}
	dataset_free(d);
	detector_close(&det);
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct pool *pool = pool_new(o->cli.threads);
	struct notices notices = cli_notices(&o->cli);
	int rc;

	o->eval.notices = &notices;
	rc = o->predictions ? run_saved(o, pool, err) : run_model(o, pool, err);
	pool_free(pool);
	return rc;
}

int main(int argc, char **argv)
{
	struct opts opts = {.gate = -1, .split = "val"};

	evaluate_defaults(&opts.eval);
	return store_main(argc, argv, &argp, &opts, run);
}
