/*
 * ledger_key.h - the secret of an edge's ledger, from which the noise of every release is derived.
 *
 * FILE.key holds 32 bytes from getrandom(2) as one line of hexadecimal digits, mode 0600; one that
 * others can read is refused. Five keys are derived from it (libsodium's crypto_kdf, BLAKE2b) and
 * the secret itself is wiped at once:
 *	noise	keys noise_derive: with it all noise can be removed, so it never leaves the edge
 *	image	makes a picture's pseudonym in the ledger, so that a stolen ledger alone does not tell
 *		whether a known picture is in it
 *	pixels	hashes its pixels for that: with Poly1305 (Bernstein 2005), under which two pictures of n
 *		bytes collide with probability n / 2^107 at most, and whose value is only ever seen through
 *		a keyed BLAKE2b, so that it may serve for more than one
 *	tag	makes a release's pseudonym
 *	the fingerprint, by which a ledger knows its key; public
 * The keys lie in locked, guarded memory that core dumps leave out (sodium_malloc) and are wiped by
 * ledger_key_free.
 */
#ifndef MIST_MIST_LEDGER_KEY_H
#define MIST_MIST_LEDGER_KEY_H

#include "base/err.h"
#include "io/image.h"

#include <stdint.h>

#define LEDGER_ID          16 /* bytes of a pseudonym */
#define LEDGER_FINGERPRINT 33 /* characters, with the NUL */

struct ledger_key {
	uint8_t noise[32], image[32], pixels[32], tag[32];
	bool first_format; /* pictures are named as in ledgers of version 1: by BLAKE2b of all pixels */
	char fingerprint[LEDGER_FINGERPRINT];
};

/* From the file; where it is not there and `create` says so, of a new one. NULL on error. */
struct ledger_key *ledger_key_open(const char *path, bool create, struct err *err);
void ledger_key_free(struct ledger_key *key);

/* Of the decoded picture's size and pixels: a new name or other metadata are not another picture, the same
 * scene compressed again or turned is. */
void ledger_key_image(const struct ledger_key *key, const struct image *img, uint8_t id[LEDGER_ID]);
/* Of the key that a release's noise had (noise_derive), so of mechanism, shapes and clean bits. */
void ledger_key_tag(const struct ledger_key *key, const uint8_t noise[32], uint8_t id[LEDGER_ID]);

#endif
