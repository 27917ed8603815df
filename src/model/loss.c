/*
 * loss.c - YOLOv5's loss and its gradient (Ultralytics YOLOv5 v7, utils/loss.py, ComputeLoss).
 *
 * A level at a time: targets are matched to anchors and cells; every match gives a box and a class
 * term and says what the objectness of its cell should be; then every cell gives an objectness
 * term. What depends on the order of matches is done in PyTorch's order on one thread; the sweep
 * over cells is summed row by row.
 */
#include "model/ciou.h"
#include "model/detect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct match {
	int image, anchor, y, x, cls;
	double box[4]; /* of the target in cells, relative to the cell's corner */
};

struct loss_ctx {
	const struct graph *g;
	struct loss_hyp hyp;
	double balance[GRAPH_MAX_LEVELS];
	float cp, cn;    /* class targets, positive and negative */
	float *wanted;   /* objectness targets of one level: n, a, y, x */
	double *row_sum; /* of the objectness loss, per image and row */
	struct match *matches;
	float *dmatch; /* per match: 4 + nc gradients */
	size_t nmatches, matches_cap, dmatch_cap;
	size_t all_matches; /* of the level in the whole batch */
};

/* Images [first, first + n) of a batch of `all`, and the targets of all. */
struct part {
	int first, n, all;
	const struct target *targets;
	int ntargets;
};

void loss_hyp_default(struct loss_hyp *h)
{
	*h = (struct loss_hyp){
		.box = 0.05f, .cls = 0.5f, .cls_pw = 1, .obj = 1, .obj_pw = 1, .anchor_t = 4};
}

void loss_hyp_scale(struct loss_hyp *h, int nl, int nc, int img)
{
	const double levels = 3.0 / nl, side = img / 640.0;

	h->box = (float)(h->box * levels);
	h->cls = (float)(h->cls * nc / 80.0 * levels);
	h->obj = (float)(h->obj * side * side * levels);
}

struct loss_ctx *loss_new(const struct graph *g, const struct loss_hyp *hyp, int max_n, int h,
			  int w)
{
	static const double three[] = {4, 1, 0.4}, others[] = {4, 1, 0.25, 0.06, 0.02};
	struct loss_ctx *c = xcalloc(1, sizeof(*c));
	size_t cells = 0, rows = 0;
	int i;

	c->g = g;
	c->hyp = *hyp;
	c->cp = 1 - 0.5f * hyp->label_smoothing;
	c->cn = 0.5f * hyp->label_smoothing;
	for (i = 0; i < g->nl; i++) {
		const size_t lh = (size_t)(h / g->strides[i]), lw = (size_t)(w / g->strides[i]);

		c->balance[i] = g->nl == 3 ? three[i] : others[i];
		if (lh * lw > cells)
			cells = lh * lw;
		if (lh > rows)
			rows = lh;
	}
	c->wanted = xcalloc((size_t)max_n * (size_t)g->na * cells, sizeof(*c->wanted));
	c->row_sum = xcalloc((size_t)max_n * rows, sizeof(*c->row_sum));
	return c;
}

void loss_free(struct loss_ctx *c)
{
	if (!c)
		return;
	free(c->wanted);
	free(c->row_sum);
	free(c->matches);
	free(c->dmatch);
	free(c);
}

/* ---- matching ---- */

static bool anchor_fits(const struct loss_ctx *c, int level, int a, float w, float h)
{
	const float stride = (float)c->g->strides[level];
	const float rw = w / (c->g->anchors[level][a][0] / stride);
	const float rh = h / (c->g->anchors[level][a][1] / stride);

	return fmaxf(fmaxf(rw, 1 / rw), fmaxf(rh, 1 / rh)) < c->hyp.anchor_t;
}

/* Cell o of a target: 0 its own; 1 to 4 the neighbours left, above, right, below, when the centre
 * lies in that half of its cell and the neighbour is inside. */
static bool offset_applies(int o, float x, float y, float w, float h)
{
	const float p[5] = {0, x, y, w - x, h - y};

	return o == 0 || (p[o] - floorf(p[o]) < 0.5f && p[o] > 1);
}

static int clamp(int v, int max)
{
	return v < 0 ? 0 : v > max ? max : v;
}

static void add_match(struct loss_ctx *c, const struct target *t, int image, int a, int o, float x,
		      float y, const struct view *map)
{
	static const float off[5][2] = {{0, 0}, {0.5f, 0}, {0, 0.5f}, {-0.5f, 0}, {0, -0.5f}};
	struct match *m;

	GROW(c->matches, c->nmatches, c->matches_cap);
	m = &c->matches[c->nmatches++];
	m->image = image;
	m->cls = t->cls;
	m->anchor = a;
	m->x = clamp((int)(x - off[o][0]), map->w - 1);
	m->y = clamp((int)(y - off[o][1]), map->h - 1);
	m->box[0] = x - (float)m->x;
	m->box[1] = y - (float)m->y;
	m->box[2] = t->w * (float)map->w;
	m->box[3] = t->h * (float)map->h;
}

/* In PyTorch's order, offset by offset: where two matches share a cell, the later one decides. */
static void match_level(struct loss_ctx *c, int level, const struct view *map, const struct part *p)
{
	const float w = (float)map->w, h = (float)map->h;
	int o, a, i;

	c->nmatches = c->all_matches = 0;
	for (o = 0; o < 5; o++)
		for (a = 0; a < c->g->na; a++)
			for (i = 0; i < p->ntargets; i++) {
				const struct target *t = &p->targets[i];
				const float x = t->xc * w, y = t->yc * h;
				const int image = t->image - p->first;

				BUG_IF(t->image < 0 || t->image >= p->all);
				BUG_IF(t->cls < 0 || t->cls >= c->g->nc);
				if (!anchor_fits(c, level, a, t->w * w, t->h * h) ||
				    !offset_applies(o, x, y, w, h))
					continue;
				c->all_matches++;
				if (image >= 0 && image < p->n)
					add_match(c, t, image, a, o, x, y, map);
			}
}

/* ---- terms ---- */

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* Binary cross-entropy of a logit x with target t and weight pw of the positive part
 * (torch.nn.BCEWithLogitsLoss), with gamma > 0 times focal loss's factor (alpha 0.25). */
static double bce(double x, double t, double pw, double gamma, double *grad)
{
	const double weight = 1 + (pw - 1) * t;
	const double e = exp(-fabs(x)), below = (x < 0 ? 1 : e) / (1 + e); /* sigmoid(-x) */
	const double loss = (1 - t) * x + weight * (log1p(e) + fmax(-x, 0));
	const double dloss = 1 - t - weight * below;
	double p, miss, alpha, factor, dmiss;

	if (!(gamma > 0)) {
		*grad = dloss;
		return loss;
	}
	p = sigmoid(x);
	miss = 1 - (t * p + (1 - t) * (1 - p));
	alpha = 0.25 * t + 0.75 * (1 - t);
	factor = alpha * pow(miss, gamma);
	dmiss = -(2 * t - 1) * p * (1 - p);
	*grad = factor * dloss;
	if (miss > 0)
		*grad += loss * alpha * gamma * pow(miss, gamma - 1) * dmiss;
	return loss * factor;
}

/* Box term of one match: 1 - CIoU; its gradient by the four raw values. */
static double box_term(const struct loss_ctx *c, int level, const struct match *m, const float *raw,
		       double *iou, double grad[4])
{
	const double stride = c->g->strides[level];
	double s[4], box[4], dbox[4];
	int k;

	for (k = 0; k < 4; k++)
		s[k] = sigmoid(raw[k]);
	for (k = 0; k < 2; k++) {
		const double anchor = c->g->anchors[level][m->anchor][k] / stride;

		box[k] = 2 * s[k] - 0.5;
		box[2 + k] = 4 * s[2 + k] * s[2 + k] * anchor;
	}
	*iou = ciou(box, m->box, dbox);
	for (k = 0; k < 4; k++) {
		/* sigmoid's slope; a size is 4 s^2 anchor, so its own is 2 box (1 - s) */
		const double slope = k < 2 ? 2 * s[k] * (1 - s[k]) : 2 * box[k] * (1 - s[k]);

		grad[k] = -dbox[k] * slope;
	}
	return 1 - *iou;
}

struct level_sum {
	double box, obj, cls;
};

static float *wanted_at(const struct loss_ctx *c, const struct view *map, int n, int a, int y)
{
	return c->wanted +
	       (((size_t)n * (size_t)c->g->na + (size_t)a) * (size_t)map->h + (size_t)y) *
		       (size_t)map->w;
}

/* Box and class terms of all matches; their gradients are kept for later. */
static void match_terms(struct loss_ctx *c, int level, const struct view *map, double images,
			struct level_sum *sum)
{
	const int nc = c->g->nc, width = 4 + nc;
	const double each = 1.0 / (double)c->all_matches;
	double iou, g[4], dcls;
	size_t i;
	int k;

	for (i = 0; i < c->nmatches; i++) {
		const struct match *m = &c->matches[i];
		const float *raw = view_at(map, m->image, m->y, m->x) + m->anchor * (5 + nc);
		float *grad = c->dmatch + i * (size_t)width;

		sum->box += each * box_term(c, level, m, raw, &iou, g);
		for (k = 0; k < 4; k++)
			grad[k] = (float)(g[k] * each * c->hyp.box * images);
		/* NaN stays NaN, so that a loss that is not finite shows. */
		wanted_at(c, map, m->image, m->anchor, m->y)[m->x] = iou < 0 ? 0 : (float)iou;
		for (k = 0; k < nc && nc > 1; k++) {
			sum->cls += each / nc *
				    bce(raw[5 + k], k == m->cls ? c->cp : c->cn, c->hyp.cls_pw,
					c->hyp.fl_gamma, &dcls);
			grad[4 + k] = (float)(dcls * each / nc * c->hyp.cls * images);
		}
	}
}

struct sweep {
	const struct loss_ctx *c;
	const struct view *map, *dmap;
	double scale; /* of the gradient */
};

/* Objectness of one row; the row's gradient is written whole. */
static void sweep_row(void *ctx, int job, int worker)
{
	const struct sweep *s = ctx;
	const struct loss_ctx *c = s->c;
	const int n = job / s->map->h, y = job % s->map->h, no = 5 + c->g->nc;
	double sum = 0, grad;
	int x, a;

	(void)worker;
	for (x = 0; x < s->map->w; x++) {
		const float *raw = view_at(s->map, n, y, x);
		float dobj[GRAPH_MAX_ANCHORS];

		for (a = 0; a < c->g->na; a++) {
			sum += bce(raw[a * no + 4], wanted_at(c, s->map, n, a, y)[x], c->hyp.obj_pw,
				   c->hyp.fl_gamma, &grad);
			dobj[a] = (float)(grad * s->scale);
		}
		if (!s->dmap)
			continue;
		memset(view_at(s->dmap, n, y, x), 0, (size_t)s->dmap->c * sizeof(float));
		for (a = 0; a < c->g->na; a++)
			view_at(s->dmap, n, y, x)[a * no + 4] = dobj[a];
	}
	if (s->dmap)
		view_clear_pads(s->dmap, n, y, y + 1);
	c->row_sum[job] = sum;
}

static void add_match_grads(const struct loss_ctx *c, const struct view *dmap)
{
	const int nc = c->g->nc;
	size_t i;
	int k;

	for (i = 0; i < c->nmatches; i++) {
		const struct match *m = &c->matches[i];
		const float *grad = c->dmatch + i * (size_t)(4 + nc);
		float *d = view_at(dmap, m->image, m->y, m->x) + m->anchor * (5 + nc);

		for (k = 0; k < 4; k++)
			d[k] += grad[k];
		for (k = 0; k < nc && nc > 1; k++)
			d[5 + k] += grad[4 + k];
	}
}

static struct level_sum loss_level(struct loss_ctx *c, struct pool *pool, int level,
				   const struct view *map, const struct part *p,
				   const struct view *dmap)
{
	const size_t cells = (size_t)c->g->na * (size_t)map->h * (size_t)map->w;
	const double each = c->balance[level] / ((double)cells * p->all);
	struct sweep s = {c, map, dmap, each * c->hyp.obj * p->all};
	struct level_sum sum = {0};
	int i;

	match_level(c, level, map, p);
	if (c->nmatches * (size_t)(4 + c->g->nc) > c->dmatch_cap) {
		c->dmatch_cap = 2 * c->nmatches * (size_t)(4 + c->g->nc);
		c->dmatch = xreallocarray(c->dmatch, c->dmatch_cap, sizeof(*c->dmatch));
	}
	memset(c->wanted, 0, (size_t)p->n * cells * sizeof(*c->wanted));
	match_terms(c, level, map, p->all, &sum);
	pool_run(pool, p->n * map->h, sweep_row, &s);
	for (i = 0; i < p->n * map->h; i++)
		sum.obj += c->row_sum[i];
	sum.obj *= each;
	if (dmap)
		add_match_grads(c, dmap);
	return sum;
}

void loss_detect_part(struct loss_ctx *c, struct pool *pool, const struct view *maps, int first,
		      int n, int all, const struct target *targets, int ntargets,
		      const struct view *dmaps, struct loss *out)
{
	const struct part p = {first, n, all, targets, ntargets};
	int i;

	*out = (struct loss){0};
	for (i = 0; i < c->g->nl; i++) {
		const struct level_sum s =
			loss_level(c, pool, i, &maps[i], &p, dmaps ? &dmaps[i] : NULL);

		out->box += c->hyp.box * s.box;
		out->obj += c->hyp.obj * s.obj;
		out->cls += c->hyp.cls * s.cls;
	}
}

void loss_detect(struct loss_ctx *c, struct pool *pool, const struct view *maps, int n,
		 const struct target *targets, int ntargets, const struct view *dmaps,
		 struct loss *out)
{
	loss_detect_part(c, pool, maps, 0, n, n, targets, ntargets, dmaps, out);
}
