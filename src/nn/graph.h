/*
 * graph.h - the one table that describes a network. Shapes, parameter names, memory, FLOPs and the
 * tensors that cross a cut all derive from it. model/config.h makes it from a YAML text.
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
	size_t offset, count; /* in floats, in the arena */
	int64_t counter;      /* PARAM_COUNTER only */
};

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
	/* … one row each in the registry of model/config.c */
};

struct layer {
	enum module module;
	int nfrom, from[8]; /* absolute indices; -1: the network's input */
	int repeat;         /* after the depth multiple */
	int cin, cout;      /* after the width multiple */
	int k, s, p, g;     /* Conv, pools */
	bool shortcut;
	enum act act;
	int params0, nparams; /* its rows of the parameter table, in state_dict order */
	char *label;          /* "Conv [64, 128, 3, 2]" for tables */
};

struct graph {
	struct layer *layers;
	int nlayers;
	int channels; /* of the input image: 3 */
	int max_stride;
	/* detection head; nl == 0 for a classifier */
	int nc, nl, na;
	float anchors[5][10][2]; /* pixels */
	int strides[5];
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
double graph_layer_flops(const struct graph *g, int layer, int h, int w);

/* The layers whose outputs cross cut `cut` (made by layers < cut, read by layers >= cut),
 * ascending; returns how many. Legal cuts are 1 … nlayers-1. */
int graph_frontier(const struct graph *g, int cut, int *layers, int max);

#endif
