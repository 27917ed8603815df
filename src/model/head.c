/*
 * In three rounds over all levels. First the matches, in blocks of one level and anchor: their inputs
 * are gathered, sgemm makes their raw values, the terms give the gradient of these, and sgemm the
 * gradient of the inputs. Then the objectness of all cells, by rows. Last the matches'
 * shares are added: to dx image by image, to the weights anchor by anchor. Work is cut by shape and by
 * the number of matches, and added up in one order.
 */
#include "model/head.h"

#include "base/ints.h"
#include "model/loss.h"
#include "nn/bce.h"
#include "nn/narrow.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

/* Matches of a block: enough for sgemm, and several for each thread. */
#define BLOCK 64
/* Pixels of a job of the objectness, at least, and those that pass at a time: of 64 channels 8 KiB in
 * and out each, which the L1 cache holds. */
#define JOB_PIXELS 800
#define RUN_PIXELS 32

struct level {
	const struct step *step;
	int source; /* of the net's outputs */
	bool add;   /* another level reads that output, too */
	int cin, h, w;
	int rows, parts; /* of a job of the objectness; jobs an image */
	float *wanted;   /* n, y, x, a */
	float *shares;   /* of every job: gradients of objectness's weights and biases */
	double *sums;    /* of every job: terms */
	/* of the step in work */
	struct view x, dx;
	size_t m0, m1; /* its matches */
	size_t all;    /* matches of the whole batch */
};

struct block {
	int level, anchor;
	size_t first; /* row */
	int n;
};

struct head {
	const struct graph *g;
	struct head_options opt;
	struct loss_hyp hyp;
	struct pool *pool;
	const float *params; /* of the step in work */
	struct level level[GRAPH_MAX_LEVELS];
	bool shared;            /* two levels read one output */
	struct matches matches; /* of all levels, one after the other */
	struct block *blocks;
	size_t nblocks, blocks_cap;
	/* Per match, in rows sorted by level and anchor, those of which begin at row_at. */
	size_t row_at[GRAPH_MAX_LEVELS][GRAPH_MAX_ANCHORS + 1];
	size_t *match_of, *row_of;
	struct match_terms *terms;
	float *raw, *draw; /* no floats */
	float *in, *din;   /* cin floats; those of a level begin at in_at */
	size_t in_at[GRAPH_MAX_LEVELS + 1];
	size_t rows_cap, in_cap;
};

int head_layer(const struct graph *g)
{
	return g->nlayers - 1;
}

static int values_of(const struct graph *g)
{
	return 5 + g->nc;
}

/* ---- life ---- */

static const struct step *step_of(const struct graph *g, int level)
{
	return &g->steps[g->values[g->outs[level]].step];
}

static int input_of(const struct graph *g, int level)
{
	return step_of(g, level)->in[0];
}

/* Which of the net's outputs a level reads. */
static int source_of(const struct graph *g, int level)
{
	int layers[GRAPH_MAX_FROM], i;
	const int n = graph_frontier(g, head_layer(g), layers, GRAPH_MAX_FROM);

	for (i = 0; i < n; i++)
		if (g->layers[layers[i]].out == input_of(g, level))
			return i;
	BUG_IF(true);
	return -1;
}

/* Whether a level before this one reads the same value. */
static bool read_before(const struct graph *g, int level)
{
	int i;

	for (i = 0; i < level; i++)
		if (input_of(g, i) == input_of(g, level))
			return true;
	return false;
}

static bool levels_share(const struct graph *g)
{
	int i;

	for (i = 0; i < g->nl; i++)
		if (read_before(g, i))
			return true;
	return false;
}

bool head_in_place(const struct graph *g)
{
	return g->na <= NARROW_IN_PLACE && !levels_share(g);
}

static void plan_level(struct level *l, const struct graph *g, const struct head_options *o,
		       int level)
{
	const struct step *s = step_of(g, level);

	BUG_IF(s->k != 1 || s->s != 1 || s->p || s->g != 1 || s->bn >= 0 || s->act != ACT_NONE ||
	       s->residual >= 0 || s->bias < 0);
	l->step = s;
	l->source = source_of(g, level);
	l->add = read_before(g, level);
	l->cin = g->values[s->in[0]].c;
	l->h = o->h / g->strides[level];
	l->w = o->w / g->strides[level];
	l->rows = min_int(ceil_div(JOB_PIXELS, l->w), l->h);
	l->parts = ceil_div(l->h, l->rows);
}

/* What a job has for its gradients. */
static size_t share_floats(const struct level *l, int na)
{
	return round_up((size_t)na * (size_t)(l->cin + 1), 16);
}

static size_t jobs_of(const struct level *l, int n)
{
	return (size_t)n * (size_t)l->parts;
}

static size_t wanted_floats(const struct level *l, int n, int na)
{
	return (size_t)n * (size_t)l->h * (size_t)l->w * (size_t)na;
}

struct head *head_new(const struct graph *g, const struct head_options *opt, struct pool *pool)
{
	struct head *h = xcalloc(1, sizeof(*h));
	int i;

	h->g = g;
	h->opt = *opt;
	h->hyp = *opt->hyp;
	h->pool = pool;
	h->shared = levels_share(g);
	for (i = 0; i < g->nl; i++) {
		struct level *l = &h->level[i];

		plan_level(l, g, opt, i);
		l->wanted = xcalloc(wanted_floats(l, opt->max_n, g->na), sizeof(float));
		l->shares = xcalloc(jobs_of(l, opt->max_n) * share_floats(l, g->na), sizeof(float));
		l->sums = xcalloc(jobs_of(l, opt->max_n), sizeof(double));
	}
	return h;
}

static void release_rows(struct head *h)
{
	free(h->match_of);
	free(h->row_of);
	free(h->terms);
	free(h->raw);
	free(h->draw);
}

void head_free(struct head *h)
{
	int i;

	if (!h)
		return;
	for (i = 0; i < h->g->nl; i++) {
		free(h->level[i].wanted);
		free(h->level[i].shares);
		free(h->level[i].sums);
	}
	release_rows(h);
	free(h->in);
	free(h->din);
	free(h->matches.v);
	free(h->blocks);
	free(h);
}

size_t head_bytes(const struct graph *g, const struct head_options *opt)
{
	size_t total = 0;
	int i;

	for (i = 0; i < g->nl; i++) {
		struct level l = {0};

		plan_level(&l, g, opt, i);
		total += wanted_floats(&l, opt->max_n, g->na) * sizeof(float) +
			 jobs_of(&l, opt->max_n) *
				 (share_floats(&l, g->na) * sizeof(float) + sizeof(double));
	}
	return total;
}

/* ---- parameters ---- */

static const float *weights_of(const struct head *h, const struct level *l, int anchor)
{
	return h->params + h->g->params[l->step->weight].offset +
	       (size_t)(anchor * values_of(h->g)) * (size_t)l->cin;
}

static const float *bias_of(const struct head *h, const struct level *l, int anchor)
{
	return h->params + h->g->params[l->step->bias].offset + anchor * values_of(h->g);
}

/* ---- matches ---- */

static void find_matches(struct head *h, const struct part *p)
{
	int i;

	h->matches.n = 0;
	for (i = 0; i < h->g->nl; i++) {
		struct level *l = &h->level[i];

		l->m0 = h->matches.n;
		l->all = loss_match(h->g, &h->hyp, i, l->h, l->w, p, &h->matches);
		l->m1 = h->matches.n;
		h->in_at[i + 1] = h->in_at[i] + (l->m1 - l->m0) * (size_t)l->cin;
	}
}

static void make_room(struct head *h)
{
	const size_t n = h->matches.n, in = h->in_at[h->g->nl];
	const size_t no = (size_t)values_of(h->g);

	if (n > h->rows_cap) {
		release_rows(h);
		h->rows_cap = n + n / 4;
		h->match_of = xreallocarray(NULL, h->rows_cap, sizeof(*h->match_of));
		h->row_of = xreallocarray(NULL, h->rows_cap, sizeof(*h->row_of));
		h->terms = xreallocarray(NULL, h->rows_cap, sizeof(*h->terms));
		h->raw = xreallocarray(NULL, h->rows_cap * no, sizeof(*h->raw));
		h->draw = xreallocarray(NULL, h->rows_cap * no, sizeof(*h->draw));
	}
	if (in > h->in_cap) {
		free(h->in);
		free(h->din);
		h->in_cap = in + in / 4;
		h->in = xreallocarray(NULL, h->in_cap, sizeof(*h->in));
		h->din = xreallocarray(NULL, h->in_cap, sizeof(*h->din));
	}
}

static void add_blocks(struct head *h, int level, int anchor, size_t first, size_t end)
{
	for (; first < end; first += BLOCK) {
		const size_t n = end - first < BLOCK ? end - first : BLOCK;

		GROW(h->blocks, h->nblocks, h->blocks_cap);
		h->blocks[h->nblocks++] = (struct block){level, anchor, first, (int)n};
	}
}

/* Rows and blocks: matches by level and anchor, else in their order. */
static void sort_matches(struct head *h)
{
	size_t row = 0, m;
	int i, a;

	h->nblocks = 0;
	for (i = 0; i < h->g->nl; i++) {
		h->row_at[i][0] = row;
		for (a = 0; a < h->g->na; a++) {
			for (m = h->level[i].m0; m < h->level[i].m1; m++)
				if (h->matches.v[m].anchor == a) {
					h->match_of[row] = m;
					h->row_of[m] = row++;
				}
			h->row_at[i][a + 1] = row;
			add_blocks(h, i, a, h->row_at[i][a], row);
		}
	}
}

/* The inputs of a row of a level, and their gradient. */
static float *row_in(const struct head *h, float *of, int level, size_t row)
{
	const struct level *l = &h->level[level];

	return of + h->in_at[level] + (row - l->m0) * (size_t)l->cin;
}

static void gather(const struct head *h, const struct block *b)
{
	const struct level *l = &h->level[b->level];
	float *to = row_in(h, h->in, b->level, b->first);
	int i;

	for (i = 0; i < b->n; i++, to += l->cin) {
		const struct match *m = &h->matches.v[h->match_of[b->first + (size_t)i]];

		memcpy(to, view_at(&l->x, m->image, m->y, m->x), (size_t)l->cin * sizeof(float));
	}
}

struct work {
	struct head *h;
	int n, all;
	float *grads;
	int level; /* objectness: the first of its jobs */
};

static void block_job(void *ctx, int job, int worker)
{
	const struct work *k = ctx;
	const struct head *h = k->h;
	const struct block *b = &h->blocks[job];
	const struct level *l = &h->level[b->level];
	const int no = values_of(h->g);
	const float *w = weights_of(h, l, b->anchor), *bias = bias_of(h, l, b->anchor);
	float *raw = h->raw + b->first * (size_t)no, *draw = h->draw + b->first * (size_t)no;
	const double scale = (double)k->all / (double)l->all;
	int i;

	(void)worker;
	gather(h, b);
	for (i = 0; i < b->n; i++)
		memcpy(raw + (size_t)(i * no), bias, (size_t)no * sizeof(float));
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, b->n, no, l->cin, 1,
		    row_in(h, h->in, b->level, b->first), l->cin, w, l->cin, 1, raw, no);
	for (i = 0; i < b->n; i++)
		loss_match_terms(h->g, &h->hyp, b->level,
				 &h->matches.v[h->match_of[b->first + (size_t)i]],
				 raw + (size_t)(i * no), scale, &h->terms[b->first + (size_t)i],
				 draw + (size_t)(i * no));
	if (l->dx.p)
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, b->n, l->cin, no, 1, draw,
			    no, w, l->cin, 0, row_in(h, h->din, b->level, b->first), l->cin);
}

/* The matches' terms in PyTorch's order: of two in one place the later one's IoU is wanted. */
static void add_terms(struct head *h, int n, struct loss *out)
{
	const size_t na = (size_t)h->g->na;
	int i;

	for (i = 0; i < h->g->nl; i++) {
		struct level *l = &h->level[i];
		const size_t pixels = (size_t)l->h * (size_t)l->w;
		double box = 0, cls = 0;
		size_t m, at;

		memset(l->wanted, 0, (size_t)n * pixels * na * sizeof(float));
		for (m = l->m0; m < l->m1; m++) {
			const struct match *v = &h->matches.v[m];
			const struct match_terms *t = &h->terms[h->row_of[m]];

			box += t->box;
			cls += t->cls;
			at = (size_t)v->image * pixels + (size_t)(v->y * l->w + v->x);
			l->wanted[at * na + (size_t)v->anchor] = t->wanted;
		}
		if (l->all) {
			out->box += h->hyp.box * box / (double)l->all;
			out->cls += h->hyp.cls * cls / (double)l->all;
		}
	}
}

/* ---- objectness ---- */

/* Logits of a row of all anchors become their gradient. */
static double row_terms(const struct head *h, float *x, const float *wanted, size_t n, float scale)
{
	double sum = 0, grad;
	size_t i;

	if (!(h->hyp.fl_gamma > 0))
		return bce_backward(x, wanted, n, h->hyp.obj_pw, scale);
	for (i = 0; i < n; i++) {
		sum += loss_bce(x[i], wanted[i], h->hyp.obj_pw, h->hyp.fl_gamma, &grad);
		x[i] = (float)grad * scale;
	}
	return sum;
}

/* What its level's objectness weighs, of all images' mean. */
static double gain(const struct head *h, int level)
{
	const struct level *l = &h->level[level];

	return h->hyp.obj * loss_balance(h->g, level) / ((double)h->g->na * l->h * l->w);
}

/* Pixels [x0, x1) of a row: logits, terms, gradients. */
static double objectness_run(const struct head *h, const struct narrow *t, int level, int image,
			     int y, int x0, int x1, float *share)
{
	const struct level *l = &h->level[level];
	const int na = h->g->na, pixels = x1 - x0;
	const size_t at = ((size_t)image * (size_t)l->h + (size_t)y) * (size_t)l->w + (size_t)x0;
	const float *x = view_at(&l->x, image, y, x0);
	float *dx = l->dx.p ? view_at(&l->dx, image, y, x0) : NULL;
	float v[RUN_PIXELS * GRAPH_MAX_ANCHORS];
	double sum;

	narrow_forward(t, pixels, x, (size_t)l->x.ld, bias_of(h, l, 0) + 4, (size_t)values_of(h->g),
		       v);
	sum = row_terms(h, v, l->wanted + at * (size_t)na, (size_t)(pixels * na),
			(float)gain(h, level));
	narrow_backward(t, pixels, x, (size_t)l->x.ld, v, dx, (size_t)l->dx.ld, l->add, share,
			share + na * l->cin);
	return sum;
}

static void objectness_rows(const struct head *h, int level, int image, int part)
{
	const struct level *l = &h->level[level];
	const int y1 = min_int((part + 1) * l->rows, l->h);
	const size_t job = (size_t)image * (size_t)l->parts + (size_t)part;
	const struct narrow t = {l->cin, h->g->na, weights_of(h, l, 0) + 4 * (size_t)l->cin,
				 (size_t)values_of(h->g) * (size_t)l->cin, h->opt.path};
	float *share = l->shares + job * share_floats(l, h->g->na);
	double sum = 0;
	int x, y;

	memset(share, 0, share_floats(l, h->g->na) * sizeof(float));
	for (y = part * l->rows; y < y1; y++)
		for (x = 0; x < l->w; x += RUN_PIXELS)
			sum += objectness_run(h, &t, level, image, y, x,
					      min_int(x + RUN_PIXELS, l->w), share);
	l->sums[job] = sum;
	if (l->dx.p)
		view_clear_pads(&l->dx, image, part * l->rows, y1);
}

static void objectness_job(void *ctx, int job, int worker)
{
	const struct work *k = ctx;
	int level = k->level;

	(void)worker;
	for (; job >= (int)jobs_of(&k->h->level[level], k->n); level++)
		job -= (int)jobs_of(&k->h->level[level], k->n);
	objectness_rows(k->h, level, job / k->h->level[level].parts,
			job % k->h->level[level].parts);
}

/* Of levels [first, end). */
static void objectness(struct work *k, int first, int end)
{
	int i, jobs = 0;

	k->level = first;
	for (i = first; i < end; i++)
		jobs += (int)jobs_of(&k->h->level[i], k->n);
	pool_run(k->h->pool, jobs, objectness_job, k);
}

static void add_objectness(const struct head *h, int n, int all, struct loss *out)
{
	size_t job;
	int i;

	for (i = 0; i < h->g->nl; i++) {
		double sum = 0;

		for (job = 0; job < jobs_of(&h->level[i], n); job++)
			sum += h->level[i].sums[job];
		out->obj += gain(h, i) * sum / all;
	}
}

/* ---- the gradients of the parameters, and what the matches add ---- */

/* Of one image of a level, to dx. */
static void scatter(const struct head *h, int level, int image)
{
	const struct level *l = &h->level[level];
	size_t row;
	int c;

	for (row = l->m0; row < l->m1; row++) {
		const struct match *m = &h->matches.v[h->match_of[row]];
		const float *from = row_in(h, h->din, level, row);
		float *to;

		if (m->image != image)
			continue;
		to = view_at(&l->dx, image, m->y, m->x);
		for (c = 0; c < l->cin; c++)
			to[c] += from[c];
	}
}

/* Of one image, to the gradient of one of the net's outputs: of all levels that read it. */
static void scatter_image(const struct head *h, int level, int image)
{
	int i;

	if (h->level[level].add || !h->level[level].dx.p)
		return;
	for (i = level; i < h->g->nl; i++)
		if (h->level[i].source == h->level[level].source)
			scatter(h, i, image);
}

/* The jobs' shares of an anchor's objectness. */
static void add_shares(const struct work *k, int level, int anchor, float *dw, float *db)
{
	const struct level *l = &k->h->level[level];
	const int na = k->h->g->na;
	size_t job;
	int c;

	for (job = 0; job < jobs_of(l, k->n); job++) {
		const float *share = l->shares + job * share_floats(l, na);

		for (c = 0; c < l->cin; c++)
			dw[c] += share[anchor * l->cin + c];
		*db += share[na * l->cin + anchor];
	}
}

/* Of one anchor of a level, to its weights and biases. */
static void add_weights(const struct work *k, int level, int anchor)
{
	const struct head *h = k->h;
	const struct level *l = &h->level[level];
	const int no = values_of(h->g);
	const size_t at = (size_t)(anchor * no);
	float *dw = k->grads + h->g->params[l->step->weight].offset + at * (size_t)l->cin;
	float *db = k->grads + h->g->params[l->step->bias].offset + at;
	const size_t first = h->row_at[level][anchor], end = h->row_at[level][anchor + 1];
	size_t row;
	int i;

	add_shares(k, level, anchor, dw + 4 * (size_t)l->cin, db + 4);
	if (first == end)
		return;
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, no, l->cin, (int)(end - first), 1,
		    h->draw + first * (size_t)no, no, row_in(h, h->in, level, first), l->cin, 1, dw,
		    l->cin);
	for (i = 0; i < no; i++) {
		double sum = 0;

		for (row = first; row < end; row++)
			sum += (double)h->draw[row * (size_t)no + (size_t)i];
		db[i] += (float)sum;
	}
}

static void last_job(void *ctx, int job, int worker)
{
	const struct work *k = ctx;
	const int anchors = k->h->g->nl * k->h->g->na;

	(void)worker;
	if (job < anchors)
		add_weights(k, job / k->h->g->na, job % k->h->g->na);
	else
		scatter_image(k->h, (job - anchors) / k->n, (job - anchors) % k->n);
}

void head_step(struct head *h, const float *params, const struct view *x, int first, int n, int all,
	       const struct target *targets, int ntargets, const struct view *dx, float *grads,
	       struct loss *out)
{
	const struct part p = {first, n, all, targets, ntargets};
	struct work k = {.h = h, .n = n, .all = all, .grads = grads};
	int i;

	BUG_IF(n < 1 || n > h->opt.max_n);
	openblas_set_num_threads(1); /* we bring the threads */
	*out = (struct loss){0};
	h->params = params;
	for (i = 0; i < h->g->nl; i++) {
		h->level[i].x = x[h->level[i].source];
		h->level[i].dx = dx[h->level[i].source];
	}
	find_matches(h, &p);
	make_room(h);
	sort_matches(h);
	pool_run(h->pool, (int)h->nblocks, block_job, &k);
	add_terms(h, n, out);
	if (!h->shared)
		objectness(&k, 0, h->g->nl);
	for (i = 0; i < h->g->nl && h->shared; i++)
		objectness(&k, i, i + 1);
	add_objectness(h, n, all, out);
	pool_run(h->pool, h->g->nl * (h->g->na + n), last_job, &k);
}
