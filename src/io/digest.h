/*
 * digest.h - SHA-256 (libsodium) of bytes, files and streams, as 64 hexadecimal digits and a NUL.
 */
#ifndef MIST_IO_DIGEST_H
#define MIST_IO_DIGEST_H

#include "base/err.h"

#include <sodium.h>

#define DIGEST_HEX 65

struct digest {
	crypto_hash_sha256_state state;
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t size);
/* Ends the digest; init it again to use it again. */
void digest_hex(struct digest *d, char hex[DIGEST_HEX]);

void digest_bytes(const void *data, size_t size, char hex[DIGEST_HEX]);
/* From where the descriptor stands to its end. `name` is for the sentence. */
int digest_fd(int fd, const char *name, char hex[DIGEST_HEX], struct err *err);
/* "-": standard input. */
int digest_file(const char *path, char hex[DIGEST_HEX], struct err *err);
/* True for 64 hexadecimal digits of either case. */
bool digest_is_hex(const char *text);

#endif
