/*
 * bnact-sweep.h - inside bnact only: one row of a sweep, and the tables of row functions, one per
 * instruction set.
 */
#ifndef MIST_NN_BNACT_SWEEP_H
#define MIST_NN_BNACT_SWEEP_H

#include "nn/bnact.h"

struct bnact_row {
	int w, c;
	const float *scale, *shift, *mean;
	const float *z, *residual, *dy; /* residual: NULL when there is none */
	float *y;                       /* forward: y; backward: du, then dz */
	float *again;                   /* sums: y made again; NULL: not wanted */
	size_t z_ld, residual_ld, dy_ld, y_ld, again_ld;
	double *sums;                /* of du and of du*(z - mean), c each */
	const float *slope, *offset; /* y = y*scale + z*slope + offset */
};

struct bnact_kernels {
	void (*forward)(const struct bnact_row *r, enum act act);
	void (*sums)(const struct bnact_row *r, enum act act);
	void (*apply)(const struct bnact_row *r, enum act act); /* whatever act is */
};
extern const struct bnact_kernels bnact_kernels_v128;
#ifdef HAVE_X86_KERNELS
extern const struct bnact_kernels bnact_kernels_avx2, bnact_kernels_avx512;
#endif

#endif
