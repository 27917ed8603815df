/*
 * module.h - the modules a model's YAML may name: one row each in a registry, that says how its
 * arguments are read, which parameters it has (Ultralytics' names, in state_dict order) and of
 * which steps it consists. Shapes, forward and backward belong to the steps (graph.h, net.h): a new
 * module is one row here.
 *
 * Arguments and names are those of Ultralytics YOLOv5's models/common.py and models/yolo.py.
 */
#ifndef MIST_NN_BUILDER_H
#define MIST_NN_BUILDER_H

#include "base/err.h"
#include "nn/graph.h"

enum arg_kind { ARG_NONE, ARG_NUMBER, ARG_BOOL, ARG_STRING, ARG_LIST };

/* An argument as the YAML has it, `nc` and `anchors` already replaced by what they mean. */
struct arg {
	enum arg_kind kind;
	double number;     /* ARG_NUMBER; ARG_BOOL: 0 or 1 */
	const char *text;  /* ARG_STRING; borrowed */
	struct arg *items; /* ARG_LIST */
	int nitems;
};

/* A graph in the making. */
struct builder {
	struct graph *graph;
	double width; /* the width multiple */
	enum act act; /* of every Conv that does not say otherwise */
	int layers_cap, steps_cap, values_cap, params_cap;
	int *scale;           /* per value: image side / side */
	struct shape *shapes; /* per value, where the graph has a fixed size */
	int scale_cap, shapes_cap;
};

/* An empty graph; the caller frees it (graph_free), and the builder with builder_release. */
void builder_init(struct builder *b, int channels, int fixed_h, int fixed_w);
void builder_release(struct builder *b);

/*
 * Appends a layer: module `name` with `args`, `repeat` times (the depth multiple already applied),
 * reading the layers `from`. What is wrong with it is one sentence without the line number.
 */
int builder_add(struct builder *b, const char *name, const int *from, int nfrom, int repeat,
		const struct arg *args, int nargs, struct err *err);

/* The activation of every Conv from now on, by its PyTorch expression ("nn.SiLU()"). */
int builder_set_act(struct builder *b, const char *name, struct err *err);

/* The outputs and strides of the whole; the graph is complete then. */
int builder_finish(struct builder *b, struct err *err);

#endif
