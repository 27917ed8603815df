#include "nn/linear.h"

#include <cblas.h>
#include <stddef.h>

/* Columns (or rows of dw) per job: wide enough for sgemm, fixed so that threads change nothing. */
#define BLOCK 128

struct job {
	const struct linear *l;
	int n;
	const float *x, *w, *bias, *dy;
	float *out, *dbias;
};

static int blocks(int len)
{
	return (len + BLOCK - 1) / BLOCK;
}

static int block_len(int job, int len)
{
	return len - job * BLOCK < BLOCK ? len - job * BLOCK : BLOCK;
}

static void forward_block(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int in = j->l->in, out = j->l->out, o0 = job * BLOCK, len = block_len(job, out);
	int i, o;

	(void)worker;
	for (i = 0; i < j->n; i++)
		for (o = o0; o < o0 + len; o++)
			j->out[(size_t)i * (size_t)out + (size_t)o] = j->bias ? j->bias[o] : 0;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, j->n, len, in, 1, j->x, in,
		    j->w + (size_t)o0 * (size_t)in, in, 1, j->out + o0, out);
}

void linear_forward(const struct linear *l, struct pool *pool, int n, const float *x,
		    const float *w, const float *bias, float *y)
{
	struct job j = {.l = l, .n = n, .x = x, .w = w, .bias = bias, .out = y};

	openblas_set_num_threads(1);
	pool_run(pool, blocks(l->out), forward_block, &j);
}

static void data_block(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int in = j->l->in, out = j->l->out, i0 = job * BLOCK;

	(void)worker;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, j->n, block_len(job, in), out, 1,
		    j->dy, out, j->w + i0, in, 0, j->out + i0, in);
}

void linear_backward_data(const struct linear *l, struct pool *pool, int n, const float *dy,
			  const float *w, float *dx)
{
	struct job j = {.l = l, .n = n, .dy = dy, .w = w, .out = dx};

	openblas_set_num_threads(1);
	pool_run(pool, blocks(l->in), data_block, &j);
}

static void weights_block(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int in = j->l->in, out = j->l->out, o0 = job * BLOCK, len = block_len(job, out);
	int i, o;

	(void)worker;
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, len, in, j->n, 1, j->dy + o0, out,
		    j->x, in, 1, j->out + (size_t)o0 * (size_t)in, in);
	if (!j->dbias)
		return;
	for (o = o0; o < o0 + len; o++) {
		double sum = 0;

		for (i = 0; i < j->n; i++)
			sum += j->dy[(size_t)i * (size_t)out + (size_t)o];
		j->dbias[o] += (float)sum;
	}
}

void linear_backward_weights(const struct linear *l, struct pool *pool, int n, const float *x,
			     const float *dy, float *dw, float *dbias)
{
	struct job j = {.l = l, .n = n, .x = x, .dy = dy, .out = dw, .dbias = dbias};

	openblas_set_num_threads(1);
	pool_run(pool, blocks(l->out), weights_block, &j);
}
