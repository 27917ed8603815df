/*
 * libarchive.h - libarchive, loaded by the first that reads an archive (base/dynlib): with it come some
 * fifteen libraries, XML's and Unicode's among them. A struct that reads archives owns a `struct
 * libarchive`, loads it once and calls its functions by their names, lib->archive_read_new().
 */
#ifndef MIST_IO_LIBARCHIVE_H
#define MIST_IO_LIBARCHIVE_H

#include "base/err.h"

#include <archive.h>
#include <archive_entry.h>

#define LIBARCHIVE_CALLS(CALL)                                                                     \
	CALL(archive_entry_filetype)                                                               \
	CALL(archive_entry_hardlink)                                                               \
	CALL(archive_entry_pathname)                                                               \
	CALL(archive_entry_pathname_utf8)                                                          \
	CALL(archive_entry_size)                                                                   \
	CALL(archive_entry_size_is_set)                                                            \
	CALL(archive_entry_symlink)                                                                \
	CALL(archive_errno)                                                                        \
	CALL(archive_error_string)                                                                 \
	CALL(archive_filter_bytes)                                                                 \
	CALL(archive_filter_code)                                                                  \
	CALL(archive_format)                                                                       \
	CALL(archive_read_data)                                                                    \
	CALL(archive_read_data_block)                                                              \
	CALL(archive_read_free)                                                                    \
	CALL(archive_read_new)                                                                     \
	CALL(archive_read_next_header)                                                             \
	CALL(archive_read_open)                                                                    \
	CALL(archive_read_open_filename)                                                           \
	CALL(archive_read_open_memory)                                                             \
	CALL(archive_read_set_options)                                                             \
	CALL(archive_read_support_filter_bzip2)                                                    \
	CALL(archive_read_support_filter_compress)                                                 \
	CALL(archive_read_support_filter_gzip)                                                     \
	CALL(archive_read_support_filter_lz4)                                                      \
	CALL(archive_read_support_filter_lzma)                                                     \
	CALL(archive_read_support_filter_xz)                                                       \
	CALL(archive_read_support_filter_zstd)                                                     \
	CALL(archive_read_support_format_empty)                                                    \
	CALL(archive_read_support_format_raw)                                                      \
	CALL(archive_read_support_format_tar)                                                      \
	CALL(archive_read_support_format_zip_seekable)                                             \
	CALL(archive_set_error)

struct libarchive {
#define LIBARCHIVE_MEMBER(name) typeof(name) *name;
	LIBARCHIVE_CALLS(LIBARCHIVE_MEMBER)
#undef LIBARCHIVE_MEMBER
};

/* System error where there is none. */
int libarchive_load(struct libarchive *lib, struct err *err);

#endif
