/*
 * source.h - where the samples of a training run come from: a feature stream held in memory as it
 * came (bits stay bits), or a data set of images. A sample is drawn by number; how it is augmented
 * depends on (seed, epoch, number) alone, so a resumed run draws what it would have drawn.
 */
#ifndef MIST_TRAIN_SOURCE_H
#define MIST_TRAIN_SOURCE_H

#include "base/err.h"
#include "base/pool.h"
#include "data/dataset.h"
#include "io/digest.h"
#include "model/detect.h"
#include "model/hyp.h"
#include "model/model.h"
#include "nn/net.h"

struct target_list {
	struct target *v; /* owned */
	int n, cap;
};

struct source;
struct source_class {
	int (*fill)(struct source *s, struct pool *pool, struct net *net, long epoch,
		    const int *index, int *n, struct target_list *out, struct err *err);
	/* The rest of the backward pass, from the net's input gradients on; NULL: there is none. */
	void (*backward)(struct source *s, struct net *net, int first, int n, float *grads);
	/* The model's parameters changed; NULL: nothing depends on them. */
	void (*load)(struct source *s);
	void (*stamp)(const struct source *s, struct model *m); /* NULL: nothing to say */
	void (*free)(struct source *s);
};

struct source {
	const struct source_class *class;
	int n;                   /* samples */
	int from;                /* the layer that they enter: 0, or the cut */
	bool gradient;           /* layers before `from` are trained too, by source_backward */
	int img;                 /* side of the letterboxed image */
	char digest[DIGEST_HEX]; /* of the samples and their labels */
	size_t bytes;            /* memory it holds */
	const struct hyp *hyp;   /* borrowed */
	uint64_t seed;
	enum conv_path kernel; /* of what it computes itself; train_new sets it */
};

/*
 * A feature stream ("-": standard input). It must come from the layers that the model has before the
 * cut; no sample or a broken stream is an error. Flips by hyp->fliplr, moves by hyp->translate in
 * whole cells.
 *
 * Here and below: where the data name another number of classes than the weights, *m becomes a model
 * of theirs (transfer.h; the old one is freed), with a notice.
 */
struct source *source_features(const char *path, struct model **m, const struct hyp *hyp,
			       uint64_t seed, const struct notices *notices, struct err *err);

/*
 * The training pictures of a data set (borrowed), augmented as `hyp` asks (data/augment.h): img x img
 * for the layers from the first, or, where the weights have a gate, through the layers before it and
 * the gate (gateway.h) for those behind. A picture that cannot be decoded is noticed and left out,
 * or, with `strict`, an error.
 */
struct images_options {
	int img;
	uint64_t seed;
	bool strict;
	bool extractor; /* train the layers before the gate too */
	int freeze;     /* but not those before this */
	enum conv_path path;
	struct pool *pool; /* borrowed */
	const struct notices *notices;
};
struct source *source_images(const struct dataset *d, struct model **m, const struct hyp *hyp,
			     const struct images_options *opt, struct err *err);

/* For the above: makes the model one of these classes. */
int source_adapt(struct model **m, int nc, char *const *names, uint64_t seed,
		 const struct notices *notices, struct err *err);

/*
 * Samples index[0 … *n-1], as `epoch` draws them, to images 0, 1, … of the net's inputs, which are
 * views of *n images; `out` is cleared and gets their boxes. *n becomes smaller by those left out.
 */
int source_fill(struct source *s, struct pool *pool, struct net *net, long epoch, const int *index,
		int *n, struct target_list *out, struct err *err);
/* After net_backward of images first … first+n-1 of the batch that was filled last: what lies before
 * the net. */
void source_backward(struct source *s, struct net *net, int first, int n, float *grads);
void source_load(struct source *s);
/* Writes into the model's metadata what was learnt through: the cut and the gate. */
void source_stamp(const struct source *s, struct model *m);
void source_free(struct source *s); /* NULL is harmless */

void target_list_add(struct target_list *l, const struct target *t);
void target_list_release(struct target_list *l);

#endif
