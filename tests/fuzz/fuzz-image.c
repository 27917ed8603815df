/* JPEG and PNG: any bytes give a picture or one sentence, within bounded memory. */
#include "io/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct err err = ERR_INIT;
	struct image img;

	if (image_decode(data, size, &img, &err) && (!err.msg[0] || img.rgb))
		abort();
	image_release(&img);
	return 0;
}
