/*
 * batch.h - a data set in batches, decoded ahead by threads while the caller computes.
 *
 * What a batch holds depends on the options, the epoch and its number alone, never on the threads.
 * At most a window of decoded pictures is in memory, never the whole set.
 *
 *	struct batches *b = batches_new(d, &opt, &err);
 *	batches_start(b, epoch, 0);
 *	while ((rc = batches_next(b, &batch, &err)) > 0) {
 *		… a net for batch.n images of batch.w x batch.h …
 *		batches_fill(b, &input);
 *	}
 *
 * Evaluation: letterboxed, in the order of the set; or `rect`, YOLOv5's rectangular batches:
 *pictures sorted by height over width, each batch as small a rectangle as holds its pictures, sides
 * ceil(side * img / stride + pad) * stride (utils/dataloaders.py). Training (`hyp`): augment.h, in
 *an order shuffled anew every epoch.
 */
#ifndef MIST_DATA_BATCH_H
#define MIST_DATA_BATCH_H

#include "data/dataset.h"
#include "data/letterbox.h"
#include "model/detect.h"
#include "model/hyp.h"

struct batch_options {
	int batch;             /* pictures in a batch; the last may have fewer */
	int img;               /* the longer side */
	bool rect;             /* evaluation in rectangles; pad is .5 as YOLOv5's val, stride 32 */
	int stride;            /* rect; 0: 32 */
	const struct hyp *hyp; /* not NULL: training pictures, augmented; borrowed */
	bool shuffle;
	uint64_t seed;
	int threads; /* that decode; 0 or 1: the caller's own, when it asks for a batch */
	bool strict; /* a picture that cannot be decoded is an error, not a skip */
	const struct notices *notices;
};

/* Borrowed until the next batches_next, batches_start or batches_free. */
struct batch {
	int n;                               /* pictures; may be 0 where all were skipped */
	int w, h;                            /* of the network's input */
	const int *items;                    /* their places in the data set */
	const struct letterbox *letterboxes; /* evaluation only, else NULL */
	const struct target *targets;        /* by image, normalised to w x h */
	int ntargets;
};

struct batches;

/* Borrows the data set and what the options point to. */
struct batches *batches_new(const struct dataset *d, const struct batch_options *opt,
			    struct err *err);
void batches_free(struct batches *b);

int batches_count(const struct batches *b); /* in an epoch */
/* The largest input of any batch. */
void batches_largest(const struct batches *b, int *w, int *h);

/* Begins an epoch (from 0) at batch number `first`, whatever was under way. */
void batches_start(struct batches *b, int epoch, int first);
/* 1: a batch; 0: the epoch is over; -1: an error. */
int batches_next(struct batches *b, struct batch *out, struct err *err);
/* The pictures of the last batch, x/255, into a 3-channel view of its size (n may be larger). */
void batches_fill(struct batches *b, const struct view *v);
/* The same as bytes: w*h*3, RGB, of picture i. */
const unsigned char *batches_pixels(const struct batches *b, int i);

/* Pictures skipped since batches_new; each is noticed once. */
int batches_skipped(const struct batches *b);

#endif
