/*
 * resize.h - OpenCV's two resizing filters on 8-bit RGB, to the bit
 * (modules/imgproc/src/resize.cpp, 4.x without IPP): INTER_AREA averages the covered area in single
 * precision; INTER_LINEAR is fixed point with 11 bits of weight, rounded as its vector code rounds.
 */
#ifndef MIST_DATA_RESIZE_H
#define MIST_DATA_RESIZE_H

#include "io/image.h"

/*
 * src to dst_w x dst_h at `dst`, whose rows are `stride` bytes apart. Area wants dst no larger than
 * src on either side.
 */
void resize_area(const struct image *src, unsigned char *dst, int dst_w, int dst_h, size_t stride);
void resize_linear(const struct image *src, unsigned char *dst, int dst_w, int dst_h,
		   size_t stride);

#endif
