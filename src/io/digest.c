#include "io/digest.h"

#include "base/file.h"

#include <string.h>

void digest_init(struct digest *d)
{
	crypto_hash_sha256_init(&d->state);
}

void digest_add(struct digest *d, const void *data, size_t size)
{
	crypto_hash_sha256_update(&d->state, data, size);
}

void digest_hex(struct digest *d, char hex[DIGEST_HEX])
{
	unsigned char sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_final(&d->state, sum);
	sodium_bin2hex(hex, DIGEST_HEX, sum, sizeof(sum));
}

void digest_bytes(const void *data, size_t size, char hex[DIGEST_HEX])
{
	struct digest d;

	digest_init(&d);
	digest_add(&d, data, size);
	digest_hex(&d, hex);
}

int digest_fd(int fd, const char *name, char hex[DIGEST_HEX], struct err *err)
{
	char block[1 << 16];
	struct digest d;
	long n;

	digest_init(&d);
	do {
		n = file_read_some(fd, block, sizeof(block), name, err);
		if (n > 0)
			digest_add(&d, block, (size_t)n);
	} while (n == (long)sizeof(block));
	if (n < 0)
		return -1;
	digest_hex(&d, hex);
	return 0;
}

int digest_file(const char *path, char hex[DIGEST_HEX], struct err *err)
{
	int fd = file_open(path, err);
	int rc;

	if (fd < 0)
		return -1;
	rc = digest_fd(fd, path, hex, err);
	file_close(fd);
	return rc;
}

bool digest_is_hex(const char *text)
{
	return strlen(text) == DIGEST_HEX - 1 &&
	       strspn(text, "0123456789abcdefABCDEF") == DIGEST_HEX - 1;
}
