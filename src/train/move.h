/*
 * move.h - augmentation of features: horizontal flip and translation by whole cells, of the tensors
 * that cross a cut and of the boxes that belong to them. What moves in from outside is zero, as the
 * padding of the convolutions behind the cut.
 */
#ifndef MIST_TRAIN_MOVE_H
#define MIST_TRAIN_MOVE_H

#include "base/rng.h"
#include "model/detect.h"
#include "nn/tensor.h"

struct move {
	bool flip;
	double dx, dy; /* of the width and height, to the right and down; flip comes first */
};

/* Draws a move: flip with probability `fliplr`, shifts uniform in ±translate, rounded to cells of
 * 1/cells_x by 1/cells_y: those of the coarsest tensor, so that every tensor moves by whole cells.
 */
void move_draw(struct move *m, struct rng *r, double fliplr, double translate, int cells_x,
	       int cells_y);
/* Image n of the view, in place. */
void move_features(const struct move *m, const struct view *v, int n);
/*
 * The box; false when too little of it is left: less than a tenth of its area, or 2 pixels of
 * either side (YOLOv5's box_candidates). `img` is the side of the image in pixels.
 */
bool move_box(const struct move *m, struct target *t, int img);

#endif
