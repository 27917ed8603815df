#define SIMD_BYTES      32
#define MAXPOOL_KERNELS maxpool_kernels_avx2
#include "nn/maxpool-window.inc.h"
