/*
 * optim.h - SGD with Nesterov momentum, Adam and AdamW over the flat parameter arena.
 *
 * One sweep takes a gradient, scales and clears it, moves the parameter and the moving average
 * (EMA) of it: every array is touched once. Formulas are torch.optim's (1.13): decay is added to
 * the gradient in SGD and Adam, shrinks the parameter in AdamW (Loshchilov and Hutter 2019).
 *
 * Three groups, as YOLOv5's smart_optimizer: biases (and beta), weights that decay, batch-norm
 * weights. Running statistics have no gradient; they follow in the EMA alone. Parameters of layers
 * before `from` are never written, in neither arena.
 * Elementwise in fixed pieces: the same bytes on any number of threads.
 */
#ifndef MIST_NN_OPTIM_H
#define MIST_NN_OPTIM_H

#include "base/pool.h"
#include "nn/graph.h"

enum optim_kind { OPTIM_SGD, OPTIM_ADAM, OPTIM_ADAMW };
/* NULL-ended: "sgd", "adam", "adamw", in the order of the enum. */
extern const char *const optim_names[];

/* The order of YOLOv5's groups: x/lr0, x/lr1, x/lr2 of results.csv. */
enum optim_group { OPTIM_BIAS, OPTIM_WEIGHT, OPTIM_BN, OPTIM_GROUPS };

struct optim_rates {
	double lr[OPTIM_GROUPS];
	double decay[OPTIM_GROUPS];
	double momentum; /* Adam: beta1 (beta2 is .999, eps 1e-8) */
};

struct optim;
/* Borrows nothing. Layers < from are frozen. Moments start at zero. */
struct optim *optim_new(const struct graph *g, enum optim_kind kind, int from);
void optim_free(struct optim *o);
/* Layers < `layer` learn at `factor` times the rate. */
void optim_slow(struct optim *o, int layer, double factor);
/* Bytes that optim_new would take. */
size_t optim_bytes(const struct graph *g, enum optim_kind kind);

/* L2 norm of what is trained of `grads`; NaN or infinite exactly when one of them is. */
double optim_grad_norm(const struct optim *o, struct pool *pool, const float *grads);

/*
 * One step: g = grads*scale; grads = 0; parameters and moments move; then, when `ema` is not NULL,
 * ema = ema*ema_decay + (1 - ema_decay)*params for trained parameters and running statistics.
 */
void optim_step(struct optim *o, struct pool *pool, const struct optim_rates *rates, float *params,
		float *grads, double scale, float *ema, double ema_decay);

/* For checkpoints: the moments (arenas laid out as the parameters) and the count of steps. */
int optim_nmoments(const struct optim *o); /* 1 for SGD, 2 for Adam */
float *optim_moment(struct optim *o, int i);
const char *optim_moment_name(const struct optim *o,
			      int i); /* torch.optim's: "momentum_buffer" … */
int64_t optim_steps(const struct optim *o);
void optim_set_steps(struct optim *o, int64_t steps);
/* True when the step moves this parameter (its moments are state). */
bool optim_trains(const struct optim *o, const struct param *p);

#endif
