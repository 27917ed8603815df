/*
 * In three rounds over all levels. First the matches, in blocks of one level and anchor: their inputs
 * are gathered, sgemm makes their raw values, the terms give the gradient of these, and sgemm the
 * gradient of the inputs. Then, a few images at a time, the objectness of all cells. Last the matches'
 * shares are added: to dx image by image, to the weights anchor by anchor. Work is cut by shape and by
 * the number of matches, and added up in one order.
 */
#include "model/head.h"

#include "base/ints.h"
#include "model/loss.h"
#include "nn/bce.h"
#include "nn/netops.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of a map that pass at a time: of 64 channels 1.6 MB, which the caches hold. */
#define CHUNK_PIXELS 6400
/* Matches of a block: enough for sgemm, and several for each thread. */
#define BLOCK 64

struct level {
	const struct step *step;
	int source; /* of the net's outputs */
	bool add;   /* another level reads that output, too */
	int cin, h, w, chunk;
	struct conv *conv; /* objectness: cin to na */
	float *packed, *bias, *dw, *dbias;
	struct view obj; /* logits of a chunk, then their gradient */
	float *wanted;   /* n, y, x, a */
	double *row_sum; /* of a chunk */
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
	const float *params;
	struct level level[GRAPH_MAX_LEVELS];
	float *scratch;
	struct matches matches; /* of all levels, one after the other */
	struct block *blocks;
	size_t nblocks, blocks_cap;
	/* Per match, in rows sorted by level and anchor; nrows is matches.n. */
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

/* Which of the net's outputs a level reads. */
static int source_of(const struct graph *g, const struct step *s)
{
	int layers[GRAPH_MAX_FROM], i;
	const int n = graph_frontier(g, head_layer(g), layers, GRAPH_MAX_FROM);

	for (i = 0; i < n; i++)
		if (g->layers[layers[i]].out == s->in[0])
			return i;
	BUG_IF(true);
	return -1;
}

static void plan_level(struct level *l, const struct graph *g, const struct head_options *o,
		       int level)
{
	const struct step *s = &g->steps[g->values[g->outs[level]].step];
	struct conv_shape shape = {.kh = 1, .kw = 1, .stride = 1, .groups = 1};
	enum conv_path path;
	struct err err;

	BUG_IF(s->k != 1 || s->s != 1 || s->p || s->g != 1 || s->bn >= 0 || s->act != ACT_NONE ||
	       s->residual >= 0 || s->bias < 0);
	BUG_IF(conv_resolve(o->path, &path, &err));
	l->step = s;
	l->source = source_of(g, s);
	l->cin = shape.cin = g->values[s->in[0]].c;
	l->h = shape.h = o->h / g->strides[level];
	l->w = shape.w = o->w / g->strides[level];
	shape.cout = g->na;
	conv_shape_out(&shape);
	l->chunk = min_int(max_int(CHUNK_PIXELS / (l->h * l->w), 1), o->max_n);
	l->conv = conv_new(&shape, path, l->chunk, true);
	l->obj = (struct view){NULL, l->chunk, l->h, l->w, g->na, g->na, 0};
}

/* Where the parts of a level lie: floats behind each other. */
struct layout {
	size_t packed, bias, dw, dbias, obj, obj_lead, wanted, row_sum, total;
};

static size_t take(size_t *total, size_t floats)
{
	const size_t at = *total;

	*total += round_up(floats, 16);
	return at;
}

static struct layout lay_out(const struct level *l, const struct head_options *o, int na)
{
	const size_t weights = (size_t)na * (size_t)l->cin;
	const size_t cells = (size_t)o->max_n * (size_t)l->h * (size_t)l->w;
	struct layout a = {0};
	size_t obj = view_floats(&l->obj, &a.obj_lead);

	a.packed = take(&a.total, conv_packed_floats(l->conv));
	a.bias = take(&a.total, (size_t)na);
	a.dw = take(&a.total, weights);
	a.dbias = take(&a.total, (size_t)na);
	a.obj = take(&a.total, obj);
	a.wanted = take(&a.total, cells * (size_t)na);
	a.row_sum = take(&a.total, 2 * (size_t)l->chunk * (size_t)l->h);
	return a;
}

static size_t scratch_bytes(const struct level *l, int na, int threads)
{
	const size_t conv = conv_scratch(l->conv, threads);
	const size_t bias = bias_scratch(l->chunk, l->h, na);

	return conv > bias ? conv : bias;
}

static void place_level(struct level *l, const struct head_options *o, int na)
{
	const struct layout a = lay_out(l, o, na);
	float *base = xaligned(a.total * sizeof(float));

	l->packed = base + a.packed; /* the first: what is freed */
	l->bias = base + a.bias;
	l->dw = base + a.dw;
	l->dbias = base + a.dbias;
	l->obj.p = base + a.obj + a.obj_lead;
	l->wanted = base + a.wanted;
	l->row_sum = (double *)(base + a.row_sum);
}

struct head *head_new(const struct graph *g, const struct head_options *opt, struct pool *pool)
{
	struct head *h = xcalloc(1, sizeof(*h));
	size_t scratch = 0, bytes;
	int i, k;

	h->g = g;
	h->opt = *opt;
	h->hyp = *opt->hyp;
	h->pool = pool;
	for (i = 0; i < g->nl; i++) {
		plan_level(&h->level[i], g, opt, i);
		place_level(&h->level[i], opt, g->na);
		for (k = 0; k < i; k++)
			h->level[i].add |= h->level[k].source == h->level[i].source;
		bytes = scratch_bytes(&h->level[i], g->na, pool_threads(pool));
		scratch = bytes > scratch ? bytes : scratch;
	}
	h->scratch = xaligned(scratch);
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
		conv_free(h->level[i].conv);
		free(h->level[i].packed);
	}
	release_rows(h);
	free(h->in);
	free(h->din);
	free(h->matches.v);
	free(h->blocks);
	free(h->scratch);
	free(h);
}

size_t head_bytes(const struct graph *g, const struct head_options *opt, struct pool *pool)
{
	size_t total = 0, scratch = 0, bytes;
	int i;

	for (i = 0; i < g->nl; i++) {
		struct level l = {0};

		plan_level(&l, g, opt, i);
		total += lay_out(&l, opt, g->na).total * sizeof(float);
		bytes = scratch_bytes(&l, g->na, pool_threads(pool));
		scratch = bytes > scratch ? bytes : scratch;
		conv_free(l.conv);
	}
	return total + scratch;
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

void head_load_params(struct head *h, const float *params)
{
	int i, a;

	h->params = params;
	for (i = 0; i < h->g->nl; i++) {
		struct level *l = &h->level[i];

		for (a = 0; a < h->g->na; a++) {
			memcpy(l->dw + (size_t)a * (size_t)l->cin,
			       weights_of(h, l, a) + 4 * (size_t)l->cin,
			       (size_t)l->cin * sizeof(float));
			l->bias[a] = bias_of(h, l, a)[4];
		}
		conv_pack(l->conv, h->pool, l->dw, l->packed);
	}
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
		h->rows_cap = 2 * n;
		h->match_of = xreallocarray(NULL, h->rows_cap, sizeof(*h->match_of));
		h->row_of = xreallocarray(NULL, h->rows_cap, sizeof(*h->row_of));
		h->terms = xreallocarray(NULL, h->rows_cap, sizeof(*h->terms));
		h->raw = xreallocarray(NULL, h->rows_cap * no, sizeof(*h->raw));
		h->draw = xreallocarray(NULL, h->rows_cap * no, sizeof(*h->draw));
	}
	if (in > h->in_cap) {
		free(h->in);
		free(h->din);
		h->in_cap = 2 * in;
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
	size_t row = 0, first, m;
	int i, a;

	h->nblocks = 0;
	for (i = 0; i < h->g->nl; i++)
		for (a = 0; a < h->g->na; a++) {
			first = row;
			for (m = h->level[i].m0; m < h->level[i].m1; m++)
				if (h->matches.v[m].anchor == a) {
					h->match_of[row] = m;
					h->row_of[m] = row++;
				}
			add_blocks(h, i, a, first, row);
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
	const struct level *level; /* of the sweep, from image n0 on */
	int n0;
	float scale;
	float *grads;
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

static void row_job(void *ctx, int job, int worker)
{
	const struct work *k = ctx;
	const struct level *l = k->level;
	const size_t each = (size_t)l->w * (size_t)k->h->g->na;

	(void)worker;
	l->row_sum[job] = row_terms(k->h, l->obj.p + (size_t)job * each,
				    l->wanted + ((size_t)k->n0 * (size_t)l->h + (size_t)job) * each,
				    each, k->scale);
}

static struct view images(const struct view *v, int n0, int n)
{
	struct view some = *v;

	if (!v->p)
		return some;
	some = view_batch(v, n);
	some.p += (size_t)n0 * view_image(v);
	return some;
}

/* A chunk of a level; returns the sum of its terms. */
static double objectness_chunk(struct work *k, struct level *l, int n)
{
	struct head *h = k->h;
	const struct view x = images(&l->x, k->n0, n), dx = images(&l->dx, k->n0, n);
	const struct view obj = view_batch(&l->obj, n);
	const struct conv_epilogue epi = {.bias = l->bias};
	double sum = 0;
	int i;

	conv_forward(l->conv, h->pool, l->packed, &x, &obj, &epi, h->scratch);
	pool_run(h->pool, n * l->h, row_job, k);
	for (i = 0; i < n * l->h; i++)
		sum += l->row_sum[i];
	conv_backward_weights(l->conv, h->pool, &x, &obj, l->dw, h->scratch);
	bias_backward(h->pool, &obj, l->dbias, h->scratch);
	if (dx.p)
		conv_backward_data(l->conv, h->pool, l->packed, &obj, &dx, l->add, h->scratch);
	return sum;
}

static void objectness(struct work *k, int level, struct loss *out)
{
	struct head *h = k->h;
	struct level *l = &h->level[level];
	const double cells = (double)h->g->na * l->h * l->w;
	const double each =
		h->hyp.obj * loss_balance(h->g, level) / cells; /* of all images' mean */
	const int na = h->g->na;
	double sum = 0;
	int i, n;

	k->level = l;
	k->scale = (float)each;
	memset(l->dw, 0, (size_t)na * (size_t)l->cin * sizeof(float));
	memset(l->dbias, 0, (size_t)na * sizeof(float));
	for (k->n0 = 0; k->n0 < k->n; k->n0 += n) {
		n = min_int(l->chunk, k->n - k->n0);
		sum += objectness_chunk(k, l, n);
	}
	out->obj += each * sum / k->all;
	for (i = 0; i < na; i++) {
		const size_t at = (size_t)(i * values_of(h->g) + 4);
		float *dw = k->grads + h->g->params[l->step->weight].offset + at * (size_t)l->cin;
		int c;

		for (c = 0; c < l->cin; c++)
			dw[c] += l->dw[(size_t)i * (size_t)l->cin + (size_t)c];
		k->grads[h->g->params[l->step->bias].offset + at] += l->dbias[i];
	}
}

/* ---- the matches' gradients ---- */

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

/* Of one anchor of a level, to its weights and biases. */
static void add_weights(const struct work *k, int level, int anchor)
{
	const struct head *h = k->h;
	const struct level *l = &h->level[level];
	const int no = values_of(h->g);
	const size_t at = (size_t)(anchor * no);
	float *dw = k->grads + h->g->params[l->step->weight].offset + at * (size_t)l->cin;
	float *db = k->grads + h->g->params[l->step->bias].offset + at;
	size_t first = l->m0, end, row;
	int i;

	while (first < l->m1 && h->matches.v[h->match_of[first]].anchor < anchor)
		first++;
	for (end = first; end < l->m1 && h->matches.v[h->match_of[end]].anchor == anchor;)
		end++;
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

void head_step(struct head *h, const struct view *x, int first, int n, int all,
	       const struct target *targets, int ntargets, const struct view *dx, float *grads,
	       struct loss *out)
{
	const struct part p = {first, n, all, targets, ntargets};
	struct work k = {.h = h, .n = n, .all = all, .grads = grads};
	int i;

	BUG_IF(n < 1 || n > h->opt.max_n);
	openblas_set_num_threads(1); /* we bring the threads */
	*out = (struct loss){0};
	for (i = 0; i < h->g->nl; i++) {
		h->level[i].x = x[h->level[i].source];
		h->level[i].dx = dx[h->level[i].source];
	}
	find_matches(h, &p);
	make_room(h);
	sort_matches(h);
	pool_run(h->pool, (int)h->nblocks, block_job, &k);
	add_terms(h, n, out);
	for (i = 0; i < h->g->nl; i++)
		objectness(&k, i, out);
	pool_run(h->pool, h->g->nl * (h->g->na + n), last_job, &k);
}
