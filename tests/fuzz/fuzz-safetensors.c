/*
 * fuzz-safetensors.c - what opens can be read to its last tensor in any conversion.
 */
#include "io/safetensors.h"
#include "memfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memfile file = memfile_open(data, size);
	struct safetensors s;
	struct err err;
	size_t total = 0;
	int i;

	if (!safetensors_open(&s, file.path, &err)) {
		for (i = 0; i < s.ntensors; i++) {
			const struct safetensors_tensor *t = &s.tensors[i];
			void *v = xmalloc(t->count * sizeof(int64_t));

			BUG_IF(safetensors_find(&s, t->name) != t);
			BUG_IF(safetensors_read_floats(&s, t, v, &err));
			(void)safetensors_read_ints(&s, t, v, &err);
			total += t->bytes;
			free(v);
		}
		BUG_IF(s.data + total != size);
		safetensors_close(&s);
	}
	memfile_close(&file);
	return 0;
}
