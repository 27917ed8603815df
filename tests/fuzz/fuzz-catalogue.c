/* The parser of sources.conf: any bytes give a list or one sentence. */
#include "data/catalogue.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct catalogue s = CATALOGUE_INIT;
	struct err err = ERR_INIT;

	if (catalogue_parse(&s, (const char *)data, size, "fuzz", "/dir", &err) && !err.msg[0])
		abort();
	catalogue_release(&s);
	return 0;
}
