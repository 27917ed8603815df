/*
 * The OpenBLAS path: im2col in tiles of pixels that stay in the L2 cache, one single-threaded sgemm
 * a tile from our own threads. Any shape, any groups.
 *
 * Packed weights: per group a matrix of K = kh*kw*cin/groups rows (ky, kx, ci) and cout/groups
 * columns.
 */
#include "nn/conv-plan.h"

#include "base/mem.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* 256 KiB for the tile: a quarter of a common L2 cache, leaving room for weights and results. */
#define TILE_FLOATS 65536
#define MAX_TILE    512
#define CI_BLOCK    64    /* input channels per job of backward-data */
#define K_BLOCK     128   /* rows of K per job of backward-weights when dw is large */
#define SMALL_DW    32768 /* floats: up to here per-slice copies of dw are cheap */
#define MAX_SLICES  16

struct dims {
	int taps, cing, coutg, k; /* taps, channels in and out and K, all of one group */
	int tile, tiles;          /* pixels per tile, tiles per image */
	int slices, kblocks;      /* of backward-weights */
};

static struct dims dims(const struct conv *c)
{
	const struct conv_shape *s = &c->s;
	const int pixels = s->oh * s->ow;
	struct dims d;
	long all;

	d.taps = s->kh * s->kw;
	d.cing = s->cin / s->groups;
	d.coutg = s->cout / s->groups;
	d.k = d.taps * d.cing;
	d.tile = TILE_FLOATS / d.k / 4 * 4;
	d.tile = d.tile < 16 ? 16 : d.tile > MAX_TILE ? MAX_TILE : d.tile;
	d.tile = d.tile > pixels ? pixels : d.tile;
	d.tiles = (pixels + d.tile - 1) / d.tile;
	all = (long)c->max_n * d.tiles;
	if ((size_t)d.k * (size_t)s->cout <= SMALL_DW) {
		d.slices = all < MAX_SLICES ? (int)all : MAX_SLICES;
		d.kblocks = 1;
	} else {
		d.slices = 1;
		d.kblocks = (d.k + K_BLOCK - 1) / K_BLOCK;
	}
	return d;
}

struct job {
	const struct conv *c;
	struct dims d;
	const float *packed;
	const struct view *x, *y;
	const struct conv_epilogue *epi;
	bool add;
	const struct conv_grads *dw;
	double *sums; /* per tile of every image: 2*cout */
	float *part;  /* per slice: dw in packed order */
	float *work;  /* per worker: im2col tile, then the product */
	size_t per_worker;
};

static size_t im2col_floats(const struct dims *d)
{
	return round_up((size_t)d->tile * (size_t)d->k, 16);
}

static size_t per_worker_floats(const struct dims *d)
{
	const size_t wide = d->coutg > CI_BLOCK ? d->coutg : CI_BLOCK;

	return im2col_floats(d) + round_up((size_t)d->tile * wide, 16);
}

static size_t part_floats(const struct conv *c, const struct dims *d)
{
	return (size_t)d->k * (size_t)c->s.cout;
}

size_t conv_blas_scratch(const struct conv *c, int threads)
{
	const struct dims d = dims(c);
	const size_t sums = (size_t)c->max_n * (size_t)d.tiles * 2 * (size_t)c->s.cout;
	size_t bytes = per_worker_floats(&d) * (size_t)threads * sizeof(float);
	size_t parts = part_floats(c, &d) * (size_t)d.slices * sizeof(float);

	if (!c->train)
		parts = 0;
	return bytes + (parts > sums * sizeof(double) ? parts : sums * sizeof(double)) + 64;
}

size_t conv_blas_packed_floats(const struct conv *c)
{
	const struct dims d = dims(c);

	return part_floats(c, &d);
}

struct pack_job {
	const struct conv *c;
	struct dims d;
	const float *w;
	float *packed;
};

static void pack_one(void *ctx, int co, int worker)
{
	const struct pack_job *j = ctx;
	const struct dims *d = &j->d;
	const int g = co / d->coutg, o = co % d->coutg;
	const float *from = j->w + (size_t)co * (size_t)d->k;
	float *to = j->packed + (size_t)g * (size_t)d->k * (size_t)d->coutg + o;
	int ci, t;

	(void)worker;
	for (ci = 0; ci < d->cing; ci++)
		for (t = 0; t < d->taps; t++)
			to[(size_t)(t * d->cing + ci) * (size_t)d->coutg] = *from++;
}

void conv_blas_pack(const struct conv *c, struct pool *pool, const float *w, float *packed)
{
	struct pack_job j = {c, dims(c), w, packed};

	pool_spread(pool, c->s.cout, pack_one, &j);
}

/* Rows [k0, k1) of K for pixels [p0, p1) of image n, group g, into dst (p1-p0) x (k1-k0). */
static void im2col(const struct conv *c, const struct view *x, int n, int g, int p0, int p1, int k0,
		   int k1, float *dst)
{
	const struct conv_shape *s = &c->s;
	const int cing = s->cin / s->groups;
	int p, k, len;

	for (p = p0; p < p1; p++) {
		const int oy = p / s->ow, ox = p % s->ow;

		for (k = k0; k < k1; k += len, dst += len) {
			const int t = k / cing, ci = k % cing;
			const int iy = oy * s->stride - s->pad + t / s->kw;
			const int ix = ox * s->stride - s->pad + t % s->kw;

			len = cing - ci < k1 - k ? cing - ci : k1 - k;
			if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w)
				memset(dst, 0, (size_t)len * sizeof(float));
			else
				memcpy(dst, view_at(x, n, iy, ix) + g * cing + ci,
				       (size_t)len * sizeof(float));
		}
	}
}

/* Pixels from p on (up to p1) that lie at a constant distance in v: all, or the rest of the row. */
static int straight(const struct view *v, int p, int p1)
{
	const int end = (p / v->w + 1) * v->w;

	return (v->pad == 0 || end > p1 ? p1 : end) - p;
}

static const float *pixel(const struct view *v, int n, int p)
{
	return view_at(v, n, p / v->w, p % v->w);
}

/* C[p1-p0][coutg] = im2col(x) * W for one group; 1x1 convolutions read x where it lies. */
static void product(const struct job *j, int n, int g, int p0, int p1, float *a, float *out)
{
	const struct conv_shape *s = &j->c->s;
	const struct dims *d = &j->d;
	const float *w = j->packed + (size_t)g * (size_t)d->k * (size_t)d->coutg;
	int p, len;

	if (d->taps != 1 || s->stride != 1 || s->pad != 0) {
		im2col(j->c, j->x, n, g, p0, p1, 0, d->k, a);
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, p1 - p0, d->coutg, d->k, 1,
			    a, d->k, w, d->coutg, 0, out, d->coutg);
		return;
	}
	for (p = p0; p < p1; p += len) {
		len = straight(j->x, p, p1);
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, len, d->coutg, d->k, 1,
			    pixel(j->x, n, p) + g * d->cing, j->x->ld, w, d->coutg, 0,
			    out + (size_t)(p - p0) * (size_t)d->coutg, d->coutg);
	}
}

static void finish_pixel(const struct conv_epilogue *e, const struct view *y, int n, int oy, int ox,
			 int c0, int channels, const float *in)
{
	float *to =
		c0 < y->c ? view_at(y, n, oy, ox) + c0 : view_at(&e->rest, n, oy, ox) + c0 - y->c;
	const float *res = e && e->residual.p ? view_at(&e->residual, n, oy, ox) + c0 : NULL;
	int i;

	for (i = 0; i < channels; i++) {
		float u = in[i];

		if (e && e->bias)
			u += e->bias[c0 + i];
		if (e && e->silu)
			u /= 1 + expf(-u);
		to[i] = res ? u + res[i] : u;
	}
}

/* A group's channels, from c0 on, of pixel p. */
static void finish_channels(const struct job *j, int n, int p, int c0, const float *in)
{
	const int oy = p / j->c->s.ow, ox = p % j->c->s.ow, c1 = c0 + j->d.coutg;
	const int at = c0 < j->y->c ? min_int(c1, j->y->c) : c0;

	finish_pixel(j->epi, j->y, n, oy, ox, c0, at - c0, in);
	if (at < c1)
		finish_pixel(j->epi, j->y, n, oy, ox, at, c1 - at, in + (at - c0));
}

static void add_sums(const float *in, int pixels, int channels, double *sum, double *squares)
{
	int p, i;

	for (p = 0; p < pixels; p++)
		for (i = 0; i < channels; i++, in++) {
			sum[i] += *in;
			squares[i] += (double)*in * *in;
		}
}

static void forward_tile(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct conv_shape *s = &j->c->s;
	const struct dims *d = &j->d;
	const int n = job / d->tiles, p0 = job % d->tiles * d->tile;
	const int p1 = p0 + d->tile < s->oh * s->ow ? p0 + d->tile : s->oh * s->ow;
	float *a = j->work + (size_t)worker * j->per_worker, *out = a + im2col_floats(d);
	double *sums = j->sums ? j->sums + (size_t)job * 2 * (size_t)s->cout : NULL;
	int g, p;

	if (sums)
		memset(sums, 0, 2 * (size_t)s->cout * sizeof(double));
	for (g = 0; g < s->groups; g++) {
		const int c0 = g * d->coutg;

		product(j, n, g, p0, p1, a, out);
		if (sums)
			add_sums(out, p1 - p0, d->coutg, sums + c0, sums + s->cout + c0);
		for (p = p0; p < p1; p++)
			finish_channels(j, n, p, c0, out + (size_t)(p - p0) * (size_t)d->coutg);
	}
	for (p = p0 / s->ow; p < s->oh && p * s->ow < p1; p++)
		if ((p + 1) * s->ow <= p1) { /* the tile that ends a row clears behind it */
			view_clear_pads(j->y, n, p, p + 1);
			if (j->epi && j->epi->rest.p)
				view_clear_pads(&j->epi->rest, n, p, p + 1);
		}
}

static void set_scratch(struct job *j, int threads, void *scratch)
{
	j->per_worker = per_worker_floats(&j->d);
	j->work = scratch;
	j->part = j->work + j->per_worker * (size_t)threads;
}

void conv_blas_forward(const struct conv *c, struct pool *pool, const float *packed,
		       const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		       void *scratch)
{
	struct job j = {.c = c, .d = dims(c), .packed = packed, .x = x, .y = y, .epi = epi};
	const int jobs = x->n * j.d.tiles;

	set_scratch(&j, pool_threads(pool), scratch);
	if (epi && epi->sums)
		j.sums = (double *)j.part;
	pool_spread(pool, jobs, forward_tile, &j);
	if (epi && epi->sums)
		conv_sum_parts(pool, j.sums, (size_t)jobs, 2 * (size_t)c->s.cout, epi->sums);
}

/* dx pixels that output pixels [p0, p1) of tap t reach += the rows of d (ld CI_BLOCK). */
static void scatter(const struct job *j, int n, int t, int p0, int p1, int c0, int channels,
		    const float *from)
{
	const struct conv_shape *s = &j->c->s;
	int p, i;

	for (p = p0; p < p1; p++, from += CI_BLOCK) {
		const int iy = p / s->ow * s->stride - s->pad + t / s->kw;
		const int ix = p % s->ow * s->stride - s->pad + t % s->kw;
		float *to;

		if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w)
			continue;
		to = view_at(j->x, n, iy, ix) + c0;
		for (i = 0; i < channels; i++)
			to[i] += from[i];
	}
}

/* One image, one block of input channels of one group: all taps, all output pixels. */
static void data_block(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct conv_shape *s = &j->c->s;
	const struct dims *d = &j->d;
	const int blocks = (d->cing + CI_BLOCK - 1) / CI_BLOCK;
	const int n = job / (s->groups * blocks), g = job / blocks % s->groups;
	const int b0 = job % blocks * CI_BLOCK;
	const int channels = d->cing - b0 < CI_BLOCK ? d->cing - b0 : CI_BLOCK;
	const struct view dx = view_slice(j->x, g * d->cing + b0, channels);
	float *tmp = j->work + (size_t)worker * j->per_worker + im2col_floats(d);
	int t, p, len, y;

	for (y = 0; y < s->h; y++) {
		if (!j->add)
			view_clear_pixels(&dx, view_at(&dx, n, y, 0), s->w);
		view_clear_pads(&dx, n, y, y + 1);
	}
	for (t = 0; t < d->taps; t++)
		for (p = 0; p < s->oh * s->ow; p += len) {
			const float *w = j->packed +
					 ((size_t)g * (size_t)d->k + (size_t)(t * d->cing + b0)) *
						 (size_t)d->coutg;

			len = straight(j->y, p, s->oh * s->ow);
			len = len > d->tile ? d->tile : len;
			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, len, channels,
				    d->coutg, 1, pixel(j->y, n, p) + g * d->coutg, j->y->ld, w,
				    d->coutg, 0, tmp, CI_BLOCK);
			scatter(j, n, t, p, p + len, g * d->cing + b0, channels, tmp);
		}
}

void conv_blas_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			     const struct view *dy, const struct view *dx, bool add, void *scratch)
{
	struct job j = {.c = c, .d = dims(c), .packed = packed, .x = dx, .y = dy, .add = add};
	const int blocks = (j.d.cing + CI_BLOCK - 1) / CI_BLOCK;

	set_scratch(&j, pool_threads(pool), scratch);
	pool_spread(pool, dx->n * c->s.groups * blocks, data_block, &j);
}

/* One slice of the tiles of all images, one group, one block of K, into the slice's part. */
static void weights_block(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const struct conv_shape *s = &j->c->s;
	const struct dims *d = &j->d;
	const int slice = job / (s->groups * d->kblocks), g = job / d->kblocks % s->groups;
	const int k0 = d->kblocks > 1 ? job % d->kblocks * K_BLOCK : 0;
	const int k1 = d->kblocks > 1 && k0 + K_BLOCK < d->k ? k0 + K_BLOCK : d->k;
	const long all = (long)j->x->n * d->tiles;
	float *a = j->work + (size_t)worker * j->per_worker;
	float *out = j->part + (size_t)slice * part_floats(j->c, d) +
		     ((size_t)g * (size_t)d->k + (size_t)k0) * (size_t)d->coutg;
	long t;

	memset(out, 0, (size_t)(k1 - k0) * (size_t)d->coutg * sizeof(float));
	for (t = all * slice / d->slices; t < all * (slice + 1) / d->slices; t++) {
		const int n = (int)(t / d->tiles), p0 = (int)(t % d->tiles) * d->tile;
		const int p1 = p0 + d->tile < s->oh * s->ow ? p0 + d->tile : s->oh * s->ow;
		int p, len;

		im2col(j->c, j->x, n, g, p0, p1, k0, k1, a);
		for (p = p0; p < p1; p += len) {
			len = straight(j->y, p, p1);
			cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k1 - k0, d->coutg, len,
				    1, a + (size_t)(p - p0) * (size_t)(k1 - k0), k1 - k0,
				    pixel(j->y, n, p) + g * d->coutg, j->y->ld, 1, out, d->coutg);
		}
	}
}

/* dw of one output channel += its column of every slice. */
static void weights_sum(void *ctx, int co, int worker)
{
	const struct job *j = ctx;
	const struct dims *d = &j->d;
	const size_t stride = part_floats(j->c, d);
	const int g = co / d->coutg, o = co % d->coutg;
	float *to = conv_grads_of(j->dw, co, (size_t)d->k);
	int ci, t, i;

	(void)worker;
	for (ci = 0; ci < d->cing; ci++)
		for (t = 0; t < d->taps; t++) {
			const size_t k = (size_t)g * (size_t)d->k + (size_t)(t * d->cing + ci);
			const float *from = j->part + k * (size_t)d->coutg + o;
			float sum = 0;

			for (i = 0; i < d->slices; i++)
				sum += from[(size_t)i * stride];
			*to++ += sum;
		}
}

void conv_blas_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
				const struct view *dy, const struct conv_grads *dw, void *scratch)
{
	struct job j = {.c = c, .d = dims(c), .x = x, .y = dy, .dw = dw};

	set_scratch(&j, pool_threads(pool), scratch);
	pool_spread(pool, j.d.slices * c->s.groups * j.d.kblocks, weights_block, &j);
	pool_spread(pool, c->s.cout, weights_sum, &j);
}
