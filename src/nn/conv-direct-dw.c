/*
 * Backward-weights with the direct kernels: for a chunk of output pixels small enough that dy stays
 * in the L1 cache, every (row of K, block of channels) of dw is accumulated in registers.
 *
 * A job is a slice of the chunks of all images times a part of dw. Where dw is small every slice
 * has a copy of it, summed afterwards in the order of the slices; where dw is large there are fewer
 * slices and dw itself is shared out. The rule looks at the shape only.
 */
#include "nn/conv-direct.h"

#include "base/mem.h"

#include <string.h>

/* Pixels per chunk: 160 of 32 channels are 20 KiB, and enough work to hide loading and storing the
 * accumulators. */
#define CHUNK_PIXELS 160
#define MANY_JOBS    16
#define MOST_SLICES  32
#define SLICE_PIXELS 800       /* summing a copy costs about 16 pixels' work: 2 % */
#define MOST_FLOATS  (2 << 20) /* of all copies together: 8 MiB of scratch */
#define PART_FLOATS  81920     /* 320 KiB: what a job writes stays in the L2 cache */
#define SUM_CHANNELS 16        /* input channels per job of the final sum */

struct dw {
	const struct conv *c;
	const struct conv_kernels *k;
	const struct grid *g;
	const struct view *x, *dy;
	const struct conv_grads *out;
	float *part;
	int rows, cols;   /* of a chunk */
	int down, across; /* chunks of an image */
	int blocks;
	int slices, bsplits, ksplits;
	size_t krows;  /* K */
	size_t floats; /* of dw, packed */
};

/* The rule: see the head of this file. */
static void cut(struct dw *d, long pixels)
{
	/* 16: a rule that knew the vectors would give every instruction set another sum */
	const size_t most = MOST_FLOATS / (d->krows * round_up((size_t)d->c->s.cout, 16));
	const long slices = pixels / SLICE_PIXELS;

	d->slices = slices > MOST_SLICES ? MOST_SLICES : (int)slices;
	d->slices = (size_t)d->slices > most ? (int)most : d->slices;
	d->slices = d->slices < 1 ? 1 : d->slices;
	d->bsplits = min_int(d->blocks, (int)((d->floats + PART_FLOATS - 1) / PART_FLOATS));
	if (d->slices * d->bsplits < MANY_JOBS)
		d->bsplits = min_int(d->blocks, ceil_div(MANY_JOBS, d->slices));
	d->ksplits = d->slices * d->bsplits < MANY_JOBS ? d->c->s.kh : 1;
}

static struct dw plan(const struct conv *c, int n)
{
	const struct conv_shape *s = &c->s;
	struct dw d = {.c = c, .k = c->direct->k, .g = &c->direct->forward.grids[0]};

	d.across = ceil_div(s->ow, CHUNK_PIXELS);
	d.cols = ceil_div(s->ow, d.across);
	d.rows = min_int(ceil_div(CHUNK_PIXELS, d.cols), s->oh);
	d.down = ceil_div(s->oh, d.rows);
	d.blocks = c->direct->forward.blocks;
	d.krows = (size_t)(s->kh * s->kw) * (size_t)s->cin;
	d.floats = d.krows * round_up((size_t)s->cout, (size_t)d.k->lanes);
	cut(&d, (long)n * s->oh * s->ow);
	return d;
}

size_t direct_dw_scratch(const struct conv *c)
{
	const struct dw d = plan(c, c->max_n);

	return d.floats * (size_t)d.slices * sizeof(float);
}

/* Output rows [*y0, *y1) of which tap row ky lies inside the image. */
static void clip_rows(const struct conv_shape *s, int ky, int *y0, int *y1)
{
	const int first = s->pad > ky ? ceil_div(s->pad - ky, s->stride) : 0;
	const int last = s->h - 1 + s->pad - ky; /* may be negative: none */
	const int end = last < 0 ? 0 : last / s->stride + 1;

	*y0 = *y0 > first ? *y0 : first;
	*y1 = *y1 < end ? *y1 : end;
}

/* The chunk's part in one tap row of one block; `to` is where that tap row lies in the block. */
static void tap_row(const struct dw *d, struct conv_dw *k, const float *x, int vectors, int ky,
		    float *to)
{
	const int width = vectors * d->k->lanes, most = d->k->most_rows[vectors];
	struct run runs[CONV_MAX_TAPS];
	int i, done, piece;
	const int n = direct_runs(d->g, ky, ky + 1, d->c->s.cin, d->x, runs);

	for (i = 0; i < n; i++) {
		const int pieces = ceil_div(runs[i].len, most);

		for (piece = 0, done = 0; piece < pieces; piece++) {
			const int len = runs[i].len / pieces + (piece < runs[i].len % pieces);

			k->x = x + runs[i].x + done;
			k->out = to;
			d->k->dw[vectors](k, len);
			to += (size_t)len * (size_t)width;
			done += len;
		}
	}
}

static void chunk_block(const struct dw *d, long chunk, int block, int k0, int k1, float *part)
{
	const struct conv_shape *s = &d->c->s;
	const int n = (int)(chunk / (d->down * d->across));
	const int top = (int)(chunk / d->across % d->down) * d->rows;
	const int left = (int)(chunk % d->across) * d->cols;
	const int vectors = block_vectors(d->k, s->cout, block), c0 = block_channel(d->k, block);
	const size_t width = (size_t)(vectors * d->k->lanes);
	struct conv_dw k = {
		.x_step = (size_t)(s->stride * d->x->ld),
		.x_row = (size_t)s->stride * view_row(d->x),
		.dy_step = (size_t)d->dy->ld,
		.dy_row = view_row(d->dy),
		.cols = min_int(d->cols, s->ow - left),
		.channels = block_channels(d->k, s->cout, block),
	};
	int ky;

	for (ky = k0; ky < k1; ky++) {
		int y0 = top, y1 = min_int(top + d->rows, s->oh);
		const float *x;

		clip_rows(s, ky, &y0, &y1);
		if (y0 >= y1)
			continue;
		k.rows = y1 - y0;
		k.dy = view_at(d->dy, n, y0, left) + c0;
		/* direct_runs adds the tap row */
		x = d->x->p + (ptrdiff_t)((size_t)n * view_image(d->x)) +
		    (ptrdiff_t)(y0 * s->stride - s->pad) * (ptrdiff_t)view_row(d->x) +
		    (ptrdiff_t)(left * s->stride - s->pad) * d->x->ld;
		tap_row(d, &k, x, vectors, ky,
			part + d->krows * (size_t)c0 + (size_t)(ky * s->kw * s->cin) * width);
	}
}

static void weights_job(void *ctx, int job, int worker)
{
	const struct dw *d = ctx;
	const struct conv_shape *s = &d->c->s;
	const int ks = job % d->ksplits, bs = job / d->ksplits % d->bsplits;
	const int slice = job / d->ksplits / d->bsplits;
	const int k0 = s->kh * ks / d->ksplits, k1 = s->kh * (ks + 1) / d->ksplits;
	const int b0 = d->blocks * bs / d->bsplits, b1 = d->blocks * (bs + 1) / d->bsplits;
	const long all = (long)d->x->n * d->down * d->across;
	float *part = d->part + (size_t)slice * d->floats;
	long chunk;
	int b;

	(void)worker;
	for (b = b0; b < b1; b++) {
		const size_t row = (size_t)(s->kw * s->cin) *
				   (size_t)(block_vectors(d->k, s->cout, b) * d->k->lanes);

		memset(part + d->krows * (size_t)block_channel(d->k, b) + (size_t)k0 * row, 0,
		       (size_t)(k1 - k0) * row * sizeof(float));
	}
	for (chunk = all * slice / d->slices; chunk < all * (slice + 1) / d->slices; chunk++)
		for (b = b0; b < b1; b++)
			chunk_block(d, chunk, b, k0, k1, part);
}

static void add_floats(float *to, const float *from, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] += from[i];
}

/* dw += the slices' copies, for one block and a few input channels; the first copy is the sum. */
static void sum_job(void *ctx, int job, int worker)
{
	const struct dw *d = ctx;
	const struct conv_shape *s = &d->c->s;
	const int block = job % d->blocks, i0 = job / d->blocks * SUM_CHANNELS;
	const int i1 = min_int(i0 + SUM_CHANNELS, s->cin), taps = s->kh * s->kw;
	const size_t width = (size_t)(block_vectors(d->k, s->cout, block) * d->k->lanes);
	float *part = d->part + d->krows * (size_t)block_channel(d->k, block);
	int t, i, lane, slice;

	(void)worker;
	for (slice = 1; slice < d->slices; slice++)
		for (t = 0; t < taps; t++) {
			const size_t at = (size_t)(t * s->cin + i0) * width;

			add_floats(part + at, part + (size_t)slice * d->floats + at,
				   (size_t)(i1 - i0) * width);
		}
	for (lane = 0; lane < block_channels(d->k, s->cout, block); lane++) {
		float *to = conv_grads_of(d->out, block_channel(d->k, block) + lane, d->krows) +
			    (size_t)(i0 * taps);

		for (i = i0; i < i1; i++)
			for (t = 0; t < taps; t++)
				*to++ += part[(size_t)(t * s->cin + i) * width + (size_t)lane];
	}
}

void direct_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
			     const struct view *dy, const struct conv_grads *dw, void *scratch)
{
	struct dw d = plan(c, x->n);

	d.x = x;
	d.dy = dy;
	d.out = dw;
	d.part = scratch;
	pool_spread(pool, d.slices * d.bsplits * d.ksplits, weights_job, &d);
	pool_spread(pool, d.blocks * ceil_div(c->s.cin, SUM_CHANNELS), sum_job, &d);
}
