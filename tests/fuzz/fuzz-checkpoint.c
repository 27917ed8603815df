/* mist.train, the state in a checkpoint's metadata: what is read is written and read back. */
#include "io/json.h"
#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct train_state a = TRAIN_STATE_INIT, b = TRAIN_STATE_INIT;
	struct err err = ERR_INIT;
	json_t *in = json_parse("x", (const char *)data, size, &err), *out;
	char *first, *second;

	if (!in)
		return 0;
	if (json_is_object(in) && train_state_parse(&a, "x", in, &err) == 0) {
		out = train_state_json(&a);
		first = json_text(out);
		BUG_IF(train_state_parse(&b, "y", out, &err));
		json_decref(out);
		out = train_state_json(&b);
		second = json_text(out);
		BUG_IF(strcmp(first, second) != 0);
		json_decref(out);
		free(first);
		free(second);
	}
	train_state_release(&a);
	train_state_release(&b);
	json_decref(in);
	return 0;
}
