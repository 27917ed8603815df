/*
 * safetensors.h - weight files: an 8-byte little-endian header length, a JSON header, raw buffers
 * (huggingface/safetensors, "Format").
 *
 * Reading checks the whole header before anything of the data is touched: its length is bounded,
 * every buffer is as long as its shape and type say, the buffers cover the data without holes or
 * overlaps and the file ends with them, no name is there twice. Tensors are then read one at a
 * time, in any order, in constant memory. A pipe is first copied to an unlinked temporary file.
 *
 * Writing streams too: declare everything, begin, then put the tensors in the order that
 * safetensors_writer_next asks for (wide types first, so that every buffer is aligned for readers
 * that map the file; else in the order declared). The same declarations give the same bytes.
 */
#ifndef MIST_IO_SAFETENSORS_H
#define MIST_IO_SAFETENSORS_H

#include "base/err.h"
#include "base/file.h"
#include "io/digest.h"

#include <sys/types.h>

#define SAFETENSORS_MAX_HEADER 100000000 /* the reference implementation's bound */
#define SAFETENSORS_MAX_DIMS   8

enum safetensors_type {
	SAFETENSORS_F32,
	SAFETENSORS_F16,
	SAFETENSORS_BF16,
	SAFETENSORS_F64,
	SAFETENSORS_I64,
	SAFETENSORS_I32,
	SAFETENSORS_U8,
};

struct safetensors_tensor {
	char *name;
	enum safetensors_type type;
	int ndim; /* 0: a scalar */
	size_t dim[SAFETENSORS_MAX_DIMS];
	size_t count;   /* elements */
	uint64_t begin; /* of its bytes in the data */
	size_t bytes;
};

struct safetensors_meta {
	char *key, *value;
};

struct safetensors {
	struct safetensors_tensor *tensors; /* in the order of their bytes */
	int ntensors;
	struct safetensors_meta *meta; /* sorted by key */
	int nmeta;
	/* private */
	struct safetensors_tensor **by_name;
	char *path;
	int fd;
	uint64_t base, data; /* where the file, and where its data, begin */
	dev_t dev;
	ino_t ino;
	bool spooled, shared;
};

size_t safetensors_size(enum safetensors_type type);
const char *safetensors_type_name(enum safetensors_type type);
/* "(64, 3, 6, 6)", at most `size` bytes; returns out. */
char *safetensors_shape(const struct safetensors_tensor *t, char *out, size_t size);

/* "-": standard input. After 0, close it; after -1 there is nothing to close. */
int safetensors_open(struct safetensors *s, const char *path, struct err *err);
void safetensors_close(struct safetensors *s);
/* Gives the descriptor back until the next read, so that a thousand files may be open. */
void safetensors_park(struct safetensors *s);
/*
 * When both list the same tensors at the same places, `s` forgets its own list and metadata and
 * borrows those of `like`, which must outlive it: a thousand files of one model cost a thousand
 * paths. False: they differ, and nothing was changed.
 */
bool safetensors_share(struct safetensors *s, const struct safetensors *like);

/* NULL when absent. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name);
const char *safetensors_meta(const struct safetensors *s, const char *key);

/* t->bytes bytes as they lie in the file. */
int safetensors_read(struct safetensors *s, const struct safetensors_tensor *t, void *out,
		     struct err *err);
/* t->count values, converted from any type; integers beyond 2^24 are rounded. Values are not looked
 * at: safetensors_finite does. */
int safetensors_read_floats(struct safetensors *s, const struct safetensors_tensor *t, float *out,
			    struct err *err);
/* The same for the n values from number `first` on, which the tensor must have. */
int safetensors_read_range(struct safetensors *s, const struct safetensors_tensor *t, size_t first,
			   size_t n, float *out, struct err *err);
/* Integers of any integer type; a floating type is an error. */
int safetensors_read_ints(struct safetensors *s, const struct safetensors_tensor *t, int64_t *out,
			  struct err *err);
/* SHA-256 of the whole file. */
int safetensors_digest(struct safetensors *s, char hex[DIGEST_HEX], struct err *err);

/* The index of the first NaN or infinity, or n. */
size_t safetensors_finite(const float *values, size_t n);

struct safetensors_writer {
	struct safetensors_tensor *tensors; /* as declared */
	int ntensors, cap;
	struct safetensors_meta *meta;
	int nmeta, metacap;
	/* private */
	int *order; /* of writing */
	int next;
	struct outfile out;
};
#define SAFETENSORS_WRITER_INIT                                                                    \
	{                                                                                          \
		0                                                                                  \
	}

/* A NULL value removes the key; a later value replaces an earlier one. Copies both. */
void safetensors_writer_meta(struct safetensors_writer *w, const char *key, const char *value);
/* Declares a tensor; returns its number: 0, 1, … Names are the caller's to keep apart. */
int safetensors_writer_add(struct safetensors_writer *w, const char *name,
			   enum safetensors_type type, int ndim, const size_t *dim);
/* Writes the header. "-": standard output. */
int safetensors_writer_begin(struct safetensors_writer *w, const char *path, struct err *err);
/* The number of the tensor that must be put now; -1 when all are there. */
int safetensors_writer_next(const struct safetensors_writer *w);
/* All values of that tensor, as floats (rounded to a floating type), integers, or raw bytes. */
int safetensors_writer_floats(struct safetensors_writer *w, const float *values, struct err *err);
int safetensors_writer_ints(struct safetensors_writer *w, const int64_t *values, struct err *err);
int safetensors_writer_raw(struct safetensors_writer *w, const void *bytes, struct err *err);
/* Commits. After it, or after discard, the writer is released and empty again. */
int safetensors_writer_finish(struct safetensors_writer *w, struct err *err);
void safetensors_writer_discard(struct safetensors_writer *w);

#endif
