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

static const struct bnact_kernels *kernels(enum conv_path path)
{
	return CONV_BY_VECTORS(path, bnact_kernels);
}

struct sweep {
	const struct bnact_kernels *k;
	const struct bn *bn;
	enum act act;
	const struct view *z, *residual, *dy, *y, *again;
	int groups;        /* of rows, per image */
	double *part;      /* per job: 2*c */
	const float *line; /* backward: slope and offset, c each; NULL: not yet */
	int parts;         /* apply: so many of these in a row */
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
	if (s->again) {
		r->again = view_at(s->again, n, y, 0);
		r->again_ld = (size_t)s->again->ld;
	}
	r->y = view_at(s->y, n, y, 0);
	r->y_ld = (size_t)s->y->ld;
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
		view_clear_pads(s->y, n, y, y + 1);
		if (s->again)
			view_clear_pads(s->again, n, y, y + 1);
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

static void set_residual(struct sweep *s, const struct view *residual)
{
	if (!residual || !residual->p)
		return;
	BUG_IF(!view_same_shape(s->z, residual));
	s->residual = residual;
}

void bnact_forward(struct pool *pool, const struct bn *bn, enum act act, const struct view *z,
		   const struct view *residual, const struct view *y)
{
	struct sweep s = {.k = kernels(bn->path), .bn = bn, .act = act, .z = z, .y = y};

	BUG_IF(!view_same_shape(z, y) || z->c != bn->c);
	set_residual(&s, residual);
	s.groups = row_groups(z->h);
	pool_spread(pool, z->n * s.groups, forward_job, &s);
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
	const int n = job / s->groups, y0 = job % s->groups * ROWS;
	const int y1 = min_int(y0 + ROWS, s->z->h);
	int y, i;

	(void)worker;
	for (y = y0; y < y1; y++)
		for (i = 0; i < s->parts; i++) {
			struct bnact_row r = sweep_start(&s[i]);

			sweep_row(&s[i], &r, n, y);
			s->k->apply(&r, ACT_NONE);
			view_clear_pads(s[i].y, n, y, y + 1);
		}
}

/*
 * Ioffe and Szegedy 2015, section 3: with du = dy * act'(u) and xhat = (z - mean) * rstd,
 *	dbeta = sum du, dgamma = sum du*xhat,
 *	dz = gamma * rstd * (du - dbeta/count - xhat * dgamma/count),
 * and scale = gamma * rstd, so dz = du*scale + z*slope + offset. Constant statistics leave the first
 * term alone.
 */
void bnact_back_line(const struct bn *bn, const double *sums, double count, bool eval,
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

void bnact_back_sums(struct pool *pool, const struct bn *bn, enum act act, const struct view *z,
		     const struct view *dy, const struct view *du, const struct bnact_again *again,
		     double *sums, void *scratch)
{
	struct sweep s = {.k = kernels(bn->path), .bn = bn, .act = act, .z = z, .dy = dy, .y = du};
	int jobs;

	BUG_IF(!view_same_shape(z, dy) || !view_same_shape(z, du) || z->c != bn->c);
	BUG_IF(z->p == du->p);
	if (again && again->y && again->y->p) {
		BUG_IF(!view_same_shape(z, again->y));
		s.again = again->y;
		set_residual(&s, again->residual);
	}
	s.groups = row_groups(z->h);
	s.part = scratch;
	jobs = z->n * s.groups;
	pool_spread(pool, jobs, sums_job, &s);
	conv_sum_parts(pool, s.part, (size_t)jobs, 2 * (size_t)bn->c, sums);
}

void bnact_back_apply(struct pool *pool, const struct bnact_part *parts, int n)
{
	struct sweep s[BNACT_PARTS];
	const struct view *z = parts[0].z;
	int i;

	BUG_IF(n < 1 || n > BNACT_PARTS);
	for (i = 0; i < n; i++) {
		const struct bnact_part *p = &parts[i];

		BUG_IF(!view_same_shape(p->z, p->dz) || p->z->c != p->bn->c);
		BUG_IF(p->z->p == p->dz->p || p->z->n != z->n || p->z->h != z->h);
		s[i] = (struct sweep){.k = kernels(p->bn->path),
				      .bn = p->bn,
				      .z = p->z,
				      .y = p->dz,
				      .line = p->line,
				      .parts = n};
	}
	s->groups = row_groups(z->h);
	pool_spread(pool, z->n * s->groups, apply_job, s);
}

void bnact_backward(struct pool *pool, const struct bn *bn, enum act act, bool eval,
		    const struct view *z, const struct view *dy, const struct view *dz,
		    float *dgamma, float *dbeta, void *scratch)
{
	double *sums = scratch;
	float *line = (float *)(sums + 2 * bn->c);
	const struct bnact_part part = {bn, z, dz, line};

	bnact_back_sums(pool, bn, act, z, dy, dz, NULL, sums, sums + 3 * bn->c);
	bnact_back_line(bn, sums, (double)z->n * z->h * z->w, eval, dgamma, dbeta, line);
	bnact_back_apply(pool, &part, 1);
}
