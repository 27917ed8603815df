/*
 * hsv.h - hue, saturation and value gains as YOLOv5's augment_hsv makes them through OpenCV's 8-bit
 * HSV (hue 0 … 179), modules/imgproc/src/color_hsv.simd.hpp. The way back truncates, as OpenCV's
 * vector code does (its scalar code rounds); some values in a thousand are a level off where a
 * compiler fused its multiplications and additions.
 */
#ifndef MIST_DATA_HSV_H
#define MIST_DATA_HSV_H

#include "io/image.h"

/* Each channel is multiplied by its gain through a table: hue modulo 180, the others clipped. */
void hsv_gain(struct image *img, double hue, double saturation, double value);

void hsv_from_rgb(const unsigned char *rgb, unsigned char *hsv, int n);
void hsv_to_rgb(const unsigned char *hsv, unsigned char *rgb, int n);

#endif
