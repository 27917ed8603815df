/*
 * fuzz-json.c - what is read and written is read again as the same value.
 */
#include "io/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *out;
	json_t *v, *back;
	struct buf quoted = BUF_INIT;
	struct err err;

	v = json_parse("x", (const char *)data, size, &err);
	if (v) {
		out = json_text(v);
		back = json_parse("x", out, strlen(out), &err);
		BUG_IF(!back || !json_equal(v, back));
		json_decref(back);
		json_decref(v);
		free(out);
	}
	json_add_string(&quoted, text); /* any bytes become a JSON string */
	v = json_parse("x", quoted.data, quoted.len, &err);
	BUG_IF(!v);
	json_decref(v);
	buf_release(&quoted);
	free(text);
	return 0;
}
