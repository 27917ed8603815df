#include "base/rng.h"
#include "io/digest.h"
#include "unit.h"

/* FIPS 180-2, appendix B. */
static void published_digests(void **state)
{
	static const char *const rows[][2] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	char hex[DIGEST_HEX];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		digest_bytes(rows[i][0], strlen(rows[i][0]), hex);
		assert_string_equal(hex, rows[i][1]);
	}
}

static void libsodiums(const unsigned char *data, size_t size, char hex[DIGEST_HEX])
{
	unsigned char sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(sum, data, size);
	sodium_bin2hex(hex, DIGEST_HEX, sum, sizeof(sum));
}

/* In pieces of any size, at any address. */
static void every_length_and_every_division_gives_libsodiums_digest(void **state)
{
	unsigned char data[1024];
	char ours[DIGEST_HEX], theirs[DIGEST_HEX];
	struct rng r;
	size_t size, at, i;

	(void)state;
	rng_init(&r, 1, "t-digest", 0);
	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)rng_below(&r, 256);
	for (size = 0; size < sizeof(data) - 16; size++) {
		const unsigned char *p = data + rng_below(&r, 16);
		struct digest d;

		digest_init(&d);
		for (at = 0; at < size;) {
			size_t piece = rng_below(&r, 200);

			piece = piece < size - at ? piece : size - at;
			digest_add(&d, p + at, piece);
			at += piece;
		}
		digest_hex(&d, ours);
		libsodiums(p, size, theirs);
		assert_string_equal(ours, theirs);
		digest_bytes(p, size, ours);
		assert_string_equal(ours, theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_digests),
		cmocka_unit_test(every_length_and_every_division_gives_libsodiums_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
