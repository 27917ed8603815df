/*
 * mist-eval.c - precision, recall and mean average precision, by YOLOv5's protocol and by COCO's.
 */
#include "base/cli.h"
#include "eval/cocojson.h"
#include "eval/metrics.h"

#include <stdlib.h>

struct opts {
	struct cli cli;
	const char *predictions, *annotations; /* borrowed from argv */
	unsigned protocols;
	bool json;
	int img;
};

enum { KEY_PREDICTIONS = 0x100, KEY_ANNOTATIONS, KEY_PROTOCOL, KEY_JSON };

static const struct argp_option options[] = {
	{"predictions", KEY_PREDICTIONS, "FILE", 0, "Judge these detections (COCO results JSON)",
	 0},
	{"annotations", KEY_ANNOTATIONS, "FILE", 0, "by this ground truth (COCO annotation JSON)",
	 0},
	{"protocol", KEY_PROTOCOL, "NAME", 0, "yolov5 (default), coco or both", 0},
	{"json", KEY_JSON, NULL, 0, "Print one JSON object instead of tables", 0},
	{0},
};

static const char *const protocols[] = {"yolov5", "coco", "both", NULL};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case KEY_PREDICTIONS:
		o->predictions = arg;
		return 0;
	case KEY_ANNOTATIONS:
		o->annotations = arg;
		return 0;
	case KEY_PROTOCOL: /* the order of the names is that of the bits */
		o->protocols = (unsigned)cli_choice(state, "--protocol", arg, protocols) + 1;
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->predictions || !o->annotations)
			argp_error(state, "--predictions and --annotations belong together");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,      parse, NULL, "Measure a detector by the protocols of YOLOv5 and COCO.",
	cli_children, NULL,  NULL};

/* YOLOv5 shows the classes of small models; -v shows them all. */
static bool show_classes(const struct opts *o, int nclasses)
{
	return o->cli.verbose > 0 || (nclasses > 1 && nclasses < 50);
}

static int print(const struct opts *o, const struct metrics *m, char *const *names, int nclasses,
		 struct err *err)
{
	struct buf text = BUF_INIT;
	int rc;

	if (o->json) {
		json_t *object = metrics_json(m, names);
		char *s = json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(12));

		BUG_IF(!s);
		buf_printf(&text, "%s\n", s);
		free(s);
		json_decref(object);
	} else {
		if (m->protocols & PROTOCOL_YOLO)
			metrics_table(m, names, show_classes(o, nclasses), &text);
		if (m->timed)
			metrics_speed_line(m, &text);
		if (m->protocols & PROTOCOL_COCO)
			metrics_coco_lines(m, &text);
	}
	rc = file_write(o->cli.output ? o->cli.output : "-", text.data, text.len, err);
	buf_release(&text);
	return rc;
}

static int judge(const struct opts *o, const struct annotations *a, struct boxset *set,
		 struct err *err)
{
	struct metrics m = {.images = a->nimages, .with_labels = a->with_labels};
	struct saved_by_val saved = {a->images, o->img, GAIN_EXACT};
	struct pool *pool;
	long skipped;
	int rc;

	if (cocojson_read_results(set, o->predictions, a, &skipped, err))
		return -1;
	if (skipped && !set->ndets)
		return err_set(err, STATUS_INPUT,
			       "'%s': no detection has a category that '%s' knows", o->predictions,
			       o->annotations);
	if (skipped)
		cli_note(&o->cli, "%ld detections of categories without annotations are left out",
			 skipped);
	m.backgrounds = m.images - m.with_labels;
	pool = pool_new(o->cli.threads);
	metrics_compute(&m, set, o->protocols, o->img ? &saved : NULL, pool);
	if (saved.rule != GAIN_EXACT)
		cli_verbose(&o->cli, 1, "the boxes carry the scale error of val.py at %d pixels",
			    o->img);
	pool_free(pool);
	rc = print(o, &m, a->names, a->nclasses, err);
	metrics_release(&m);
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct annotations a;
	struct boxset set;
	int rc;

	if (cocojson_read(&a, &set, o->annotations, err))
		return -1;
	rc = judge(o, &a, &set, err);
	annotations_release(&a);
	boxset_release(&set);
	return rc;
}

int main(int argc, char **argv)
{
	struct opts opts = {.protocols = PROTOCOL_YOLO, .img = 640};

	return cli_main(argc, argv, &argp, &opts, run);
}
