/*
 * letterbox.h - an image fitted into a rectangle as YOLOv5 does: longer side to `img` (area filter
 * when shrinking, bilinear when growing, as OpenCV's INTER_AREA and INTER_LINEAR), centred padding
 * of 114.
 */
#ifndef MIST_DATA_LETTERBOX_H
#define MIST_DATA_LETTERBOX_H

#include "io/image.h"
#include "nn/tensor.h"

struct letterbox {
	int src_w, src_h; /* original */
	int new_w, new_h; /* after resizing */
	int out_w, out_h; /* after padding */
	int left, top;    /* padding in whole pixels */
	double ratio;     /* new / src */
};
/* Evaluation's rule: resize so that the longer side is `img`, then pad to out_w x out_h. */
void letterbox_plan(struct letterbox *lb, int src_w, int src_h, int img, int out_w, int out_h);
/* src resized and padded into dst (allocated here, out_w x out_h). */
void letterbox_apply(const struct letterbox *lb, const struct image *src, struct image *dst);
/* RGB bytes to a 3-channel view of image n: x/255; clears the pads. */
void letterbox_to_view(const struct image *img, const struct view *v, int n);
/* Normalised label coordinates from the original to the letterbox, and pixels back. */
void letterbox_label(const struct letterbox *lb, float *xc, float *yc, float *w, float *h);
void letterbox_unmap(const struct letterbox *lb, float *x1, float *y1, float *x2, float *y2);

#endif
