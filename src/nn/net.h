/*
 * net.h - a part of a graph, compiled for one input size: buffers planned once by liveness, then
 * forward and backward with no allocation.
 *
 * A net covers the layers [from, to). Its inputs are the image (from == 0) or the tensors that
 * cross cut `from`; its outputs are the tensors that cross cut `to`, or, when to == nlayers, the
 * raw maps of the detection head: per level a view of na*(5+nc) channels (channel a*(5+nc)+k), or
 * the classifier's logits.
 */
#ifndef MIST_NN_NET_H
#define MIST_NN_NET_H

#include "base/err.h"
#include "base/pool.h"
#include "nn/graph.h"

struct net_options {
	int from, to; /* layers; to 0: to the end; train: may be the same, what comes in goes out */
	int max_n, h, w;     /* largest batch; the IMAGE's size, whatever `from` is */
	int batch;           /* images that the inputs hold, for batches that pass in parts of up to
				max_n (net_forward_part); 0: max_n */
	enum conv_path path; /* CONV_AUTO is resolved */
	bool train;          /* batch statistics, gradients */
	int freeze;          /* train: layers < freeze run in evaluation mode and get no gradient */
	int constant_bn;     /* train: batch norms of layers < constant_bn are trained too, but keep
				and use their running statistics */
	bool input_grad;     /* train: the gradient with respect to the inputs too, through frozen
				layers as well (feature inversion, gate-aware training) */
	bool overwrite; /* train: an output's gradient may lie where the output does: whoever writes a
				value has read that of its place */
	bool keep_y;    /* train: keep activations instead of making them again from the
				convolutions' results: faster by some sweeps, nearly twice the memory */
	int remake;     /* train: results of 1x1 convolutions of up to so many channels are made
				again rather than kept (the same bytes); 0: NET_REMAKE */
	/* train: where a batch is over several processes, adds up n values over them: batch norm's
	 * statistics are the whole batch's then, running ones too; gradients stay this one's share */
	void (*reduce)(void *ctx, double *v, size_t n);
	void *reduce_ctx;
	bool keep_all; /* keep every layer's output (tests); costs memory */
	int chunk;     /* images that go through a segment at a time (tests); 0: by size */
	bool apart;    /* no two convolutions run as one (tests) */
};

/* Of YOLOv5n at 640 pixels, batch 16, up to 32 channels cost 1 % of a step and save 168 MiB of 929, up to
 * 64 channels 3 % and 225. */
#define NET_REMAKE      32
#define NET_REMAKE_MOST 128

struct net;
/* Borrows graph and pool. A size that does not fit is an error. */
struct net *net_new(const struct graph *g, const struct net_options *opt, struct pool *pool,
		    struct err *err);
void net_free(struct net *net);
/* Bytes a net of these options would take (activations, gradients, packed weights, scratch). */
size_t net_bytes(const struct graph *g, const struct net_options *opt, struct pool *pool);

int net_ninputs(const struct net *net);
int net_noutputs(const struct net *net);
/* For a batch of n <= max_n (inputs: <= batch); fill inputs (mind the pads: view_from_nchw and friends
 * do). */
struct view net_input(struct net *net, int i, int n);
struct view net_output(struct net *net, int i, int n);
struct view net_output_grad(struct net *net, int i, int n); /* train: write before net_backward */
struct view net_layer_output(struct net *net, int layer, int n); /* keep_all only */
/* Gradient with respect to input i, after net_backward; input_grad only. */
struct view net_input_grad(struct net *net, int i, int n);

/* Call after the parameters changed (evaluation folds batch norm, all paths pack weights). */
void net_load_params(struct net *net, const float *params);
/* train: batch statistics; running statistics in `params` are updated. */
void net_forward(struct net *net, int n, float *params);
/* The same of images first … first+n-1 of the inputs; outputs, and net_backward, are theirs. */
void net_forward_part(struct net *net, int first, int n, float *params);
/* Adds to grads (laid out as params; zeros where nothing is trained). */
void net_backward(struct net *net, int n, float *grads);

/* Time per layer (-1: none) and operation since the last reset, for --profile. */
struct net_time {
	const char *what;
	int layer;
	double seconds, flops, bytes; /* flops: of convolutions; bytes: that the others move */
	long calls;
};
const struct net_time *net_profile(const struct net *net, int *rows);
void net_profile_reset(struct net *net);

#endif
