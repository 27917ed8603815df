/*
 * digest-sha.h - SHA-256 by the processor's own instructions, where it has them: private to digest.c.
 */
#ifndef MIST_IO_DIGEST_SHA_H
#define MIST_IO_DIGEST_SHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool digest_sha_available(void);
/* Compresses blocks of 64 bytes, any alignment, into the eight words. Only where available. */
void digest_sha_blocks(uint32_t state[8], const unsigned char *p, size_t blocks);

#endif
