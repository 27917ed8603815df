/*
 * credentials.h - who we are to an object store or a server (the list: io/store.h). Files that others
 * can read are refused. Secrets are wiped by credentials_release.
 */
#ifndef MIST_IO_CREDENTIALS_H
#define MIST_IO_CREDENTIALS_H

#include "io/wire.h"

struct credentials {
	struct wire_auth auth; /* borrows from what follows */
	char *bearer, *netrc, *sigv4, *user, *secret, *session, *region;
	char *endpoint; /* of an S3 store that is not Amazon's; NULL */
};

/* For "s3:…": those of `profile`; NULL: those of the environment, or of $AWS_PROFILE. An error where
 * there are none. */
int credentials_s3(struct credentials *c, const char *shown, const char *profile, struct err *err);
/* For an http: or https: URL: all may be absent. */
int credentials_http(struct credentials *c, const char *url, struct err *err);
void credentials_release(struct credentials *c);

/* The [profile] of an INI file, as far as it tells; what is there already is replaced. */
void credentials_parse(struct credentials *c, const char *text, const char *profile);

#endif
