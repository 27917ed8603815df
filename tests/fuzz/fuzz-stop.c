/* A stop expression of any bytes parses or fails with a sentence, and can be evaluated. */
#include "base/mem.h"
#include "fed/stop.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stop_values v = {{1, 2, 0.5, 3, 0.1, 9}, {true, true, true, true, true, true}};
	char *text = xstrndup((const char *)data, size);
	struct err err = ERR_INIT;
	struct stop *s = stop_parse(text, &err);

	if (s)
		stop_holds(s, &v, NULL, 0);
	else
		BUG_IF(!err.msg[0]);
	stop_free(s);
	free(text);
	return 0;
}
