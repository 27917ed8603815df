/*
 * fuzz-torchpt.c - a checkpoint: a zip as it is, or else a pickle, which is put into one (a zip's
 * checksums would hide the pickle from a fuzzer). Every tensor that is accepted can be read.
 */
#include "io/torchpt.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct archive *a, const char *name, const void *data, size_t size)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_size(e, (int64_t)size);
	BUG_IF(archive_write_header(a, e) != ARCHIVE_OK);
	BUG_IF(archive_write_data(a, data, size) != (la_ssize_t)size);
	archive_entry_free(e);
}

static size_t wrap(const uint8_t *pickle, size_t size, char *out, size_t cap)
{
	static const char storage[64];
	struct archive *a = archive_write_new();
	size_t used = 0;

	archive_write_set_format_zip(a);
	archive_write_zip_set_compression_store(a);
	archive_write_set_bytes_per_block(a, 0);
	BUG_IF(archive_write_open_memory(a, out, cap, &used) != ARCHIVE_OK);
	add(a, "x/data.pkl", pickle, size);
	add(a, "x/data/0", storage, sizeof(storage));
	BUG_IF(archive_write_close(a) != ARCHIVE_OK);
	archive_write_free(a);
	return used;
}

static void read_all(const struct torchpt *pt)
{
	int i;

	for (i = 0; i < pt->ntensors; i++) {
		const struct torchpt_tensor *t = &pt->tensors[i];
		void *v = xmalloc(t->count * sizeof(int64_t));

		torchpt_floats(t, v);
		if (t->integer)
			torchpt_ints(t, v);
		free(v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cap = size + 4096, used = size;
	char *zip = xmalloc(cap);
	struct torchpt *pt;
	struct err err;

	if (size > 1 && !memcmp(data, "PK", 2))
		memcpy(zip, data, size);
	else
		used = wrap(data, size, zip, cap);
	pt = torchpt_parse("x", zip, used, &err);
	if (pt)
		read_all(pt);
	torchpt_free(pt);
	free(zip);
	return 0;
}
