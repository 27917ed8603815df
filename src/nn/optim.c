#include "nn/optim.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Floats per job: five arrays of it fit an L2 cache of 512 KiB. */
#define PIECE 16384
/* torch.optim.Adam's and AdamW's defaults. */
#define BETA2 0.999
#define EPS   1e-8

const char *const optim_names[] = {"sgd", "adam", "adamw", NULL};

/* A run of floats that are treated alike. */
struct piece {
	size_t offset, count;
	int group; /* enum optim_group, or STATISTICS */
	int layer;
	double factor; /* of the rate */
};
#define STATISTICS OPTIM_GROUPS

struct optim {
	enum optim_kind kind;
	int from;
	int64_t steps;
	size_t nfloats;
	float *moment[2];
	struct piece *piece;
	int npieces, cap;
	double *sum; /* one per piece: a step allocates nothing */
};

static int moments_of(enum optim_kind kind)
{
	return kind == OPTIM_SGD ? 1 : 2;
}

/* The group of a parameter, STATISTICS, or -1 for what no step touches. */
static int group_of(const struct param *p, int from)
{
	if (p->layer < from)
		return -1;
	switch (p->kind) {
	case PARAM_WEIGHT:
		return OPTIM_WEIGHT;
	case PARAM_BN_WEIGHT:
		return OPTIM_BN;
	case PARAM_BIAS:
		return OPTIM_BIAS;
	case PARAM_BN_MEAN:
	case PARAM_BN_VAR:
		return STATISTICS;
	case PARAM_COUNTER:
	case PARAM_CONST:
		return -1;
	}
	return -1;
}

static void add_pieces(struct optim *o, const struct param *p, int group)
{
	size_t done, n;

	for (done = 0; done < p->count; done += n) {
		n = p->count - done < PIECE ? p->count - done : PIECE;
		GROW(o->piece, o->npieces, o->cap);
		o->piece[o->npieces++] = (struct piece){p->offset + done, n, group, p->layer, 1};
	}
}

struct optim *optim_new(const struct graph *g, enum optim_kind kind, int from)
{
	struct optim *o = xcalloc(1, sizeof(*o));
	int i;

	o->kind = kind;
	o->from = from;
	o->nfloats = g->nfloats;
	for (i = 0; i < moments_of(kind); i++)
		o->moment[i] = xcalloc(g->nfloats, sizeof(float));
	for (i = 0; i < g->nparams; i++) {
		int group = group_of(&g->params[i], from);

		if (group >= 0)
			add_pieces(o, &g->params[i], group);
	}
	o->sum = xcalloc((size_t)o->npieces, sizeof(double));
	return o;
}

void optim_slow(struct optim *o, int layer, double factor)
{
	int i;

	for (i = 0; i < o->npieces; i++)
		if (o->piece[i].layer < layer)
			o->piece[i].factor = factor;
}

void optim_free(struct optim *o)
{
	if (!o)
		return;
	free(o->moment[0]);
	free(o->moment[1]);
	free(o->piece);
	free(o->sum);
	free(o);
}

size_t optim_bytes(const struct graph *g, enum optim_kind kind)
{
	return (size_t)moments_of(kind) * g->nfloats * sizeof(float);
}

struct norm_job {
	const struct optim *o;
	const float *grads;
};

static void norm_piece(void *ctx, int job, int worker)
{
	struct norm_job *n = ctx;
	const struct piece *p = &n->o->piece[job];
	const float *g = n->grads + p->offset;
	double lane[8] = {0}; /* a fixed order that vectorises */
	size_t i, k;

	(void)worker;
	n->o->sum[job] = 0;
	if (p->group == STATISTICS)
		return;
	for (i = 0; i + 8 <= p->count; i += 8)
		for (k = 0; k < 8; k++)
			lane[k] += (double)g[i + k] * (double)g[i + k];
	for (; i < p->count; i++)
		lane[0] += (double)g[i] * (double)g[i];
	for (k = 0; k < 8; k++)
		n->o->sum[job] += lane[k];
}

double optim_grad_norm(const struct optim *o, struct pool *pool, const float *grads)
{
	struct norm_job n = {o, grads};
	double sum = 0;
	int i;

	pool_spread(pool, o->npieces, norm_piece, &n);
	for (i = 0; i < o->npieces; i++)
		sum += o->sum[i];
	return sqrt(sum);
}

struct step_job {
	struct optim *o;
	const struct optim_rates *rates;
	float *params, *grads, *ema;
	float scale, ema_decay, ema_rest;
	double correction1, correction2; /* Adam's 1 - beta^t */
};

static void step_sgd(const struct step_job *s, const struct piece *p)
{
	const float lr = (float)(s->rates->lr[p->group] * p->factor);
	const float decay = (float)s->rates->decay[p->group];
	const float momentum = (float)s->rates->momentum, scale = s->scale;
	float *restrict w = s->params + p->offset;
	float *restrict g = s->grads + p->offset;
	float *restrict m = s->o->moment[0] + p->offset;
	size_t i;

	for (i = 0; i < p->count; i++) {
		float d = g[i] * scale + decay * w[i];

		m[i] = momentum * m[i] + d;
		w[i] -= lr * (d + momentum * m[i]);
		g[i] = 0;
	}
}

static void step_adam(const struct step_job *s, const struct piece *p)
{
	const bool decoupled = s->o->kind == OPTIM_ADAMW;
	const double lr = s->rates->lr[p->group] * p->factor, decay = s->rates->decay[p->group];
	const float beta1 = (float)s->rates->momentum, rest1 = (float)(1 - s->rates->momentum);
	const float beta2 = (float)BETA2, rest2 = (float)(1 - BETA2);
	const float size = (float)(lr / s->correction1), scale = s->scale;
	const float root = (float)sqrt(s->correction2), eps = (float)EPS;
	const float shrink = decoupled ? (float)(1 - lr * decay) : 1.0f;
	const float added = decoupled ? 0.0f : (float)decay;
	float *restrict w = s->params + p->offset;
	float *restrict g = s->grads + p->offset;
	float *restrict m = s->o->moment[0] + p->offset;
	float *restrict v = s->o->moment[1] + p->offset;
	size_t i;

	for (i = 0; i < p->count; i++) {
		float d = g[i] * scale + added * w[i];

		m[i] = beta1 * m[i] + rest1 * d;
		v[i] = beta2 * v[i] + rest2 * d * d;
		w[i] = w[i] * shrink - size * m[i] / (sqrtf(v[i]) / root + eps);
		g[i] = 0;
	}
}

static void step_ema(const struct step_job *s, const struct piece *p)
{
	const float keep = s->ema_decay, take = s->ema_rest;
	const float *restrict w = s->params + p->offset;
	float *restrict e = s->ema + p->offset;
	size_t i;

	for (i = 0; i < p->count; i++)
		e[i] = e[i] * keep + take * w[i];
}

static void step_piece(void *ctx, int job, int worker)
{
	const struct step_job *s = ctx;
	const struct piece *p = &s->o->piece[job];

	(void)worker;
	if (p->group == STATISTICS)
		memset(s->grads + p->offset, 0, p->count * sizeof(float));
	else if (s->o->kind == OPTIM_SGD)
		step_sgd(s, p);
	else
		step_adam(s, p);
	if (s->ema)
		step_ema(s, p); /* while the piece is in the cache */
}

void optim_step(struct optim *o, struct pool *pool, const struct optim_rates *rates, float *params,
		float *grads, double scale, float *ema, double ema_decay)
{
	struct step_job s = {
		.o = o,
		.rates = rates,
		.params = params,
		.grads = grads,
		.ema = ema,
		.scale = (float)scale,
		.ema_decay = (float)ema_decay,
		.ema_rest = (float)(1 - ema_decay),
	};

	o->steps++;
	s.correction1 = 1 - pow(rates->momentum, (double)o->steps);
	s.correction2 = 1 - pow(BETA2, (double)o->steps);
	pool_spread(pool, o->npieces, step_piece, &s);
}

int optim_nmoments(const struct optim *o)
{
	return moments_of(o->kind);
}

float *optim_moment(struct optim *o, int i)
{
	BUG_IF(i < 0 || i >= moments_of(o->kind));
	return o->moment[i];
}

const char *optim_moment_name(const struct optim *o, int i)
{
	if (o->kind == OPTIM_SGD)
		return "momentum_buffer";
	return i == 0 ? "exp_avg" : "exp_avg_sq";
}

int64_t optim_steps(const struct optim *o)
{
	return o->steps;
}

void optim_set_steps(struct optim *o, int64_t steps)
{
	BUG_IF(steps < 0);
	o->steps = steps;
}

bool optim_trains(const struct optim *o, const struct param *p)
{
	int group = group_of(p, o->from);

	return group >= 0 && group != STATISTICS;
}
