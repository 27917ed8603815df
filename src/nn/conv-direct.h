/*
 * conv-direct.h - inside the convolution only: what the planner (conv-direct.c, conv-direct-dw.c)
 * and the kernels (conv-kernel.inc.h, once per instruction set) say to one another.
 *
 * Forward and backward-data are one computation: grids of output pixels, each the sum over a
 * rectangle of taps of input pixels times packed weights. Forward is one grid; backward-data is
 * stride*stride of them, each a stride-1 convolution of dy with a subset of the flipped kernel that
 * writes every stride-th pixel of dx.
 *
 * Output channels come in blocks of up to `vectors` vectors; a block of v vectors has its weights
 * packed as [tap row][tap column][input channel][v*lanes], zeros in lanes beyond the last channel.
 */
#ifndef MIST_NN_CONV_DIRECT_H
#define MIST_NN_CONV_DIRECT_H

#include "nn/conv-plan.h"

#define CONV_MAX_VECTORS 4
#define CONV_MOST_LANES  16
#define CONV_MAX_TAPS    16 /* rows or columns of a kernel */

/* Input floats of one output pixel that lie in one piece: `len` of them, `x` from the pixel. */
struct run {
	ptrdiff_t x;
	int len;
};

enum finish { FINISH_STORE, FINISH_ADD, FINISH_SUMS, FINISH_ALL };

/* One row of output pixels of one block of channels. */
struct conv_row {
	const float *x; /* of column 0 */
	size_t x_step;  /* floats from one output column's input to the next's */
	const struct run *runs;
	int nruns;
	const float *w; /* of the first run; the others follow */
	int cols;
	float *y;
	size_t y_step;
	int split;   /* vectors from this one on are stored in `rest` instead; 0: none */
	float *rest; /* for vector `split` */
	size_t rest_step;
	int channels; /* of the block, at most vectors*lanes */
	enum finish finish;
	const float *bias;     /* what the sums begin with; NULL: zeros */
	const float *residual; /* FINISH_ALL; NULL: none */
	size_t residual_step;
	bool silu;
	double *sum, *squares; /* FINISH_SUMS: added to */
};

/* dw of `k` consecutive rows of K and one block of channels, over rows x cols output pixels. */
struct conv_dw {
	const float *x, *dy; /* of the first pixel */
	size_t x_step, x_row, dy_step, dy_row;
	int rows, cols;
	int channels;
	float *out; /* k * vectors*lanes, added to */
};

struct conv_kernels {
	int lanes, vectors;
	int most_rows[CONV_MAX_VECTORS + 1]; /* of K that dw takes at once, by vectors */
	void (*row[CONV_MAX_VECTORS + 1])(const struct conv_row *r);
	void (*dw[CONV_MAX_VECTORS + 1])(const struct conv_dw *d, int k);
};
extern const struct conv_kernels conv_kernels_v128;
#ifdef HAVE_X86_KERNELS
extern const struct conv_kernels conv_kernels_avx2, conv_kernels_avx512;
#endif

struct grid {
	int rows, cols;       /* output pixels; pixel (r, c) lies at */
	int oy, ox, out_step; /* (oy + r*out_step, ox + c*out_step); tap (j, i) of it at */
	int iy, ix, in_step;  /* (iy + r*in_step + j, ix + c*in_step + i) */
	int kh, kw;           /* taps; 0: the pixels get zeros */
	int ky, kx, tap_step; /* tap (j, i) is w[ky + j*tap_step][kx + i*tap_step] */
	size_t w;             /* where its packed weights begin */
};

/* One direction of a convolution: from `in` channels to `out` channels. */
struct pass {
	int in, out;
	int blocks; /* of output channels */
	int ngrids;
	struct grid *grids;
	int unit;           /* output rows per row of the grids: the stride, backwards */
	int height;         /* output rows */
	int parts;          /* jobs along an image's rows; what the epilogue's sums are cut by */
	size_t floats;      /* packed */
	size_t w_in, w_out; /* floats in OIHW from one input (output) channel to the next */
};

struct direct {
	const struct conv_kernels *k;
	struct pass forward, data;
};

/* The block's vectors, and its first channel. */
static inline int block_vectors(const struct conv_kernels *k, int out, int block)
{
	const int left = (out + k->lanes - 1) / k->lanes - block * k->vectors;

	return left < k->vectors ? left : k->vectors;
}
static inline int block_channel(const struct conv_kernels *k, int block)
{
	return block * k->vectors * k->lanes;
}
static inline int block_channels(const struct conv_kernels *k, int out, int block)
{
	const int left = out - block_channel(k, block), most = k->vectors * k->lanes;

	return left < most ? left : most;
}

/* The runs of tap rows [j0, j1), for an input of `channels` channels: returns how many. */
int direct_runs(const struct grid *g, int j0, int j1, int channels, const struct view *x,
		struct run *runs);

/* The kernels of a path that is not OpenBLAS. */
const struct conv_kernels *direct_kernels(enum conv_path path);
bool direct_reaches(const struct conv_shape *s);
struct direct *direct_new(const struct conv *c);
void direct_free(struct direct *d);
size_t direct_scratch(const struct conv *c);
void direct_pack(const struct conv *c, const struct pass *p, struct pool *pool, const float *w,
		 float *packed);
void direct_forward(const struct conv *c, struct pool *pool, const float *packed,
		    const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		    void *scratch);
void direct_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			  const struct view *dy, const struct view *dx, bool add);

/* conv-direct-dw.c */
size_t direct_dw_scratch(const struct conv *c);
void direct_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
			     const struct view *dy, const struct conv_grads *dw, void *scratch);

#endif
