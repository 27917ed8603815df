/*
 * backdrop.h - textured backgrounds for synthetic pictures: two muted colours in a pattern, under
 * fractal value noise. Integers only.
 */
#ifndef MIST_DATA_BACKDROP_H
#define MIST_DATA_BACKDROP_H

#include "base/rng.h"
#include "io/image.h"

/* Fills the whole image. */
void backdrop_draw(struct image *img, struct rng *rng);

/* A colour: hue 0 … 1535 around the circle, saturation and value 0 … 255. */
void backdrop_colour(int hue, int saturation, int value, unsigned char rgb[3]);

/* A reproducible byte of noise for a point. */
int backdrop_grain(uint32_t key, int x, int y);

#endif
