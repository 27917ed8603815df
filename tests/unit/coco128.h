/*
 * coco128.h - for tests on real pictures: members of ../shared/data/coco128.zip in a scratch folder.
 */
#ifndef MIST_TESTS_COCO128_H
#define MIST_TESTS_COCO128_H

#include "unit.h"

#include "base/file.h"

#include <archive.h>
#include <archive_entry.h>

static inline void unpack_member(struct archive *a, struct archive_entry *entry, const char *dir)
{
	char *path = path_join(dir, archive_entry_pathname(entry));
	char *parent = path_dir(path);
	size_t size = (size_t)archive_entry_size(entry);
	char *data = xmalloc(size + 1);
	struct err err;

	assert_int_equal(archive_read_data(a, data, size), size);
	assert_int_equal(dir_make(parent, &err), 0);
	assert_int_equal(file_write(path, data, size, &err), 0);
	free(data);
	free(parent);
	free(path);
}

/* Unpacks the members whose names contain one of the NULL-ended `wanted` (NULL: all) into `dir`. */
static inline void unpack_coco128(const char *dir, const char *const *wanted)
{
	char *zip = unit_shared("data/coco128.zip");
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	size_t i;

	archive_read_support_format_zip(a);
	assert_int_equal(archive_read_open_filename(a, zip, 1 << 16), ARCHIVE_OK);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		bool want = !wanted;

		for (i = 0; wanted && wanted[i]; i++)
			want |= strstr(archive_entry_pathname(entry), wanted[i]) != NULL;
		if (want && archive_entry_filetype(entry) == AE_IFREG)
			unpack_member(a, entry, dir);
	}
	archive_read_free(a);
	free(zip);
}

#endif
