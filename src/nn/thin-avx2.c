#define SIMD_BYTES   32
#define THIN_KERNELS thin_kernels_avx2
#include "nn/thin-run.inc.h"
