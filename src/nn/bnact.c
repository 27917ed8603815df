#include "nn/bnact.h"

#include "nn/bnact-sweep.h"
#include "nn/conv-plan.h"

#include <math.h>
#include <string.h>

/* Rows of one image per job: enough work for a thread, little enough for small maps to share out.
 */
#define ROWS 4

void bn_prepare_train(struct bn *bn, const double *sums, double count)
{
	int c;

	for (c = 0; c < bn->c; c++) {
		const double mean = sums[c] / count;
		const double square = sums[bn->c + c] / count - mean * mean;
		/* rounding can take a constant channel below zero; NaN must stay NaN */
		const double var = square < 0 ? 0 : square;
		const double unbiased = count > 1 ? var * (count / (count - 1)) : var;
		const double rstd = 1 / sqrt(var + bn->eps);

		bn->mean[c] = (float)mean;
		bn->rstd[c] = (float)rstd;
		bn->scale[c] = (float)(bn->gamma[c] * rstd);
		bn->shift[c] = (float)(bn->beta[c] - mean * bn->gamma[c] * rstd);
		bn->running_mean[c] += bn->momentum * ((float)mean - bn->running_mean[c]);
		bn->running_var[c] += bn->momentum * ((float)unbiased - bn->running_var[c]);
	}
}

void bn_prepare_eval(struct bn *bn)
{
	int c;

	for (c = 0; c < bn->c; c++) {
		const double rstd = 1 / sqrt((double)bn->running_var[c] + bn->eps);

		bn->mean[c] = bn->running_mean[c];
		bn->rstd[c] = (float)rstd;
		bn->scale[c] = (float)(bn->gamma[c] * rstd);
		bn->shift[c] = (float)(bn->beta[c] - bn->running_mean[c] * bn->gamma[c] * rstd);
	}
}

void bn_fold(const struct bn *bn, const float *w_oihw, size_t per_channel, const float *bias,
	     float *w_out, float *b_out)
{
	size_t i;
	int c;

	for (c = 0; c < bn->c; c++) {
		const double scale = bn->gamma[c] / sqrt((double)bn->running_var[c] + bn->eps);
		const double b = bias ? bias[c] : 0;

		for (i = 0; i < per_channel; i++)
			w_out[(size_t)c * per_channel + i] =
				(float)(w_oihw[(size_t)c * per_channel + i] * scale);
		b_out[c] = (float)(bn->beta[c] + (b - bn->running_mean[c]) * scale);
	}
}

static const struct bnact_kernels *kernels(void)
{
#ifdef HAVE_X86_KERNELS
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
		return &bnact_kernels_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &bnact_kernels_avx2;
#endif
	return &bnact_kernels_v128;
}

struct sweep {
	const struct bnact_kernels *k;
	const struct bn *bn;
	enum act act;
	const struct view *z, *residual, *dy, *y;
	int groups;        /* of rows, per image */
	double *part;      /* per job: 2*c */
	const float *line; /* backward: slope and offset, c each; NULL: not yet */
};

static void sweep_row(const struct sweep *s, struct bnact_row *r, int n, int y)
{
	r->z = view_at(s->z, n, y, 0);
	r->z_ld = (size_t)s->z->ld;
	if (s->residual) {
		r->residual = view_at(s->residual, n, y, 0);
		r->residual_ld = (size_t)s->residual->ld;
	}
	if (s->dy) {
		r->dy = view_at(s->dy, n, y, 0);
		r->dy_ld = (size_t)s->dy->ld;
	}
	if (s->y) {
		r->y = view_at(s->y, n, y, 0);
		r->y_ld = (size_t)s->y->ld;
	}
}

static struct bnact_row sweep_start(const struct sweep *s)
{
	struct bnact_row r = {
		.w = s->z->w,
		.c = s->bn->c,
		.scale = s->bn->scale,
		.shift = s->bn->shift,
		.mean = s->bn->mean,
	};

	if (s->line) {
		r.slope = s->line;
		r.offset = s->line + s->bn->c;
	}
	return r;
}

static void sweep_rows(const struct sweep *s, int job, struct bnact_row *r,
		       void (*fn)(const struct bnact_row *r, enum act act))
{
	const int n = job / s->groups, y0 = job % s->groups * ROWS;
	const int y1 = y0 + ROWS < s->z->h ? y0 + ROWS : s->z->h;
	int y;

	for (y = y0; y < y1; y++) {
		sweep_row(s, r, n, y);
		fn(r, s->act);
		if (s->y)
			view_clear_pads(s->y, n, y, y + 1);
	}
}

static void forward_job(void *ctx, int job, int worker)
{
	const struct sweep *s = ctx;
	struct bnact_row r = sweep_start(s);

	(void)worker;
	sweep_rows(s, job, &r, s->k->forward);
}

static int row_groups(int h)
{
	return (h + ROWS - 1) / ROWS;
}

void bnact_forward(struct pool *pool, const struct bn *bn, enum act act, const struct view *z,
		   const struct view *residual, const struct view *y)
{
	struct sweep s = {.k = kernels(), .bn = bn, .act = act, .z = z, .y = y};

	BUG_IF(!view_same_shape(z, y) || z->c != bn->c);
	if (residual && residual->p) {
		BUG_IF(!view_same_shape(z, residual));
		s.residual = residual;
	}
	s.groups = row_groups(z->h);
	pool_run(pool, z->n * s.groups, forward_job, &s);
}

size_t bnact_scratch(int n, int h, int c)
{
	const size_t jobs = (size_t)n * (size_t)row_groups(h);

	return (jobs + 1) * 2 * (size_t)c * sizeof(double) + 2 * (size_t)c * sizeof(float);
}

static void sums_job(void *ctx, int job, int worker)
{
	const struct sweep *s = ctx;
	struct bnact_row r = sweep_start(s);

	(void)worker;
	r.sums = s->part + (size_t)job * 2 * (size_t)r.c;
	memset(r.sums, 0, 2 * (size_t)r.c * sizeof(double));
	sweep_rows(s, job, &r, s->k->sums);
}

static void apply_job(void *ctx, int job, int worker)
{
	const struct sweep *s = ctx;
	struct bnact_row r = sweep_start(s);

	(void)worker;
	sweep_rows(s, job, &r, s->k->apply);
}

/*
 * Ioffe and Szegedy 2015, section 3: with du = dy * act'(u) and xhat = (z - mean) * rstd,
 *	dbeta = sum du, dgamma = sum du*xhat,
 *	dz = gamma * rstd * (du - dbeta/count - xhat * dgamma/count),
 * and scale = gamma * rstd, so dz = du*scale + z*slope + offset. Constant statistics leave the first
 * term alone.
 */
static void backward_line(const struct bn *bn, const double *sums, double count, bool eval,
			  float *dgamma, float *dbeta, float *line)
{
	int c;

	for (c = 0; c < bn->c; c++) {
		const double du = sums[c], dot = sums[bn->c + c] * bn->rstd[c];
		const double slope = eval ? 0 : -bn->scale[c] * bn->rstd[c] * dot / count;
		const double offset = eval ? 0 : -bn->scale[c] * du / count - bn->mean[c] * slope;

		dbeta[c] += (float)du;
		dgamma[c] += (float)dot;
		line[c] = (float)slope;
		line[bn->c + c] = (float)offset;
	}
}

void bnact_backward(struct pool *pool, const struct bn *bn, enum act act, bool eval,
		    const struct view *z, const struct view *dy, const struct view *dz,
		    float *dgamma, float *dbeta, void *scratch)
{
	struct sweep s = {.k = kernels(), .bn = bn, .act = act, .z = z, .dy = dy};
	const size_t c2 = 2 * (size_t)bn->c;
	const double count = (double)z->n * z->h * z->w;
	double *sums = scratch;
	float *line = (float *)(sums + c2);
	int jobs;

	BUG_IF(!view_same_shape(z, dy) || !view_same_shape(z, dz) || z->c != bn->c);
	BUG_IF(z->p == dz->p);
	s.groups = row_groups(z->h);
	jobs = z->n * s.groups;
	s.part = sums + c2 + (size_t)bn->c;
	pool_run(pool, jobs, sums_job, &s);
	conv_sum_parts(pool, s.part, (size_t)jobs, c2, sums);
	backward_line(bn, sums, count, eval, dgamma, dbeta, line);
	s.y = dz;
	s.line = line;
	pool_run(pool, jobs, apply_job, &s);
}
