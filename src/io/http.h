/*
 * http.h - download a file over http: or https:, whole and verified or not at all.
 *
 * The body goes to ".NAME.part" beside the file and is hashed on its way; it gets its name when
 * size and digest are right. A broken transfer is taken up again where it broke (Range; If-Range
 * with the server's validator unless a digest will tell anyway), after a pause that doubles each
 * time, with jitter (RFC 9110 sections 13 and 14; back-off as in AWS's "Exponential Backoff And
 * Jitter"). Mirrors are tried in turn.
 *
 * What a failed call leaves: nothing, except a part of at least HTTP_KEEP bytes that a later call
 * can go on with; the sentence says so.
 *
 * TLS is verified; redirects go to http: or https: only, and from https: to https: only. Proxies
 * are taken from the environment as curl(1) does (https_proxy, no_proxy, …).
 */
#ifndef MIST_IO_HTTP_H
#define MIST_IO_HTTP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parts below this are fetched again sooner than their leftovers are explained. */
#define HTTP_KEEP (1u << 20)

struct wire_auth;

struct http_request {
	const char *const *urls; /* the mirrors, in order of preference */
	size_t nurls;
	int retries;                  /* further attempts at each mirror after a passing failure */
	double pause;                 /* seconds before the first of them; 0: one second */
	long stall_seconds;           /* give up on a connection that stands still so long; 0: 30 */
	uint64_t size;                /* expected bytes; 0: not known */
	uint64_t max_size;            /* refuse more than this; 0: no limit */
	const char *sha256;           /* expected, 64 hexadecimal digits; NULL: not known */
	const struct wire_auth *auth; /* credentials (io/wire.h); NULL: none */
	const char *agent;            /* User-Agent; NULL: "mistutils" */
	const struct notices *notices;
	/* Called several times a second with bytes so far and in all (0: unknown); non-zero ends
	 * the transfer (status system, "interrupted"). */
	int (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/*
 * Fetches to `path`, replacing what is there. Failures: network (no mirror gave it), input (size or
 * digest are not the expected ones), system (disk, interrupted). `sha256` receives the digest
 * found.
 */
int http_get(const struct http_request *rq, const char *path, char sha256[65], struct err *err);

#endif
