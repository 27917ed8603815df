#define SIMD_BYTES     32
#define NARROW_KERNELS narrow_kernels_avx2
#include "nn/narrow-run.inc.h"
