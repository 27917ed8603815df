#define SIMD_BYTES   64
#define THIN_KERNELS thin_kernels_avx512
#include "nn/thin-run.inc.h"
