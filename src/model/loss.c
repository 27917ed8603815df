/*
 * A level at a time: targets are matched to anchors and cells; every match gives a box and a class
 * term and says what the objectness of its cell should be; then every cell gives an objectness
 * term. What depends on the order of matches is done in PyTorch's order on one thread; the sweep
 * over cells is summed row by row.
 */
#include "model/loss.h"

#include "model/ciou.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct loss_ctx {
	const struct graph *g;
	struct loss_hyp hyp;
	float *wanted;   /* objectness targets of one level: n, a, y, x */
	double *row_sum; /* of the objectness loss, per image and row */
	struct matches matches;
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

double loss_balance(const struct graph *g, int level)
{
	static const double three[] = {4, 1, 0.4}, others[] = {4, 1, 0.25, 0.06, 0.02};

	return g->nl == 3 ? three[level] : others[level];
}

struct loss_ctx *loss_new(const struct graph *g, const struct loss_hyp *hyp, int max_n, int h,
			  int w)
{
	struct loss_ctx *c = xcalloc(1, sizeof(*c));
	size_t cells = 0, rows = 0;
	int i;

	c->g = g;
	c->hyp = *hyp;
	for (i = 0; i < g->nl; i++) {
		const size_t lh = (size_t)(h / g->strides[i]), lw = (size_t)(w / g->strides[i]);

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
	free(c->matches.v);
	free(c);
}

/* ---- matching ---- */

static bool anchor_fits(const struct graph *g, float anchor_t, int level, int a, float w, float h)
{
	const float stride = (float)g->strides[level];
	const float rw = w / (g->anchors[level][a][0] / stride);
	const float rh = h / (g->anchors[level][a][1] / stride);

	return fmaxf(fmaxf(rw, 1 / rw), fmaxf(rh, 1 / rh)) < anchor_t;
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

static void add_match(struct matches *list, const struct target *t, int image, int a, int o,
		      float w, float h)
{
	static const float off[5][2] = {{0, 0}, {0.5f, 0}, {0, 0.5f}, {-0.5f, 0}, {0, -0.5f}};
	const float x = t->xc * w, y = t->yc * h;
	struct match *m;

	GROW(list->v, list->n, list->cap);
	m = &list->v[list->n++];
	m->image = image;
	m->cls = t->cls;
	m->anchor = a;
	m->x = clamp((int)(x - off[o][0]), (int)w - 1);
	m->y = clamp((int)(y - off[o][1]), (int)h - 1);
	m->box[0] = x - (float)m->x;
	m->box[1] = y - (float)m->y;
	m->box[2] = t->w * w;
	m->box[3] = t->h * h;
}

size_t loss_match(const struct graph *g, const struct loss_hyp *hyp, int level, int h, int w,
		  const struct part *p, struct matches *out)
{
	const float fw = (float)w, fh = (float)h;
	size_t all = 0;
	int o, a, i;

	for (o = 0; o < 5; o++)
		for (a = 0; a < g->na; a++)
			for (i = 0; i < p->ntargets; i++) {
				const struct target *t = &p->targets[i];
				const int image = t->image - p->first;

				BUG_IF(t->image < 0 || t->image >= p->all);
				BUG_IF(t->cls < 0 || t->cls >= g->nc);
				if (!anchor_fits(g, hyp->anchor_t, level, a, t->w * fw,
						 t->h * fh) ||
				    !offset_applies(o, t->xc * fw, t->yc * fh, fw, fh))
					continue;
				all++;
				if (image >= 0 && image < p->n)
					add_match(out, t, image, a, o, fw, fh);
			}
	return all;
}

/* ---- terms ---- */

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

double loss_bce(double x, double t, double pw, double gamma, double *grad)
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
static double box_term(const struct graph *g, int level, const struct match *m, const float *raw,
		       double *iou, double grad[4])
{
	const double stride = g->strides[level];
	double s[4], box[4], dbox[4];
	int k;

	for (k = 0; k < 4; k++)
		s[k] = sigmoid(raw[k]);
	for (k = 0; k < 2; k++) {
		const double anchor = g->anchors[level][m->anchor][k] / stride;

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

void loss_match_terms(const struct graph *g, const struct loss_hyp *hyp, int level,
		      const struct match *m, const float *raw, double scale,
		      struct match_terms *terms, float *grad)
{
	const double cn = 0.5 * hyp->label_smoothing, cp = 1 - cn;
	double iou, dbox[4], dcls;
	int k;

	terms->box = box_term(g, level, m, raw, &iou, dbox);
	/* NaN stays NaN, so that a loss that is not finite shows. */
	terms->wanted = iou < 0 ? 0 : (float)iou;
	terms->cls = 0;
	for (k = 0; k < 4 && grad; k++)
		grad[k] = (float)(dbox[k] * hyp->box * scale);
	for (k = 4; k < 5 + g->nc && grad; k++)
		grad[k] = 0;
	for (k = 0; k < g->nc && g->nc > 1; k++) {
		terms->cls += loss_bce(raw[5 + k], k == m->cls ? cp : cn, hyp->cls_pw,
				       hyp->fl_gamma, &dcls) /
			      g->nc;
		if (grad)
			grad[5 + k] = (float)(dcls / g->nc * hyp->cls * scale);
	}
}

/* ---- the loss of raw maps ---- */

struct level_sum {
	double box, obj, cls;
};

static float *wanted_at(const struct loss_ctx *c, const struct view *map, int n, int a, int y)
{
	return c->wanted +
	       (((size_t)n * (size_t)c->g->na + (size_t)a) * (size_t)map->h + (size_t)y) *
		       (size_t)map->w;
}

struct sweep {
	const struct loss_ctx *c;
	const struct view *map;
};

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

		for (a = 0; a < c->g->na; a++)
			sum += loss_bce(raw[a * no + 4], wanted_at(c, s->map, n, a, y)[x],
					c->hyp.obj_pw, c->hyp.fl_gamma, &grad);
	}
	c->row_sum[job] = sum;
}

static struct level_sum loss_level(struct loss_ctx *c, struct pool *pool, int level,
				   const struct view *map, const struct part *p)
{
	const size_t cells = (size_t)c->g->na * (size_t)map->h * (size_t)map->w;
	struct sweep s = {c, map};
	struct level_sum sum = {0};
	struct match_terms terms;
	size_t all, k;
	int i;

	c->matches.n = 0;
	all = loss_match(c->g, &c->hyp, level, map->h, map->w, p, &c->matches);
	memset(c->wanted, 0, (size_t)p->n * cells * sizeof(*c->wanted));
	for (k = 0; k < c->matches.n; k++) {
		const struct match *m = &c->matches.v[k];

		loss_match_terms(c->g, &c->hyp, level, m,
				 view_at(map, m->image, m->y, m->x) + m->anchor * (5 + c->g->nc), 0,
				 &terms, NULL);
		sum.box += terms.box / (double)all;
		sum.cls += terms.cls / (double)all;
		wanted_at(c, map, m->image, m->anchor, m->y)[m->x] = terms.wanted;
	}
	pool_run(pool, p->n * map->h, sweep_row, &s);
	for (i = 0; i < p->n * map->h; i++)
		sum.obj += c->row_sum[i];
	sum.obj *= loss_balance(c->g, level) / ((double)cells * p->all);
	return sum;
}

void loss_detect(struct loss_ctx *c, struct pool *pool, const struct view *maps, int n,
		 const struct target *targets, int ntargets, struct loss *out)
{
	const struct part p = {0, n, n, targets, ntargets};
	int i;

	*out = (struct loss){0};
	for (i = 0; i < c->g->nl; i++) {
		const struct level_sum s = loss_level(c, pool, i, &maps[i], &p);

		out->box += c->hyp.box * s.box;
		out->obj += c->hyp.obj * s.obj;
		out->cls += c->hyp.cls * s.cls;
	}
}
