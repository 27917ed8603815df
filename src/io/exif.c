#include "io/exif.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3

struct tiff {
	const unsigned char *p;
	size_t size;
	bool big_endian;
};

static uint32_t get16(const struct tiff *t, size_t at)
{
	const unsigned char *p = t->p + at;

	return t->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const struct tiff *t, size_t at)
{
	uint32_t a = get16(t, at), b = get16(t, at + 2);

	return t->big_endian ? a << 16 | b : b << 16 | a;
}

int exif_orientation(const void *data, size_t size)
{
	struct tiff t = {data, size, false};
	size_t ifd, n, i;

	if (size < 8 || (memcmp(data, "II*\0", 4) && memcmp(data, "MM\0*", 4)))
		return 1;
	t.big_endian = t.p[0] == 'M';
	ifd = get32(&t, 4);
	if (ifd > size - 2)
		return 1;
	n = get16(&t, ifd);
	for (i = 0; i < n; i++) {
		size_t at = ifd + 2 + i * 12;
		uint32_t v;

		if (at + 12 > size)
			return 1;
		if (get16(&t, at) != TAG_ORIENTATION)
			continue;
		v = get16(&t, at + 8);
		return get16(&t, at + 2) == TYPE_SHORT && v >= 1 && v <= 8 ? (int)v : 1;
	}
	return 1;
}
