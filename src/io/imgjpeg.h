/*
 * imgjpeg.h - JPEG through libjpeg-turbo; image.h is the way in. Stored orientation: the caller
 * turns.
 */
#ifndef MIST_IO_IMGJPEG_H
#define MIST_IO_IMGJPEG_H

#include "io/image.h"

/* With out->rgb: decodes. `header_only`: sets out->w and out->h, no pixels. */
int imgjpeg_decode(const void *data, size_t size, bool header_only, struct image *out,
		   int *orientation, struct err *err);
int imgjpeg_encode(const struct image *img, int quality, struct buf *out, struct err *err);

/* Is there an end marker where a sound file has one? `tail` is the end of the file. */
bool imgjpeg_ends(const unsigned char *tail, size_t size);

#endif
