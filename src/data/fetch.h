/*
 * fetch.h - bring a data set or a weight file here: from a name in sources.conf, a URL or a local
 * file to DIR/NAME, a folder that is there whole or not at all, or DIR/FILE.
 *
 * Archives (by suffix: .zip, .tar, .tgz, .gz, .xz, .zst) are unpacked (io/unpack.h); a lone folder
 * at the top of an archive is taken for the data set itself. A set with known class names and
 * without a dataset.yaml gets one. What is there already is not fetched again.
 */
#ifndef MIST_DATA_FETCH_H
#define MIST_DATA_FETCH_H

#include "base/err.h"
#include "data/catalogue.h"

#include <stdbool.h>

struct fetch_options {
	const char *dir;    /* NULL: the current folder; made when missing */
	const char *sha256; /* of the operand's only file; NULL: what the source knows */
	bool keep_packed;   /* do not unpack */
	int retries;        /* io/http.h */
	double pause;
	long stall_seconds;
	const struct notices *notices;
	/* "fetching" or "unpacking" WHAT; non-zero interrupts. */
	int (*progress)(void *ctx, const char *doing, const char *what, uint64_t done,
			uint64_t total);
	void *ctx;
};

/* Fetches one NAME, URL or FILE; `path` receives where it is now (the caller frees). */
int fetch(const struct catalogue *known, const char *operand, const struct fetch_options *opt,
	  char **path, struct err *err);

#endif
