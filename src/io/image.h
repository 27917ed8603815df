/*
 * image.h - JPEG and PNG in and out through libjpeg-turbo and libpng. 8-bit RGB, rows top down.
 */
#ifndef MIST_IO_IMAGE_H
#define MIST_IO_IMAGE_H

#include "base/err.h"
#include "base/mem.h"

struct image {
	int w, h;
	unsigned char *rgb; /* owned; h rows of 3*w bytes */
};
/* EXIF orientation is honoured; grey and palette become RGB; transparency is dropped onto black;
 * CMYK JPEGs are converted. Sides beyond 32768 or more than 2^28 pixels are refused. A JPEG that
 * ends early is an error. */
int image_decode(const void *data, size_t size, struct image *out, struct err *err);
int image_read(const char *path, struct image *out, struct err *err);
/* Width and height after orientation, from the header only. */
int image_size(const char *path, int *w, int *h, struct err *err);
void image_release(struct image *img);
int image_encode_jpeg(const struct image *img, int quality, struct buf *out, struct err *err);
int image_encode_png(const struct image *img, struct buf *out, struct err *err);
/* By the suffix of path; atomic. */
int image_write(const char *path, const struct image *img, struct err *err);

#endif
