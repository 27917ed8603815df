/*
 * denoise.h - the network behind a gate's filter (filter.h): three 3x3 convolutions with SiLU
 * between them, that add to the best linear estimate of what crossed the cut what is not linear in the
 * bits around it. Learnt from PUBLIC images with fresh noise at every step; as post-processing of what
 * was released it costs no privacy (Dwork and Roth 2014, proposition 2.1).
 *
 *	u1 = silu(w1 * d + b1), u2 = silu(w2 * u1 + b2), y = filter(d) + w3 * u2 + b3
 *
 * d being the decoded levels less their means, and nothing outside the image. Its floats (gate.h)
 * are w1 b1 w2 b2 w3 b3, the w OIHW: c to width, width to width, width to c channels.
 */
#ifndef MIST_MIST_DENOISE_H
#define MIST_MIST_DENOISE_H

#include "data/dataset.h"
#include "mist/gate.h"
#include "model/model.h"
#include "nn/conv.h"

/* The graph of those convolutions; its parameter arena is laid out as above. Never NULL. */
struct graph *denoise_graph(int c, int width);

struct denoise_options {
	int img;
	int width; /* of the hidden channels */
	int steps;
	uint64_t seed;
	enum conv_path path; /* resolved */
	const struct notices *notices;
};

/*
 * Gives each of the cut's gates that has noise and a filter its network. The same on any number of
 * threads. m is the extractor.
 */
int denoise_learn(const struct model *m, const struct dataset *set, struct gates *gates,
		  const struct denoise_options *opt, struct pool *pool, struct err *err);

#endif
