/*
 * synth.h - a synthetic detection set: shapes over textured backgrounds, several sizes, shadows,
 * occlusions, a background without objects now and then. The embedded default for demonstrations and
 * tests, which a small YOLOv5 learns from scratch in minutes.
 *
 * Integer arithmetic and the seeded generator only: the same pixels on every machine. A picture
 * depends on seed, sizes and its number, so a larger set begins with the smaller one.
 */
#ifndef MIST_DATA_SYNTH_H
#define MIST_DATA_SYNTH_H

#include "base/pool.h"
#include "data/labels.h"
#include "io/image.h"

struct synth_options {
	int images;  /* for training */
	int val;     /* more for validation; 0: the training pictures serve */
	int classes; /* 1 … shape_count() */
	int drawn;   /* only the first of them are drawn, though all have names; 0: all */
	int img;     /* the longer side, 32 … 4096 */
	uint64_t seed;
};

/* Training picture `index`, or (val) validation picture `index`. labels_release() the labels. */
void synth_draw(const struct synth_options *opt, bool val, int index, struct image *img,
		struct labels *labels);

/*
 * DIR/images/{train,val}, DIR/labels/{train,val}, DIR/dataset.yaml; whole or not at all. What is at DIR
 * already is an error. `step` (may be NULL) hears how many pictures are done.
 */
int synth_write(const struct synth_options *opt, const char *dir, struct pool *pool,
		void (*step)(void *ctx, int done), void *ctx, struct err *err);

#endif
