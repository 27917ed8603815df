/*
 * deliver.h - a file put where it belongs, and proof that it is there.
 */
#ifndef MIST_JOB_DELIVER_H
#define MIST_JOB_DELIVER_H

#include "base/err.h"
#include "io/digest.h"

/*
 * Copies `from` to `to` (its folder is made), aside and renamed, reads it again from there, and
 * compares digests. `hex` is set to it.
 */
int deliver_file(const char *from, const char *to, char hex[DIGEST_HEX], struct err *err);

/*
 * The end of a job: FOLDER/model.safetensors is there, and FOLDER/delivered/CLIENT of every client
 * that took part has its digest; then done.json is written. A client that took part and was not
 * delivered to is an error (status no). `missing` names the others; the caller frees.
 */
int deliver_end(const char *folder, long rounds, const char *reason, char **missing,
		struct err *err);

#endif
