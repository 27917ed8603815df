/*
 * store.h - programs whose operands and outputs may lie elsewhere: http:, https: and s3://BUCKET/KEY.
 *
 * store_main stands where cli_main does. What is named by a URL on the command line is fetched to a
 * private temporary folder before the program runs (io/http.h: whole, taken up again where it broke),
 * and what is named by -o, or by another option for what is written (--report, --state-out …), is put
 * there after it succeeded (io/upload.h): so programs know of files only, nothing half-written appears
 * in a store, and a run that failed sends nothing. The folder lies in $TMPDIR; one that a killed run
 * left is removed by the next.
 *
 * Credentials, from the environment or from files that others cannot read (else: status privacy):
 *	s3:	AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or profile AWS_PROFILE
 *		of AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials); AWS_REGION or AWS_DEFAULT_REGION
 *		(us-east-1); AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL for stores other than Amazon's.
 *		The last two may stand in the profile, too, as region and endpoint_url.
 *		Requests are signed with AWS signature, version 4.
 *	http:	MISTUTILS_TOKEN, or the first line of MISTUTILS_TOKEN_FILE: a bearer token, which goes
 *		over https: only, or to this machine; else $NETRC or ~/.netrc.
 */
#ifndef MIST_IO_STORE_H
#define MIST_IO_STORE_H

#include "base/cli.h"

int store_main(int argc, char **argv, const struct argp *argp, void *opts,
	       int (*run)(void *opts, struct err *err));

/*
 * One file, outside a command line. `profile`: whose credentials an s3: store is shown (NULL: as above).
 * `sha256`: what is fetched must have it; NULL: any. What is fetched is there whole or not at all.
 */
int store_fetch(const char *text, const char *profile, const char *sha256, const char *path,
		struct err *err);
int store_send(const char *text, const char *profile, const char *path, struct err *err);

/* "s3://BUCKET/KEY", "http:" and "https:" URLs. */
bool store_is_remote(const char *text);

/*
 * The URL at which an S3 object is reached, percent-encoded: with an endpoint ENDPOINT/BUCKET/KEY,
 * else Amazon's, where a bucket with a dot is not a host's name. NULL and a sentence if `text` is not
 * s3://BUCKET/KEY. The caller frees.
 */
char *store_s3_url(const char *text, const char *endpoint, const char *region, struct err *err);

#endif
