/* Label files: what is read lies in range, is written, and reads back as often. */
#include "data/labels.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct err err = ERR_INIT;
	struct buf text = BUF_INIT;
	struct labels a, b;
	int i;

	if (labels_parse("x", (const char *)data, size, 80, &a, &err)) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	for (i = 0; i < a.n; i++) {
		const struct label *l = &a.v[i];

		if (l->cls < 0 || l->cls >= 80 || !(l->xc >= 0 && l->xc <= 1) ||
		    !(l->yc >= 0 && l->yc <= 1) || !(l->w >= 0 && l->w <= 1) ||
		    !(l->h >= 0 && l->h <= 1))
			abort();
	}
	labels_format(a.v, a.n, &text);
	if (text.len &&
	    (labels_parse("y", text.data, text.len, 80, &b, &err) || b.n + b.duplicates != a.n))
		abort();
	if (text.len)
		labels_release(&b);
	buf_release(&text);
	labels_release(&a);
	return 0;
}
