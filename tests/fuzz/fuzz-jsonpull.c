/*
 * fuzz-jsonpull.c - the pull reader and jansson agree on what is JSON, and numbers are strtod's.
 */
#include "base/mem.h"
#include "io/jsonpull.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool accepted(const uint8_t *data, size_t size, struct err *err)
{
	struct jsonpull p;
	enum pull token;

	jsonpull_init(&p, "fuzz", data, size);
	while ((token = jsonpull_next(&p, err)) > PULL_DONE) {
		if (token == PULL_NUM)
			BUG_IF(p.number != strtod(p.text.data, NULL));
		BUG_IF(p.depth < 0 || p.depth > JSONPULL_DEPTH);
	}
	jsonpull_close(&p);
	return token == PULL_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
	struct err err = ERR_INIT;
	bool ours = accepted(data, size, &err);
	json_error_t why;
	json_t *tree = json_loadb((const char *)data, size, flags, &why);

	BUG_IF(ours && !tree);
	/* Our bounds may be what refused it; and jansson takes a NUL for the end of the text. */
	BUG_IF(!ours && tree && size <= 1000 && !strstr(err.msg, "nested deeper") &&
	       !memchr(data, 0, size));
	json_decref(tree);
	return 0;
}
