/*
 * upload.h - send a file to a URL, whole or not at all: one PUT, or for an object store that speaks
 * S3 in parts ("Multipart upload", Amazon S3 API 2006-03-01), which become the object in one last
 * request. A failed upload in parts is aborted, so nothing half-written remains. Failures that may
 * pass are tried again after a pause that doubles.
 */
#ifndef MIST_IO_UPLOAD_H
#define MIST_IO_UPLOAD_H

#include "io/wire.h"

#include <stdint.h>

/* S3's least size of a part is 5 MiB, its largest number of them 10,000. */
#define UPLOAD_PART ((uint64_t)16 << 20)

struct upload {
	const char *url;   /* percent-encoded */
	const char *shown; /* for sentences */
	const struct wire_auth *auth;
	bool parts;   /* the server speaks S3: files above UPLOAD_PART go in parts */
	int retries;  /* of each request */
	double pause; /* seconds before the first retry */
};

/* Failures: network, system. */
int upload_file(const struct upload *u, const char *path, struct err *err);

/* The text of the first <name> of a server's XML, without entities and of a bounded length; NULL: it has
 * none. The caller frees. */
char *upload_xml_text(const char *xml, const char *name);

#endif
