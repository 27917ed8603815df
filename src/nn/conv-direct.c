/*
 * The direct kernels: how a convolution is cut into grids, blocks and jobs. conv-direct.h has the
 * words; the inner loops are in conv-kernel.inc.h, backward-weights in conv-direct-dw.c.
 */
#include "nn/conv-direct.h"

#include "base/mem.h"

#include <string.h>

/* Multiply-adds per job: about 0.1 ms of one core, so that small maps share out and large ones do
 * not drown in jobs. */
#define JOB_WORK    (4 << 20)
#define LITTLE_WORK (1 << 19) /* an image that is not shared out */
/* An image's jobs are nearly equal, and a multiple of this many: seven for two threads would leave one
 * of them idle for an eighth of the time. */
#define EVEN_JOBS 4
/* With fewer jobs than this the blocks of output channels are shared out as well. */
#define FEW_JOBS 32
/* Input channels packed at a time, so that lines of the destination are filled in L1. */
#define PACK_CHANNELS 16

bool direct_reaches(const struct conv_shape *s)
{
	return s->groups == 1 && s->kh <= CONV_MAX_TAPS && s->kw <= CONV_MAX_TAPS;
}

const struct conv_kernels *direct_kernels(enum conv_path path)
{
	BUG_IF(path != conv_vectors(path));
	return CONV_BY_VECTORS(path, conv_kernels);
}

/*
 * One axis of a grid of backward-data: dx at position r + s*a takes dy at a + q - j' through tap
 * first + s*j', where first = (r + pad) mod s and q = (r + pad - first) / s; taps are taken in the
 * order in which dy lies, so j' runs down.
 */
struct axis {
	int start, taps, tap;
};

static struct axis data_axis(int r, int pad, int stride, int k)
{
	const int first = (r + pad) % stride;
	const int taps = first < k ? (k - 1 - first) / stride + 1 : 0;

	return (struct axis){(r + pad - first) / stride - (taps - 1), taps,
			     first + stride * (taps - 1)};
}

static struct grid data_grid(const struct conv_shape *s, int ry, int rx)
{
	const struct axis y = data_axis(ry, s->pad, s->stride, s->kh);
	const struct axis x = data_axis(rx, s->pad, s->stride, s->kw);
	const bool none = !y.taps || !x.taps;

	return (struct grid){
		.rows = s->h > ry ? ceil_div(s->h - ry, s->stride) : 0,
		.cols = s->w > rx ? ceil_div(s->w - rx, s->stride) : 0,
		.oy = ry,
		.ox = rx,
		.out_step = s->stride,
		.iy = y.start,
		.ix = x.start,
		.in_step = 1,
		.kh = none ? 0 : y.taps,
		.kw = none ? 0 : x.taps,
		.ky = y.tap,
		.kx = x.tap,
		.tap_step = -s->stride,
	};
}

static size_t padded(const struct conv_kernels *k, int channels)
{
	return round_up((size_t)channels, (size_t)k->lanes);
}

/* Where each grid's packed weights begin, and the size of a job, from the shape alone. */
static void pass_plan(struct pass *p, const struct conv_kernels *k)
{
	double taps = 0, work;
	size_t parts;
	int i, cols = 0;

	p->blocks = ceil_div((int)padded(k, p->out) / k->lanes, k->vectors);
	p->floats = 0;
	for (i = 0; i < p->ngrids; i++) {
		struct grid *g = &p->grids[i];

		g->w = p->floats;
		p->floats +=
			round_up((size_t)(g->kh * g->kw) * (size_t)p->in * padded(k, p->out), 16);
		taps += g->kh * g->kw;
		cols = g->cols > cols ? g->cols : cols;
	}
	work = taps * cols * p->in * p->out * p->grids[0].rows;
	parts = work < LITTLE_WORK ? 1 : round_up((size_t)(work / JOB_WORK) + 1, EVEN_JOBS);
	p->parts = max_int(1, min_int((int)parts, p->grids[0].rows));
}

static void plan_forward(struct pass *p, const struct conv_shape *s, const struct conv_kernels *k)
{
	*p = (struct pass){.in = s->cin, .out = s->cout, .ngrids = 1, .unit = 1, .height = s->oh};
	p->w_in = (size_t)(s->kh * s->kw);
	p->w_out = p->w_in * (size_t)s->cin;
	p->grids = xcalloc(1, sizeof(*p->grids));
	p->grids[0] = (struct grid){
		.rows = s->oh,
		.cols = s->ow,
		.out_step = 1,
		.iy = -s->pad,
		.ix = -s->pad,
		.in_step = s->stride,
		.kh = s->kh,
		.kw = s->kw,
		.tap_step = 1,
	};
	pass_plan(p, k);
}

static void plan_data(struct pass *p, const struct conv_shape *s, const struct conv_kernels *k)
{
	int ry, rx;

	*p = (struct pass){.in = s->cout, .out = s->cin, .unit = s->stride, .height = s->h};
	p->w_out = (size_t)(s->kh * s->kw);
	p->w_in = p->w_out * (size_t)s->cin;
	p->grids = xcalloc((size_t)(s->stride * s->stride), sizeof(*p->grids));
	for (ry = 0; ry < s->stride; ry++)
		for (rx = 0; rx < s->stride; rx++)
			p->grids[p->ngrids++] = data_grid(s, ry, rx);
	pass_plan(p, k);
}

struct direct *direct_new(const struct conv *c)
{
	struct direct *d = xcalloc(1, sizeof(*d));

	d->k = direct_kernels(c->path);
	plan_forward(&d->forward, &c->s, d->k);
	if (c->train)
		plan_data(&d->data, &c->s, d->k);
	return d;
}

void direct_free(struct direct *d)
{
	if (!d)
		return;
	free(d->forward.grids);
	free(d->data.grids);
	free(d);
}

size_t direct_scratch(const struct conv *c)
{
	return (size_t)c->max_n * (size_t)c->direct->forward.parts * 2 * (size_t)c->s.cout *
	       sizeof(double);
}

struct pack_job {
	const struct conv_kernels *k;
	const struct pass *p;
	const struct conv_shape *s;
	const float *w;
	float *packed;
};

/* Floats of the packed weights of the blocks before this one. */
static size_t block_offset(const struct conv_kernels *k, const struct grid *g, int in, int block)
{
	return (size_t)(g->kh * g->kw) * (size_t)in * (size_t)block_channel(k, block);
}

/* Input channels [i0, i1) of one lane. */
static void pack_lane(const struct pack_job *j, const struct grid *g, const float *w, int i0,
		      int i1, size_t width, float *to)
{
	int y, x, i;

	for (y = 0; y < g->kh; y++)
		for (x = 0; x < g->kw; x++) {
			const int ky = g->ky + y * g->tap_step, kx = g->kx + x * g->tap_step;
			const float *from = w + ky * j->s->kw + kx;
			float *at = to + (size_t)((y * g->kw + x) * j->p->in) * width;

			for (i = i0; i < i1; i++)
				at[(size_t)i * width] = from[(size_t)i * j->p->w_in];
		}
}

static void pack_zeros(const struct pack_job *j, const struct grid *g, int i0, int i1, size_t width,
		       float *to)
{
	int t, i;

	for (t = 0; t < g->kh * g->kw; t++)
		for (i = i0; i < i1; i++)
			to[(size_t)(t * j->p->in + i) * width] = 0;
}

static void pack_block(void *ctx, int job, int worker)
{
	const struct pack_job *j = ctx;
	const int block = job % j->p->blocks, channels = block_channels(j->k, j->p->out, block);
	const struct grid *g = &j->p->grids[job / j->p->blocks];
	const size_t width = (size_t)(block_vectors(j->k, j->p->out, block) * j->k->lanes);
	float *to = j->packed + g->w + block_offset(j->k, g, j->p->in, block);
	int i, lane;

	(void)worker;
	for (i = 0; i < j->p->in; i += PACK_CHANNELS) {
		const int end = i + PACK_CHANNELS < j->p->in ? i + PACK_CHANNELS : j->p->in;

		for (lane = 0; lane < channels; lane++)
			pack_lane(j, g,
				  j->w + (size_t)(block_channel(j->k, block) + lane) * j->p->w_out,
				  i, end, width, to + lane);
		for (; lane < (int)width; lane++)
			pack_zeros(j, g, i, end, width, to + lane);
	}
}

void direct_pack(const struct conv *c, const struct pass *p, struct pool *pool, const float *w,
		 float *packed)
{
	struct pack_job j = {c->direct->k, p, &c->s, w, packed};

	pool_spread(pool, p->ngrids * p->blocks, pack_block, &j);
}

int direct_runs(const struct grid *g, int j0, int j1, int channels, const struct view *x,
		struct run *runs)
{
	const bool whole = x->ld == channels; /* a row of taps is one piece */
	int j, i, n = 0;

	for (j = j0; j < j1; j++)
		for (i = 0; i < (whole ? 1 : g->kw); i++) {
			runs[n].x =
				(ptrdiff_t)((size_t)j * view_row(x) + (size_t)i * (size_t)x->ld);
			runs[n++].len = whole ? g->kw * channels : channels;
		}
	return n;
}

struct job {
	const struct conv_kernels *k;
	const struct pass *p;
	const float *packed;
	const struct view *in, *out, *rest; /* rest: of the output channels; NULL: none */
	const struct conv_epilogue *epi;
	enum finish finish;
	int splits; /* jobs along blocks */
	double *sums;
};

static void start_sums(const struct job *j, struct conv_row *r, double *sums, int c0)
{
	r->sum = sums + c0;
	r->squares = sums + j->p->out + c0;
	memset(r->sum, 0, (size_t)r->channels * sizeof(double));
	memset(r->squares, 0, (size_t)r->channels * sizeof(double));
}

/* Where the block's channels of output pixel (oy, ox) go. */
static void set_output(const struct job *j, struct conv_row *r, int n, int oy, int ox, int c0,
		       int step)
{
	const struct view *out = j->out, *rest = j->rest;

	if (rest && c0 >= out->c) {
		c0 -= out->c;
		out = rest;
		rest = NULL;
	}
	r->y = view_at(out, n, oy, ox) + c0;
	r->y_step = (size_t)(step * out->ld);
	r->split = 0;
	if (!rest || c0 + r->channels <= out->c)
		return;
	r->split = (out->c - c0) / j->k->lanes;
	r->rest = view_at(rest, n, oy, ox);
	r->rest_step = (size_t)(step * rest->ld);
}

static void zero_row(const struct job *j, const struct grid *g, const struct conv_row *r)
{
	int x;

	if (j->finish != FINISH_ADD)
		for (x = 0; x < g->cols; x++)
			memset(r->y + (size_t)x * r->y_step, 0,
			       (size_t)r->channels * sizeof(float));
}

/* Row `row` of one grid and one block of channels, whose constant parts are in *r. */
static void grid_row(const struct job *j, const struct grid *g, struct conv_row *r, int n, int row,
		     int block)
{
	const struct view *in = j->in;
	const int c0 = block_channel(j->k, block), vectors = block_vectors(j->k, j->p->out, block);
	const int oy = g->oy + row * g->out_step, iy = g->iy + row * g->in_step;
	const int j0 = iy < 0 ? -iy : 0, j1 = iy + g->kh > in->h ? in->h - iy : g->kh;
	struct run runs[CONV_MAX_TAPS * CONV_MAX_TAPS];

	set_output(j, r, n, oy, g->ox, c0, g->out_step);
	r->cols = g->cols;
	if (r->finish == FINISH_ALL && j->epi->residual.p) {
		r->residual = view_at(&j->epi->residual, n, oy, g->ox) + c0;
		r->residual_step = (size_t)(g->out_step * j->epi->residual.ld);
	}
	r->nruns = j0 < j1 ? direct_runs(g, j0, j1, j->p->in, in, runs) : 0;
	if (!r->nruns && r->finish != FINISH_ALL && !r->bias) {
		zero_row(j, g, r);
		return;
	}
	r->runs = runs;
	r->x = in->p + (ptrdiff_t)((size_t)n * view_image(in)) +
	       (ptrdiff_t)iy * (ptrdiff_t)view_row(in) + (ptrdiff_t)g->ix * in->ld;
	r->x_step = (size_t)(g->in_step * in->ld);
	r->w = j->packed + g->w + block_offset(j->k, g, j->p->in, block) +
	       (size_t)(j0 * g->kw) * (size_t)(j->p->in * vectors * j->k->lanes);
	j->k->row[vectors](r);
}

/* Of the grids, for a part of an image. */
static int first_row(const struct pass *p, int part)
{
	return p->grids[0].rows * part / p->parts;
}

static void block_rows(const struct job *j, int n, int part, int block, double *sums)
{
	const int c0 = block_channel(j->k, block), end = first_row(j->p, part + 1);
	struct conv_row r = {.channels = block_channels(j->k, j->p->out, block),
			     .finish = j->finish};
	int i, row;

	if (j->finish == FINISH_SUMS)
		start_sums(j, &r, sums, c0);
	if (j->epi && j->epi->bias)
		r.bias = j->epi->bias + c0;
	if (j->finish == FINISH_ALL)
		r.silu = j->epi->silu;
	for (row = first_row(j->p, part); row < end; row++)
		for (i = 0; i < j->p->ngrids; i++)
			if (row < j->p->grids[i].rows && j->p->grids[i].cols)
				grid_row(j, &j->p->grids[i], &r, n, row, block);
}

/* Behind rows [y0, y1) of image n, of output channels [c0, c1). */
static void clear_pads(const struct job *j, int n, int y0, int y1, int c0, int c1)
{
	const int at = j->out->c;
	struct view mine;

	if (c0 < at) {
		mine = view_slice(j->out, c0, min_int(c1, at) - c0);
		view_clear_pads(&mine, n, y0, y1);
	}
	if (c1 > at) {
		mine = view_slice(j->rest, max_int(c0, at) - at, c1 - max_int(c0, at));
		view_clear_pads(&mine, n, y0, y1);
	}
}

static void rows_job(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct pass *p = j->p;
	const int split = job % j->splits, part = job / j->splits % p->parts;
	const int n = job / j->splits / p->parts;
	const int b0 = p->blocks * split / j->splits, b1 = p->blocks * (split + 1) / j->splits;
	const int y0 = first_row(p, part) * p->unit, y1 = first_row(p, part + 1) * p->unit;
	const int c0 = block_channel(j->k, b0), c1 = block_channel(j->k, b1);
	double *sums = j->sums;
	int b;

	(void)worker;
	if (sums)
		sums += ((size_t)n * (size_t)p->parts + (size_t)part) * 2 * (size_t)p->out;
	for (b = b0; b < b1; b++)
		block_rows(j, n, part, b, sums);
	clear_pads(j, n, y0, min_int(y1, p->height), c0, min_int(c1, p->out));
}

static void run_pass(struct job *j, struct pool *pool, int n)
{
	j->splits = ceil_div(FEW_JOBS, n * j->p->parts);
	if (j->splits > j->p->blocks)
		j->splits = j->p->blocks;
	pool_spread(pool, n * j->p->parts * j->splits, rows_job, j);
}

void direct_forward(const struct conv *c, struct pool *pool, const float *packed,
		    const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		    void *scratch)
{
	struct job j = {.k = c->direct->k, .p = &c->direct->forward, .packed = packed};

	j.in = x;
	j.out = y;
	j.epi = epi;
	if (epi && epi->rest.p)
		j.rest = &epi->rest;
	if (epi && epi->sums) {
		j.finish = FINISH_SUMS;
		j.sums = scratch;
	} else if (epi && (epi->silu || epi->residual.p)) {
		j.finish = FINISH_ALL;
	}
	run_pass(&j, pool, x->n);
	if (j.sums)
		conv_sum_parts(pool, j.sums, (size_t)x->n * (size_t)j.p->parts,
			       2 * (size_t)c->s.cout, epi->sums);
}

void direct_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			  const struct view *dy, const struct view *dx, bool add)
{
	struct job j = {.k = c->direct->k, .p = &c->direct->data, .packed = packed};

	j.in = dy;
	j.out = dx;
	j.finish = add ? FINISH_ADD : FINISH_STORE;
	run_pass(&j, pool, dx->n);
}
