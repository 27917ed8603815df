#include "nn/net.h"

#include "base/clock.h"
#include "base/ints.h"
#include "nn/conv.h"
#include "nn/maxpool.h"
#include "nn/netops.h"
#include "nn/netplan.h"
#include "nn/upsample.h"

#include <stdlib.h>
#include <string.h>

/* YOLOv5's batch norms (models/yolo.py, initialize_weights). */
#define BN_EPS      1e-3f
#define BN_MOMENTUM 0.03f

struct net {
	struct plan plan;
	struct pool *pool;
	float *memory; /* arena, weights, sums, waste, scratch: one allocation */
	float *arena, *weights;
	double *sums; /* 2*max_cout */
	float *waste; /* gradients of frozen batch norms: max_cout */
	void *scratch;
	struct net_time *rows;
	int nrows;
	double images; /* of the part in work, over all processes (net_options.reduce) */
	int first;     /* image of the inputs at which the part in work begins */
};

/* ---- memory ---- */

struct layout {
	size_t arena, weights, sums, waste, scratch, total; /* bytes from the start */
};

static size_t align64(size_t n)
{
	return (n + 63) / 64 * 64;
}

static struct layout lay_out(const struct plan *p)
{
	const size_t c = (size_t)p->max_cout;
	struct layout l = {0};

	l.weights = align64(p->arena * sizeof(float));
	l.sums = l.weights + align64(p->weights * sizeof(float));
	l.waste = l.sums + align64(2 * c * sizeof(double));
	l.scratch = l.waste + align64(2 * c * sizeof(float));
	l.total = l.scratch + align64(p->scratch);
	return l;
}

/* The slot as the caller sees it: of the whole batch, unless only a chunk is there. */
static struct view slot_view(const struct net *net, struct slot s)
{
	const struct buffer *b;
	struct view v = {0};

	if (s.buf < 0)
		return v;
	b = &net->plan.bufs[s.buf];
	v = (struct view){
		net->arena + b->offset + b->lead, b->images, b->h, b->w, s.c, b->c, b->pad};
	v.p += s.c0;
	return v;
}

/* Images n0 … n0+n-1 of it. */
static struct view chunk_view(const struct net *net, struct slot s, const struct view *all, int n0,
			      int n)
{
	struct view v = *all;
	const struct buffer *b;

	v.n = n;
	if (s.buf < 0)
		return v;
	b = &net->plan.bufs[s.buf];
	if (b->images < net->plan.opt.max_n)
		return v; /* every chunk in the same place */
	if (b->input)
		n0 += net->first;
	if (b->bytes)
		v.p = (float *)((char *)v.p + (size_t)n0 * b->bytes);
	else
		v.p += (size_t)n0 * view_image(all);
	return v;
}

static void place_bn(struct unit *u, float *at)
{
	const size_t c = round_up((size_t)u->shape.cout, 16);

	u->bn = (struct bn){.c = u->shape.cout,
			    .eps = BN_EPS,
			    .momentum = BN_MOMENTUM,
			    .mean = at,
			    .rstd = at + c,
			    .scale = at + 2 * c,
			    .shift = at + 3 * c};
}

static void place(struct net *net)
{
	struct plan *p = &net->plan;
	const struct layout l = lay_out(p);
	char *base = xaligned(l.total);
	int i;

	net->memory = (float *)base;
	net->arena = (float *)(base + l.arena);
	net->weights = (float *)(base + l.weights);
	net->sums = (double *)(base + l.sums);
	net->waste = (float *)(base + l.waste);
	net->scratch = base + l.scratch;
	for (i = 0; i < p->nunits; i++) {
		struct unit *u = &p->units[i];

		u->packed = net->weights + u->packed_at;
		u->bias = net->weights + u->bias_at;
		place_bn(u, net->weights + u->bn_at);
		u->bn.path = p->path;
		u->line = net->weights + u->line_at;
		u->sums = (double *)(net->weights + u->sums_at);
	}
	for (i = 0; i < p->nops; i++) {
		struct op *op = &p->ops[i];

		op->vx = slot_view(net, op->x);
		op->vy = slot_view(net, op->y);
		op->vz = slot_view(net, op->z);
		op->vy2 = slot_view(net, op->y2);
		op->vresidual = slot_view(net, op->residual);
	}
}

/* ---- the profile ---- */

static const char *op_name(const struct plan *p, const struct op *op)
{
	static const char *const names[] = {
		[OP_CONV] = "convolution",
		[OP_BNACT] = "batch norm + activation",
		[OP_MAXPOOL] = "max pooling",
		[OP_UPSAMPLE] = "upsampling",
		[OP_COPY] = "copy",
		[OP_FOCUS] = "focus",
		[OP_FLATTEN] = "flatten",
		[OP_LOSS] = "",
		[OP_CLEAR] = "clear",
		[OP_ADD] = "add",
		[OP_BNACT_SUMS] = "batch norm + activation, backward",
		[OP_BNACT_APPLY] = "batch norm + activation, backward",
		[OP_BIAS_BACK] = "bias, backward",
		[OP_WEIGHT_BACK] = "convolution, backward weights",
		[OP_DATA_BACK] = "convolution, backward data",
		[OP_MAXPOOL_BACK] = "max pooling, backward",
		[OP_UPSAMPLE_BACK] = "upsampling, backward",
		[OP_FOCUS_BACK] = "focus, backward",
		[OP_FLATTEN_BACK] = "flatten, backward",
	};

	if (op->kind == OP_BNACT && op - p->ops > p->loss)
		return "batch norm + activation, again";
	if (op->kind == OP_CONV && op - p->ops > p->loss)
		return "convolution, again";
	return names[op->kind];
}

static double op_flops(const struct plan *p, const struct op *op)
{
	double flops;

	if (op->kind != OP_CONV && op->kind != OP_WEIGHT_BACK && op->kind != OP_DATA_BACK)
		return 0;
	flops = conv_flops(&p->units[op->unit].shape);
	return op->pair < 0 ? flops : flops + conv_flops(&p->units[op->pair].shape);
}

static double view_bytes(const struct view *v)
{
	return v->p ? (double)v->h * v->w * v->c * (double)sizeof(float) : 0;
}

/* Bytes that an operation reads and writes per image, where each of its sweeps goes through memory. */
static double op_bytes(const struct op *op)
{
	const double x = view_bytes(&op->vx), y = view_bytes(&op->vy), z = view_bytes(&op->vz);

	switch (op->kind) {
	case OP_CONV:
	case OP_WEIGHT_BACK:
	case OP_DATA_BACK:
	case OP_LOSS:
		return 0;
	case OP_BNACT_APPLY:
		return x + y + 2 * z;
	case OP_ADD:
		return x + 2 * y;
	case OP_BNACT_SUMS:
		return x + y + z + view_bytes(&op->vy2) + view_bytes(&op->vresidual);
	default:
		return x + y + z + (op->add ? z : 0);
	}
}

static void make_rows(struct net *net)
{
	struct plan *p = &net->plan;
	int i, j;

	net->rows = xcalloc((size_t)p->nops, sizeof(*net->rows));
	for (i = 0; i < p->nops; i++) {
		struct op *op = &p->ops[i];
		const char *what = op_name(p, op);
		const int layer = op->step < 0 ? -1 : p->g->steps[op->step].layer;

		for (j = 0; j < net->nrows; j++)
			if (net->rows[j].what == what && net->rows[j].layer == layer)
				break;
		if (j == net->nrows)
			net->rows[net->nrows++] = (struct net_time){.what = what, .layer = layer};
		op->row = j;
	}
}

const struct net_time *net_profile(const struct net *net, int *rows)
{
	*rows = net->nrows;
	return net->rows;
}

void net_profile_reset(struct net *net)
{
	int i;

	for (i = 0; i < net->nrows; i++) {
		net->rows[i].seconds = net->rows[i].flops = net->rows[i].bytes = 0;
		net->rows[i].calls = 0;
	}
}

/* ---- life ---- */

struct net *net_new(const struct graph *g, const struct net_options *opt, struct pool *pool,
		    struct err *err)
{
	struct net *net = xcalloc(1, sizeof(*net));

	net->pool = pool;
	if (plan_init(&net->plan, g, opt, pool_threads(pool), err)) {
		free(net);
		return NULL;
	}
	place(net);
	make_rows(net);
	return net;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	plan_release(&net->plan);
	free(net->memory);
	free(net->rows);
	free(net);
}

size_t net_bytes(const struct graph *g, const struct net_options *opt, struct pool *pool)
{
	struct plan p;
	struct err err;
	size_t bytes;

	if (plan_init(&p, g, opt, pool_threads(pool), &err))
		return 0;
	bytes = lay_out(&p).total;
	plan_release(&p);
	return bytes;
}

/* ---- what goes in and comes out ---- */

int net_ninputs(const struct net *net)
{
	return net->plan.ninputs;
}

int net_noutputs(const struct net *net)
{
	return net->plan.noutputs;
}

static struct view value_view(const struct net *net, int value, int n)
{
	const struct view v = slot_view(net, plan_slot(&net->plan, value));

	return view_batch(&v, n);
}

static struct view grad_view(const struct net *net, int value, int n)
{
	const struct slot s = plan_grad_slot(&net->plan, value);
	struct view v = {0};

	if (s.buf < 0)
		return v;
	v = slot_view(net, s);
	return view_batch(&v, n);
}

struct view net_input(struct net *net, int i, int n)
{
	BUG_IF(i < 0 || i >= net->plan.ninputs);
	return value_view(net, net->plan.inputs[i], n);
}

struct view net_output(struct net *net, int i, int n)
{
	BUG_IF(i < 0 || i >= net->plan.noutputs);
	return value_view(net, net->plan.outputs[i], n);
}

struct view net_layer_output(struct net *net, int layer, int n)
{
	BUG_IF(!net->plan.opt.keep_all || layer < net->plan.opt.from || layer >= net->plan.opt.to);
	return value_view(net, net->plan.g->layers[layer].out, n);
}

struct view net_output_grad(struct net *net, int i, int n)
{
	BUG_IF(i < 0 || i >= net->plan.noutputs);
	return grad_view(net, net->plan.outputs[i], n);
}

struct view net_input_grad(struct net *net, int i, int n)
{
	BUG_IF(i < 0 || i >= net->plan.ninputs);
	return grad_view(net, net->plan.inputs[i], n);
}

/* ---- parameters ---- */

static const float *param_at(const struct plan *p, int row, const float *params)
{
	return row < 0 ? NULL : params + p->g->params[row].offset;
}

/* A convolution without batch norm but with a sweep: u = z*1 + bias. */
static void load_identity(struct unit *u, const float *bias)
{
	int c;

	for (c = 0; c < u->bn.c; c++) {
		u->bn.mean[c] = 0;
		u->bn.rstd[c] = u->bn.scale[c] = 1;
		u->bn.shift[c] = bias ? bias[c] : 0;
	}
}

static void load_bn(const struct plan *p, struct unit *u, int row, const float *params)
{
	u->bn.gamma = param_at(p, row, params);
	u->bn.beta = param_at(p, row + 1, params);
	/* Only UNIT_BATCH writes these, in net_forward, which is given them to write. */
	u->bn.running_mean = (float *)(uintptr_t)param_at(p, row + 2, params);
	u->bn.running_var = (float *)(uintptr_t)param_at(p, row + 3, params);
}

/* All of a unit but its packed weights: returns these as they are to be packed, if folded in `folded`.
 * fused_bias: where the bias of a fused one goes. */
static const float *load_step(struct net *net, struct unit *u, const float *params, float *folded,
			      float *fused_bias)
{
	const struct plan *p = &net->plan;
	const struct step *s = &p->g->steps[u->step];
	const float *w = param_at(p, s->weight, params);
	const float *bias = param_at(p, s->bias, params);
	const size_t c = (size_t)u->shape.cout;

	if (s->bn >= 0)
		load_bn(p, u, s->bn, params);
	if (u->mode == UNIT_FUSED && s->bn >= 0) {
		bn_fold(&u->bn, w, plan_weights(p, u) / c, bias, folded, fused_bias);
		return folded;
	}
	if (u->mode == UNIT_FUSED && bias)
		memcpy(fused_bias, bias, c * sizeof(float));
	else if (u->mode == UNIT_FUSED)
		memset(fused_bias, 0, c * sizeof(float));
	else if (s->bn < 0)
		load_identity(u, bias);
	else if (u->mode == UNIT_CONSTANT)
		bn_prepare_eval(&u->bn);
	return w;
}

/* The weights of a pair, one behind the other in the scratch. */
static const float *load_pair(struct net *net, struct unit *u, const float *params)
{
	struct unit *const of[] = {u, &net->plan.units[u->pair]};
	float *all = net->scratch, *at = all, *bias = u->bias;
	size_t i;

	for (i = 0; i < ARRAY_LEN(of); i++) {
		const size_t n = plan_weights(&net->plan, of[i]);
		const float *w = load_step(net, of[i], params, at, bias);

		if (w != at)
			memcpy(at, w, n * sizeof(float));
		at += n;
		bias += of[i]->shape.cout;
	}
	return all;
}

static void load_unit(struct net *net, struct unit *u, const float *params)
{
	const float *w;

	if (!u->conv)
		return; /* loaded with the first of its pair */
	w = u->pair < 0 ? load_step(net, u, params, net->scratch, u->bias)
			: load_pair(net, u, params);
	conv_pack(u->conv, net->pool, w, u->packed);
}

void net_load_params(struct net *net, const float *params)
{
	int i;

	for (i = 0; i < net->plan.nunits; i++)
		load_unit(net, &net->plan.units[i], params);
}

/* ---- forward and backward ---- */

/* Images [n0, n0 + n) of a batch of `all`. */
struct chunk {
	int n0, n, all;
};

/* Sums over chunks are added in the order of the chunks. The unit's are at channel c0 of `c`. */
static void add_sums(struct unit *u, const double *sums, int c0, int c, const struct chunk *k)
{
	const int own = u->shape.cout;
	int i;

	for (i = 0; i < 2 * own; i++) {
		const double sum = sums[i < own ? c0 + i : c + c0 + i - own];

		u->sums[i] = k->n0 ? u->sums[i] + sum : sum;
	}
}

static bool is_last(const struct chunk *k)
{
	return k->n0 + k->n == k->all;
}

static double count_of(const struct unit *u, const struct chunk *k)
{
	return (double)k->all * u->shape.oh * u->shape.ow;
}

/* The unit's sums over all processes; returns the count that belongs to them. */
static double reduce_sums(const struct net *net, struct unit *u, const struct chunk *k)
{
	const struct net_options *o = &net->plan.opt;

	if (!o->reduce)
		return count_of(u, k);
	o->reduce(o->reduce_ctx, u->sums, 2 * (size_t)u->shape.cout);
	return net->images * u->shape.oh * u->shape.ow;
}

/* Takes a unit's sums, at channel c0 of `c`, and makes its statistics of those of all chunks. */
static void take_sums(struct net *net, struct unit *u, int c0, int c, const struct chunk *k,
		      float *params)
{
	double count;

	add_sums(u, net->sums, c0, c, k);
	if (!is_last(k))
		return;
	load_bn(&net->plan, u, net->plan.g->steps[u->step].bn, params);
	count = reduce_sums(net, u, k);
	bn_prepare_train(&u->bn, u->sums, count);
}

/* params NULL: the backward pass makes z again, its statistics are known. */
static void run_conv(struct net *net, const struct op *op, const struct chunk *k,
		     const struct view *x, const struct view *y, const struct view *residual,
		     float *params)
{
	struct unit *u = &net->plan.units[op->unit];
	const struct step *s = &net->plan.g->steps[op->step];
	const bool sums = u->mode == UNIT_BATCH && params;
	struct conv_epilogue epi = {.rest = chunk_view(net, op->y2, &op->vy2, k->n0, k->n)};

	if (u->mode == UNIT_FUSED) {
		epi.bias = u->bias;
		epi.silu = s->act == ACT_SILU;
		epi.residual = *residual;
	} else if (sums) {
		epi.sums = net->sums;
	}
	conv_forward(u->conv, net->pool, u->packed, x, y, &epi, net->scratch);
	if (sums)
		take_sums(net, u, 0, u->cout, k, params);
	if (sums && op->pair >= 0)
		take_sums(net, &net->plan.units[op->pair], u->shape.cout, u->cout, k, params);
}

static struct maxpool pool_of(const struct net *net, const struct op *op)
{
	const struct step *s = &net->plan.g->steps[op->step];

	return (struct maxpool){s->k, s->s, s->p, net->plan.path};
}

static void run_bnact_sums(struct net *net, const struct op *op, const struct chunk *k,
			   const struct view *z, const struct view *dy, const struct view *du,
			   float *grads)
{
	const struct plan *p = &net->plan;
	struct unit *u = &net->plan.units[op->unit];
	const struct step *s = &p->g->steps[op->step];
	const struct view y = chunk_view(net, op->y2, &op->vy2, k->n0, k->n);
	const struct view r = chunk_view(net, op->residual, &op->vresidual, k->n0, k->n);
	const struct bnact_again again = {&y, &r};
	float *dgamma = net->waste, *dbeta = net->waste + p->max_cout;
	double count;

	bnact_back_sums(net->pool, &u->bn, s->act, z, dy, du, &again, net->sums, net->scratch);
	add_sums(u, net->sums, 0, u->bn.c, k);
	if (u->mode != UNIT_BATCH && !k->n0)
		memset(u->line, 0, 2 * (size_t)u->bn.c * sizeof(float));
	if (!is_last(k))
		return;
	if (!u->frozen && s->bn >= 0) {
		dgamma = grads + p->g->params[s->bn].offset;
		dbeta = grads + p->g->params[s->bn + 1].offset;
	} else if (!u->frozen && s->bias >= 0) {
		dbeta = grads + p->g->params[s->bias].offset;
	}
	bnact_back_line(&u->bn, u->sums, count_of(u, k), u->mode != UNIT_BATCH, dgamma, dbeta,
			u->line);
	if (u->mode != UNIT_BATCH || !p->opt.reduce)
		return;
	/* gamma and beta got this process's share; what goes on is of the whole batch */
	count = reduce_sums(net, u, k);
	bnact_back_line(&u->bn, u->sums, count, false, net->waste, net->waste + p->max_cout,
			u->line);
}

/* x: z, y: that of a pair's second. */
static void run_bnact_apply(struct net *net, const struct op *op, const struct view *x,
			    const struct view *y, const struct view *dz)
{
	const struct unit *u = &net->plan.units[op->unit];
	const struct view mine = view_slice(dz, 0, u->bn.c);
	const struct view other = view_slice(dz, u->bn.c, dz->c - u->bn.c);
	struct bnact_part parts[] = {{&u->bn, x, &mine, u->line}, {NULL, y, &other, NULL}};

	if (op->pair >= 0) {
		parts[1].bn = &net->plan.units[op->pair].bn;
		parts[1].line = net->plan.units[op->pair].line;
	}
	bnact_back_apply(net->pool, parts, op->pair < 0 ? 1 : 2);
}

static void run_weight_back(struct net *net, const struct op *op, const struct view *x,
			    const struct view *dz, float *grads)
{
	const struct graph *g = net->plan.g;
	const struct unit *u = &net->plan.units[op->unit];
	struct conv_grads dw = {.w = grads + g->params[g->steps[op->step].weight].offset};

	if (op->pair >= 0) {
		const struct step *second = &g->steps[net->plan.units[op->pair].step];

		dw.rest = grads + g->params[second->weight].offset;
		dw.rest_at = u->shape.cout;
	}
	conv_backward_weights(u->conv, net->pool, x, dz, &dw, net->scratch);
}

static void run_op(struct net *net, const struct op *op, const struct chunk *k, float *params,
		   float *grads)
{
	const struct plan *p = &net->plan;
	const struct unit *u = op->unit < 0 ? NULL : &p->units[op->unit];
	const struct step *s = op->step < 0 ? NULL : &p->g->steps[op->step];
	const struct view x = chunk_view(net, op->x, &op->vx, k->n0, k->n);
	const struct view y = chunk_view(net, op->y, &op->vy, k->n0, k->n);
	const struct view z = chunk_view(net, op->z, &op->vz, k->n0, k->n);

	switch (op->kind) {
	case OP_CONV:
		run_conv(net, op, k, &x, &y, &z, params);
		break;
	case OP_BNACT:
		bnact_forward(net->pool, &u->bn, s->act, &x, &z, &y);
		break;
	case OP_MAXPOOL: {
		const struct maxpool m = pool_of(net, op);

		maxpool_forward(&m, net->pool, &x, &y, (uint8_t *)z.p);
		break;
	}
	case OP_UPSAMPLE:
		upsample_forward(net->pool, &x, &y);
		break;
	case OP_COPY:
		view_copy(net->pool, &x, &y);
		break;
	case OP_FOCUS:
		focus_forward(net->pool, &x, &y);
		break;
	case OP_FLATTEN:
		flatten_forward(net->pool, &x, &y);
		break;
	case OP_LOSS:
		break;
	case OP_CLEAR:
		view_clear(&y);
		break;
	case OP_ADD:
		view_add(net->pool, &x, &y);
		break;
	case OP_BNACT_SUMS:
		run_bnact_sums(net, op, k, &x, &y, &z, grads);
		break;
	case OP_BNACT_APPLY:
		run_bnact_apply(net, op, &x, &y, &z);
		break;
	case OP_BIAS_BACK:
		bias_backward(net->pool, &y, grads + p->g->params[s->bias].offset, net->scratch);
		break;
	case OP_WEIGHT_BACK:
		run_weight_back(net, op, &x, &y, grads);
		break;
	case OP_DATA_BACK:
		conv_backward_data(u->conv, net->pool, u->packed, &y, &z, op->add, net->scratch);
		break;
	case OP_MAXPOOL_BACK: {
		const struct maxpool m = pool_of(net, op);

		maxpool_backward(&m, net->pool, (const uint8_t *)x.p, &y, &z, op->add);
		break;
	}
	case OP_UPSAMPLE_BACK:
		upsample_backward(net->pool, &y, &z, op->add);
		break;
	case OP_FOCUS_BACK:
		focus_backward(net->pool, &y, &z, op->add);
		break;
	case OP_FLATTEN_BACK:
		flatten_backward(net->pool, &y, &z, op->add);
		break;
	}
}

static void run_segment(struct net *net, const struct segment *s, int n, float *params,
			float *grads)
{
	double before = clock_seconds(), now;
	struct chunk k = {.all = n};
	int i;

	for (; k.n0 < n; k.n0 += k.n) {
		k.n = n - k.n0 < s->chunk ? n - k.n0 : s->chunk;
		for (i = s->op0; i < s->op1; i++) {
			const struct op *op = &net->plan.ops[i];
			struct net_time *row = &net->rows[op->row];

			run_op(net, op, &k, params, grads);
			now = clock_seconds();
			row->seconds += now - before;
			row->flops += op_flops(&net->plan, op) * k.n;
			row->bytes += op_bytes(op) * k.n;
			row->calls++;
			before = now;
		}
	}
}

static void run(struct net *net, int from, int to, int n, float *params, float *grads)
{
	int i;

	BUG_IF(n < 1 || n > net->plan.opt.max_n);
	for (i = from; i < to; i++)
		run_segment(net, &net->plan.segments[i], n, params, grads);
}

void net_forward(struct net *net, int n, float *params)
{
	net_forward_part(net, 0, n, params);
}

void net_forward_part(struct net *net, int first, int n, float *params)
{
	BUG_IF(first < 0 || first + n > net->plan.opt.batch);
	net->first = first;
	net->images = (double)n;
	if (net->plan.opt.reduce)
		net->plan.opt.reduce(net->plan.opt.reduce_ctx, &net->images, 1);
	run(net, 0, net->plan.loss_segment, n, params, NULL);
}

void net_backward(struct net *net, int n, float *grads)
{
	BUG_IF(!net->plan.opt.train);
	run(net, net->plan.loss_segment + 1, net->plan.nsegments, n, NULL, grads);
}
