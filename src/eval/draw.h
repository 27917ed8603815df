/*
 * draw.h - boxes and labels on a picture, through cairo: a frame in the class's colour, as wide as the
 * picture's size asks for, and a plate with name and confidence that stays inside the picture and off
 * the other plates where there is room.
 */
#ifndef MIST_EVAL_DRAW_H
#define MIST_EVAL_DRAW_H

#include "io/image.h"
#include "model/detect.h"

/* 0 … 1 each; classes beyond the palette begin it anew. */
struct colour {
	double r, g, b;
};
struct colour draw_colour(int cls);

/* `dets` in the picture's pixels, by falling score; names: of the classes, UTF-8. */
int draw_detections(struct image *picture, const struct det *dets, int n, char *const *names,
		    struct err *err);

#endif
