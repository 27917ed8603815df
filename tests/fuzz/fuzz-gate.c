/*
 * fuzz-gate.c - the JSON of mist.gate. What is accepted must survive being written and read again.
 */
#include "base/mem.h"
#include "mist/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *once, *twice;
	struct gates g, back;
	struct err err;

	if (!gates_parse(text, &g, &err)) {
		once = gates_json(&g);
		BUG_IF(gates_parse(once, &back, &err));
		twice = gates_json(&back);
		BUG_IF(strcmp(once, twice) != 0);
		free(once);
		free(twice);
		gates_release(&g);
		gates_release(&back);
	}
	free(text);
	return 0;
}
