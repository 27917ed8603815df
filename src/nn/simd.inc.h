/*
 * simd.inc.h - vectors of SIMD_BYTES bytes (16, 32 or 64) on the compiler's vector extensions, for
 * the sources that are compiled once per instruction set. Only loads and stores of part of a vector
 * need intrinsics. No include guard is needed beyond one: a source sees one width.
 */
#ifndef MIST_NN_SIMD_INC_H
#define MIST_NN_SIMD_INC_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define LANES       (SIMD_BYTES / 4)
#define SIMD_INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(SIMD_BYTES)));
typedef int32_t vi __attribute__((vector_size(SIMD_BYTES)));
typedef uint32_t vu __attribute__((vector_size(SIMD_BYTES)));
/* as they lie in memory: any multiple of 4 bytes, aliasing floats */
typedef float vf_mem __attribute__((vector_size(SIMD_BYTES), aligned(4), may_alias));

SIMD_INLINE vf v_load(const float *p)
{
	return *(const vf_mem *)p;
}

SIMD_INLINE void v_store(float *p, vf v)
{
	*(vf_mem *)p = v;
}

/* 0 + x would be shorter, but is not x when x is -0: the compiler would have to add. */
SIMD_INLINE vf v_set(float x)
{
#if SIMD_BYTES == 64
	return (vf){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif SIMD_BYTES == 32
	return (vf){x, x, x, x, x, x, x, x};
#else
	return (vf){x, x, x, x};
#endif
}

/*
 * a*b + c, rounded once where the processor can. The wide kernels are compiled with
 * -ffp-contract=off, so that this is the only place where that happens and every width, and every
 * compiler, gives the same bytes.
 */
SIMD_INLINE vf v_fma(vf a, vf b, vf c)
{
#if SIMD_BYTES == 64
	return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif SIMD_BYTES == 32
	return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
	return a * b + c;
#endif
}

/* The first n lanes (0 < n < LANES); the rest read as zeros, and are left as they are in memory. */
#if SIMD_BYTES == 64
SIMD_INLINE vf v_load_part(const float *p, int n)
{
	return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

SIMD_INLINE void v_store_part(float *p, vf v, int n)
{
	_mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#elif SIMD_BYTES == 32
SIMD_INLINE __m256i v_part_mask(int n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

SIMD_INLINE vf v_load_part(const float *p, int n)
{
	return (vf)_mm256_maskload_ps(p, v_part_mask(n));
}

SIMD_INLINE void v_store_part(float *p, vf v, int n)
{
	_mm256_maskstore_ps(p, v_part_mask(n), (__m256)v);
}
#else
SIMD_INLINE vf v_load_part(const float *p, int n)
{
	vf v = {0};
	int i;

	for (i = 0; i < n; i++)
		v[i] = p[i];
	return v;
}

SIMD_INLINE void v_store_part(float *p, vf v, int n)
{
	int i;

	for (i = 0; i < n; i++)
		p[i] = v[i];
}
#endif

SIMD_INLINE vf v_load_n(const float *p, int n)
{
	return n >= LANES ? v_load(p) : v_load_part(p, n);
}

SIMD_INLINE void v_store_n(float *p, vf v, int n)
{
	if (n >= LANES)
		v_store(p, v);
	else
		v_store_part(p, v, n);
}

SIMD_INLINE vf v_select(vi mask, vf yes, vf no)
{
	return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

/* NaN stays NaN in x: x86 returns its second operand when the two do not compare. */
#if SIMD_BYTES == 64
SIMD_INLINE vf v_min(vf x, vf bound)
{
	return (vf)_mm512_min_ps((__m512)bound, (__m512)x);
}

SIMD_INLINE vf v_max(vf x, vf bound)
{
	return (vf)_mm512_max_ps((__m512)bound, (__m512)x);
}
#elif SIMD_BYTES == 32
SIMD_INLINE vf v_min(vf x, vf bound)
{
	return (vf)_mm256_min_ps((__m256)bound, (__m256)x);
}

SIMD_INLINE vf v_max(vf x, vf bound)
{
	return (vf)_mm256_max_ps((__m256)bound, (__m256)x);
}
#else
SIMD_INLINE vf v_min(vf x, vf bound)
{
	return v_select((vi)(x > bound), bound, x);
}

SIMD_INLINE vf v_max(vf x, vf bound)
{
	return v_select((vi)(x < bound), bound, x);
}
#endif

/*
 * exp(-x) to about 2e-7, for |x| held within 87: -x = (n + r) ln 2, a polynomial for 2^r in
 * |r| <= 1/2 (degree 5, least relative error, 9e-8: Lawson's iteration), times 2^n by adding to the
 * exponent. 1/ln 2 is in two parts, so that a large x loses nothing; 1.5 * 2^23 rounds to an integer
 * that then stands in the low bits.
 */
SIMD_INLINE vf v_exp_minus(vf x)
{
	const vf magic = v_set(12582912.0f), factor = v_set(-1.44269504088896341f);
	vf t, r, p;

	x = v_max(v_min(x, v_set(87.0f)), v_set(-87.0f));
	t = v_fma(x, factor, magic);
	r = v_fma(x, factor, magic - t);
	r = v_fma(x, v_set(-1.92596299e-8f), r);
	p = v_fma(r, v_set(1.326472725e-3f), v_set(9.671512688e-3f));
	p = v_fma(p, r, v_set(5.550733744e-2f));
	p = v_fma(p, r, v_set(2.402224208e-1f));
	p = v_fma(p, r, v_set(6.931469776e-1f));
	p = v_fma(p, r, v_set(1));
	return (vf)((vu)p + ((vu)t << 23));
}

SIMD_INLINE vf v_sigmoid(vf u)
{
	return 1.0f / (1.0f + v_exp_minus(u));
}

SIMD_INLINE vf v_silu(vf u)
{
	return u * v_sigmoid(u);
}

#endif
