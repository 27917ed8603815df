/* Clang's sanitizers take minutes over these unrolled kernels; GCC's, in make check-asan, watch them. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("address", "undefined", "coverage"))),     \
			     apply_to = function)
#endif
/* 16 registers: 12 accumulators, the weights, one broadcast. */
#define SIMD_BYTES   32
#define TILE_VECTORS 2
#define TILE_PIXELS  6
#define TILE_NARROW  12
#define CONV_KERNELS conv_kernels_avx2
#include "nn/conv-kernel.inc.h"
#define WINO_KERNELS wino_kernels_avx2
#include "nn/conv-wino.inc.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
