/* Clang's sanitizers take minutes over these unrolled kernels; GCC's, in make check-asan, watch them. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("address", "undefined", "coverage"))),     \
			     apply_to = function)
#endif
/* NEON and AltiVec have 32 registers of 16 bytes, SSE2 and the rest are taken to have 16. */
#define SIMD_BYTES 16
#if defined(__aarch64__) || defined(__powerpc64__)
#define TILE_VECTORS 4
#define TILE_PIXELS  6
#define TILE_NARROW  24
#else
#define TILE_VECTORS 2
#define TILE_PIXELS  6
#define TILE_NARROW  12
#endif
#define CONV_KERNELS conv_kernels_v128
#include "nn/conv-kernel.inc.h"
#define WINO_KERNELS wino_kernels_v128
#include "nn/conv-wino.inc.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
