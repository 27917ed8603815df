/*
 * catalogue.h - what coco-fetch knows by name: a text file of data sets and weights, with mirrors,
 * sizes and digests. The format is described in share/mistutils/sources.conf and mist-datasets(5).
 */
#ifndef MIST_DATA_CATALOGUE_H
#define MIST_DATA_CATALOGUE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_file {
	char *name;  /* "val2017.zip" */
	char **urls; /* the mirrors in order; "file:" URLs are absolute */
	size_t nurls;
	uint64_t size; /* 0: not known */
	char *sha256;  /* NULL: not known */
	char *below;   /* take only what lies below this folder of the archive; NULL: all */
	char *into;    /* unpack into this folder of the data set; NULL: the set's own */
};

struct source {
	char *name;        /* and the name of its folder */
	char *about;       /* one line; NULL: none */
	char *names;       /* path of its list of class names; NULL: not known */
	char *train, *val; /* folders of images for dataset.yaml; NULL: none */
	struct source_file *files;
	size_t nfiles;
};

struct catalogue {
	struct source *list;
	size_t n;
};

#define CATALOGUE_INIT                                                                             \
	{                                                                                          \
		NULL, 0                                                                            \
	}

/* Appends what the file knows. Faults are "FILE:LINE: …" with status input. */
int catalogue_read(struct catalogue *s, const char *path, struct err *err);
/* The same from memory; relative paths in it count from `dir`. */
int catalogue_parse(struct catalogue *s, const char *text, size_t len, const char *path,
		    const char *dir, struct err *err);
void catalogue_release(struct catalogue *s);

/* The first of that name: what was read first wins. NULL: not known. */
const struct source *catalogue_find(const struct catalogue *s, const char *name);

#endif
