/*
 * calibrate_model.h - gates for every tensor that crosses a cut, from a public data set, written into
 * a model (mist.cut_layer, mist.gate): what mist-extract, mist-train, mist-eval and mist-detect obey.
 */
#ifndef MIST_MIST_CALIBRATE_MODEL_H
#define MIST_MIST_CALIBRATE_MODEL_H

#include "base/err.h"
#include "mist/calibrate.h"
#include "model/model.h"
#include "nn/conv.h"

struct calibrate_options {
	int cut; /* 0: the file's own mist.cut_layer, or 4 */
	int img;
	enum threshold_rule rule;
	int mechanism; /* that the gate is for, an enum mechanism; -1: rr with an epsilon, else none */
	double epsilon; /* 0: not given */
	int filter;     /* odd side of the filter that the gate gets (wiener.h); 0: none */
	int pool; /* side of the squares that the gate averages (thin.h), which then has no filter */
	int net;  /* channels inside the network that adds to the filter (denoise.h); 0: none */
	int net_steps; /* that it learns for */
	uint64_t seed; /* of the network's beginning and of the noise that it sees */
	enum conv_path path;
	const struct notices *notices; /* pictures that are left out */
};

/* What recovers most (mistutils(7), ACCURACY BEHIND THE GATE). */
#define CALIBRATE_DEFAULTS                                                                         \
	{                                                                                          \
		.rule = THRESHOLD_MEDIAN, .mechanism = -1, .filter = 3, .net_steps = 300           \
	}

/*
 * Reads the weights and the data set, and returns the model with its gates; the caller frees. Pictures
 * that cannot be decoded are left out with a notice. NULL on error.
 */
struct model *calibrate_file(const char *weights, const char *public_set,
			     const struct calibrate_options *opt, int threads, struct err *err);

#endif
