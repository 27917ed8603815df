/*
 * file.h - whole files in, atomic files out.
 *
 * Outputs are written aside (".NAME.XXXXXX" in the same folder), synced and renamed: a reader sees
 * the old file or the new one, and a failed run leaves nothing behind. "-" is standard output,
 * which is written as it comes; pipes, terminals and devices named as outputs are too.
 */
#ifndef MIST_BASE_FILE_H
#define MIST_BASE_FILE_H

#include "base/err.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>

/* Appends the whole of `path` ("-": standard input) to `out`; more than `max` bytes is an error. */
int file_read(const char *path, size_t max, struct buf *out, struct err *err);

/* Opens for reading; "-" is standard input (then the descriptor is 0, and file_close leaves it). */
int file_open(const char *path, struct err *err);
void file_close(int fd);

/* Reads up to `size` bytes, fewer only at the end; -1 on error. Retries interrupted reads. */
long file_read_some(int fd, void *data, size_t size, const char *name, struct err *err);

struct outfile {
	char *path; /* the name it will have; "-" for standard output */
	char *temp; /* the name it has until then; NULL when written in place */
	FILE *fp;
	bool failed; /* a write failed: commit will say so */
};

/* Refuses to write binary data to a terminal. */
int outfile_open(struct outfile *o, const char *path, bool binary, struct err *err);
int outfile_write(struct outfile *o, const void *data, size_t size, struct err *err);
int outfile_printf(struct outfile *o, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Flushes, syncs, renames. After it, or after abort, the outfile is released. */
int outfile_commit(struct outfile *o, struct err *err);
/* Removes what was written; harmless after commit and on a zeroed outfile. */
void outfile_abort(struct outfile *o);

/* The whole of `data` as an atomic file. */
int file_write(const char *path, const void *data, size_t size, struct err *err);

/* mkdir -p. */
int dir_make(const char *path, struct err *err);
/* rm -r; never follows links. A missing path is not an error. */
int dir_remove(const char *path, struct err *err);
/* A new empty folder beside `path`, to be filled and then dir_install()ed; the caller frees *temp.
 */
int dir_stage(const char *path, char **temp, struct err *err);
/* Renames a staged folder into place; what is at `path` already is an error (status input). */
int dir_install(const char *temp, const char *path, struct err *err);

/* Names of the entries of a folder, sorted bytewise, without "." and ".."; free with names_free. */
int dir_list(const char *path, char ***names, size_t *n, struct err *err);
void names_free(char **names, size_t n);
/* "a,b,c" as a list; free with names_free. */
char **names_split(const char *text, size_t *n);

bool path_exists(const char *path);
bool path_is_dir(const char *path);
/* "DIR/NAME" (NAME alone when it is absolute or DIR is empty); the caller frees. */
char *path_join(const char *dir, const char *name);
/* The part after the last '/', borrowed. */
const char *path_base(const char *path);
/* The part before the last '/', or "."; the caller frees. */
char *path_dir(const char *path);

#endif
