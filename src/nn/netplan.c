#include "base/ints.h"
#include "nn/maxpool.h"
#include "nn/netops.h"
#include "nn/netplan.h"

#include <stdlib.h>
#include <string.h>

/* ---- buffers and operations ---- */

int plan_buffer(struct plan *p, const struct shape *shape, int pad)
{
	GROW(p->bufs, p->nbufs, p->bufs_cap);
	p->bufs[p->nbufs] =
		(struct buffer){.c = shape->c, .h = shape->h, .w = shape->w, .pad = pad};
	return p->nbufs++;
}

int plan_bytes(struct plan *p, size_t bytes)
{
	GROW(p->bufs, p->nbufs, p->bufs_cap);
	p->bufs[p->nbufs] = (struct buffer){.bytes = bytes};
	return p->nbufs++;
}

struct op *plan_op(struct plan *p, enum op_kind kind, int step)
{
	GROW(p->ops, p->nops, p->ops_cap);
	p->ops[p->nops] = (struct op){.kind = kind,
				      .step = step,
				      .unit = -1,
				      .pair = -1,
				      .x = SLOT_NONE,
				      .y = SLOT_NONE,
				      .z = SLOT_NONE,
				      .y2 = SLOT_NONE,
				      .residual = SLOT_NONE};
	if (step >= 0)
		p->ops[p->nops].unit = p->unit_of[step];
	return &p->ops[p->nops++];
}

int plan_root(const struct plan *p, int v, int *c0)
{
	*c0 = 0;
	while (p->tensor[v].parent >= 0) {
		*c0 += p->tensor[v].c0;
		v = p->tensor[v].parent;
	}
	return v;
}

struct slot plan_slot(const struct plan *p, int v)
{
	int c0, root = plan_root(p, v, &c0);

	return (struct slot){p->tensor[root].buf, c0, p->shape[v].c};
}

struct slot plan_grad_slot(const struct plan *p, int v)
{
	int c0, root;

	while (p->tensor[v].grad_of >= 0)
		v = p->tensor[v].grad_of;
	root = plan_root(p, v, &c0);
	if (p->tensor[root].grad_buf < 0)
		return SLOT_NONE;
	return (struct slot){p->tensor[root].grad_buf, c0, p->shape[v].c};
}

/* ---- which values, which slices ---- */

static bool in_range(const struct plan *p, const struct step *s)
{
	return s->layer >= p->opt.from && s->layer < p->opt.to;
}

static void find_ends(struct plan *p)
{
	const struct graph *g = p->g;
	int i, layers[GRAPH_MAX_FROM];

	if (p->opt.from == 0) {
		p->ninputs = 1;
		p->inputs[0] = 0;
	} else {
		p->ninputs = graph_frontier(g, p->opt.from, layers, GRAPH_MAX_FROM);
		for (i = 0; i < p->ninputs; i++)
			p->inputs[i] = g->layers[layers[i]].out;
	}
	if (p->opt.to == g->nlayers) {
		p->noutputs = g->nouts;
		memcpy(p->outputs, g->outs, sizeof(g->outs));
	} else {
		p->noutputs = graph_frontier(g, p->opt.to, layers, GRAPH_MAX_FROM);
		for (i = 0; i < p->noutputs; i++)
			p->outputs[i] = g->layers[layers[i]].out;
	}
	for (i = 0; i < p->ninputs; i++)
		p->tensor[p->inputs[i]].used = p->tensor[p->inputs[i]].input = true;
	for (i = 0; i < p->noutputs; i++)
		p->tensor[p->outputs[i]].used = p->tensor[p->outputs[i]].output = true;
}

/* Slices of concats, and what passes a gradient. */
static void mark_step(struct plan *p, const struct step *s)
{
	struct tensor *out = &p->tensor[s->out];
	int i, c0 = 0;

	out->used = true;
	for (i = 0; i < s->nin; i++) {
		struct tensor *in = &p->tensor[s->in[i]];

		BUG_IF(!in->used);
		out->needs_grad |= in->needs_grad;
		if (s->kind == STEP_CONCAT && in->parent < 0) {
			in->parent = s->out;
			in->c0 = c0;
		}
		c0 += p->shape[s->in[i]].c;
	}
	if (s->residual >= 0)
		out->needs_grad |= p->tensor[s->residual].needs_grad;
	if (p->opt.train && s->weight >= 0 && s->layer >= p->opt.freeze)
		out->needs_grad = true;
}

static void mark(struct plan *p)
{
	int i;

	for (i = 0; i < p->g->nvalues; i++) {
		struct tensor *t = &p->tensor[i];

		t->parent = t->buf = t->buf2 = t->made2 = t->grad_buf = t->grad_of = t->argmax = -1;
	}
	find_ends(p);
	for (i = 0; i < p->ninputs; i++)
		p->tensor[p->inputs[i]].needs_grad = p->opt.train && p->opt.input_grad;
	for (i = 0; i < p->g->nsteps; i++)
		if (in_range(p, &p->g->steps[i]))
			mark_step(p, &p->g->steps[i]);
}

/* ---- convolutions ---- */

static enum unit_mode unit_mode(const struct step *s, bool grad, bool constant)
{
	const bool simple = s->act == ACT_NONE || s->act == ACT_SILU;

	if (grad && s->bn >= 0)
		return constant ? UNIT_CONSTANT : UNIT_BATCH;
	if (grad)
		return s->act == ACT_NONE && s->residual < 0 ? UNIT_FUSED : UNIT_CONSTANT;
	return simple ? UNIT_FUSED : UNIT_CONSTANT;
}

static void want_pad(struct plan *p, int v, int pad, int grad_pad)
{
	struct tensor *t;
	int c0;

	t = &p->tensor[plan_root(p, v, &c0)];
	if (pad > t->pad)
		t->pad = pad;
	if (grad_pad > t->grad_pad)
		t->grad_pad = grad_pad;
}

/* Whether one layer alone reads the value. */
static bool read_by_one_layer(const struct plan *p, int v)
{
	int i, k, layer = -1;

	for (i = 0; i < p->g->nsteps; i++) {
		const struct step *s = &p->g->steps[i];
		bool reads = s->residual == v;

		for (k = 0; k < s->nin; k++)
			reads |= s->in[k] == v;
		if (reads && layer >= 0 && s->layer != layer)
			return false;
		if (reads)
			layer = s->layer;
	}
	return !p->tensor[v].output;
}

/* What several layers read would be made from its beginnings for each of them. */
static bool is_cheap(const struct plan *p, const struct step *s)
{
	return s->k == 1 && p->shape[s->in[0]].c / s->g <= p->opt.remake &&
	       read_by_one_layer(p, s->out);
}

static void make_unit(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];
	const struct shape *in = &p->shape[s->in[0]];
	struct unit *u = &p->units[p->nunits];
	int x_pad, dy_pad;

	*u = (struct unit){.step = step, .pair = -1, .z = SLOT_NONE, .z2 = SLOT_NONE};
	u->grad = p->tensor[s->out].needs_grad;
	u->frozen = !p->opt.train || s->layer < p->opt.freeze;
	u->mode = unit_mode(s, u->grad, u->frozen || s->layer < p->opt.constant_bn);
	u->drop = u->mode != UNIT_FUSED && !p->opt.keep_y && is_cheap(p, s);
	u->shape = (struct conv_shape){.cin = in->c,
				       .cout = p->shape[s->out].c,
				       .kh = s->k,
				       .kw = s->k,
				       .stride = s->s,
				       .pad = s->p,
				       .groups = s->g,
				       .h = in->h,
				       .w = in->w};
	conv_shape_out(&u->shape);
	conv_pads(&u->shape, &x_pad, &dy_pad);
	want_pad(p, s->in[0], x_pad, 0);
	want_pad(p, s->out, 0, dy_pad);
	p->unit_of[step] = p->nunits++;
}

/* The second of a pair has none. */
static void make_conv(struct plan *p, struct unit *u)
{
	struct conv_shape shape = u->shape;

	if (u->pair >= 0 && u->pair < u - p->units)
		return;
	if (u->pair >= 0)
		shape.cout += p->units[u->pair].shape.cout;
	u->cout = shape.cout;
	u->conv = conv_new(&shape, p->path, p->opt.max_n, u->grad);
}

static void make_units(struct plan *p)
{
	int i;

	for (i = 0; i < p->g->nsteps; i++) {
		p->unit_of[i] = -1;
		if (in_range(p, &p->g->steps[i]) && p->g->steps[i].kind == STEP_CONV)
			make_unit(p, i);
	}
	plan_pairs(p);
	for (i = 0; i < p->nunits; i++)
		make_conv(p, &p->units[i]);
}

/* ---- the forward pass ---- */

static void make_buffer(struct plan *p, int v)
{
	int c0, root = plan_root(p, v, &c0);
	struct tensor *t = &p->tensor[root];

	if (t->buf < 0)
		t->buf = plan_buffer(p, &p->shape[root], t->pad);
}

void plan_put(struct plan *p, enum op_kind kind, int step, struct slot x, struct slot y,
	      struct slot z)
{
	struct op *op = plan_op(p, kind, step);

	op->x = x;
	op->y = y;
	op->z = z;
}

void plan_sweep(struct plan *p, int step, struct slot in, struct slot extra, struct slot out)
{
	static const enum op_kind kinds[] = {
		[STEP_CONV] = OP_BNACT,  [STEP_MAXPOOL] = OP_MAXPOOL, [STEP_UPSAMPLE] = OP_UPSAMPLE,
		[STEP_CONCAT] = OP_COPY, [STEP_FOCUS] = OP_FOCUS,     [STEP_FLATTEN] = OP_FLATTEN,
	};

	plan_put(p, kinds[p->g->steps[step].kind], step, in, out, extra);
}

void plan_conv(struct plan *p, const struct unit *u, struct slot x, struct slot y, struct slot y2,
	       struct slot residual)
{
	plan_put(p, OP_CONV, u->step, x, y, residual);
	p->ops[p->nops - 1].y2 = y2;
	p->ops[p->nops - 1].pair = u->pair;
}

/* Where a unit's convolution leaves its result. */
static struct slot conv_result(struct plan *p, struct unit *u)
{
	const int v = p->g->steps[u->step].out;

	make_buffer(p, v);
	if (u->mode == UNIT_FUSED)
		return plan_slot(p, v);
	/* Without a backward pass nobody asks for z again: it is made where y will be. */
	u->z = plan_slot(p, v);
	if (u->grad)
		u->z = (struct slot){plan_buffer(p, &p->shape[v], 0), 0, p->shape[v].c};
	return u->z;
}

static void forward_conv(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];
	struct unit *u = &p->units[p->unit_of[step]];
	const struct slot r = s->residual < 0 ? SLOT_NONE : plan_slot(p, s->residual);
	const bool fused = u->mode == UNIT_FUSED;

	if (u->conv) {
		const struct slot y = conv_result(p, u);
		const struct slot y2 = u->pair < 0 ? SLOT_NONE : conv_result(p, &p->units[u->pair]);

		plan_conv(p, u, plan_slot(p, s->in[0]), y, y2, fused ? r : SLOT_NONE);
	}
	if (!fused)
		plan_sweep(p, step, u->z, r, plan_slot(p, s->out));
}

/* Only what could not be made in its place is copied. */
static void forward_concat(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];
	const struct slot all = plan_slot(p, s->out);
	int i, c0 = 0;

	for (i = 0; i < s->nin; i++) {
		const struct slot in = plan_slot(p, s->in[i]);
		const struct slot out = {all.buf, all.c0 + c0, in.c};

		if (in.buf != out.buf || in.c0 != out.c0)
			plan_sweep(p, step, in, SLOT_NONE, out);
		c0 += in.c;
	}
}

static void forward_pool(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];
	struct tensor *t = &p->tensor[s->out];
	const struct shape *y = &p->shape[s->out];
	struct slot argmax = SLOT_NONE;

	if (t->needs_grad) {
		const struct view v = {NULL, 1, y->h, y->w, y->c, y->c, 0};

		t->argmax = plan_bytes(p, maxpool_argmax_bytes(&v));
		argmax.buf = t->argmax;
	}
	plan_sweep(p, step, plan_slot(p, s->in[0]), argmax, plan_slot(p, s->out));
}

static void forward_step(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];

	make_buffer(p, s->out);
	if (s->kind == STEP_CONV)
		forward_conv(p, step);
	else if (s->kind == STEP_CONCAT)
		forward_concat(p, step);
	else if (s->kind == STEP_MAXPOOL)
		forward_pool(p, step);
	else
		plan_sweep(p, step, plan_slot(p, s->in[0]), SLOT_NONE, plan_slot(p, s->out));
}

static void plan_forward(struct plan *p)
{
	int i;

	for (i = 0; i < p->ninputs; i++)
		make_buffer(p, p->inputs[i]);
	for (i = 0; i < p->g->nsteps; i++)
		if (in_range(p, &p->g->steps[i]))
			forward_step(p, i);
	p->loss = p->nops;
	plan_op(p, OP_LOSS, -1);
}

/* ---- sizes ---- */

static void at_least(size_t *max, size_t n)
{
	if (n > *max)
		*max = n;
}

size_t plan_weights(const struct plan *p, const struct unit *u)
{
	return p->g->params[p->g->steps[u->step].weight].count;
}

static size_t line(size_t floats)
{
	return round_up(floats, 16);
}

/* Of what a convolution has. */
static void size_conv(struct plan *p, struct unit *u, int threads)
{
	size_t weights = plan_weights(p, u);

	if (u->cout > p->max_cout)
		p->max_cout = u->cout;
	u->packed_at = p->weights;
	p->weights += line(conv_packed_floats(u->conv));
	u->bias_at = p->weights;
	p->weights += line((size_t)u->cout);
	if (u->pair >= 0)
		weights += plan_weights(p, &p->units[u->pair]);
	at_least(&p->scratch, conv_scratch(u->conv, threads));
	/* Folded weights, and those of a pair, pass through the scratch on their way to the packed. */
	at_least(&p->scratch, weights * sizeof(float));
}

static void size_unit(struct plan *p, struct unit *u, int threads)
{
	const size_t c = (size_t)u->shape.cout;

	if (u->conv)
		size_conv(p, u, threads);
	u->bn_at = p->weights;
	p->weights += 4 * line(c);
	u->line_at = p->weights;
	p->weights += 2 * line(c);
	u->sums_at = p->weights;
	p->weights += 4 * line(c);
	if (u->grad && u->mode == UNIT_FUSED)
		at_least(&p->scratch, bias_scratch(p->opt.max_n, u->shape.oh, u->shape.cout));
	else if (u->grad)
		at_least(&p->scratch, bnact_scratch(p->opt.max_n, u->shape.oh, u->shape.cout));
}

static void plan_sizes(struct plan *p, int threads)
{
	int i;

	for (i = 0; i < p->nunits; i++)
		size_unit(p, &p->units[i], threads);
	p->arena = plan_place(p->bufs, p->nbufs);
}

static int check_options(const struct graph *g, struct net_options *opt, struct err *err)
{
	if (!opt->to)
		opt->to = g->nlayers;
	if (opt->from < 0 || opt->to > g->nlayers ||
	    (opt->train ? opt->from > opt->to : opt->from >= opt->to))
		return err_set(err, STATUS_INPUT,
			       "layers %d to %d are not a part of a model of %d layers", opt->from,
			       opt->to, g->nlayers);
	if (opt->max_n < 1 || opt->max_n > 65536)
		return err_set(err, STATUS_INPUT, "a batch of %d images is out of range",
			       opt->max_n);
	if (opt->batch < opt->max_n)
		opt->batch = opt->max_n;
	if (!opt->remake)
		opt->remake = NET_REMAKE;
	return 0;
}

int plan_init(struct plan *p, const struct graph *g, const struct net_options *opt, int threads,
	      struct err *err)
{
	*p = (struct plan){.g = g, .opt = *opt};
	if (check_options(g, &p->opt, err) || conv_resolve(opt->path, &p->path, err))
		return -1;
	p->shape = xcalloc((size_t)g->nvalues, sizeof(*p->shape));
	p->tensor = xcalloc((size_t)g->nvalues, sizeof(*p->tensor));
	p->unit_of = xcalloc((size_t)g->nsteps, sizeof(*p->unit_of));
	p->units = xcalloc((size_t)g->nsteps, sizeof(*p->units));
	if (graph_shapes(g, opt->h, opt->w, p->shape, err)) {
		plan_release(p);
		return -1;
	}
	mark(p);
	make_units(p);
	plan_forward(p);
	if (p->opt.train)
		plan_backward(p);
	plan_segments(p);
	plan_sizes(p, threads);
	return 0;
}

void plan_release(struct plan *p)
{
	int i;

	for (i = 0; i < p->nunits; i++)
		conv_free(p->units[i].conv);
	free(p->shape);
	free(p->tensor);
	free(p->unit_of);
	free(p->units);
	free(p->bufs);
	free(p->ops);
	free(p->segments);
	*p = (struct plan){0};
}
