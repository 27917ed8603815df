#include "nn/conv.h"

#include "base/mem.h"
#include "nn/conv-wino.h"

#include <cblas.h>
#include <string.h>

void conv_shape_out(struct conv_shape *s)
{
	s->oh = (s->h + 2 * s->pad - s->kh) / s->stride + 1;
	s->ow = (s->w + 2 * s->pad - s->kw) / s->stride + 1;
}

double conv_flops(const struct conv_shape *s)
{
	return 2.0 * s->oh * s->ow * s->cout * s->kh * s->kw * (s->cin / s->groups);
}

void conv_pads(const struct conv_shape *s, int *x, int *dy)
{
	/* dx at column ix takes dy at (ix + pad - kx) / stride */
	const int right = (s->w - 1 + s->pad) / s->stride - (s->ow - 1);
	const int left = (s->kw - 1 - s->pad + s->stride - 1) / s->stride;

	*x = s->pad;
	*dy = right > left ? right : left;
	if (*dy < 0)
		*dy = 0;
}

static const struct {
	const char *name;
	enum conv_path path;
} paths[] = {
	{"auto", CONV_AUTO}, {"openblas", CONV_OPENBLAS}, {"v128", CONV_V128},
	{"avx2", CONV_AVX2}, {"avx512", CONV_AVX512},
};

int conv_path_parse(const char *name, enum conv_path *out, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(paths); i++)
		if (strcmp(name, paths[i].name) == 0) {
			*out = paths[i].path;
			return 0;
		}
	return err_set(err, STATUS_USAGE,
		       "unknown kernel '%s': it is auto, openblas, v128, avx2 or avx512", name);
}

const char *conv_path_name(enum conv_path path)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(paths); i++)
		if (paths[i].path == path)
			return paths[i].name;
	return "?";
}

static bool runs_here(enum conv_path path)
{
	switch (path) {
#ifdef HAVE_X86_KERNELS
	case CONV_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
	case CONV_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
	case CONV_AVX512:
	case CONV_AVX2:
		return false;
#endif
	case CONV_OPENBLAS:
	case CONV_V128:
		return true;
	case CONV_AUTO:
		break;
	}
	return false;
}

int conv_resolve(enum conv_path want, enum conv_path *out, struct err *err)
{
	/* 16-byte kernels beat sgemm on tiles where both have only those vectors, SSE2 too */
	static const enum conv_path order[] = {CONV_AVX512, CONV_AVX2, CONV_V128};
	size_t i;

	if (want != CONV_AUTO && !runs_here(want))
		return err_set(err, STATUS_USAGE, "kernel '%s' does not run on this processor",
			       conv_path_name(want));
	*out = want;
	for (i = 0; want == CONV_AUTO && i < ARRAY_LEN(order); i++)
		if (runs_here(order[i])) {
			*out = order[i];
			break;
		}
	return 0;
}

enum conv_path conv_vectors(enum conv_path path)
{
	struct err err;

	if (path == CONV_AUTO && conv_resolve(CONV_AUTO, &path, &err))
		path = CONV_V128;
#ifndef HAVE_X86_KERNELS
	path = CONV_V128; /* there are no others */
#endif
	return path == CONV_OPENBLAS ? CONV_V128 : path;
}

struct conv *conv_new_by(const struct conv_shape *shape, enum conv_path path, int max_n, bool train,
			 enum conv_method method)
{
	struct conv *c = xcalloc(1, sizeof(*c));
	struct conv_shape check = *shape;

	conv_shape_out(&check);
	BUG_IF(shape->oh != check.oh || shape->ow != check.ow || check.oh < 1 || check.ow < 1);
	BUG_IF(shape->cin % shape->groups || shape->cout % shape->groups);
	BUG_IF(!runs_here(path) || max_n < 1);
	c->s = *shape;
	c->path = direct_reaches(shape) ? path : CONV_OPENBLAS;
	c->max_n = max_n;
	c->train = train;
	if (c->path == CONV_OPENBLAS) {
		openblas_set_num_threads(1); /* we bring the threads */
		return c;
	}
	c->direct = direct_new(c);
	if (method != CONV_DIRECT)
		c->wino = wino_new(c, method == CONV_WINOGRAD);
	return c;
}

struct conv *conv_new(const struct conv_shape *shape, enum conv_path path, int max_n, bool train)
{
	return conv_new_by(shape, path, max_n, train, CONV_BY_RULE);
}

void conv_free(struct conv *c)
{
	if (!c)
		return;
	direct_free(c->direct);
	wino_free(c->wino);
	free(c);
}

static bool by_wino(const struct conv *c, enum conv_pass pass)
{
	const struct wino *w = c->wino;

	return w && (pass == CONV_FORWARD ? w->does_forward
		     : pass == CONV_DATA  ? w->does_data
					  : w->does_weights);
}

const char *conv_method_name(const struct conv *c, enum conv_pass pass)
{
	return !c->direct ? "openblas" : by_wino(c, pass) ? "winograd" : "direct";
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

size_t conv_scratch(const struct conv *c, int threads)
{
	size_t bytes;

	if (!c->direct)
		return conv_blas_scratch(c, threads);
	bytes = direct_scratch(c);
	if (c->wino)
		bytes = larger(bytes, wino_scratch(c, threads));
	if (c->train && by_wino(c, CONV_WEIGHTS))
		bytes = larger(bytes, wino_dw_scratch(c, threads));
	if (c->train && !by_wino(c, CONV_WEIGHTS))
		bytes = larger(bytes, direct_dw_scratch(c));
	return bytes;
}

/* Packed: the forward weights, then those of backward-data. */
static size_t forward_floats(const struct conv *c)
{
	return by_wino(c, CONV_FORWARD) ? c->wino->forward.floats : c->direct->forward.floats;
}

static size_t data_floats(const struct conv *c)
{
	return by_wino(c, CONV_DATA) ? c->wino->data.floats : c->direct->data.floats;
}

size_t conv_packed_floats(const struct conv *c)
{
	if (!c->direct)
		return conv_blas_packed_floats(c);
	return forward_floats(c) + (c->train ? data_floats(c) : 0);
}

void conv_pack(const struct conv *c, struct pool *pool, const float *w_oihw, float *packed)
{
	float *data;

	if (!c->direct) {
		conv_blas_pack(c, pool, w_oihw, packed);
		return;
	}
	data = packed + forward_floats(c);
	if (by_wino(c, CONV_FORWARD))
		wino_pack(c, &c->wino->forward, pool, w_oihw, packed);
	else
		direct_pack(c, &c->direct->forward, pool, w_oihw, packed);
	if (!c->train)
		return;
	if (by_wino(c, CONV_DATA))
		wino_pack(c, &c->wino->data, pool, w_oihw, data);
	else
		direct_pack(c, &c->direct->data, pool, w_oihw, data);
}

static void check_views(const struct conv *c, const struct view *x, const struct view *y)
{
	const struct conv_shape *s = &c->s;

	BUG_IF(x->n != y->n || x->n > c->max_n);
	BUG_IF(x->h != s->h || x->w != s->w || x->c != s->cin || x->ld < x->c);
	BUG_IF(y->h != s->oh || y->w != s->ow || y->c != s->cout || y->ld < y->c);
}

void conv_forward(const struct conv *c, struct pool *pool, const float *packed,
		  const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		  void *scratch)
{
	struct view all = *y; /* for its shape */

	if (epi && epi->rest.p) {
		BUG_IF(c->s.kh != 1 || c->s.kw != 1 || c->s.pad || epi->residual.p);
		BUG_IF(epi->rest.h != y->h || epi->rest.w != y->w || epi->rest.n != y->n);
		BUG_IF(y->c % CONV_REST_AT || epi->rest.ld < epi->rest.c);
		all.c += epi->rest.c;
		all.ld += epi->rest.ld;
	}
	check_views(c, x, &all);
	BUG_IF(x->pad < c->s.pad);
	BUG_IF(epi && epi->sums && (epi->bias || epi->silu || epi->residual.p));
	BUG_IF(epi && epi->residual.p && !view_same_shape(&epi->residual, y));
	if (by_wino(c, CONV_FORWARD))
		wino_forward(c, pool, packed, x, y, epi, scratch);
	else if (c->direct)
		direct_forward(c, pool, packed, x, y, epi, scratch);
	else
		conv_blas_forward(c, pool, packed, x, y, epi, scratch);
}

void conv_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			const struct view *dy, const struct view *dx, bool add, void *scratch)
{
	int x_pad, dy_pad;

	check_views(c, dx, dy);
	conv_pads(&c->s, &x_pad, &dy_pad);
	BUG_IF(dy->pad < dy_pad || !c->train);
	if (by_wino(c, CONV_DATA))
		wino_backward_data(c, pool, packed + forward_floats(c), dy, dx, add, scratch);
	else if (c->direct)
		direct_backward_data(c, pool, packed + forward_floats(c), dy, dx, add);
	else
		conv_blas_backward_data(c, pool, packed, dy, dx, add, scratch);
}

void conv_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
			   const struct view *dy, const struct conv_grads *dw, void *scratch)
{
	check_views(c, x, dy);
	BUG_IF(x->pad < c->s.pad || !c->train);
	BUG_IF(dw->rest && (dw->rest_at < 0 || dw->rest_at > c->s.cout));
	if (by_wino(c, CONV_WEIGHTS))
		wino_backward_weights(c, pool, x, dy, dw, scratch);
	else if (c->direct)
		direct_backward_weights(c, pool, x, dy, dw, scratch);
	else
		conv_blas_backward_weights(c, pool, x, dy, dw, scratch);
}

#define SUM_BLOCK 64

struct sum_job {
	const double *part;
	size_t parts, len;
	double *out;
};

static void sum_block(void *ctx, int job, int worker)
{
	const struct sum_job *j = ctx;
	const size_t k0 = (size_t)job * SUM_BLOCK;
	const size_t k1 = k0 + SUM_BLOCK < j->len ? k0 + SUM_BLOCK : j->len;
	size_t p, k;

	(void)worker;
	for (k = k0; k < k1; k++)
		j->out[k] = 0;
	for (p = 0; p < j->parts; p++)
		for (k = k0; k < k1; k++)
			j->out[k] += j->part[p * j->len + k];
}

void conv_sum_parts(struct pool *pool, const double *part, size_t parts, size_t len, double *out)
{
	struct sum_job j = {part, parts, len, out};

	pool_spread(pool, (int)((len + SUM_BLOCK - 1) / SUM_BLOCK), sum_block, &j);
}
