#include "io/half.h"

#include <string.h>

static float float_of_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t bits_of_float(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

float half_to_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t magnitude = h & 0x7fff;

	if (magnitude >= 0x7c00) /* infinity, NaN */
		return float_of_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
	if (magnitude >= 0x400) /* normal: the exponent's bias goes from 15 to 127 */
		return float_of_bits(sign | ((magnitude << 13) + ((127 - 15) << 23)));
	/* subnormal: a multiple of 2^-24, exact in a float */
	return (sign ? -0x1p-24f : 0x1p-24f) * (float)magnitude;
}

/* bits >> shift, to nearest, ties to even. */
static uint32_t shift_even(uint32_t bits, int shift)
{
	uint32_t half = 1u << (shift - 1);
	uint32_t rest = bits & (2 * half - 1);
	uint32_t out = bits >> shift;

	return out + (rest > half || (rest == half && (out & 1)));
}

uint16_t half_from_float(float f)
{
	uint32_t bits = bits_of_float(f);
	uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
	uint32_t magnitude = bits & 0x7fffffff;
	int exponent = (int)(magnitude >> 23) - 127 + 15;
	uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;

	if (magnitude > 0x7f800000)
		return sign | 0x7e00;
	if (exponent >= 31)
		return sign | 0x7c00;
	if (exponent > 0) /* a carry out of the mantissa rightly becomes the next exponent */
		return sign |
		       (uint16_t)(shift_even(mantissa & 0x7fffff, 13) + ((uint32_t)exponent << 10));
	if (exponent < -10)
		return sign;
	return sign | (uint16_t)shift_even(mantissa, 14 - exponent);
}

float half_to_float_bf16(uint16_t h)
{
	return float_of_bits((uint32_t)h << 16);
}

uint16_t half_from_float_bf16(float f)
{
	uint32_t bits = bits_of_float(f);

	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)shift_even(bits, 16);
}

void half_decode(const void *src, float *dst, size_t n)
{
	const unsigned char *p = src;
	size_t i;

	for (i = 0; i < n; i++)
		dst[i] = half_to_float((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
}

void half_encode(const float *src, void *dst, size_t n)
{
	unsigned char *p = dst;
	size_t i;

	for (i = 0; i < n; i++) {
		uint16_t h = half_from_float(src[i]);

		p[2 * i] = (unsigned char)h;
		p[2 * i + 1] = (unsigned char)(h >> 8);
	}
}
