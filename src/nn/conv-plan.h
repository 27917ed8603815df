/*
 * conv-plan.h - inside the convolution only: the plan and what each path provides.
 */
#ifndef MIST_NN_CONV_PLAN_H
#define MIST_NN_CONV_PLAN_H

#include "base/ints.h"
#include "nn/conv.h"

/* How a pass is computed. CONV_BY_RULE: as its shape says; the others, for tests and benchmarks, where
 * they reach. */
enum conv_method { CONV_BY_RULE, CONV_DIRECT, CONV_WINOGRAD };
struct conv *conv_new_by(const struct conv_shape *shape, enum conv_path path, int max_n, bool train,
			 enum conv_method method);

struct direct;
struct wino;

struct conv {
	struct conv_shape s;
	enum conv_path path; /* as resolved, but OpenBLAS where the direct kernels do not reach */
	int max_n;
	bool train;
	struct direct *direct; /* NULL on the OpenBLAS path */
	struct wino *wino;     /* for some passes of some shapes, instead; NULL: none */
};

/* Where the gradient of output channel `co` goes, whose weights are `floats`. */
static inline float *conv_grads_of(const struct conv_grads *dw, int co, size_t floats)
{
	if (!dw->rest || co < dw->rest_at)
		return dw->w + (size_t)co * floats;
	return dw->rest + (size_t)(co - dw->rest_at) * floats;
}

/* conv-blas.c */
size_t conv_blas_scratch(const struct conv *c, int threads);
size_t conv_blas_packed_floats(const struct conv *c);
void conv_blas_pack(const struct conv *c, struct pool *pool, const float *w, float *packed);
void conv_blas_forward(const struct conv *c, struct pool *pool, const float *packed,
		       const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		       void *scratch);
void conv_blas_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			     const struct view *dy, const struct view *dx, bool add, void *scratch);
void conv_blas_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
				const struct view *dy, const struct conv_grads *dw, void *scratch);

/* out[k] = the sum over `parts` of part[p*len + k], in a fixed order. */
void conv_sum_parts(struct pool *pool, const double *part, size_t parts, size_t len, double *out);

#endif
