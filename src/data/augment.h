/*
 * augment.h - training pictures as YOLOv5 makes them (utils/dataloaders.py __getitem__,
 * load_mosaic; utils/augmentations.py): mosaic of four or a letterboxed picture, random affine,
 * mixup, HSV gains, flips. Pixels agree with OpenCV's for the same numbers drawn; the numbers come
 * from base/rng.h, keyed by (seed, epoch, picture), so that neither threads nor resuming change a
 * picture. Not done: perspective, copy_paste (augment_check refuses them).
 */
#ifndef MIST_DATA_AUGMENT_H
#define MIST_DATA_AUGMENT_H

#include "base/rng.h"
#include "data/dataset.h"
#include "model/hyp.h"

/* Is everything that `hyp` asks for known here? */
int augment_check(const struct hyp *hyp, struct err *err);

/* A box in pixels. */
struct box {
	int cls;
	float x1, y1, x2, y2;
};

/* A picture on its way: pixels and boxes. */
struct sample {
	struct image img;
	struct box *boxes; /* owned */
	int nboxes, cap;
};
void sample_release(struct sample *s);

/* Training picture number `index` of the set in `epoch`: img x img. */
int augment_sample(const struct dataset *d, const struct hyp *hyp, int img, uint64_t seed,
		   int epoch, int index, struct sample *out, struct err *err);

/* The parts, in order, for tests and other uses. */

/* Picture `index` with its longer side `img`, bilinear either way, and its boxes. */
int sample_load(const struct dataset *d, int index, int img, struct sample *out, struct err *err);
/* Centred in img x img on grey. */
void sample_letterbox(struct sample *s, int img);
/* Four pictures around a random centre on a 2*img square, `index` among them. */
int sample_mosaic(const struct dataset *d, int index, int img, struct rng *rng, struct sample *out,
		  struct err *err);

/* A random forward transform src -> dst (x' = m[0] x + m[1] y + m[2]; y' = m[3] …). */
struct affine {
	double m[6];
	double scale; /* its share of scaling, for the filter of boxes */
};
void affine_draw(struct affine *a, const struct hyp *hyp, int src_w, int src_h, int dst_w,
		 int dst_h, struct rng *rng);
bool affine_is_identity(const struct affine *a);
/* Warps picture and boxes into w x h; drops boxes that became too small, thin or hidden. */
void sample_affine(struct sample *s, const struct affine *a, int w, int h);

/* Blends `other` (released) in by a Beta(32, 32) share; both sets of boxes stay. */
void sample_mixup_take(struct sample *s, struct sample *other, struct rng *rng);
void sample_flip_horizontally(struct sample *s);
void sample_flip_vertically(struct sample *s);
/* Boxes clipped to the picture and normalised. */
void sample_labels(const struct sample *s, struct label *out);

#endif
