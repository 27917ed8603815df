/* Clang's sanitizers take minutes over these unrolled kernels; GCC's, in make check-asan, watch them. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("address", "undefined", "coverage"))),     \
			     apply_to = function)
#endif
/* 32 registers: 24 accumulators, the weights, one broadcast. */
#define SIMD_BYTES   64
#define TILE_VECTORS 2
#define TILE_PIXELS  12
#define TILE_NARROW  24
#define CONV_KERNELS conv_kernels_avx512
#include "nn/conv-kernel.inc.h"
#define WINO_KERNELS wino_kernels_avx512
#include "nn/conv-wino.inc.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
