#include "mist/ledger_key.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET 32
#define LINE   (2 * SECRET + 1) /* hexadecimal digits and a newline */

/* ------------------------------------------------------------------ derivation */

static void derive(struct ledger_key *key, const uint8_t secret[SECRET])
{
	static const char context[crypto_kdf_CONTEXTBYTES] = "mistledg";
	uint8_t print[LEDGER_ID];

	crypto_kdf_derive_from_key(key->noise, sizeof(key->noise), 1, context, secret);
	crypto_kdf_derive_from_key(key->image, sizeof(key->image), 2, context, secret);
	crypto_kdf_derive_from_key(key->tag, sizeof(key->tag), 3, context, secret);
	crypto_kdf_derive_from_key(key->pixels, sizeof(key->pixels), 5, context, secret);
	key->first_format = false;
	crypto_kdf_derive_from_key(print, sizeof(print), 4, context, secret);
	sodium_bin2hex(key->fingerprint, sizeof(key->fingerprint), print, sizeof(print));
}

/* Universal hashing first (Wegman, Carter 1981): a keyed BLAKE2b of all pixels took four times as long, an
 * eighth of all that the edge does to a picture of 320 pixels. */
void ledger_key_image(const struct ledger_key *key, const struct image *img, uint8_t id[LEDGER_ID])
{
	const uint32_t w = (uint32_t)img->w, h = (uint32_t)img->h;
	const size_t bytes = (size_t)img->w * (size_t)img->h * 3;
	uint8_t what[8 + crypto_onetimeauth_BYTES] = {
		(uint8_t)w, (uint8_t)(w >> 8), (uint8_t)(w >> 16), (uint8_t)(w >> 24),
		(uint8_t)h, (uint8_t)(h >> 8), (uint8_t)(h >> 16), (uint8_t)(h >> 24)};
	crypto_generichash_state st;

	crypto_generichash_init(&st, key->image, sizeof(key->image), LEDGER_ID);
	if (key->first_format) {
		crypto_generichash_update(&st, what, 8);
		crypto_generichash_update(&st, img->rgb, bytes);
	} else {
		crypto_onetimeauth(what + 8, img->rgb, bytes, key->pixels);
		crypto_generichash_update(&st, what, sizeof(what));
	}
	crypto_generichash_final(&st, id, LEDGER_ID);
	sodium_memzero(&st, sizeof(st));
	sodium_memzero(what, sizeof(what));
}

void ledger_key_tag(const struct ledger_key *key, const uint8_t noise[32], uint8_t id[LEDGER_ID])
{
	crypto_generichash(id, LEDGER_ID, noise, 32, key->tag, sizeof(key->tag));
}

/* ------------------------------------------------------------------ the file */

/* Writes all of it to a file of mode 0600 that appears whole or not at all. */
static int save(const char *path, const char *line, struct err *err)
{
	char *temp = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	int rc = 0;

	if (fd < 0)
		rc = err_errno(err, "cannot write '%s'", path);
	if (!rc && (write(fd, line, LINE) != LINE || fsync(fd)))
		rc = err_errno(err, "cannot write '%s'", path);
	if (fd >= 0 && close(fd) && !rc)
		rc = err_errno(err, "cannot write '%s'", path);
	if (!rc && rename(temp, path))
		rc = err_errno(err, "cannot write '%s'", path);
	if (rc && fd >= 0)
		unlink(temp);
	free(temp);
	return rc;
}

static int make(const char *path, uint8_t secret[SECRET], struct err *err)
{
	char line[LINE + 1];
	int rc;

	randombytes_buf(secret, SECRET); /* getrandom(2) */
	sodium_bin2hex(line, sizeof(line), secret, SECRET);
	line[LINE - 1] = '\n';
	rc = save(path, line, err);
	sodium_memzero(line, sizeof(line));
	return rc;
}

static int check_mode(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_errno(err, "cannot read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, STATUS_INPUT, "cannot read '%s': not a file", path);
	if (st.st_mode & 077)
		return err_set(err, STATUS_PRIVACY,
			       "refused: others can read '%s', and so remove the noise (chmod 600)",
			       path);
	return 0;
}

static int load(int fd, const char *path, uint8_t secret[SECRET], struct err *err)
{
	char line[LINE + 1];
	const char *end = NULL;
	size_t size;
	long n;
	int rc = check_mode(fd, path, err);

	if (rc)
		return rc;
	n = file_read_some(fd, line, sizeof(line), path, err);
	if (n < 0)
		return -1;
	if (n != LINE || line[LINE - 1] != '\n' ||
	    sodium_hex2bin(secret, SECRET, line, LINE - 1, NULL, &size, &end) || size != SECRET)
		rc = err_set(err, STATUS_INPUT, "cannot read '%s': not the key of a ledger", path);
	sodium_memzero(line, sizeof(line));
	return rc;
}

struct ledger_key *ledger_key_open(const char *path, bool create, struct err *err)
{
	struct ledger_key *key = NULL;
	uint8_t secret[SECRET];
	int fd, rc;

	if (sodium_init() < 0) {
		err_set(err, STATUS_SYSTEM, "libsodium cannot be initialised");
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		rc = load(fd, path, secret, err);
	else if (errno == ENOENT && create)
		rc = make(path, secret, err);
	else if (errno == ENOENT)
		rc = err_set(err, STATUS_PRIVACY,
			     "refused: the ledger's key '%s' is missing, so what was sent before "
			     "would be sent with other noise",
			     path);
	else
		rc = err_errno(err, "cannot read '%s'", path);
	if (fd >= 0)
		close(fd);
	if (!rc) {
		key = sodium_malloc(sizeof(*key));
		if (key)
			derive(key, secret);
		else
			err_set(err, STATUS_SYSTEM, "no memory for the ledger's key");
	}
	sodium_memzero(secret, sizeof(secret));
	return key;
}

void ledger_key_free(struct ledger_key *key)
{
	sodium_free(key); /* wipes */
}
