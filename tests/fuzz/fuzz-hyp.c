/* Hyper-parameters: what is read is in range and reads back from what is written. */
#include "model/hyp.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	struct hyp a, b;

	hyp_default(&a);
	hyp_default(&b);
	if (hyp_parse(&a, "x", (const char *)data, size, &err) == 0) {
		hyp_write(&a, &text);
		BUG_IF(hyp_parse(&b, "y", text.data, text.len, &err));
		BUG_IF(memcmp(&a, &b, sizeof(a)) != 0);
	}
	buf_release(&text);
	return 0;
}
