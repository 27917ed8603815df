/*
 * netplan.h - inside net.c only: a part of a graph as a list of operations over planned buffers.
 *
 * A value that a concat joins lies in the concat's buffer from the start, as a slice of channels
 * ("parent", "c0"); only a value that two concats want is copied.
 *
 * Operations are run in segments, a few images ("chunk") at a time through the whole segment, so
 * that what one operation writes the next one finds in the cache. A segment ends only where an
 * operation needs the whole batch: batch norm its statistics, its gradient the sums over them. A
 * buffer that one segment alone touches holds a chunk and lives from the first to the last operation
 * that touches it; others hold the batch and live as long as the first and the last segment that
 * touch them. Buffers whose lives do not meet share memory.
 *
 * Training: a convolution with batch norm keeps its raw result z, but for those that are cheap to
 * make again; y = act(bn(z)) + residual is dropped after the forward pass and made again from z
 * before the backward pass first needs it (recompute), or kept. Gradients are written in place where
 * that is safe: dz over dy, the gradient of a shortcut's input in the storage of its output's, that of
 * an output in the output's.
 *
 * Two convolutions that read the same value may be run as one, a pair (netpair.c): their results go to
 * two buffers, their dz lie side by side in one. The first of the two has the packed weights.
 */
#ifndef MIST_NN_NETPLAN_H
#define MIST_NN_NETPLAN_H

#include "nn/bnact.h"
#include "nn/conv.h"
#include "nn/graph.h"
#include "nn/net.h"

/* Some channels of a buffer. */
struct slot {
	int buf, c0, c;
};
#define SLOT_NONE ((struct slot){-1, 0, 0})

/* From the first to the last, both included. */
struct life {
	int first, last;
};

struct buffer {
	int c, h, w, pad;
	size_t bytes;         /* per image, of what is no map; else 0 */
	struct life segments; /* that touch it */
	struct life ops;      /* during which nothing else may lie there */
	int images;           /* the batch, or one chunk */
	bool outside;         /* the caller touches it too */
	bool input;           /* filled by the caller for a batch that may pass in parts */
	size_t floats, lead;  /* view_floats */
	size_t offset;        /* floats into the arena */
};

enum op_kind {
	/* x, y (z: residual; of a pool: where the largest were; y2: the result of a pair's second) */
	OP_CONV,
	OP_BNACT,
	OP_MAXPOOL,
	OP_UPSAMPLE,
	OP_COPY,
	OP_FOCUS,
	OP_FLATTEN,
	OP_LOSS,         /* nothing: the caller's turn between forward and backward */
	OP_CLEAR,        /* y = 0 */
	OP_ADD,          /* y += x */
	OP_BNACT_SUMS,   /* x: z, y: dy, z: du; y2: y made again, residual: for that */
	OP_BNACT_APPLY,  /* x: z, z: dz, where du was; y: z of a pair's second */
	OP_BIAS_BACK,    /* y: dy */
	OP_WEIGHT_BACK,  /* x, y: dz */
	OP_DATA_BACK,    /* y: dz, z: dx */
	OP_MAXPOOL_BACK, /* x: where the largest were, y: dy, z: dx */
	OP_UPSAMPLE_BACK,
	OP_FOCUS_BACK,
	OP_FLATTEN_BACK, /* y: dy, z: dx */
};

struct op {
	enum op_kind kind;
	int step, unit; /* -1: none */
	int pair;       /* the second unit, where it does the work of two; -1 */
	bool add;       /* to what is there, else instead of it */
	struct slot x, y, z, y2, residual;
	struct view vx, vy, vz, vy2, vresidual; /* the slots, once there is memory */
	int row;                                /* of the profile */
};

/* How a convolution of the graph is run. */
enum unit_mode {
	UNIT_FUSED,    /* batch norm folded; bias, SiLU and residual in the epilogue */
	UNIT_CONSTANT, /* raw result, then a sweep with constant scale and shift */
	UNIT_BATCH,    /* the same with the statistics of the batch */
};

struct unit {
	int step;
	enum unit_mode mode;
	bool grad;               /* the gradient passes through it */
	bool frozen;             /* its parameters get none */
	int pair;                /* the unit it is run together with; -1 */
	struct conv *conv;       /* a pair's: the first's; NULL: the second's */
	struct conv_shape shape; /* of this step alone */
	int cout;                /* of conv */
	struct slot z;           /* the raw result; none when fused */
	bool drop;               /* z is not kept for the backward pass, but made again there */
	struct slot z2;          /* then */
	struct bn bn;
	/* in the net's memory, and where in floats */
	float *packed, *bias, *line; /* line: of bnact_back_line */
	double *sums;                /* over the chunks so far */
	size_t packed_at, bias_at, bn_at, line_at, sums_at;
};

/* Operations [op0, op1), `chunk` images at a time. */
struct segment {
	int op0, op1, chunk;
};

/* A value of the graph as this net sees it. */
struct tensor {
	bool used, input, output;
	bool needs_grad;
	int parent, c0;    /* slice of that value; -1 */
	int pad, grad_pad; /* of roots: what the readers want */
	int buf;           /* of roots: forward */
	int buf2;          /* of roots: made again for the backward pass */
	int layer2;        /* of roots: the layer whose backward pass that was for */
	int made2;         /* the buf2 in which this (part of a) value has been made; -1 */
	int grad_buf;      /* of roots */
	int argmax;        /* of a pool's output: buffer of bytes, -1 */
	int grad_of;       /* its gradient lies in that value's storage; -1 */
	bool grad_written;
};

struct plan {
	const struct graph *g;
	struct net_options opt;
	enum conv_path path;
	struct shape *shape;   /* per value */
	struct tensor *tensor; /* per value */
	int *unit_of;          /* per step, -1: none */
	struct unit *units;
	int nunits;
	struct buffer *bufs;
	int nbufs, bufs_cap;
	struct op *ops;
	int nops, ops_cap;
	int loss;  /* index of OP_LOSS, which ends the forward pass; the last one in evaluation */
	int layer; /* whose backward pass is being planned */
	struct segment *segments;
	int nsegments, segments_cap;
	int loss_segment;                    /* OP_LOSS alone */
	int inputs[GRAPH_MAX_FROM], ninputs; /* values */
	int outputs[GRAPH_MAX_FROM], noutputs;
	size_t arena;   /* floats of all buffers */
	size_t weights; /* floats of packed weights, biases and batch-norm vectors */
	size_t scratch; /* bytes */
	int max_cout;
};

/* The whole plan but for the memory; -1 and released on error. */
int plan_init(struct plan *p, const struct graph *g, const struct net_options *opt, int threads,
	      struct err *err);
void plan_release(struct plan *p);

/* netpair.c: finds each unit's `pair`. */
void plan_pairs(struct plan *p);
/* netback.c: appends the backward pass. */
void plan_backward(struct plan *p);
/* netseg.c: the order of the operations, their segments, and the lives of the buffers. */
void plan_segments(struct plan *p);
/* netmem.c: gives every buffer its offset and returns the floats of the arena. */
size_t plan_place(struct buffer *bufs, int n);

/* For netback.c. */
struct op *plan_op(struct plan *p, enum op_kind kind, int step);
int plan_buffer(struct plan *p, const struct shape *shape, int pad);
int plan_bytes(struct plan *p, size_t bytes);
int plan_root(const struct plan *p, int v, int *c0);
/* Floats of a unit's weights. */
size_t plan_weights(const struct plan *p, const struct unit *u);
/* Where the value lies in the forward pass. */
struct slot plan_slot(const struct plan *p, int v);
/* Where its gradient lies; none when it has none. */
struct slot plan_grad_slot(const struct plan *p, int v);
/* Appends the convolution that makes `y`, and with it `y2` of a pair's second. */
void plan_conv(struct plan *p, const struct unit *u, struct slot x, struct slot y, struct slot y2,
	       struct slot residual);
/* Appends an operation on these. */
void plan_put(struct plan *p, enum op_kind kind, int step, struct slot x, struct slot y,
	      struct slot z);
/* Appends the operation that makes a step's output from z (convolutions) or from its input.
 * extra: the residual, or where a pool notes its argmax. */
void plan_sweep(struct plan *p, int step, struct slot in, struct slot extra, struct slot out);

#endif
