/*
 * graph.h - the one table that describes a network. Shapes, parameter names, memory, FLOPs and the
 * tensors that cross a cut all derive from it. model/config.h makes it from a YAML text, with the
 * modules of nn/module.h.
 *
 * Two levels. `layers` are the rows of the YAML (a C3 is one). `steps` are what they consist of, in
 * the order of computation: convolutions, pools, … between `values`, the tensors. Value 0 is the
 * image.
 *
 * Parameters lie in one flat float arena, described by a table; names are those of Ultralytics'
 * state_dict ("model.4.m.0.cv2.conv.weight"), shapes PyTorch's (OIHW).
 */
#ifndef MIST_NN_GRAPH_H
#define MIST_NN_GRAPH_H

#include "base/err.h"
#include "base/mem.h"
#include "nn/bnact.h"

#include <stdint.h>

enum param_kind {
	PARAM_WEIGHT,    /* convolution or linear weight: decays */
	PARAM_BN_WEIGHT, /* gamma: does not decay */
	PARAM_BIAS,      /* biases and beta: do not decay, warm up from another rate */
	PARAM_BN_MEAN,   /* running statistics: not trained by gradient */
	PARAM_BN_VAR,
	PARAM_COUNTER, /* num_batches_tracked: an integer, kept as such in `counter` */
	PARAM_CONST,   /* anchors and the like: carried along, never trained */
};

struct param {
	char *name;
	enum param_kind kind;
	int layer;            /* index of the layer it belongs to */
	int ndim, dim[4];     /* 0 dimensions: a scalar */
	size_t offset, count; /* in floats, in the arena; a counter takes none */
	int64_t counter;      /* PARAM_COUNTER only */
};

/* True for what an optimiser updates. */
static inline bool param_trained(const struct param *p)
{
	return p->kind == PARAM_WEIGHT || p->kind == PARAM_BN_WEIGHT || p->kind == PARAM_BIAS;
}

enum module {
	MODULE_CONV,
	MODULE_BOTTLENECK,
	MODULE_C3,
	MODULE_SPP,
	MODULE_SPPF,
	MODULE_FOCUS,
	MODULE_UPSAMPLE,
	MODULE_CONCAT,
	MODULE_DETECT,
	MODULE_MAXPOOL,
	MODULE_FLATTEN,
	MODULE_LINEAR,
	MODULE_CONV2D,
	/* … one row each in the registry of nn/module.c */
};

#define GRAPH_MAX_FROM    8  /* inputs of a layer */
#define GRAPH_MAX_LEVELS  5  /* of a detection head: P3 … P7 */
#define GRAPH_MAX_ANCHORS 10 /* of a level */
#define GRAPH_MAX_POOLS   4  /* of an SPP: with its input, at most 5 slices */

struct layer {
	enum module module;
	int nfrom, from[GRAPH_MAX_FROM];   /* absolute indices; -1: the network's input */
	int repeat;                        /* after the depth multiple */
	int cin, cout;                     /* after the width multiple */
	int k, s, p, g;                    /* Conv, pools */
	int pool[GRAPH_MAX_POOLS], npools; /* SPP's kernels; SPPF's one */
	double expansion;                  /* hidden over output channels: C3, Bottleneck */
	bool shortcut;
	enum act act;
	int params0, nparams; /* its rows of the parameter table, in state_dict order */
	int steps0, nsteps;   /* its rows of `steps` */
	int out;              /* the value it makes; Detect: that of level 0 */
	char *label;          /* "Conv [64, 128, 3, 2]" for tables */
};

enum step_kind {
	STEP_CONV, /* convolution, then batch norm or bias, activation, residual */
	STEP_MAXPOOL,
	STEP_UPSAMPLE, /* twice as large, nearest */
	STEP_CONCAT,   /* along channels */
	STEP_FOCUS,    /* each 2x2 block of pixels to four times the channels */
	STEP_FLATTEN,  /* (c, h, w) to (c*h*w, 1, 1), in that order */
};

struct step {
	enum step_kind kind;
	int layer;
	int nin, in[GRAPH_MAX_FROM]; /* values */
	int residual;                /* value added last; -1: none */
	int out;                     /* value */
	int k, s, p, g;
	enum act act;
	/* Rows of the parameter table, -1: none. A batch norm has five, from `bn` on: weight, bias,
	 * running mean and variance, counter. */
	int weight, bias, bn;
};

struct value {
	int c;
	int step; /* that makes it; -1: the image */
	int layer;
};

struct graph {
	struct layer *layers;
	int nlayers;
	struct step *steps;
	int nsteps;
	struct value *values;
	int nvalues;
	int channels;         /* of the input image: 3 */
	int max_stride;       /* sides of images are multiples of it */
	int fixed_h, fixed_w; /* > 0: the only size it takes (it flattens) */
	/* what comes out: the head's levels, or the last layer's value */
	int outs[GRAPH_MAX_LEVELS], nouts;
	/* detection head; nl == 0 for a classifier */
	int nc, nl, na;
	float anchors[GRAPH_MAX_LEVELS][GRAPH_MAX_ANCHORS][2]; /* pixels */
	int strides[GRAPH_MAX_LEVELS];
	struct param *params;
	int nparams;
	size_t nfloats; /* of the parameter arena */
};

void graph_free(struct graph *g);
const struct param *graph_param(const struct graph *g, const char *name); /* NULL: none */

/* Output shape of a layer for an input of h x w; -1 and a sentence if the input does not fit
 * (a side not a multiple of max_stride). For Detect the shape of level 0 is given. */
struct shape {
	int c, h, w;
};
int graph_shape(const struct graph *g, int layer, int h, int w, struct shape *out, struct err *err);
/* The same for every value; `shapes` has nvalues elements. */
int graph_shapes(const struct graph *g, int h, int w, struct shape *shapes, struct err *err);
/* 2 * multiply-adds of the convolutions for one image; 0 where the size does not fit. */
double graph_layer_flops(const struct graph *g, int layer, int h, int w);
/* Output shape of one step, given those of its inputs; -1: they do not fit each other. */
int step_shape(const struct graph *g, const struct step *s, const struct shape *shapes,
	       struct shape *out, struct err *err);

/* The layers whose outputs cross cut `cut` (made by layers < cut, read by layers >= cut),
 * ascending; returns how many. Legal cuts are 1 … nlayers-1. */
int graph_frontier(const struct graph *g, int cut, int *layers, int max);

#endif
