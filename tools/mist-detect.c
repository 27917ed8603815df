/*
 * mist-detect.c - runs a model on pictures: boxes drawn, label files, COCO results.
 */
#include "base/cli.h"
#include "data/sources.h"
#include "eval/cocojson.h"
#include "eval/draw.h"
#include "eval/gallery.h"
#include "eval/inspect.h"
#include "io/store.h"

#include <stdlib.h>
#include <string.h>

struct opts {
	struct cli cli;
	const char *weights, *cfg, *classes, *save_json; /* borrowed from argv */
	char **inputs;
	int ninputs;
	struct inspect_options look;
	int gate; /* enum gate_mode; -1: as the model has it */
	bool save_txt, save_conf;
};

enum { KEY_CFG = 0x100, KEY_CONF, KEY_IOU, KEY_MAX, KEY_CLASSES, KEY_GATE };
enum { KEY_TXT = 0x200, KEY_SCORES, KEY_JSON };

static const struct argp_option options[] = {
	{"weights", 'w', "FILE", 0, "The model (safetensors)", 0},
	{"cfg", KEY_CFG, "FILE", 0, "Its YAML, for weights that carry none", 0},
	{"img", 'i', "SIZE", 0, "Longer side that the network sees (default 640)", 0},
	{"conf-thres", KEY_CONF, "X", 0, "Least confidence (default 0.25)", 0},
	{"iou-thres", KEY_IOU, "X", 0, "Overlap from which boxes are one (default 0.45)", 0},
	{"max-det", KEY_MAX, "N", 0, "Most detections in a picture (default 1000)", 0},
	{"classes", KEY_CLASSES, "A,B,...", 0, "Only these classes, by name or number", 0},
	{"gate", KEY_GATE, "MODE", 0, "At the model's cut: clean (default), noisy or off", 0},
	{"save-txt", KEY_TXT, NULL, 0, "Write labels/NAME.txt too: class, centre, size", 0},
	{"save-conf", KEY_SCORES, NULL, 0, "With the confidence as a sixth column", 0},
	{"save-json", KEY_JSON, "FILE", 0, "Write all detections as COCO results", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	struct nms_options *nms = &o->look.nms;

	switch (key) {
	case ARGP_KEY_INIT:
		return state->child_inputs[0] = &o->cli, 0;
	case 'w':
		return o->weights = arg, 0;
	case KEY_CFG:
		return o->cfg = arg, 0;
	case 'i':
		return o->look.img = (int)cli_long(state, "--img", arg, 32, 8192), 0;
	case KEY_CONF:
		return nms->conf = (float)cli_double(state, "--conf-thres", arg, 0, 1), 0;
	case KEY_IOU:
		return nms->iou = (float)cli_double(state, "--iou-thres", arg, 0, 1), 0;
	case KEY_MAX:
		return nms->max_det = (int)cli_long(state, "--max-det", arg, 1, 30000), 0;
	case KEY_CLASSES:
		return o->classes = arg, 0;
	case KEY_GATE:
		return o->gate = cli_choice(state, "--gate", arg, gate_mode_names), 0;
	case KEY_TXT:
		return o->save_txt = true, 0;
	case KEY_SCORES:
		return o->save_txt = o->save_conf = true, 0;
	case KEY_JSON:
		return o->save_json = arg, 0;
	case ARGP_KEY_ARGS:
		o->inputs = state->argv + state->next;
		return o->ninputs = state->argc - state->next, 0;
	case ARGP_KEY_NO_ARGS:
		return argp_error(state, "no IMAGE was given"), 0;
	case ARGP_KEY_END:
		if (!o->weights)
			argp_error(state, "no --weights were given");
		if (!o->cli.output || !strcmp(o->cli.output, "-"))
			argp_error(state, "-o DIR is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"-w WEIGHTS -o DIR IMAGE|DIR...",
	"Find objects in pictures: DIR gets each picture with its boxes drawn.\vPictures in "
	"folders "
	"are found at any depth. Those that cannot be read are reported and left out, and the exit "
	"status is then 3. Pictures of one name become NAME, NAME-2 and so on; what DIR holds of "
	"those names is replaced at the end.",
	cli_children,
	NULL,
	NULL};

struct work {
	const struct opts *o;
	const struct detector *det;
	struct inspector *inspector;
	struct gallery gallery;
	struct boxset found; /* for --save-json */
	char **keys;
	size_t nkeys, keys_cap;
	long read, unread;
};

static void remember(struct work *w, const char *name, const struct inspection *seen)
{
	int i;

	GROW(w->keys, w->nkeys, w->keys_cap);
	w->keys[w->nkeys++] = xstrdup(name);
	w->found.nimages = (int)w->nkeys;
	for (i = 0; i < seen->n; i++) {
		const struct det *d = &seen->dets[i];

		boxset_add_detection(
			&w->found, &(struct detection){{d->x1, d->y1, d->x2 - d->x1, d->y2 - d->y1},
						       d->score,
						       (int)w->nkeys - 1,
						       d->cls});
	}
}

static int write_out(struct work *w, const char *path, struct image *picture,
		     const struct inspection *seen, struct err *err)
{
	char *name = gallery_name(&w->gallery, path);
	int rc = 0;

	if (w->o->save_txt)
		rc = gallery_add_labels(&w->gallery, name, seen->dets, seen->n, picture->w,
					picture->h, w->o->save_conf, err);
	if (w->o->save_json)
		remember(w, name, seen);
	if (!rc)
		rc = draw_detections(picture, seen->dets, seen->n, w->det->model->names, err);
	if (!rc)
		rc = gallery_add(&w->gallery, name, path, picture, err);
	free(name);
	return rc;
}

static int look_at(struct work *w, const char *path, struct err *err)
{
	struct image picture = IMAGE_INIT;
	struct buf line = BUF_INIT;
	struct inspection seen;
	int rc;

	if (image_read(path, &picture, err)) {
		cli_note(&w->o->cli, "%s", err->msg);
		w->unread++;
		return 0;
	}
	w->read++;
	rc = inspector_run(w->inspector, &picture, &seen, err);
	if (rc)
		err_prefix(err, "'%s'", path);
	else
		rc = write_out(w, path, &picture, &seen, err);
	if (!rc && !w->o->cli.quiet) {
		inspection_summary(&seen, w->det->model->names, &line);
		printf("%s: %s\n", path_base(path), line.data);
	}
	buf_release(&line);
	image_release(&picture);
	return rc;
}

/* A data set or folder is all its pictures; any other file is taken for a picture. */
static int look_at_all(struct work *w, const char *input, struct err *err)
{
	struct notices notices = cli_notices(&w->o->cli);
	struct sources all;
	int rc = 0;
	size_t i;

	if (path_exists(input) && !path_is_dir(input))
		return look_at(w, input, err);
	if (sources_find(&all, input, "val", &notices, err))
		return -1;
	for (i = 0; !rc && i < all.n; i++)
		rc = look_at(w, all.paths[i], err);
	sources_release(&all);
	return rc;
}

static int work(struct work *w, struct err *err)
{
	const struct opts *o = w->o;
	int rc = gallery_open(&w->gallery, o->cli.output, err), i;

	w->found.nclasses = w->det->model->graph->nc;
	for (i = 0; !rc && i < o->ninputs; i++)
		rc = look_at_all(w, o->inputs[i], err);
	if (!rc && !w->read)
		rc = err_set(err, STATUS_INPUT, "no picture could be read");
	if (!rc && o->save_json)
		rc = cocojson_write_results(o->save_json, &w->found, w->keys, NULL, err);
	if (!rc)
		rc = gallery_close(&w->gallery, err);
	gallery_discard(&w->gallery);
	if (!rc && w->unread)
		rc = err_set(err, STATUS_INPUT, "%ld pictures could not be read", w->unread);
	boxset_release(&w->found);
	names_free(w->keys, w->nkeys);
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	unsigned char *flags = NULL;
	struct detector det;
	struct work w = {.o = o, .det = &det};
	struct pool *pool;
	int rc = 0;

	if (detector_open(&det, o->weights, o->cfg, o->gate, getenv("MIST_KERNEL"), err))
		return -1;
	if (o->classes) {
		flags = xcalloc((size_t)det.model->graph->nc, 1);
		rc = inspect_classes(det.model, o->classes, flags, err);
		o->look.nms.classes = flags;
	}
	o->look.seed = o->cli.seeded ? &o->cli.seed : NULL;
	if (!rc) {
		pool = pool_new(o->cli.threads);
		w.inspector = inspector_new(&det, &o->look, pool);
		rc = work(&w, err);
		inspector_free(w.inspector);
		pool_free(pool);
	}
	free(flags);
	detector_close(&det);
	return rc;
}

int main(int argc, char **argv)
{
	struct opts opts = {.gate = -1};
	inspect_defaults(&opts.look);
	return store_main(argc, argv, &argp, &opts, run);
}
