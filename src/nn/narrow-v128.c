#define SIMD_BYTES     16
#define NARROW_KERNELS narrow_kernels_v128
#include "nn/narrow-run.inc.h"
