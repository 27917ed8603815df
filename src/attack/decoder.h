/*
 * decoder.h - feature inversion that was learnt: a small upsampling network, trained on public pictures
 * to undo the extractor and the gate with fresh noise at every step (Dosovitskiy and Brox 2016), then
 * shown what was sent. Where noise leaves little, it paints the mean of what could have been, which a
 * search for the most probable picture cannot.
 */
#ifndef MIST_ATTACK_DECODER_H
#define MIST_ATTACK_DECODER_H

#include "attack/evidence.h"
#include "nn/conv.h"

struct decoder_options {
	const char *public_set; /* pictures like the victims', none of them among them */
	const char *split;
	int epochs, batch;
	double rate; /* of Adam, at first; a cosine takes it down */
	enum conv_path path;
	uint64_t seed;
	const struct notices *notices;
	/* The epochs that are done, a fraction; may be NULL. */
	void (*progress)(void *ctx, double epochs);
	void *progress_ctx;
};
void decoder_defaults(struct decoder_options *o);

/* The network's YAML for tensors of these shapes at images of img x img; the caller frees. *from is its
 * first layer: those before stand for the extractor. NULL: a shape that it cannot grow from. */
char *decoder_yaml(const struct shape *shape, int n, int img, int *from, struct err *err);

struct decoder;
/* Trains for the gate and the noise of the evidence (its first segment's); m is the extractor. The same
 * on any number of threads. NULL on error. */
struct decoder *decoder_train(const struct model *m, const struct evidence *e,
			      const struct decoder_options *opt, struct pool *pool,
			      struct err *err);
void decoder_free(struct decoder *d);

/* out[i], allocated here: what it makes of picture i of the evidence, in the victims' frames. */
int decoder_apply(struct decoder *d, const struct evidence *e, const struct victims *v,
		  struct image *out, struct err *err);

#endif
