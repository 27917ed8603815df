#define SIMD_BYTES      64
#define MAXPOOL_KERNELS maxpool_kernels_avx512
#include "nn/maxpool-window.inc.h"
