/*
 * tensor.h - how activations lie in memory.
 *
 * Activations are float32, NHWC. A `struct view` is a borrowed window on an arena: it may be a
 * slice of channels of a wider buffer (how concat costs nothing), so a pixel is `ld` floats from
 * the next.
 *
 * Horizontal padding is stored: a buffer has `pad` pixels of zeros before its first row and after
 * every row (shared by the row's right side and the next row's left), so that a convolution with
 * padding <= pad never tests columns. Rows outside the image are skipped by the readers.
 * THE RULE: whoever writes a row of a view writes zeros to the `pad` pixels behind it (its channels
 * only), and before the first row, since arena memory is reused: view_clear_pads(). Every operator
 * of this room does so for its outputs.
 *
 * Speed: let ld (and the first channel of a slice) be a multiple of 16, so that vectors do not
 * straddle cache lines: 256 for a head of 255 channels. Only the image, with 3, is better dense.
 */
#ifndef MIST_NN_TENSOR_H
#define MIST_NN_TENSOR_H

#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>

struct view {
	float *p;       /* channel 0 of pixel (0, 0) of image 0 */
	int n, h, w, c; /* images, rows, columns, channels */
	int ld;         /* floats from pixel to pixel, >= c */
	int pad;        /* pixels of zeros between rows */
};

/* Floats from row to row, and from image to image. */
static inline size_t view_row(const struct view *v)
{
	return (size_t)(v->w + v->pad) * (size_t)v->ld;
}
static inline size_t view_image(const struct view *v)
{
	return (size_t)v->h * view_row(v);
}
static inline float *view_at(const struct view *v, int n, int y, int x)
{
	return v->p + (size_t)n * view_image(v) + (size_t)y * view_row(v) +
	       (size_t)x * (size_t)v->ld;
}
/* Floats that a buffer of this shape takes, leading pads included; p lies `lead` floats into it
 * (a multiple of 16). Rounded up so that vector loads past the last channel stay inside. */
size_t view_floats(const struct view *v, size_t *lead);
/* Channels c0 … c0+c-1 of `v`. */
struct view view_slice(const struct view *v, int c0, int c);
/* The first n images of `v`. */
struct view view_batch(const struct view *v, int n);
bool view_same_shape(const struct view *a, const struct view *b); /* n, h, w, c */

/* Zeros in the pads of rows y0 … y1-1 of image n (and before row 0 when y0 == 0). */
void view_clear_pads(const struct view *v, int n, int y0, int y1);
/* Zeros in `pixels` pixels from p on (the view's channels only), and everywhere. */
void view_clear_pixels(const struct view *v, float *p, int pixels);
void view_clear(const struct view *v);

/* dst = src, and dst += src; n, h, w, c must agree. */
void view_copy(struct pool *pool, const struct view *src, const struct view *dst);
void view_add(struct pool *pool, const struct view *src, const struct view *dst);

/* NCHW, dense, to a view and back (tests, features, files). */
void view_from_nchw(const struct view *v, const float *src);
void view_to_nchw(const struct view *v, float *dst);

#endif
