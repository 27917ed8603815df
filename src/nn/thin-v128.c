#define SIMD_BYTES   16
#define THIN_KERNELS thin_kernels_v128
#include "nn/thin-run.inc.h"
