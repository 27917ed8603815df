/*
 * module.h - the modules a model's YAML may name: one row each in a registry, that says how its
 * arguments are read, which parameters it has (Ultralytics' names, in state_dict order) and of
 * which steps it consists. Shapes, forward and backward belong to the steps (graph.h, net.h): a new
 * module is one row here. Only builder.c and module.c include this.
 *
 * Arguments and names are those of Ultralytics YOLOv5's models/common.py and models/yolo.py.
 */
#ifndef MIST_NN_MODULE_H
#define MIST_NN_MODULE_H

#include "nn/builder.h"

/* Bounds that keep a hostile YAML from exhausting memory; YOLOv5x has 1280 channels, 24 layers. */
#define MODULE_MAX_CHANNELS 16384
#define MODULE_MAX_REPEAT   256

struct module_row {
	enum module module;
	const char *name;
	int min_args, max_args;
	int max_from;
	bool repeats; /* takes `repeat` itself, as C3 does; else it is repeated in sequence */
	int (*parse)(struct builder *b, struct layer *l, const struct arg *args, int nargs,
		     struct err *err);
	int (*build)(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		     struct err *err);
};

/* NULL: no module of that name. */
const struct module_row *module_named(const char *name);
/* An activation by its PyTorch expression ("nn.SiLU()"); -1: none of that name. */
int module_act(const char *name, enum act *out);

/* One convolution of a module: its parameters are declared in state_dict order, its step is emitted
 * in the order of computation. */
struct conv_row {
	int cin, cout, k, s, p, g;
	enum act act;
	int weight, bias, bn;
};

/* A parameter "PREFIX.NAME" of the layer appended last; returns its row. */
int builder_param(struct builder *b, enum param_kind kind, const char *prefix, const char *name,
		  int ndim, const int dim[4]);
/* Conv: "PREFIX.NAME.conv.weight", then batch norm's five. An empty name adds nothing. */
int builder_declare_conv(struct builder *b, const char *prefix, const char *name,
			 struct conv_row *r, struct err *err);
/* A plain convolution (ndim 4) or linear layer (ndim 2) with a bias. */
int builder_declare_plain(struct builder *b, const char *prefix, int ndim, struct conv_row *r,
			  struct err *err);

/* Append a step; return the value it makes, or -1. */
int builder_conv(struct builder *b, const struct conv_row *r, int in, int residual,
		 struct err *err);
int builder_plain(struct builder *b, enum step_kind kind, int in, int c, int scale,
		  struct err *err);
int builder_pool(struct builder *b, int in, int k, int s, int p, struct err *err);
int builder_concat(struct builder *b, const int *in, int nin, struct err *err);

#endif
