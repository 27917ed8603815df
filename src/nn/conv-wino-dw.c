/*
 * Winograd's backward-weights: for blocks of tiles both x and dy become points, and every group of
 * points adds its products over the tiles to a matrix of input by output channels; G brings the 36
 * matrices back to the kernels once, at the end.
 *
 * A job is a slice of the tiles of all images times a share of the output channels, so that its
 * matrices stay in reach of the L2 cache; every slice has a copy of them, summed in the order of
 * the slices. The cut looks at the shape only.
 */
#include "nn/conv-wino.h"

#include "base/mem.h"

#include <string.h>

#define BLOCK_FLOATS 245760    /* 960 KiB of points */
#define MOST_TILES   35        /* fewer add less at once; 48 share sets of the caches: 5 % slower */
#define FEW_TILES    16        /* fewer would load and store the sums for little */
#define UNIT         32        /* output channels of the least share, whatever the vectors */
#define PART_FLOATS  294912    /* of the sums of a job, 1.1 MiB: 64 x 128 channels */
#define MOST_FLOATS  (2 << 20) /* of all copies together: 8 MiB */
#define MOST_SLICES  32
#define SLICE_TILES  64 /* summing a copy costs about 4 tiles' work */
#define FEW_JOBS     2  /* with fewer a thread would have none: x becomes points once more */
#define SUM_CHANNELS 16 /* input channels per job of the final sum */

struct dw {
	const struct conv *c;
	const struct wino *w;
	const struct wino_pass *p;
	const struct view *x, *dy;
	const struct conv_grads *out;
	float *part; /* of every slice */
	float *work; /* per worker: zeros, patch, points of x, points of dy */
	size_t per_worker;
	int across, down, tiles, most;
	int slices, splits;
	size_t floats; /* of one copy */
};

static struct dw plan(const struct conv *c, int n)
{
	const struct wino_pass *p = &c->wino->forward;
	const int units = ceil_div(p->out, UNIT), in = (int)round_up((size_t)p->in, 16);
	const size_t sums = WINO_GROUPS * (size_t)p->in * (size_t)(units * UNIT);
	struct dw d = {.c = c, .w = c->wino, .p = p};
	int share;

	d.across = ceil_div(c->s.ow, p->side);
	d.down = ceil_div(c->s.oh, p->side);
	d.tiles = n * d.across * d.down;
	d.splits = min_int(units, (int)((sums + PART_FLOATS - 1) / PART_FLOATS));
	d.slices = min_int(MOST_SLICES, min_int(d.tiles / SLICE_TILES, (int)(MOST_FLOATS / sums)));
	d.slices = max_int(d.slices, 1);
	d.splits = max_int(d.splits, min_int(units, ceil_div(FEW_JOBS, d.slices)));
	share = ceil_div(units, d.splits) * UNIT;
	d.most = min_int(MOST_TILES, BLOCK_FLOATS / (p->points * (in + share)));
	d.most = max_int(d.most, FEW_TILES);
	d.floats = p->floats;
	d.per_worker = (size_t)max_int(in, share) + wino_patch_floats(p, d.most) +
		       (size_t)(p->points * d.most) * (size_t)(in + share);
	return d;
}

size_t wino_dw_scratch(const struct conv *c, int threads)
{
	const struct dw d = plan(c, c->max_n);

	return ((size_t)d.slices * round_up(d.floats, 16) + (size_t)threads * d.per_worker) *
	       sizeof(float);
}

/* A job's share: output channels [c0, c1), blocks [b0, b1). */
struct share {
	int b0, b1, c0, c1;
	size_t in, out; /* floats from one tile's points to the next's */
	float *zeros, *patch, *x, *dy;
	float *sums;
};

static struct share share_of(const struct dw *d, int split, int slice, int worker)
{
	const struct conv_kernels *k = d->w->k;
	struct share s = {.b0 = d->p->blocks * split / d->splits,
			  .b1 = d->p->blocks * (split + 1) / d->splits};

	s.c0 = block_channel(k, s.b0);
	s.c1 = min_int(block_channel(k, s.b1), d->p->out);
	s.in = round_up((size_t)d->p->in, 16);
	s.out = round_up((size_t)(s.c1 - s.c0), 16);
	s.zeros = d->work + (size_t)worker * d->per_worker;
	s.patch = s.zeros + (s.in > s.out ? s.in : s.out);
	s.x = s.patch + wino_patch_floats(d->p, d->most);
	s.dy = s.x + (size_t)(d->p->points * d->most) * s.in;
	s.sums = d->part + (size_t)slice * round_up(d->floats, 16);
	memset(s.zeros, 0, (size_t)(s.patch - s.zeros) * sizeof(float));
	return s;
}

static void read_points(const struct dw *d, const struct share *s, int tile, int tiles)
{
	const struct view dy = view_slice(d->dy, s->c0, s->c1 - s->c0);
	struct wino_reader r = {
		.input = d->w->t->input[d->p->kind],
		.view = d->x,
		.window = d->p->window,
		.step = d->p->step,
		.origin = d->p->origin,
		.across = d->across,
		.down = d->down,
		.stem = d->p->stem,
		.channels = d->p->in,
		.zeros = s->zeros,
		.patch = s->patch,
	};

	wino_read(&r, tile, tiles, s->x, s->in);
	r.input = d->w->t->gradient[d->p->kind];
	r.view = &dy;
	r.window = d->p->side;
	r.step = d->p->side;
	r.origin = 0;
	r.stem = false;
	r.channels = dy.c;
	wino_read(&r, tile, tiles, s->dy, s->out);
}

/* One group of points of one block of channels: sums[in][width] += x' dy over the tiles. */
static void add_group(const struct dw *d, const struct share *s, int block, int g, int tiles)
{
	const struct conv_kernels *k = d->w->k;
	const int vectors = block_vectors(k, d->p->out, block), width = vectors * k->lanes;
	const int pieces = ceil_div(d->p->in, k->most_rows[vectors]);
	const size_t first = (size_t)(d->p->groups[g].first * tiles);
	struct conv_dw w = {
		.x = s->x + first * s->in,
		.dy = s->dy + first * s->out + (block_channel(k, block) - s->c0),
		.x_step = s->in,
		.dy_step = s->out,
		.rows = 1,
		.cols = d->p->groups[g].points * tiles,
		.channels = block_channels(k, d->p->out, block),
	};
	int piece;

	w.out = s->sums + WINO_GROUPS * (size_t)d->p->in * (size_t)block_channel(k, block) +
		(size_t)(g * d->p->in * width);
	for (piece = 0; piece < pieces; piece++) {
		const int rows = d->p->in / pieces + (piece < d->p->in % pieces);

		k->dw[vectors](&w, rows);
		w.x += rows;
		w.out += (size_t)(rows * width);
	}
}

static void slice_job(void *ctx, int job, int worker)
{
	const struct dw *d = ctx;
	const int split = job % d->splits, slice = job / d->splits;
	const struct share s = share_of(d, split, slice, worker);
	const size_t each = WINO_GROUPS * (size_t)d->p->in;
	const int t1 = (int)((long)d->tiles * (slice + 1) / d->slices);
	const size_t end =
		s.b1 == d->p->blocks ? d->floats : each * (size_t)block_channel(d->w->k, s.b1);
	int t, b, g, tiles;

	memset(s.sums + each * (size_t)s.c0, 0, (end - each * (size_t)s.c0) * sizeof(float));
	for (t = (int)((long)d->tiles * slice / d->slices); t < t1; t += tiles) {
		tiles = min_int(d->most, t1 - t);
		read_points(d, &s, t, tiles);
		for (b = s.b0; b < s.b1; b++)
			for (g = 0; g < WINO_GROUPS; g++)
				add_group(d, &s, b, g, tiles);
	}
}

static void add_taps(const struct dw *d, const float *taps, int c0, int in)
{
	const int lanes = d->w->k->lanes;
	int lane, k, l, row, col;

	for (lane = 0; lane < lanes && c0 + lane < d->p->out; lane++) {
		float *to = conv_grads_of(d->out, c0 + lane, d->p->w_out) +
			    wino_kernel_of(d->p, in, &row, &col);

		for (k = 0; k < 3; k++)
			for (l = 0; l < 3; l++)
				to[k * row + l * col] += taps[(3 * k + l) * lanes + lane];
	}
}

/* dw += the slices' sums, of one block and a few input channels; the first copy becomes the sum. */
static void sum_job(void *ctx, int job, int worker)
{
	const struct dw *d = ctx;
	const struct conv_kernels *k = d->w->k;
	const int block = job % d->p->blocks, i0 = job / d->p->blocks * SUM_CHANNELS;
	const int i1 = min_int(i0 + SUM_CHANNELS, d->p->in);
	const int vectors = block_vectors(k, d->p->out, block);
	const size_t width = (size_t)(vectors * k->lanes), group = (size_t)d->p->in * width;
	float *sums = d->part + WINO_GROUPS * (size_t)d->p->in * (size_t)block_channel(k, block) +
		      (size_t)i0 * width;
	float taps[9 * CONV_MOST_LANES];
	int i, v, g, slice;

	(void)worker;
	for (slice = 1; slice < d->slices; slice++)
		for (g = 0; g < WINO_GROUPS; g++) {
			float *to = sums + (size_t)g * group;
			const float *from = to + (size_t)slice * round_up(d->floats, 16);
			const int n = (i1 - i0) * (int)width;

			for (i = 0; i < n; i++)
				to[i] += from[i];
		}
	for (i = i0; i < i1; i++)
		for (v = 0; v < vectors; v++) {
			d->w->t->taps(sums + (size_t)(i - i0) * width + (size_t)(v * k->lanes),
				      group, (const float(*)[3])d->p->g, taps);
			add_taps(d, taps, block_channel(k, block) + v * k->lanes, i);
		}
}

void wino_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
			   const struct view *dy, const struct conv_grads *dw, void *scratch)
{
	struct dw d = plan(c, x->n);

	d.x = x;
	d.dy = dy;
	d.out = dw;
	d.part = scratch;
	d.work = d.part + (size_t)d.slices * round_up(d.floats, 16);
	pool_spread(pool, d.slices * d.splits, slice_job, &d);
	pool_spread(pool, d.p->blocks * ceil_div(d.p->in, SUM_CHANNELS), sum_job, &d);
}
