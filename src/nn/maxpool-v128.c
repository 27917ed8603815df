#define SIMD_BYTES      16
#define MAXPOOL_KERNELS maxpool_kernels_v128
#include "nn/maxpool-window.inc.h"
