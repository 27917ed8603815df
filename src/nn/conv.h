/*
 * conv.h - two-dimensional convolution (cross-correlation, as torch.nn.Conv2d), forward and both
 * backwards, planned once per shape.
 *
 *	y[n,oy,ox,co] = sum over ky,kx,ci of x[n, oy*s-p+ky, ox*s-p+kx, ci] * w[co,ci,ky,kx]
 *
 * Paths, chosen at run time by the processor or MIST_KERNEL=openblas|v128|avx2|avx512 (read by the
 * programs, passed down in conv_path): OpenBLAS on im2col tiles that fit L2 (groups, comparisons),
 * or NHWC kernels of our own (AVX-512, AVX2+FMA, NEON), one source for all vector widths: direct,
 * or Winograd's for 3x3 kernels where a rule by shape says that this is faster.
 * The work is cut by shape alone and every reduction has a fixed order: the same bytes on any
 * number of threads. No call allocates: scratch is planned (conv_scratch) and passed in.
 */
#ifndef MIST_NN_CONV_H
#define MIST_NN_CONV_H

#include "base/err.h"
#include "base/pool.h"
#include "nn/tensor.h"

/* CONV_V128: the direct kernels on 16-byte vectors, whatever those are called on this processor
 * (NEON, SSE2): the portable one of the direct paths. */
enum conv_path { CONV_AUTO, CONV_OPENBLAS, CONV_V128, CONV_AVX2, CONV_AVX512 };

struct conv_shape {
	int cin, cout;   /* channels; groups divides both */
	int kh, kw;      /* kernel */
	int stride, pad; /* the same in both directions */
	int groups;      /* 1: dense */
	int h, w;        /* input */
	int oh, ow;      /* output: (h + 2*pad - kh) / stride + 1; conv_shape_out() */
};
void conv_shape_out(struct conv_shape *s);
/* 2 * multiply-adds for one image. */
double conv_flops(const struct conv_shape *s);
/* The least `pad` (tensor.h) that the views x (read forward and by backward-weights) and dy (read
 * by backward-data) must have; wider is fine. y and dx, which are only written, may have any. */
void conv_pads(const struct conv_shape *s, int *x, int *dy);

/* CONV_AUTO resolved for this processor; a path the processor or build lacks is an error. */
int conv_resolve(enum conv_path want, enum conv_path *out, struct err *err);
int conv_path_parse(const char *name, enum conv_path *out, struct err *err);
const char *conv_path_name(enum conv_path path);
/* CONV_AVX512, CONV_AVX2 or CONV_V128: whose vectors an operator uses that OpenBLAS has not. */
enum conv_path conv_vectors(enum conv_path path);
/* `name`_v128, _avx2 or _avx512 of these. */
#ifdef HAVE_X86_KERNELS
#define CONV_BY_VECTORS(path, name)                                                                \
	(conv_vectors(path) == CONV_AVX512 ? &name##_avx512                                        \
	 : conv_vectors(path) == CONV_AVX2 ? &name##_avx2                                          \
					   : &name##_v128)
#else
#define CONV_BY_VECTORS(path, name) ((void)(path), &name##_v128)
#endif

struct conv;
/* Never NULL. `path` resolved. max_n: the largest batch it will see; train: backwards wanted. */
struct conv *conv_new(const struct conv_shape *shape, enum conv_path path, int max_n, bool train);
void conv_free(struct conv *c);
/* "openblas", "direct" or "winograd": what does a pass of this convolution. */
enum conv_pass { CONV_FORWARD, CONV_DATA, CONV_WEIGHTS };
const char *conv_method_name(const struct conv *c, enum conv_pass pass);
/* Bytes of scratch, 64-byte aligned, that any of the calls below needs (for a pool of `threads`).
 * Nothing stays in it between calls: convolutions share one, the largest. */
size_t conv_scratch(const struct conv *c, int threads);

/* Floats of the packed forward (and backward-data) weights, and the packing from OIHW. */
size_t conv_packed_floats(const struct conv *c);
void conv_pack(const struct conv *c, struct pool *pool, const float *w_oihw, float *packed);

/*
 * What is done to the accumulators before they are stored.
 *	bias: added per output channel (NULL: none).
 *	silu: y = u * sigmoid(u).
 *	residual: then added (same n, h, w, c as y); NULL p: none.
 *	sums: 2*cout doubles; set to the sum and the sum of squares per channel of the raw result
 *	      over all n*oh*ow positions (for batch norm); NULL: none. Not together with the others.
 *	rest: where the channels from y->c on go, a multiple of CONV_REST_AT; NULL p: y takes all. For
 *	      1x1 kernels without padding, not together with a residual.
 * A NULL epilogue: none of these.
 */
/* No vector of any path lies in both views. */
#define CONV_REST_AT 16

struct conv_epilogue {
	const float *bias;
	bool silu;
	struct view residual;
	double *sums;
	struct view rest;
};

void conv_forward(const struct conv *c, struct pool *pool, const float *packed,
		  const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		  void *scratch);
/* dx = (or, with `add`, +=) the gradient with respect to x. */
void conv_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			const struct view *dy, const struct view *dx, bool add, void *scratch);

/* Where the gradient of the weights goes (OIHW): output channels from `rest_at` on to `rest`, where the
 * convolution is two whose weights lie apart; NULL: `w` takes all. */
struct conv_grads {
	float *w, *rest;
	int rest_at;
};

/* dw += the gradient with respect to w. */
void conv_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
			   const struct view *dy, const struct conv_grads *dw, void *scratch);

#endif
