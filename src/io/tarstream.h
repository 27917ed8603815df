/*
 * tarstream.h - tar as a stream of small members: what webdataset reads and writes.
 *
 * Writing: POSIX ustar (IEEE Std 1003.1, pax), mtime, uid and gid 0, mode 0644, two zero blocks at
 * the end, no padding beyond; names that do not fit get a pax header. The same members give the
 * same bytes.
 *
 * Reading, through libarchive: any tar, wrapped in gzip, bzip2, xz, lzma, zstd, lz4 or compress
 * (found by content; filters that would start a program are not used), and several archives one
 * after the other. Members come one at a time and are bounded, so memory does not grow with the
 * stream. A stream that stops before its end blocks is truncated: an error, not an end.
 */
#ifndef MIST_IO_TARSTREAM_H
#define MIST_IO_TARSTREAM_H

#include "base/err.h"
#include "base/file.h"

struct tarstream_writer {
	struct outfile out;
	FILE *held; /* NULL: nothing is held back */
};

int tarstream_create(struct tarstream_writer *w, const char *path, struct err *err);
/* A regular file. Names are relative, up to 4095 bytes. */
int tarstream_add(struct tarstream_writer *w, const char *name, const void *data, size_t size,
		  struct err *err);
/*
 * What is added from now on waits in an unnamed temporary file until it is let go: for writers who
 * may not say a thing before something else is done. Ending lets go. Where the output is a file that
 * is renamed in the end (tarstream_in_place says no), nothing is seen before that anyway.
 */
int tarstream_hold(struct tarstream_writer *w, struct err *err);
int tarstream_let_go(struct tarstream_writer *w, struct err *err);
bool tarstream_in_place(const struct tarstream_writer *w);
/* Ends and commits; the writer is released, as by discard. */
int tarstream_finish(struct tarstream_writer *w, struct err *err);
void tarstream_discard(struct tarstream_writer *w);

struct tarstream_member {
	const char *name; /* as written, one printable line; borrowed until the next call */
	const unsigned char *data; /* borrowed until the next call; a NUL follows it */
	size_t size;
};

struct tarstream;
/* "-": standard input. A member of more than `max_member` bytes is an error. NULL on error. */
struct tarstream *tarstream_open(const char *path, size_t max_member, struct err *err);
/* 1: a regular file (folders are passed over, all else is an error); 0: the end; -1: an error. */
int tarstream_next(struct tarstream *t, struct tarstream_member *out, struct err *err);
/* Was the last error that the stream stops before its end? */
bool tarstream_truncated(const struct tarstream *t);
void tarstream_close(struct tarstream *t);

#endif
