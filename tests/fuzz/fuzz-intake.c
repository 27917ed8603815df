/* The record of an inbox: whatever is read is written and read back to the same text. */
#include "fed/intake.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct err err = ERR_INIT;
	struct intake a, b;
	char *one, *two;

	if (intake_parse(&a, "x", (const char *)data, size, &err))
		return 0;
	one = intake_text(&a);
	BUG_IF(intake_parse(&b, "x", one, strlen(one), &err));
	two = intake_text(&b);
	BUG_IF(strcmp(one, two) != 0);
	free(one);
	free(two);
	intake_release(&a);
	intake_release(&b);
	return 0;
}
