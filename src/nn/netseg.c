/*
 * netseg.c - in which order, and how many images at a time, the operations of a plan are run.
 *
 * A convolution is moved up to where its input is made, and the sums of a batch norm's gradient to
 * where that gradient is: both then find it in the cache. Where the activation is made again shortly
 * before, the sweep for the sums does that too, which reads the same values; what only the
 * weights' gradients need is made after it. The sizes of chunks follow from shapes
 * alone, so that results do not depend on the processor.
 */
#include "nn/netplan.h"

#include <limits.h>

/* Pixels of the largest map of a segment that a chunk may have, but at least one image: of 64
 * channels that is 1.6 MB, and 20 x 20 maps pass in one piece, since their weights are larger than
 * they are. */
#define CHUNK_PIXELS 6400

/* ---- order ---- */

static bool overlap(struct slot a, struct slot b)
{
	return a.buf >= 0 && a.buf == b.buf && a.c0 < b.c0 + b.c && b.c0 < a.c0 + a.c;
}

/* What an operation writes; a pool also writes z, some y2. */
static struct slot written_by(const struct op *op)
{
	switch (op->kind) {
	case OP_CONV:
	case OP_BNACT:
	case OP_MAXPOOL:
	case OP_UPSAMPLE:
	case OP_COPY:
	case OP_FOCUS:
	case OP_FLATTEN:
	case OP_CLEAR:
	case OP_ADD:
		return op->y;
	case OP_BNACT_SUMS:
	case OP_BNACT_APPLY:
	case OP_DATA_BACK:
	case OP_MAXPOOL_BACK:
	case OP_UPSAMPLE_BACK:
	case OP_FOCUS_BACK:
	case OP_FLATTEN_BACK:
		return op->z;
	case OP_BIAS_BACK:
	case OP_WEIGHT_BACK:
	case OP_LOSS:
		break;
	}
	return SLOT_NONE;
}

static bool touches(const struct op *op, struct slot s)
{
	return overlap(op->x, s) || overlap(op->y, s) || overlap(op->z, s) || overlap(op->y2, s) ||
	       overlap(op->residual, s);
}

/* Whether `b` touches what `a` writes. */
static bool follows(const struct op *b, const struct op *a)
{
	return touches(b, written_by(a)) || touches(b, a->y2);
}

/* Whether two neighbours may not change places. */
static bool depend(const struct op *a, const struct op *b)
{
	return a->kind == OP_LOSS || b->kind == OP_LOSS || follows(b, a) || follows(a, b);
}

static bool moves_up(const struct plan *p, const struct op *op)
{
	return op->kind == OP_BNACT_SUMS ||
	       (op->kind == OP_CONV && p->units[op->unit].mode == UNIT_BATCH);
}

static void reorder(struct plan *p)
{
	int i, j;

	for (i = 1; i < p->nops; i++)
		for (j = i; j > 0 && moves_up(p, &p->ops[j]); j--) {
			const struct op op = p->ops[j];

			if (depend(&p->ops[j - 1], &op))
				break;
			p->ops[j] = p->ops[j - 1];
			p->ops[j - 1] = op;
		}
	for (i = 0; i < p->nops; i++)
		if (p->ops[i].kind == OP_LOSS)
			p->loss = i;
}

/* ---- segments ---- */

static bool same_unit(const struct op *a, const struct op *b)
{
	return b->unit >= 0 && (a->unit == b->unit || a->pair == b->unit || a->unit == b->pair);
}

/* Whether the batch must have passed operation `a` before any of it may pass `b`. */
static bool needs_batch(const struct plan *p, const struct op *a, const struct op *b)
{
	if (a->kind == OP_LOSS || b->kind == OP_LOSS)
		return true;
	if (!same_unit(a, b) || p->units[b->unit].mode != UNIT_BATCH)
		return false;
	return (a->kind == OP_CONV && b->kind == OP_BNACT && a - p->ops < p->loss) ||
	       (a->kind == OP_BNACT_SUMS && b->kind == OP_BNACT_APPLY);
}

/* ---- activations made again together with the sums ---- */

/* Whether operation `at` need not come before `sums`, though it uses what `again` makes. */
static bool can_wait(const struct plan *p, int at, int sums)
{
	int i;

	if (p->ops[at].kind != OP_WEIGHT_BACK)
		return false;
	for (i = at + 1; i <= sums; i++)
		if (follows(&p->ops[at], &p->ops[i]))
			return false;
	return true;
}

/* The operation that makes the activation of `sums` again, in the same segment and for nobody who
 * cannot wait; -1. */
static int made_again(const struct plan *p, int sums)
{
	int a = sums - 1, i, j;

	while (a > p->loss && (p->ops[a].kind != OP_BNACT || p->ops[a].unit != p->ops[sums].unit))
		a--;
	if (a <= p->loss || p->ops[a].x.buf != p->ops[sums].x.buf)
		return -1;
	for (i = a + 1; i <= sums; i++) {
		if (i < sums && depend(&p->ops[a], &p->ops[i]) && !can_wait(p, i, sums))
			return -1;
		for (j = a; j < i; j++)
			if (needs_batch(p, &p->ops[j], &p->ops[i]))
				return -1;
	}
	return depend(&p->ops[a], &p->ops[sums]) ? -1 : a;
}

/* What has to wait comes behind the sums, in its order. */
static void join(struct plan *p, int again, int sums)
{
	struct op *const ops = p->ops, first = ops[again];
	int i, j, end = sums;

	ops[sums].y2 = first.y;
	ops[sums].residual = first.z;
	for (i = again + 1; i < end;) {
		const struct op late = ops[i];

		if (!depend(&first, &late)) {
			i++;
			continue;
		}
		for (j = i; j < sums; j++)
			ops[j] = ops[j + 1];
		ops[sums] = late;
		end--;
	}
	for (i = again; i + 1 < p->nops; i++)
		ops[i] = ops[i + 1];
	p->nops--;
}

static void join_again(struct plan *p)
{
	int i;

	for (i = p->loss + 1; i < p->nops; i++) {
		const int again = p->ops[i].kind == OP_BNACT_SUMS ? made_again(p, i) : -1;

		if (again >= 0)
			join(p, again, i--);
	}
}

static long slot_pixels(const struct plan *p, struct slot s)
{
	return s.buf < 0 ? 0 : (long)p->bufs[s.buf].h * p->bufs[s.buf].w;
}

/* For the operations [op0, op1). */
static int chunk_of(const struct plan *p, int op0, int op1)
{
	long most = 1, chunk;
	int i;

	for (i = op0; i < op1; i++) {
		const struct op *op = &p->ops[i];
		const long n[] = {slot_pixels(p, op->x), slot_pixels(p, op->y),
				  slot_pixels(p, op->z)};
		size_t k;

		for (k = 0; k < ARRAY_LEN(n); k++)
			most = n[k] > most ? n[k] : most;
	}
	chunk = p->opt.chunk ? p->opt.chunk : CHUNK_PIXELS / most;
	if (chunk > p->opt.max_n)
		return p->opt.max_n;
	return chunk < 1 ? 1 : (int)chunk;
}

static void close_segment(struct plan *p, int op0, int op1)
{
	const struct segment s = {op0, op1, chunk_of(p, op0, op1)};

	if (p->ops[op0].kind == OP_LOSS)
		p->loss_segment = p->nsegments;
	GROW(p->segments, p->nsegments, p->segments_cap);
	p->segments[p->nsegments++] = s;
}

/*
 * Whether operation i would rather not go along with the segment that began at `start`, since its maps
 * are of another size: without training, where nothing else ends a segment; in training a level of
 * the head and what comes after it, which have nothing to do with the level before.
 */
static bool begins_anew(const struct plan *p, int start, int i)
{
	const struct op *op = &p->ops[i];
	int j;

	if (chunk_of(p, start, i) == chunk_of(p, i, i + 1))
		return false;
	if (!p->opt.train)
		return true;
	if (op->kind != OP_BIAS_BACK && op->kind != OP_BNACT_APPLY &&
	    (op->kind != OP_CONV || p->units[op->unit].mode != UNIT_FUSED))
		return false;
	for (j = start; j < i; j++)
		if (follows(op, &p->ops[j]))
			return false;
	return true;
}

static void cut(struct plan *p)
{
	int i, j, start = 0;

	for (i = 1; i < p->nops; i++) {
		bool ends = begins_anew(p, start, i);

		for (j = start; j < i && !ends; j++)
			ends = needs_batch(p, &p->ops[j], &p->ops[i]);
		if (ends) {
			close_segment(p, start, i);
			start = i;
		}
	}
	close_segment(p, start, p->nops);
}

/* ---- lives ---- */

static void widen(struct life *life, int at)
{
	life->first = at < life->first ? at : life->first;
	life->last = at > life->last ? at : life->last;
}

static void touch(struct plan *p, struct slot s, int segment, int op)
{
	if (s.buf < 0)
		return;
	widen(&p->bufs[s.buf].segments, segment);
	widen(&p->bufs[s.buf].ops, op);
}

/* By the caller, who sees whole batches. */
static void touch_outside(struct plan *p, struct slot s, int segment, int op)
{
	touch(p, s, segment, op);
	if (s.buf >= 0)
		p->bufs[s.buf].outside = true;
}

static void touch_end(struct plan *p, struct slot s)
{
	touch_outside(p, s, p->nsegments - 1, p->nops - 1);
}

static void touch_ends(struct plan *p)
{
	int i;

	for (i = 0; i < p->ninputs; i++) {
		const struct slot in = plan_slot(p, p->inputs[i]);

		touch_outside(p, in, 0, 0);
		p->bufs[in.buf].input = true;
		if (p->opt.batch > p->opt.max_n) /* the next part's images stay */
			touch_end(p, in);
		if (p->tensor[p->inputs[i]].needs_grad)
			touch_end(p, plan_grad_slot(p, p->inputs[i]));
	}
	for (i = 0; i < p->noutputs; i++) {
		touch_outside(p, plan_slot(p, p->outputs[i]), p->loss_segment, p->loss);
		if (p->tensor[p->outputs[i]].needs_grad)
			touch_outside(p, plan_grad_slot(p, p->outputs[i]), p->loss_segment,
				      p->loss);
	}
	for (i = 0; p->opt.keep_all && i < p->nbufs; i++) {
		touch_outside(p, (struct slot){i, 0, 0}, 0, 0);
		touch_end(p, (struct slot){i, 0, 0});
	}
}

/*
 * What holds a chunk, and what a segment that is one chunk holds, lives from operation to operation:
 * nobody asks for it when the next chunk begins. What holds a batch that passes in chunks lives
 * throughout the segment.
 */
static void round_life(const struct plan *p, struct buffer *b, bool chunk)
{
	const struct segment *first = &p->segments[b->segments.first];
	const struct segment *last = &p->segments[b->segments.last];

	if (!chunk && first->chunk < p->opt.max_n)
		b->ops.first = first->op0;
	if (!chunk && last->chunk < p->opt.max_n)
		b->ops.last = last->op1 - 1;
}

static void size_buffer(struct plan *p, struct buffer *b)
{
	struct view v = {NULL, p->opt.max_n, b->h, b->w, b->c, b->c, b->pad};
	bool chunk;

	if (b->ops.last < 0) { /* never touched */
		b->segments = b->ops = (struct life){0, 0};
		return;
	}
	chunk = b->segments.first == b->segments.last && !b->outside;
	round_life(p, b, chunk);
	if (chunk)
		v.n = p->segments[b->segments.first].chunk;
	if (b->input)
		v.n = p->opt.batch;
	b->images = v.n;
	if (b->bytes)
		b->floats = ((size_t)v.n * b->bytes + sizeof(float) - 1) / sizeof(float);
	else
		b->floats = view_floats(&v, &b->lead);
}

static void live(struct plan *p)
{
	int s, i;

	for (i = 0; i < p->nbufs; i++)
		p->bufs[i].segments = p->bufs[i].ops = (struct life){INT_MAX, -1};
	for (s = 0; s < p->nsegments; s++)
		for (i = p->segments[s].op0; i < p->segments[s].op1; i++) {
			touch(p, p->ops[i].x, s, i);
			touch(p, p->ops[i].y, s, i);
			touch(p, p->ops[i].z, s, i);
			touch(p, p->ops[i].y2, s, i);
			touch(p, p->ops[i].residual, s, i);
		}
	touch_ends(p);
	for (i = 0; i < p->nbufs; i++)
		size_buffer(p, &p->bufs[i]);
}

void plan_segments(struct plan *p)
{
	reorder(p);
	join_again(p);
	cut(p);
	live(p);
}
