#define SIMD_BYTES    16
#define BNACT_KERNELS bnact_kernels_v128
#include "nn/bnact-sweep.inc.h"
