#define SIMD_BYTES    64
#define BNACT_KERNELS bnact_kernels_avx512
#include "nn/bnact-sweep.inc.h"
