/* results.csv: whatever is read is written and read back to the same table. */
#include "model/results.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct results a = RESULTS_INIT, b = RESULTS_INIT;
	struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	int i, k;

	if (results_parse(&a, "x", (const char *)data, size, &err) == 0) {
		results_format(&a, &text);
		BUG_IF(results_parse(&b, "x", text.data, text.len, &err) || a.n != b.n);
		for (i = 0; i < a.n; i++)
			for (k = 0; k < RESULTS_COLUMNS; k++)
				BUG_IF(fabs(a.row[i].value[k] - b.row[i].value[k]) >
				       1e-4 * fabs(a.row[i].value[k]));
	}
	results_release(&a);
	results_release(&b);
	buf_release(&text);
	return 0;
}
