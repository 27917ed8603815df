#define SIMD_BYTES     64
#define NARROW_KERNELS narrow_kernels_avx512
#include "nn/narrow-run.inc.h"
