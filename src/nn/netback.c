/*
 * netback.c - the backward pass of a plan: the forward steps in reverse.
 *
 * A gradient may have several contributions. The first one is written, later ones are added; where
 * the first ones cover only some slices of a concat, the others are cleared.
 */
#include "nn/netplan.h"

#include <string.h>

static bool in_range(const struct plan *p, const struct step *s)
{
	return s->layer >= p->opt.from && s->layer < p->opt.to;
}

static bool child_of(const struct plan *p, int v, int parent)
{
	return p->tensor[v].parent == parent;
}

/* Whether input i of a concat was made in its place; the same value may be another input too, as a
 * copy. */
static bool in_place(const struct plan *p, const struct step *s, int i)
{
	const struct tensor *t = &p->tensor[s->in[i]];
	int j, c0 = 0;

	for (j = 0; j < i; j++)
		c0 += p->shape[s->in[j]].c;
	return t->parent == s->out && t->c0 == c0;
}

/* Whether all (any) of the value's gradient has been written. */
static bool written(const struct plan *p, int v)
{
	int i, u;
	bool children = false;

	for (u = v; u >= 0; u = p->tensor[u].parent)
		if (p->tensor[u].grad_written)
			return true;
	for (i = 0; i < p->g->nvalues; i++)
		if (child_of(p, i, v)) {
			children = true;
			if (!written(p, i))
				return false;
		}
	/* Children cover a concat but for the slices that were copied into it. */
	if (children) {
		const struct step *s = &p->g->steps[p->g->values[v].step];

		for (i = 0; i < s->nin; i++)
			if (!in_place(p, s, i))
				return false;
	}
	return children;
}

static bool partly_written(const struct plan *p, int v)
{
	int i;

	if (p->tensor[v].grad_written)
		return true;
	for (i = 0; i < p->g->nvalues; i++)
		if (child_of(p, i, v) && partly_written(p, i))
			return true;
	return false;
}

/* Where the value's gradient lies; makes the buffer. */
static struct slot grad_slot(struct plan *p, int v)
{
	const struct slot s = plan_grad_slot(p, v);
	int c0, root;

	if (s.buf >= 0)
		return s;
	root = plan_root(p, v, &c0);
	p->tensor[root].grad_buf = plan_buffer(p, &p->shape[root], p->tensor[root].grad_pad);
	return plan_grad_slot(p, v);
}

/* Zeros where nothing has been written yet. */
static void clear_rest(struct plan *p, int v)
{
	int i;

	if (written(p, v))
		return;
	if (partly_written(p, v)) {
		for (i = 0; i < p->g->nvalues; i++)
			if (child_of(p, i, v))
				clear_rest(p, i);
	} else {
		plan_put(p, OP_CLEAR, -1, SLOT_NONE, grad_slot(p, v), SLOT_NONE);
	}
	p->tensor[v].grad_written = true;
}

/* Prepares for a contribution; true when it must be added. */
static bool contribute(struct plan *p, int v)
{
	if (!written(p, v)) {
		if (!partly_written(p, v)) {
			p->tensor[v].grad_written = true;
			return false;
		}
		clear_rest(p, v);
	}
	return true;
}

/* y += x or y = x */
static void pass_on(struct plan *p, struct slot dy, int v)
{
	const bool add = contribute(p, v);

	plan_put(p, add ? OP_ADD : OP_COPY, -1, dy, grad_slot(p, v), SLOT_NONE);
}

/* ---- making activations again ---- */

static const struct unit *unit_of_value(const struct plan *p, int v)
{
	const int step = p->g->values[v].step;

	return step < 0 || p->unit_of[step] < 0 ? NULL : &p->units[p->unit_of[step]];
}

/* Whether all parts of a value can be made again from what is kept anyway. */
static bool can_remake(const struct plan *p, int v)
{
	const int step = p->g->values[v].step;
	const struct unit *u = unit_of_value(p, v);
	const struct step *s;
	int i;

	if (p->tensor[v].input || step < 0)
		return false;
	s = &p->g->steps[step];
	if (s->kind == STEP_CONV)
		return u && u->z.buf >= 0;
	if (s->kind == STEP_CONCAT)
		for (i = 0; i < s->nin; i++)
			if (in_place(p, s, i) && !can_remake(p, s->in[i]))
				return false;
	return true;
}

static struct slot remake(struct plan *p, int v);

static void make_z2(struct plan *p, struct unit *u)
{
	const struct shape *z = &p->shape[p->g->steps[u->step].out];

	u->z2 = (struct slot){plan_buffer(p, z, 0), 0, z->c};
}

/* The raw result: kept, or the convolution once more. */
static struct slot remake_z(struct plan *p, int step)
{
	struct unit *u = &p->units[p->unit_of[step]];
	const struct step *s = &p->g->steps[step];

	if (!u->drop || p->opt.keep_all)
		return u->z;
	if (u->z2.buf < 0) {
		const struct slot x = remake(p, s->in[0]);
		struct unit *first = u->conv ? u : &p->units[u->pair];
		struct unit *second = first->pair < 0 ? NULL : &p->units[first->pair];

		make_z2(p, first);
		if (second)
			make_z2(p, second);
		plan_conv(p, first, x, first->z2, second ? second->z2 : SLOT_NONE, SLOT_NONE);
	}
	return u->z2;
}

/* One value that is no concat. */
static void remake_leaf(struct plan *p, int v, struct slot out)
{
	const int step = p->g->values[v].step;
	const struct step *s = &p->g->steps[step];
	const struct unit *u = unit_of_value(p, v);
	struct slot in, residual = SLOT_NONE;

	if (s->residual >= 0)
		residual = remake(p, s->residual);
	in = u ? remake_z(p, step) : remake(p, s->in[0]);
	plan_sweep(p, step, in, residual, out);
}

static void remake_parts(struct plan *p, int v, struct slot out)
{
	const int step = p->g->values[v].step;
	const struct step *s = &p->g->steps[step];
	int i, c0 = 0;

	if (p->tensor[v].made2 == out.buf)
		return;
	p->tensor[v].made2 = out.buf;
	if (s->kind != STEP_CONCAT) {
		remake_leaf(p, v, out);
		return;
	}
	for (i = 0; i < s->nin; i++) {
		const struct slot part = {out.buf, out.c0 + c0, p->shape[s->in[i]].c};

		if (in_place(p, s, i))
			remake_parts(p, s->in[i], part);
		else
			plan_sweep(p, step, remake(p, s->in[i]), SLOT_NONE, part);
		c0 += part.c;
	}
}

/* The value for the backward pass: kept, or made again in a second buffer. What was made for layers
 * far behind is made once more, sooner than kept till now. */
static struct slot remake(struct plan *p, int v)
{
	int c0, root = plan_root(p, v, &c0);
	struct tensor *t = &p->tensor[root];

	if (p->opt.keep_y || p->opt.keep_all || !can_remake(p, root))
		return plan_slot(p, v);
	if (t->buf2 < 0 || t->layer2 > p->layer + 1) {
		t->buf2 = plan_buffer(p, &p->shape[root], t->pad);
		t->layer2 = p->layer;
	}
	remake_parts(p, v, (struct slot){t->buf2, c0, p->shape[v].c});
	return (struct slot){t->buf2, c0, p->shape[v].c};
}

/* ---- steps ---- */

/* Whether dx of the shortcut may lie where dy lies: nothing else has been written to it, and it is
 * a buffer of its own. */
static bool can_share(const struct plan *p, const struct step *s, struct slot dy)
{
	const struct tensor *r = &p->tensor[s->residual];
	int i;

	if (r->parent >= 0 || r->input || r->output || r->grad_buf >= 0 || r->grad_of >= 0 ||
	    r->grad_pad > p->bufs[dy.buf].pad || written(p, s->residual))
		return false;
	for (i = 0; i < p->g->nvalues; i++)
		if (child_of(p, i, s->residual))
			return false;
	return true;
}

static void backward_residual(struct plan *p, const struct step *s, struct slot dy, bool *shared)
{
	*shared = false;
	if (s->residual < 0 || !p->tensor[s->residual].needs_grad)
		return;
	if (can_share(p, s, dy)) {
		p->tensor[s->residual].grad_of = s->out;
		p->tensor[s->residual].grad_written = true;
		*shared = true;
	} else {
		pass_on(p, dy, s->residual);
	}
}

/* dz, from dy: in its place unless dy is still wanted. */
static struct slot backward_z(struct plan *p, int step, struct slot dy, bool shared)
{
	const struct step *s = &p->g->steps[step];
	const struct unit *u = &p->units[p->unit_of[step]];
	struct slot dz = dy, z;

	if (u->mode == UNIT_FUSED) {
		if (!u->frozen && s->bias >= 0)
			plan_put(p, OP_BIAS_BACK, step, SLOT_NONE, dy, SLOT_NONE);
		return dy;
	}
	if (shared) {
		int x_pad, dy_pad;

		conv_pads(&u->shape, &x_pad, &dy_pad);
		dz = (struct slot){plan_buffer(p, &p->shape[s->out], dy_pad), 0, dy.c};
	}
	z = remake_z(p, step);
	plan_put(p, OP_BNACT_SUMS, step, z, dy, dz);
	plan_put(p, OP_BNACT_APPLY, step, z, SLOT_NONE, dz);
	return dz;
}

/* Of a pair, side by side: over their dy where these are slices of one buffer, as they are where the
 * second's output and the shortcuts that begin with the first's are joined (C3). */
static struct slot backward_pair_z(struct plan *p, int step)
{
	const struct unit *u = &p->units[p->unit_of[step]], *v = &p->units[u->pair];
	const struct slot dy = grad_slot(p, p->g->steps[step].out);
	const struct slot dy2 = grad_slot(p, p->g->steps[v->step].out);
	const bool adjacent = dy.buf == dy2.buf && dy.c0 + dy.c == dy2.c0;
	const struct shape both = {dy.c + dy2.c, u->shape.oh, u->shape.ow};
	struct slot dz = {dy.buf, dy.c0, both.c}, z, z2;
	int x_pad, dy_pad;

	if (!adjacent) {
		conv_pads(&u->shape, &x_pad, &dy_pad);
		dz = (struct slot){plan_buffer(p, &both, dy_pad), 0, both.c};
	}
	z = remake_z(p, step);
	z2 = remake_z(p, v->step);
	plan_put(p, OP_BNACT_SUMS, v->step, z2, dy2, (struct slot){dz.buf, dz.c0 + dy.c, dy2.c});
	plan_put(p, OP_BNACT_SUMS, step, z, dy, (struct slot){dz.buf, dz.c0, dy.c});
	plan_put(p, OP_BNACT_APPLY, step, z, z2, dz);
	p->ops[p->nops - 1].pair = u->pair;
	return dz;
}

/* A pair's second has its backward pass together with the first, which comes later. */
static void backward_conv(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];
	const struct unit *u = &p->units[p->unit_of[step]];
	const struct slot dy = grad_slot(p, s->out);
	struct slot dz;
	bool shared;

	if (!u->conv)
		return;
	backward_residual(p, s, dy, &shared);
	dz = u->pair < 0 ? backward_z(p, step, dy, shared) : backward_pair_z(p, step);
	if (!u->frozen) {
		const struct slot x = remake(p, s->in[0]);

		plan_put(p, OP_WEIGHT_BACK, step, x, dz, SLOT_NONE);
		p->ops[p->nops - 1].pair = u->pair;
	}
	if (p->tensor[s->in[0]].needs_grad) {
		const bool add = contribute(p, s->in[0]);

		plan_put(p, OP_DATA_BACK, step, SLOT_NONE, dz, grad_slot(p, s->in[0]));
		p->ops[p->nops - 1].add = add;
		p->ops[p->nops - 1].pair = u->pair;
	}
}

/* What was made in its place has its gradient there already. */
static void backward_concat(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];
	const struct slot dy = grad_slot(p, s->out);
	int i, c0 = 0;

	for (i = 0; i < s->nin; i++) {
		const struct slot part = {dy.buf, dy.c0 + c0, p->shape[s->in[i]].c};

		if (p->tensor[s->in[i]].needs_grad && !in_place(p, s, i))
			pass_on(p, part, s->in[i]);
		c0 += part.c;
	}
}

static void backward_plain(struct plan *p, int step, enum op_kind kind)
{
	const struct step *s = &p->g->steps[step];
	const struct tensor *out = &p->tensor[s->out];
	const struct slot dy = grad_slot(p, s->out);
	const bool add = contribute(p, s->in[0]);
	const struct slot argmax = {out->argmax, 0, 0};

	plan_put(p, kind, step, argmax, dy, grad_slot(p, s->in[0]));
	p->ops[p->nops - 1].add = add;
}

static void backward_step(struct plan *p, int step)
{
	const struct step *s = &p->g->steps[step];

	p->layer = s->layer;
	/* Nothing came back: a value that leads nowhere. */
	clear_rest(p, s->out);
	switch (s->kind) {
	case STEP_CONV:
		backward_conv(p, step);
		break;
	case STEP_CONCAT:
		backward_concat(p, step);
		break;
	case STEP_MAXPOOL:
		backward_plain(p, step, OP_MAXPOOL_BACK);
		break;
	case STEP_UPSAMPLE:
		backward_plain(p, step, OP_UPSAMPLE_BACK);
		break;
	case STEP_FOCUS:
		backward_plain(p, step, OP_FOCUS_BACK);
		break;
	case STEP_FLATTEN:
		backward_plain(p, step, OP_FLATTEN_BACK);
		break;
	}
}

/* Whether an output's gradient may be written over the output: nothing looks at it any more, but at
 * what is made of it again. */
static bool can_overwrite(const struct plan *p, int v)
{
	const struct tensor *t = &p->tensor[v];
	const struct unit *u = unit_of_value(p, v);
	int i, k;

	if (!p->opt.overwrite || p->opt.keep_all || t->parent >= 0 || t->input || !u ||
	    t->grad_pad > p->bufs[t->buf].pad)
		return false;
	if (u->mode != UNIT_FUSED)
		return !p->opt.keep_y && can_remake(p, v);
	for (i = 0; i < p->g->nsteps; i++) {
		const struct step *s = &p->g->steps[i];

		if (s->residual == v && in_range(p, s))
			return false;
		for (k = 0; k < s->nin; k++)
			if (s->in[k] == v && in_range(p, s))
				return false;
	}
	return true;
}

void plan_backward(struct plan *p)
{
	int i;

	/* The caller writes the outputs' gradients at OP_LOSS. */
	for (i = 0; i < p->noutputs; i++) {
		struct tensor *t = &p->tensor[p->outputs[i]];

		if (t->needs_grad) {
			t->grad_written = true;
			if (can_overwrite(p, p->outputs[i]))
				t->grad_buf = t->buf;
			grad_slot(p, p->outputs[i]);
		}
	}
	for (i = p->g->nsteps - 1; i >= 0; i--)
		if (in_range(p, &p->g->steps[i]) && p->tensor[p->g->steps[i].out].needs_grad)
			backward_step(p, i);
	for (i = 0; i < p->ninputs; i++)
		if (p->tensor[p->inputs[i]].needs_grad)
			clear_rest(p, p->inputs[i]);
}
