#include "parity.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void parity_fill_image(const struct parity *p, struct view v)
{
	const size_t count = (size_t)v.n * (size_t)v.c * (size_t)v.h * (size_t)v.w;
	float *x = xreallocarray(NULL, count, sizeof(*x));
	size_t i;

	for (i = 0; i < count; i++)
		x[i] = (float)p->images[i] / 255.0f;
	view_from_nchw(&v, x);
	free(x);
}

/* Channel a*no+k of NHWC to (n, a, h, w, k). */
static float *map_values(const struct view *v, int na)
{
	const int no = v->c / na;
	float *out = xreallocarray(NULL, parity_count(v), sizeof(*out)), *to = out;
	int n, a, y, x;

	for (n = 0; n < v->n; n++)
		for (a = 0; a < na; a++)
			for (y = 0; y < v->h; y++)
				for (x = 0; x < v->w; x++, to += no)
					memcpy(to, view_at(v, n, y, x) + a * no,
					       (size_t)no * sizeof(float));
	return out;
}

static void compare_layers(struct parity *p, struct net *net)
{
	int i;

	for (i = 0; i < p->model->graph->nlayers; i++) {
		char *name = xasprintf("eval.layer%d", i);

		if (safetensors_find(&p->ref, name)) {
			struct view v = net_layer_output(net, i, p->n);

			parity_view(p, name, &v);
		}
		free(name);
	}
}

static void compare_maps(struct parity *p, const struct view *maps, const char *prefix)
{
	int i;

	for (i = 0; i < p->model->graph->nl; i++) {
		char *name = xasprintf("eval.raw%d", i), *label = xasprintf("%s%s", prefix, name);
		const size_t count = parity_count(&maps[i]);
		float *theirs = parity_exactly(p, name, count), *ours;

		if (theirs) {
			ours = map_values(&maps[i], p->model->graph->na);
			parity_values(p, label, ours, theirs, count, FEATURE_ABS, FEATURE_REL);
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
	float *theirs = parity_exactly(p, "eval.decoded", count), *ours;
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
	parity_verdict(p, "eval.decoded, boxes", pixels, BOX_ABS, "pixels");
	parity_verdict(p, "eval.decoded, confidences", rest, FEATURE_ABS + FEATURE_REL, "");
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
	parity_verdict(p, name, worst, BOX_ABS, "pixels");
	parity_verdict(p, name, (double)lost + fabs((double)rows - n), floor(slack * (double)rows),
		       "detections differ");
	free(used);
}

/* A map from the reference's (n, a, h, w, k). NULL p: it has none of that shape. */
static struct view ref_map(struct parity *p, int level, const struct view *like)
{
	const int na = p->model->graph->na, no = like->c / na;
	char *name = xasprintf("eval.raw%d", level);
	float *theirs = parity_exactly(p, name, parity_count(like)), *from = theirs;
	struct view v = {NULL, like->n, like->h, like->w, like->c, like->c, 0};
	int n, a, y, x;

	free(name);
	if (!theirs)
		return v;
	v.p = xreallocarray(NULL, parity_count(like), sizeof(float));
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
		float *theirs = parity_floats(p, name, &count);

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

struct net *parity_net(struct parity *p, int from, int to, bool train, int freeze, bool keep_all)
{
	const struct net_options opt = {.from = from,
					.to = to,
					.max_n = p->n,
					.h = p->h,
					.w = p->w,
					.path = p->path,
					.train = train,
					.overwrite = true, /* as mist-train */
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
int parity_split(struct parity *p, struct net *edge, struct net *cloud)
{
	int i;

	net_load_params(edge, p->model->params);
	parity_fill_image(p, net_input(edge, 0, p->n));
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
	struct net *edge = parity_net(p, 0, p->cut, false, 0, false);
	struct net *cloud = edge ? parity_net(p, p->cut, 0, false, 0, false) : NULL;
	struct view maps[GRAPH_MAX_LEVELS];
	int rc = cloud ? parity_split(p, edge, cloud) : -1;

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
int parity_evaluate(struct parity *p)
{
	struct view maps[GRAPH_MAX_LEVELS];
	int keep;

	for (keep = 1; keep >= 0; keep--) {
		struct net *net = parity_net(p, 0, 0, false, 0, keep);

		if (!net)
			return -1;
		net_load_params(net, p->model->params);
		parity_fill_image(p, net_input(net, 0, p->n));
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
