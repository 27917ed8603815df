#define SIMD_BYTES    32
#define BNACT_KERNELS bnact_kernels_avx2
#include "nn/bnact-sweep.inc.h"
