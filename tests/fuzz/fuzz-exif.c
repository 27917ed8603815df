/* EXIF's orientation: any bytes give 1 … 8. */
#include "io/exif.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	int orientation = exif_orientation(data, size);

	if (orientation < 1 || orientation > 8)
		abort();
	return 0;
}
