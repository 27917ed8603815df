/*
 * wire.h - what transfers through libcurl share: who we are, which failures pass, how libcurl's
 * sentences become ours.
 */
#ifndef MIST_IO_WIRE_H
#define MIST_IO_WIRE_H

#include "io/libcurl.h"

/* Credentials; all may be NULL. Borrowed for the length of a transfer. */
struct wire_auth {
	const char *bearer;        /* a token (RFC 6750); not sent on to other hosts */
	const char *netrc;         /* a file as curl's and ftp's */
	const char *sigv4;         /* "aws:amz:REGION:s3": AWS signature, version 4 */
	const char *user, *secret; /* for sigv4 */
	const char *session;       /* its session token */
};

/*
 * Sets them; headers that they need are added to *headers. auth NULL: none. `sha256`: of the body that
 * is sent, 64 hexadecimal digits, which the signature covers; NULL: nothing is sent.
 */
void wire_authorise(const struct libcurl *lib, CURL *curl, const struct wire_auth *auth,
		    const char *sha256, struct curl_slist **headers);

/* Failures that another attempt at the same URL may not meet again. */
bool wire_is_passing(CURLcode rc, long code);

/* libcurl's sentence in the manner of ours. */
void wire_cause(const struct libcurl *lib, CURLcode rc, const char *message, char *out,
		size_t size);

#endif
