/*
 * imgpng.h - PNG through libpng; image.h is the way in. Stored orientation: the caller turns.
 */
#ifndef MIST_IO_IMGPNG_H
#define MIST_IO_IMGPNG_H

#include "io/image.h"

/* `header_only`: sets out->w and out->h, no pixels. An eXIf chunk counts if it precedes the pixels.
 */
int imgpng_decode(const void *data, size_t size, bool header_only, struct image *out,
		  int *orientation, struct err *err);
int imgpng_encode(const struct image *img, struct buf *out, struct err *err);

/* Does the file end with an IEND chunk? */
bool imgpng_ends(const unsigned char *tail, size_t size);

#endif
