/*
 * gateway.h - the edge inside a training run: pictures through the layers before the cut and the
 * gate, with fresh noise a step (gate-aware training, on PUBLIC images), and the gradient back.
 *
 * A bit has no slope. Its straight-through gradient is that of what the decoded bit estimates, the
 * value clamped to its two levels: gate_gradient of gate.h. Batch norms before the cut keep their
 * running statistics, for the gate's thresholds were learnt with these.
 *
 * The noise is a function of (seed, number), and no privacy mechanism: the pictures are public.
 * Nothing is kept between the passes but the pictures, by the caller: the backward pass makes the
 * activations again, so that memory does not grow with the batch.
 */
#ifndef MIST_TRAIN_GATEWAY_H
#define MIST_TRAIN_GATEWAY_H

#include "mist/gate.h"
#include "model/model.h"
#include "nn/net.h"

/* Pictures that pass at a time. */
#define GATEWAY_IMAGES 4

struct gateway_options {
	int img;
	enum conv_path path;
	uint64_t seed;
	bool gradient; /* gateway_backward will be called */
	int freeze;    /* layers < freeze get no gradient */
};

struct gateway;
/* The gates are those of the model's metadata. Borrows the model (its graph and parameters) and the
 * pool. Gates that do not fit the model: an error. */
struct gateway *gateway_new(const struct model *m, const struct gateway_options *opt,
			    struct pool *pool, struct err *err);
void gateway_free(struct gateway *g);
size_t gateway_bytes(const struct gateway *g);
int gateway_cut(const struct gateway *g);
int gateway_tensors(const struct gateway *g);
/* Call first, and after the parameters changed where they are trained. */
void gateway_load(struct gateway *g);

/* Where n <= GATEWAY_IMAGES pictures go, before either pass. */
struct view gateway_input(struct gateway *g, int n);
/* Picture i with the noise of number[i], what crosses to image i of the views to[tensor]. */
void gateway_forward(struct gateway *g, int n, const uint64_t *number, const struct view *to);
/* The same pictures again, with the gradients of `to` (overwritten): adds to grads. */
void gateway_backward(struct gateway *g, int n, const struct view *dto, float *grads);

#endif
