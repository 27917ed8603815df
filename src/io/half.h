/*
 * half.h - 16-bit floats: IEEE 754 binary16 and bfloat16, to and from float, rounding to nearest
 * even as NumPy and PyTorch do. Infinities and NaNs are kept (a NaN stays a NaN).
 */
#ifndef MIST_IO_HALF_H
#define MIST_IO_HALF_H

#include <stddef.h>
#include <stdint.h>

float half_to_float(uint16_t h);
uint16_t half_from_float(float f);
float half_to_float_bf16(uint16_t h);
uint16_t half_from_float_bf16(float f);

/* n little-endian binary16 values at `src` (any alignment) to floats, and back. */
void half_decode(const void *src, float *dst, size_t n);
void half_encode(const float *src, void *dst, size_t n);

#endif
