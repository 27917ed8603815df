/*
 * letterbox.h - an image fitted into a rectangle as YOLOv5 does (utils/dataloaders.py load_image,
 * then utils/augmentations.py letterbox): the longer side becomes `img`, the other is truncated;
 * area filter when shrinking and bilinear when growing; centred padding of 114. resize.h has the
 * filters.
 */
#ifndef MIST_DATA_LETTERBOX_H
#define MIST_DATA_LETTERBOX_H

#include "io/image.h"
#include "nn/tensor.h"

#define LETTERBOX_GREY 114

struct letterbox {
	int src_w, src_h; /* original */
	int new_w, new_h; /* after resizing */
	int out_w, out_h; /* after padding */
	int left, top;    /* padding in whole pixels */
	double ratio;     /* new / src */
};

/*
 * Evaluation's rule: resize so that the longer side is `img`, then pad to out_w x out_h; where that
 * is smaller than the resized image, the image is shrunk further until it fits. All sizes > 0.
 */
void letterbox_plan(struct letterbox *lb, int src_w, int src_h, int img, int out_w, int out_h);
/* src (of the planned size) resized and padded into dst (allocated here, out_w x out_h). */
void letterbox_apply(const struct letterbox *lb, const struct image *src, struct image *dst);
/* The picture of a file in a square of side `img`: read, planned and applied. */
int letterbox_read(const char *path, int img, struct letterbox *lb, struct image *dst,
		   struct err *err);
/* RGB bytes to a 3-channel view of image n, whose h x w are the image's: x/255; clears the pads. */
void letterbox_to_view(const struct image *img, const struct view *v, int n);

/* Normalised label coordinates from the original to the letterbox, and pixels of the letterbox back
 * to pixels of the original, clipped to it. */
void letterbox_label(const struct letterbox *lb, float *xc, float *yc, float *w, float *h);
void letterbox_unmap(const struct letterbox *lb, float *x1, float *y1, float *x2, float *y2);

#endif
