/*
 * image.h - JPEG and PNG in and out through libjpeg-turbo and libpng. 8-bit RGB, rows top down.
 *
 * Decoding is OpenCV's imread(IMREAD_COLOR) to the bit on the same libjpeg: accurate integer DCT,
 * smooth upsampling, EXIF orientation honoured (JPEG and PNG), grey and palette become RGB, 16 bits
 * keep the high byte, an alpha channel is dropped. CMYK JPEGs are converted.
 *
 * Every input is taken as hostile: sides beyond 32768, more than 2^28 pixels, and pictures that
 * claim more pixels than their bytes could hold are refused before memory is asked for; a picture
 * that ends early or has damaged data is an error, never a half-grey image.
 */
#ifndef MIST_IO_IMAGE_H
#define MIST_IO_IMAGE_H

#include "base/err.h"
#include "base/mem.h"

struct image {
	int w, h;
	unsigned char *rgb; /* owned; h rows of 3*w bytes */
};

#define IMAGE_INIT                                                                                 \
	{                                                                                          \
		0, 0, NULL                                                                         \
	}

/* JPEG or PNG, told by the first bytes. `out` is overwritten; image_release() it. */
int image_decode(const void *data, size_t size, struct image *out, struct err *err);
int image_read(const char *path, struct image *out, struct err *err);

/* Width and height after orientation, from the header only. */
int image_size(const char *path, int *w, int *h, struct err *err);
/*
 * The same, and an error if the picture ends early: a file that does not end as its format does is
 * decoded to find out, so sound files stay cheap. Damage inside is found by decoding only.
 */
int image_check(const char *path, int *w, int *h, struct err *err);

/* A w x h image of undefined content. */
void image_alloc(struct image *img, int w, int h);
void image_release(struct image *img);

/* quality 1 … 100; 4:2:0 as libjpeg's default. Appends to `out`. */
int image_encode_jpeg(const struct image *img, int quality, struct buf *out, struct err *err);
int image_encode_png(const struct image *img, struct buf *out, struct err *err);
/* By the suffix of path (.jpg, .jpeg: quality 95; .png); atomic. */
int image_write(const char *path, const struct image *img, struct err *err);

/* The formats told apart by their first bytes, for messages; NULL when unknown. */
const char *image_format(const void *data, size_t size);

#endif
