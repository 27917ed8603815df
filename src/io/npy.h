/*
 * npy.h - NumPy's array files: version 1.0 written, 1.0 to 3.0 read (numpy.lib.format). C order,
 * little-endian u1, f2 and f4; every other type, Fortran order and objects are refused by name.
 * The header's keys may come in any order. Data written begins at a multiple of 64 bytes.
 */
#ifndef MIST_IO_NPY_H
#define MIST_IO_NPY_H

#include "base/err.h"
#include "base/mem.h"

#define NPY_MAX_DIMS 8

enum npy_type { NPY_U1, NPY_F2, NPY_F4 };

struct npy {
	enum npy_type type;
	int ndim;
	size_t dim[NPY_MAX_DIMS];
	size_t count; /* elements */
	size_t bytes; /* of the data: count * npy_size(type) */
	const unsigned char
		*data; /* borrowed from what was parsed; any alignment: copy, never cast */
};

size_t npy_size(enum npy_type type);
const char *npy_type_name(enum npy_type type); /* "u1" */

/* A whole .npy in memory, to its last byte. `name` begins the sentence. */
int npy_parse(const char *name, const void *bytes, size_t size, struct npy *out, struct err *err);
/* -1 and a sentence unless type and shape are these. */
int npy_expect(const char *name, const struct npy *npy, enum npy_type type, int ndim,
	       const size_t *dim, struct err *err);
/* All elements as floats (u1: 0 … 255). */
void npy_floats(const struct npy *npy, float *out);

/* Appends the header; the data, npy_size(type) bytes per element, follow it. */
void npy_add_header(struct buf *out, enum npy_type type, int ndim, const size_t *dim);

#endif
