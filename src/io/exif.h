/*
 * exif.h - the one thing that pictures need of EXIF: which way up they are. CIPA DC-008 (Exif 2.3),
 * 4.6.4 tag 0x0112, in a TIFF 6.0 structure. Anything malformed means "as stored", never an error.
 */
#ifndef MIST_IO_EXIF_H
#define MIST_IO_EXIF_H

#include <stddef.h>

/* `tiff` begins with "II*\0" or "MM\0*". Returns 1 … 8; 1 when there is no valid orientation. */
int exif_orientation(const void *tiff, size_t size);

/* Does this orientation exchange width and height? */
static inline int exif_swaps(int orientation)
{
	return orientation >= 5;
}

#endif
