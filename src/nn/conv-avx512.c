/* 32 registers: 24 accumulators, the weights, one broadcast. */
#define SIMD_BYTES   64
#define TILE_VECTORS 2
#define TILE_PIXELS  12
#define TILE_NARROW  24
#define CONV_KERNELS conv_kernels_avx512
#include "nn/conv-kernel.inc.h"
#define WINO_KERNELS wino_kernels_avx512
#include "nn/conv-wino.inc.h"
