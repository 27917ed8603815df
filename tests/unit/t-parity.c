/*
 * t-parity REFERENCE.safetensors [WEIGHTS] - every tensor of a reference file against ours.
 *
 * The reference holds what PyTorch and Ultralytics' YOLOv5 make of one batch: images, evaluation
 * (eval.*), one training step of all layers (full.*) and of the layers from the cut on (cloud.*).
 * Its metadata names the model (cfg), the cut, the size and the hyper-parameters. Weights come from
 * WEIGHTS (.pt or .safetensors), or from the reference's own tensors sd.NAME.
 * Prints the error of every tensor; fails beyond the tolerances. MIST_KERNEL forces a kernel path.
 * Run by parity.bats.
 */
#include "base/cli.h"
#include "base/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/torchpt.h"
#include "model/detect.h"
#include "model/hyp.h"
#include "model/model.h"
#include "nn/net.h"
#include "nn/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The stated tolerances. */
#define FEATURE_ABS 1e-4
#define FEATURE_REL 1e-3
#define BOX_ABS     0.05 /* pixels */
#define LOSS_REL    1e-4
#define TRACE_REL   1e-3
#define GRAD_REL    1e-3 /* of the L2 norm */
#define WEIGHT_REL  1e-4 /* of the L2 norm, after one step */
/* Gradients some steps later (kept_step): meanwhile rounding may have decided which of two nearly
 * equal values a max pool takes, and the gradient, not the loss, jumps. */
#define LATE_SLACK 10

struct parity {
	struct safetensors ref;
	struct model *model;
	struct pool *pool;
	enum conv_path path;
	struct hyp hyp;
	int n, h, w, size, cut;
	struct target *targets;
	int ntargets;
	unsigned char *images;
	int compared, failed;
	struct err err;
};

/* ---- what is printed ---- */

static void verdict(struct parity *p, const char *name, double error, double tolerance,
		    const char *what)
{
	const bool ok = error <= tolerance; /* NaN is not */

	printf("%-48s %10.3g of %-8.3g %s%s\n", name, error, tolerance, what, ok ? "" : "  FAILED");
	p->compared++;
	p->failed += !ok;
}

/* The largest |a - b| in units of what is allowed at that value; 1 is the limit. */
static void compare_values(struct parity *p, const char *name, const float *ours,
			   const float *theirs, size_t n, double abs, double rel)
{
	double worst = 0, most = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		const double d = fabs((double)ours[i] - theirs[i]);
		const double share = d / (abs + rel * fabs(theirs[i]));

		if (!(share <= worst))
			worst = share;
		if (!(d <= most))
			most = d;
	}
	verdict(p, name, worst, 1, "of what is allowed");
	printf("%-48s %10.3g largest difference\n", "", most);
}

static void compare_norm(struct parity *p, const char *name, const float *ours, const float *theirs,
			 size_t n, double rel)
{
	double d = 0, norm = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		d += ((double)ours[i] - theirs[i]) * ((double)ours[i] - theirs[i]);
		norm += (double)theirs[i] * theirs[i];
	}
	verdict(p, name, norm > 0 ? sqrt(d / norm) : sqrt(d), rel, "relative, L2");
}

static void compare_number(struct parity *p, const char *name, double ours, double theirs,
			   double rel)
{
	const double d = fabs(ours - theirs);

	verdict(p, name, theirs != 0 ? d / fabs(theirs) : d, rel, "relative");
}

static void missing(struct parity *p, const char *name, const char *why)
{
	printf("%-48s %s  FAILED\n", name, why);
	p->compared++;
	p->failed++;
}

/* ---- reading ---- */

/* A tensor of the reference as floats; NULL when it is not there. The caller frees. */
static float *ref_floats(struct parity *p, const char *name, size_t *count)
{
	const struct safetensors_tensor *t = safetensors_find(&p->ref, name);
	float *v;

	if (!t)
		return NULL;
	v = xreallocarray(NULL, t->count + 1, sizeof(*v));
	*count = t->count;
	if (safetensors_read_floats(&p->ref, t, v, &p->err)) {
		missing(p, name, p->err.msg);
		free(v);
		return NULL;
	}
	return v;
}

static float *ref_exactly(struct parity *p, const char *name, size_t want)
{
	size_t n;
	float *v = ref_floats(p, name, &n);

	if (!v || n == want)
		return v;
	missing(p, name, "has another number of values");
	free(v);
	return NULL;
}

static int fail(struct parity *p, const char *what)
{
	return err_set(&p->err, STATUS_INPUT, "%s", what);
}

/* The model's text: what `cfg` is itself, or names, beside the reference or among ours. */
static int read_cfg(struct parity *p, const char *path, struct buf *text)
{
	const char *cfg = safetensors_meta(&p->ref, "cfg");
	char *dir = path_dir(path), *beside, *among, *name;
	int rc;

	if (!cfg) {
		free(dir);
		return fail(p, "the reference names no model (cfg)");
	}
	if (strchr(cfg, '\n')) {
		free(dir);
		buf_add_str(text, cfg);
		return 0;
	}
	beside = path_join(dir, cfg);
	name = xasprintf("models/%s", path_base(cfg));
	among = cli_share(name);
	rc = file_read(path_exists(beside) ? beside
		       : path_exists(cfg)  ? cfg
					   : among,
		       1 << 20, text, &p->err);
	free(dir);
	free(beside);
	free(name);
	free(among);
	return rc;
}

static int fill_safetensors(struct parity *p, struct safetensors *s, const char *prefix)
{
	struct model *m = p->model;
	int i;

	for (i = 0; i < m->graph->nparams; i++) {
		const struct param *q = &m->graph->params[i];
		char *name = xasprintf("%s%s", prefix, q->name);
		const struct safetensors_tensor *t = safetensors_find(s, name);
		int rc = 0;

		if (q->kind == PARAM_COUNTER || (!t && q->kind == PARAM_CONST))
			;
		else if (!t || t->count != q->count)
			rc = err_set(&p->err, STATUS_INPUT, "no tensor '%s' of that size", name);
		else
			rc = safetensors_read_floats(s, t, m->params + q->offset, &p->err);
		free(name);
		if (rc)
			return -1;
	}
	return 0;
}

static int fill_torch(struct parity *p, const char *path)
{
	struct model *m = p->model;
	struct torchpt *pt = torchpt_read(path, &p->err);
	int i, rc = pt ? 0 : -1;

	for (i = 0; i < m->graph->nparams && !rc; i++) {
		const struct param *q = &m->graph->params[i];
		const struct torchpt_tensor *t = torchpt_find(pt, q->name);

		if (q->kind == PARAM_COUNTER)
			continue;
		if (!t || t->count != q->count)
			rc = err_set(&p->err, STATUS_INPUT, "no tensor '%s' of that size", q->name);
		else
			torchpt_floats(t, m->params + q->offset);
	}
	torchpt_free(pt);
	return rc;
}

static int fill_weights(struct parity *p, const char *weights)
{
	const size_t len = weights ? strlen(weights) : 0;
	struct safetensors s;
	int rc;

	if (!weights)
		return fill_safetensors(p, &p->ref, "sd.");
	if (len > 3 && !strncmp(weights + len - 3, ".pt", 3))
		return fill_torch(p, weights);
	if (safetensors_open(&s, weights, &p->err))
		return -1;
	rc = fill_safetensors(p, &s, "");
	safetensors_close(&s);
	return rc;
}

/* How many classes the reference's maps have; 0: as the model says. */
static int ref_classes(struct parity *p)
{
	const struct safetensors_tensor *t = safetensors_find(&p->ref, "eval.raw0");

	return t && t->ndim == 5 && t->dim[4] > 5 ? (int)t->dim[4] - 5 : 0;
}

static int read_model(struct parity *p, const char *path, const char *weights)
{
	struct buf text = BUF_INIT;

	if (!read_cfg(p, path, &text))
		p->model = model_new("cfg", text.data, ref_classes(p), &p->err);
	buf_release(&text);
	if (!p->model || fill_weights(p, weights))
		return -1;
	return model_sync_anchors(p->model, &p->err);
}

static int read_hyp(struct parity *p)
{
	const char *text = safetensors_meta(&p->ref, "hyp");
	json_t *json, *value;
	const char *key;

	hyp_default(&p->hyp);
	if (!text)
		return 0;
	json = json_parse("hyp", text, strlen(text), &p->err);
	if (!json)
		return -1;
	json_object_foreach(json, key, value)
	{
		/* What we do not know does not bear on the loss. */
		if (json_is_number(value) &&
		    hyp_set(&p->hyp, key, json_number_value(value), &p->err))
			printf("# hyper-parameter %s: %s\n", key, p->err.msg);
	}
	json_decref(json);
	return 0;
}

static int read_numbers(struct parity *p)
{
	const char *cut = safetensors_meta(&p->ref, "cut");
	const char *size = safetensors_meta(&p->ref, "size");
	long v;

	p->cut = 0;
	p->size = p->h > p->w ? p->h : p->w;
	if (cut) {
		if (num_long("cut", cut, 1, p->model->graph->nlayers - 1, &v, &p->err))
			return -1;
		p->cut = (int)v;
	}
	if (size && !num_long("size", size, 1, 32768, &v, &p->err))
		p->size = (int)v;
	return 0;
}

static int read_batch(struct parity *p)
{
	const struct safetensors_tensor *t = safetensors_find(&p->ref, "image.u8");
	size_t count, i;
	float *rows;

	if (!t || t->ndim != 4 || t->type != SAFETENSORS_U8)
		return fail(p, "the reference has no images (image.u8)");
	p->n = (int)t->dim[0];
	p->h = (int)t->dim[2];
	p->w = (int)t->dim[3];
	if (t->dim[1] != (size_t)p->model->graph->channels)
		return fail(p, "the images have another number of channels than the model");
	p->images = xmalloc(t->bytes);
	if (safetensors_read(&p->ref, t, p->images, &p->err))
		return -1;
	rows = ref_floats(p, "targets", &count);
	if (!rows)
		return 0;
	p->ntargets = (int)(count / 6);
	p->targets = xcalloc((size_t)p->ntargets + 1, sizeof(*p->targets));
	for (i = 0; i < (size_t)p->ntargets; i++) {
		const float *r = rows + 6 * i;

		p->targets[i] = (struct target){(int)r[0], (int)r[1], r[2], r[3], r[4], r[5]};
	}
	free(rows);
	return 0;
}

/* ---- evaluation ---- */

static void fill_image(const struct parity *p, struct view v)
{
	const size_t count = (size_t)v.n * (size_t)v.c * (size_t)v.h * (size_t)v.w;
	float *x = xreallocarray(NULL, count, sizeof(*x));
	size_t i;

	for (i = 0; i < count; i++)
		x[i] = (float)p->images[i] / 255.0f;
	view_from_nchw(&v, x);
	free(x);
}

static size_t view_count(const struct view *v)
{
	return (size_t)v->n * (size_t)v->c * (size_t)v->h * (size_t)v->w;
}

/* Channel a*no+k of NHWC to (n, a, h, w, k). */
static float *map_values(const struct view *v, int na)
{
	const int no = v->c / na;
	float *out = xreallocarray(NULL, view_count(v), sizeof(*out)), *to = out;
	int n, a, y, x;

	for (n = 0; n < v->n; n++)
		for (a = 0; a < na; a++)
			for (y = 0; y < v->h; y++)
				for (x = 0; x < v->w; x++, to += no)
					memcpy(to, view_at(v, n, y, x) + a * no,
					       (size_t)no * sizeof(float));
	return out;
}

static void compare_view(struct parity *p, const char *name, const struct view *v)
{
	float *theirs = ref_exactly(p, name, view_count(v)), *ours;

	if (!theirs)
		return;
	ours = xreallocarray(NULL, view_count(v), sizeof(*ours));
	view_to_nchw(v, ours);
	compare_values(p, name, ours, theirs, view_count(v), FEATURE_ABS, FEATURE_REL);
	free(ours);
	free(theirs);
}

static void compare_layers(struct parity *p, struct net *net)
{
	int i;

	for (i = 0; i < p->model->graph->nlayers; i++) {
		char *name = xasprintf("eval.layer%d", i);

		if (safetensors_find(&p->ref, name)) {
			struct view v = net_layer_output(net, i, p->n);

			compare_view(p, name, &v);
		}
		free(name);
	}
}

static void compare_maps(struct parity *p, const struct view *maps, const char *prefix)
{
	int i;

	for (i = 0; i < p->model->graph->nl; i++) {
		char *name = xasprintf("eval.raw%d", i), *label = xasprintf("%s%s", prefix, name);
		const size_t count = view_count(&maps[i]);
		float *theirs = ref_exactly(p, name, count), *ours;

		if (theirs) {
			ours = map_values(&maps[i], p->model->graph->na);
			compare_values(p, label, ours, theirs, count, FEATURE_ABS, FEATURE_REL);
			free(ours);
			free(theirs);
		}
		free(name);
		free(label);
	}
}

static void compare_decoded(struct parity *p, const struct view *maps)
{
	const struct graph *g = p->model->graph;
	const size_t no = (size_t)(5 + g->nc), boxes = (size_t)detect_boxes(g, maps);
	const size_t count = (size_t)p->n * boxes * no;
	float *theirs = ref_exactly(p, "eval.decoded", count), *ours;
	double pixels = 0, rest = 0;
	size_t i;

	if (!theirs)
		return;
	ours = xreallocarray(NULL, count, sizeof(*ours));
	for (i = 0; i < (size_t)p->n; i++)
		detect_decode(g, maps, (int)i, ours + i * boxes * no);
	for (i = 0; i < count; i++) {
		const double d = fabs((double)ours[i] - theirs[i]);
		double *worst = i % no < 4 ? &pixels : &rest;

		if (!(d <= *worst))
			*worst = d;
	}
	verdict(p, "eval.decoded, boxes", pixels, BOX_ABS, "pixels");
	verdict(p, "eval.decoded, confidences", rest, FEATURE_ABS + FEATURE_REL, "");
	free(ours);
	free(theirs);
}

/* Boxes match when class, place and score do; equal scores may come in another order. Of many
 * boxes whose scores or overlaps are the same but for rounding, another few may survive: `slack` is
 * the share that may differ. */
static void compare_dets(struct parity *p, const char *name, const struct det *ours, int n,
			 const float *theirs, size_t rows, double slack)
{
	bool *used = xcalloc((size_t)n + 1, sizeof(*used));
	double worst = 0;
	size_t i, lost = 0;
	int j, best;

	for (i = 0; i < rows; i++) {
		const float *r = theirs + 6 * i;
		double least = INFINITY;

		for (j = 0, best = -1; j < n; j++) {
			const struct det *d = &ours[j];
			const double off = fmax(fmax(fabs(d->x1 - r[0]), fabs(d->y1 - r[1])),
						fmax(fabs(d->x2 - r[2]), fabs(d->y2 - r[3])));

			if (!used[j] && d->cls == (int)r[5] && off < least &&
			    fabs(d->score - r[4]) <= FEATURE_ABS + FEATURE_REL * r[4]) {
				least = off;
				best = j;
			}
		}
		if (best < 0 || least > BOX_ABS) {
			lost++;
			continue;
		}
		used[best] = true;
		worst = fmax(worst, least);
	}
	verdict(p, name, worst, BOX_ABS, "pixels");
	verdict(p, name, (double)lost + fabs((double)rows - n), floor(slack * (double)rows),
		"detections differ");
	free(used);
}

/* A map from the reference's (n, a, h, w, k). NULL p: it has none of that shape. */
static struct view ref_map(struct parity *p, int level, const struct view *like)
{
	const int na = p->model->graph->na, no = like->c / na;
	char *name = xasprintf("eval.raw%d", level);
	float *theirs = ref_exactly(p, name, view_count(like)), *from = theirs;
	struct view v = {NULL, like->n, like->h, like->w, like->c, like->c, 0};
	int n, a, y, x;

	free(name);
	if (!theirs)
		return v;
	v.p = xreallocarray(NULL, view_count(like), sizeof(float));
	for (n = 0; n < v.n; n++)
		for (a = 0; a < na; a++)
			for (y = 0; y < v.h; y++)
				for (x = 0; x < v.w; x++, from += no)
					memcpy(view_at(&v, n, y, x) + a * no, from,
					       (size_t)no * sizeof(float));
	free(theirs);
	return v;
}

static void compare_nms(struct parity *p, const struct view *maps, const char *prefix, double slack)
{
	const struct nms_options opt = {.conf = 0.001f,
					.iou = 0.6f,
					.multi_label = true,
					.max_det = 300,
					.max_candidates = 30000};
	struct det dets[300];
	struct nms *s = nms_new(p->model->graph, &opt);
	int i;

	for (i = 0; i < p->n; i++) {
		char *name = xasprintf("eval.nms%d", i), *label = xasprintf("%s%s", prefix, name);
		size_t count;
		float *theirs = ref_floats(p, name, &count);

		if (theirs)
			compare_dets(p, label, dets, nms_run(s, maps, p->model->graph->nl, i, dets),
				     theirs, count / 6, slack);
		free(theirs);
		free(name);
		free(label);
	}
	nms_free(s);
}

/* Suppression alone, of the reference's own maps: no detection may differ. */
static void compare_ref_nms(struct parity *p, const struct view *maps)
{
	struct view theirs[GRAPH_MAX_LEVELS];
	bool all = true;
	int i;

	for (i = 0; i < p->model->graph->nl; i++) {
		theirs[i] = ref_map(p, i, &maps[i]);
		all &= theirs[i].p != NULL;
	}
	if (all)
		compare_nms(p, theirs, "their maps: ", 0);
	for (i = 0; i < p->model->graph->nl; i++)
		free(theirs[i].p);
}

static struct net *make_net(struct parity *p, int from, int to, bool train, int freeze,
			    bool keep_all)
{
	const struct net_options opt = {.from = from,
					.to = to,
					.max_n = p->n,
					.h = p->h,
					.w = p->w,
					.path = p->path,
					.train = train,
					.freeze = freeze,
					.keep_all = keep_all};

	return net_new(p->model->graph, &opt, p->pool, &p->err);
}

static void get_maps(struct parity *p, struct net *net, struct view *maps)
{
	int i;

	for (i = 0; i < p->model->graph->nl; i++)
		maps[i] = net_output(net, i, p->n);
}

/* The image through the layers before the cut, and what crosses through those behind it. */
static int run_split(struct parity *p, struct net *edge, struct net *cloud)
{
	int i;

	net_load_params(edge, p->model->params);
	fill_image(p, net_input(edge, 0, p->n));
	net_forward(edge, p->n, p->model->params);
	BUG_IF(net_noutputs(edge) != net_ninputs(cloud));
	for (i = 0; i < net_ninputs(cloud); i++) {
		const struct view from = net_output(edge, i, p->n), to = net_input(cloud, i, p->n);

		view_copy(p->pool, &from, &to);
	}
	return 0;
}

static int evaluate_split(struct parity *p)
{
	struct net *edge = make_net(p, 0, p->cut, false, 0, false);
	struct net *cloud = edge ? make_net(p, p->cut, 0, false, 0, false) : NULL;
	struct view maps[GRAPH_MAX_LEVELS];
	int rc = cloud ? run_split(p, edge, cloud) : -1;

	if (!rc) {
		net_load_params(cloud, p->model->params);
		net_forward(cloud, p->n, p->model->params);
		get_maps(p, cloud, maps);
		compare_maps(p, maps, "split: ");
	}
	net_free(edge);
	net_free(cloud);
	return rc;
}

/* Once with every layer kept, once in the memory of a real run. */
static int evaluate(struct parity *p)
{
	struct view maps[GRAPH_MAX_LEVELS];
	int keep;

	for (keep = 1; keep >= 0; keep--) {
		struct net *net = make_net(p, 0, 0, false, 0, keep);

		if (!net)
			return -1;
		net_load_params(net, p->model->params);
		fill_image(p, net_input(net, 0, p->n));
		net_forward(net, p->n, p->model->params);
		get_maps(p, net, maps);
		compare_maps(p, maps, keep ? "" : "buffers reused: ");
		if (keep) {
			compare_layers(p, net);
			compare_decoded(p, maps);
			compare_nms(p, maps, "", 0.05);
			compare_ref_nms(p, maps);
		}
		net_free(net);
	}
	return p->cut ? evaluate_split(p) : 0;
}

/* ---- training ---- */

struct training {
	struct parity *p;
	const char *prefix, *label; /* of the reference's tensors, and of what is printed */
	struct net *net;
	int freeze;
	double slack; /* times the tolerances: what our own features, not theirs, may add */
	float *params, *grads;
	struct optim *optim;
	struct loss_ctx *loss;
};

static char *tensor_name(const struct training *t, const char *what, const char *name)
{
	return xasprintf("%s.%s%s", t->prefix, what, name);
}

static void compare_param(struct training *t, const char *what, const struct param *q,
			  const float *arena, double rel)
{
	struct parity *p = t->p;
	char *name = tensor_name(t, what, q->name);
	float *theirs = ref_exactly(p, name, q->count);
	char *label = xasprintf("%s%s", t->label, name);

	if (theirs && rel > 0)
		compare_norm(p, label, arena + q->offset, theirs, q->count, rel);
	else if (theirs)
		compare_values(p, label, arena + q->offset, theirs, q->count, FEATURE_ABS,
			       FEATURE_REL);
	free(theirs);
	free(name);
	free(label);
}

static void compare_params(struct training *t, const char *what, const float *arena, double rel)
{
	int i;

	for (i = 0; i < t->p->model->graph->nparams; i++) {
		const struct param *q = &t->p->model->graph->params[i];

		if (q->kind != PARAM_COUNTER)
			compare_param(t, what, q, arena, rel);
	}
}

static void compare_norms(struct training *t)
{
	struct parity *p = t->p;
	char *key = tensor_name(t, "grad_norms", "");
	const char *text = safetensors_meta(&p->ref, key);
	json_t *json = text ? json_parse(key, text, strlen(text), &p->err) : NULL, *value;
	const char *name;

	json_object_foreach(json, name, value)
	{
		const struct param *q = graph_param(p->model->graph, name);
		char *label = xasprintf("%s%s %s", t->label, key, name);
		double norm = 0;
		size_t i;

		if (!q) {
			missing(p, label, "is not in our model");
		} else {
			for (i = 0; i < q->count; i++)
				norm += (double)t->grads[q->offset + i] * t->grads[q->offset + i];
			compare_number(p, label, sqrt(norm), json_number_value(value),
				       GRAD_REL * t->slack);
		}
		free(label);
	}
	json_decref(json);
	free(key);
}

static void compare_loss(struct training *t, const struct loss *l)
{
	static const char *const parts[] = {"box", "obj", "cls"};
	const double ours[] = {l->box, l->obj, l->cls};
	struct parity *p = t->p;
	char *name = tensor_name(t, "loss", "");
	float *theirs = ref_exactly(p, name, 1);
	int i;

	if (theirs)
		compare_number(p, name, p->n * (l->box + l->obj + l->cls), theirs[0], LOSS_REL);
	free(theirs);
	free(name);
	name = tensor_name(t, "components_box_obj_cls", "");
	theirs = ref_exactly(p, name, 3);
	for (i = 0; i < 3 && theirs; i++) {
		char *label = xasprintf("%s%s, %s", t->label, name, parts[i]);

		compare_number(p, label, ours[i], theirs[i], LOSS_REL);
		free(label);
	}
	free(theirs);
	free(name);
}

/*
 * Which step's state the tensors grad.*, bn_after.* and after_sgd.* hold. They are meant to be the
 * first step's; but PyTorch's optimiser moves parameters and gradients in place, so that a script
 * that saves them without a copy saves the last step of its loss_trace. grad_norms, numbers, are
 * always the first step's, and tell which it is.
 */
static size_t kept_step(struct training *t, size_t steps)
{
	struct parity *p = t->p;
	char *key = tensor_name(t, "grad_norms", "");
	const char *text = safetensors_meta(&p->ref, key);
	json_t *json = text ? json_parse(key, text, strlen(text), &p->err) : NULL, *value;
	const char *param;
	bool last = false;

	json_object_foreach(json, param, value)
	{
		char *name = tensor_name(t, "grad.", param);
		size_t n, i;
		float *g = safetensors_find(&p->ref, name) ? ref_floats(p, name, &n) : NULL;
		double norm = 0;

		for (i = 0; g && i < n; i++)
			norm += (double)g[i] * g[i];
		if (g &&
		    fabs(sqrt(norm) - json_number_value(value)) > 0.01 * json_number_value(value))
			last = true;
		free(g);
		free(name);
	}
	json_decref(json);
	free(key);
	if (last && steps > 1)
		printf("# %s%s.{grad,bn_after,after_sgd}.* hold step %zu of the trace\n", t->label,
		       t->prefix, steps);
	return last ? steps - 1 : 0;
}

static double train_loss(struct training *t, struct loss *l)
{
	struct parity *p = t->p;
	struct view maps[GRAPH_MAX_LEVELS], dmaps[GRAPH_MAX_LEVELS];
	int i;

	net_load_params(t->net, t->params);
	net_forward(t->net, p->n, t->params);
	for (i = 0; i < p->model->graph->nl; i++) {
		maps[i] = net_output(t->net, i, p->n);
		dmaps[i] = net_output_grad(t->net, i, p->n);
	}
	loss_detect(t->loss, p->pool, maps, p->n, p->targets, p->ntargets, dmaps, l);
	net_backward(t->net, p->n, t->grads);
	return p->n * (l->box + l->obj + l->cls);
}

/* One step; returns the loss. */
static double train_step(struct training *t, bool first, bool kept)
{
	struct parity *p = t->p;
	const double lr = p->hyp.lr0;
	const struct optim_rates rates = {.lr = {lr, lr, lr},
					  .decay = {[OPTIM_WEIGHT] = p->hyp.weight_decay},
					  .momentum = p->hyp.momentum};
	struct loss l;
	const double loss = train_loss(t, &l);

	if (first) {
		compare_loss(t, &l);
		compare_norms(t);
	}
	if (kept) {
		compare_params(t, "grad.", t->grads,
			       GRAD_REL * t->slack * (first ? 1 : LATE_SLACK));
		compare_params(t, "bn_after.", t->params, 0);
	}
	optim_step(t->optim, p->pool, &rates, t->params, t->grads, 1, NULL, 0);
	if (kept)
		compare_params(t, "after_sgd.", t->params, WEIGHT_REL);
	return loss;
}

/* The inputs of the layers behind the cut, as the reference has them: again before every step, for
 * their memory is not kept for us. */
static int fill_features(struct parity *p, struct net *net, bool first)
{
	struct net *edge = make_net(p, 0, p->cut, false, 0, false);
	int i;

	if (!edge)
		return -1;
	run_split(p, edge, net);
	for (i = 0; i < net_ninputs(net); i++) {
		struct view v = net_input(net, i, p->n);
		char *name = net_ninputs(net) == 1 ? xstrdup("cloud.features")
						   : xasprintf("cloud.features%d", i);
		float *theirs = NULL;

		if (safetensors_find(&p->ref, name)) {
			if (first)
				compare_view(p, name, &v);
			theirs = ref_exactly(p, name, view_count(&v));
		}
		if (theirs)
			view_from_nchw(&v, theirs);
		free(theirs);
		free(name);
	}
	net_free(edge);
	return 0;
}

static int fill_inputs(struct training *t, int from, bool first)
{
	if (from)
		return fill_features(t->p, t->net, first);
	fill_image(t->p, net_input(t->net, 0, t->p->n));
	return 0;
}

static int run_steps(struct training *t, int from)
{
	struct parity *p = t->p;
	char *name = tensor_name(t, "loss_trace", "");
	size_t steps = 1, i;
	float *trace = ref_floats(p, name, &steps);
	const size_t kept = kept_step(t, steps);

	for (i = 0; i < (trace ? steps : 1); i++) {
		double loss;

		if (fill_inputs(t, from, i == 0))
			return -1;
		loss = train_step(t, i == 0, i == kept);
		if (trace) {
			char *label = xasprintf("%s%s[%zu]", t->label, name, i);

			compare_number(p, label, loss, trace[i], TRACE_REL);
			free(label);
		}
	}
	free(trace);
	free(name);
	return 0;
}

static struct loss_hyp loss_gains(const struct parity *p)
{
	const struct hyp *h = &p->hyp;
	struct loss_hyp out = {.box = (float)h->box,
			       .cls = (float)h->cls,
			       .cls_pw = (float)h->cls_pw,
			       .obj = (float)h->obj,
			       .obj_pw = (float)h->obj_pw,
			       .anchor_t = (float)h->anchor_t,
			       .fl_gamma = (float)h->fl_gamma,
			       .label_smoothing = (float)h->label_smoothing};

	loss_hyp_scale(&out, p->model->graph->nl, p->model->graph->nc, p->size);
	return out;
}

static int train(struct parity *p, const char *prefix, const char *label, int from, int freeze,
		 double slack)
{
	const struct graph *g = p->model->graph;
	struct training t = {
		.p = p, .prefix = prefix, .label = label, .freeze = freeze, .slack = slack};
	struct loss_hyp hyp = loss_gains(p);
	int rc;

	t.net = make_net(p, from, 0, true, freeze, false);
	if (!t.net)
		return -1;
	t.params = xreallocarray(NULL, g->nfloats, sizeof(float));
	memcpy(t.params, p->model->params, g->nfloats * sizeof(float));
	t.grads = xcalloc(g->nfloats, sizeof(float));
	t.optim = optim_new(g, OPTIM_SGD, freeze);
	t.loss = loss_new(g, &hyp, p->n, p->h, p->w);
	rc = run_steps(&t, from);
	net_free(t.net);
	optim_free(t.optim);
	loss_free(t.loss);
	free(t.params);
	free(t.grads);
	return rc;
}

static bool has_family(const struct parity *p, const char *prefix)
{
	int i;

	for (i = 0; i < p->ref.ntensors; i++)
		if (!strncmp(p->ref.tensors[i].name, prefix, strlen(prefix)))
			return true;
	return false;
}

static int compare_all(struct parity *p)
{
	if (has_family(p, "eval.") && evaluate(p))
		return -1;
	if (has_family(p, "full.") && train(p, "full", "", 0, 0, 1))
		return -1;
	if (!has_family(p, "cloud."))
		return 0;
	if (!p->cut)
		return fail(p, "the reference names no cut");
	if (train(p, "cloud", "", p->cut, p->cut, 1))
		return -1;
	return train(p, "cloud", "frozen: ", 0, p->cut, 4);
}

static int run(struct parity *p, const char *path, const char *weights)
{
	const char *kernel = getenv("MIST_KERNEL"), *threads = getenv("MIST_THREADS");
	long n = 0;

	if (kernel && *kernel && conv_path_parse(kernel, &p->path, &p->err))
		return -1;
	if (threads && num_long("MIST_THREADS", threads, 1, 64, &n, &p->err))
		return -1;
	if (safetensors_open(&p->ref, path, &p->err))
		return -1;
	p->pool = pool_new((int)n);
	if (read_model(p, path, weights) || read_batch(p) || read_numbers(p) || read_hyp(p))
		return -1;
	return compare_all(p);
}

int main(int argc, char **argv)
{
	struct parity *p = xcalloc(1, sizeof(*p));
	int rc;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: t-parity REFERENCE.safetensors [WEIGHTS]\n");
		return 2;
	}
	rc = run(p, argv[1], argc > 2 ? argv[2] : NULL);
	if (rc)
		fprintf(stderr, "t-parity: %s\n", p->err.msg);
	else
		printf("%d compared, %d failed\n", p->compared, p->failed);
	rc = rc ? 3 : p->failed || !p->compared;
	if (p->ref.path)
		safetensors_close(&p->ref);
	model_free(p->model);
	pool_free(p->pool);
	free(p->images);
	free(p->targets);
	free(p);
	return rc;
}
