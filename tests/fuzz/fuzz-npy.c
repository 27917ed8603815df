/*
 * fuzz-npy.c - what is read is written again with the same shape and values.
 */
#include "io/npy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = BUF_INIT;
	struct npy npy, back;
	struct err err;
	float *v;

	if (npy_parse("x", data, size, &npy, &err))
		return 0;
	v = xmalloc(npy.count * sizeof(*v));
	npy_floats(&npy, v);
	npy_add_header(&out, npy.type, npy.ndim, npy.dim);
	buf_add(&out, npy.data, npy.bytes);
	BUG_IF(npy_parse("x", out.data, out.len, &back, &err));
	BUG_IF(npy_expect("x", &back, npy.type, npy.ndim, npy.dim, &err));
	BUG_IF(npy.bytes && memcmp(npy.data, back.data, npy.bytes) != 0);
	buf_release(&out);
	free(v);
	return 0;
}
