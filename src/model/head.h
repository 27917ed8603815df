/*
 * head.h - the training step of a detection head: its 1x1 convolutions and YOLOv5's loss, forward and
 * backward, in one.
 *
 * The loss looks at the objectness of every cell, but at boxes and classes only where a target is
 * matched: of YOLOv5n at 640 pixels at some hundred of 25,200 predictions an image, while its 255
 * channels a cell are a twelfth of the network's multiplications and its widest maps. So the head
 * computes objectness (na channels) everywhere and the rest at the matches alone. What is left out is
 * neither read by the loss nor has it a gradient: the results are those of whole maps.
 *
 * The net that stands before it covers the layers up to head_layer(): its outputs are what the head
 * reads, and their gradients what the head writes.
 */
#ifndef MIST_MODEL_HEAD_H
#define MIST_MODEL_HEAD_H

#include "model/detect.h"

/* The head's layer, the graph's last. */
int head_layer(const struct graph *g);

/* Whether dx may lie where x does (net_options.overwrite). */
bool head_in_place(const struct graph *g);

struct head_options {
	int max_n, h, w;     /* largest batch; the IMAGE's size */
	enum conv_path path; /* CONV_AUTO, or one that runs here */
	const struct loss_hyp *hyp;
};

struct head;
/* Borrows graph and pool; copies hyp. Never NULL. */
struct head *head_new(const struct graph *g, const struct head_options *opt, struct pool *pool);
void head_free(struct head *head);
/* Bytes it takes, but for those that grow with the number of matches. */
size_t head_bytes(const struct graph *g, const struct head_options *opt);

/*
 * Of images first … first+n-1 of a batch of `all`: x and dx are theirs, as the net's outputs and
 * their gradients are numbered (graph_frontier at head_layer); `targets` are those of all the batch.
 * dx is written whole, unless its p is NULL; the parameters' gradients are added to `grads`.
 * Averages are the batch's, so that losses and gradients of parts are shares of it: `out` adds up to
 * the batch's loss. Gradients are those of all * (box + obj + cls).
 */
void head_step(struct head *head, const float *params, const struct view *x, int first, int n,
	       int all, const struct target *targets, int ntargets, const struct view *dx,
	       float *grads, struct loss *out);

#endif
