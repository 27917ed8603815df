/*
 * warp.h - OpenCV's warpAffine with INTER_LINEAR and a constant border, to the bit
 * (modules/imgproc/src/imgwarp.cpp): coordinates of 10 fractional bits, of which 5 weigh.
 */
#ifndef MIST_DATA_WARP_H
#define MIST_DATA_WARP_H

#include "io/image.h"

/* m maps src to dst; dst is allocated by the caller. A singular m gives the border everywhere. */
void warp_affine(const struct image *src, const double m[6], struct image *dst,
		 unsigned char border);

#endif
