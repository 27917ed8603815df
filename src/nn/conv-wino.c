/*
 * Winograd's convolution, forward and backward-data: conv-wino.h has the words. A job is a block
 * of tiles that fits the caches with its points, and a share of the output channels: it transforms
 * the tiles, and for every block of channels multiplies the groups of points and transforms back.
 */
#include "nn/conv-wino.h"

#include "base/mem.h"

#include <string.h>

/*
 * Points of one block of tiles, 448 KiB at most, so that they stay in the L2 cache with the weights
 * of a group and the products. Few tiles are better than many, as long as they fill the register
 * tile; 23 are 6 % faster than 24 or 48, whose points lie at distances that share cache lines' sets.
 */
#define BLOCK_FLOATS 114688
#define MOST_TILES   23
#define FEW_TILES    12 /* the register tile; for stride 2, with 81 points, the most, too */
/* Up to as many input channels, points are taken by columns, so many tiles to a block. */
#define COLUMN_CHANNELS 32
#define COLUMN_TILES    8
#define MOST_SET        4 /* tiles */
#define FEW_JOBS        8
#define MANY_JOBS       64 /* with more blocks than these, a job is several */
#define PACK_CHANNELS   16
#define STEM_PIECE      (WINO_PATCH_CHANNELS / 2) /* floats of two neighbours, at most */

/* Rows of G for the points +-near, +-far and infinity (and 0), taps of the 3 it convolves. */
static void interpolation(struct wino_pass *p, const int *taps, int ntaps)
{
	const bool zero = ntaps == 3;
	const double near = zero ? (double)WINO_S1_NEAR : (double)WINO_S2_NEAR;
	const double far = zero ? (double)WINO_S1_FAR : (double)WINO_S2_FAR;
	const double at[] = {near, -near, far, -far};
	const int first = zero ? 1 : 0;
	int i, j, k;

	memset(p->g, 0, sizeof(p->g));
	if (zero)
		p->g[0][taps[0]] = (float)(1 / (near * near * far * far));
	for (i = 0; i < 4; i++) {
		double scale = zero ? at[i] : 1, power = 1;

		for (j = 0; j < 4; j++)
			scale *= i == j ? 1 : at[i] - at[j];
		for (k = 0; k < ntaps; k++, power *= at[i])
			p->g[first + i][taps[k]] = (float)(power / scale);
	}
	p->g[first + 4][taps[ntaps - 1]] = 1;
	if (!zero)
		p->g[5][1] = 1; /* the middle tap */
}

static void plan_groups(struct wino_pass *p)
{
	int i, j, first = 0;

	for (i = 0; i < WINO_SIDE; i++)
		for (j = 0; j < WINO_SIDE; j++) {
			struct wino_group *g = &p->groups[WINO_SIDE * i + j];

			g->first = first;
			g->points = p->kind == WINO_S1 ? 1 : (i == 5 ? 4 : 1) * (j == 5 ? 4 : 1);
			first += g->points;
		}
	p->points = first;
}

static void plan_pass(struct wino_pass *p, const struct conv *c, const struct conv_kernels *k,
		      const struct wino_kernels *t, bool data)
{
	static const int forth[] = {0, 1, 2}, back[] = {2, 1, 0}, odd[] = {0, 2},
			 odd_back[] = {2, 0};
	const struct conv_shape *s = &c->s;
	const int taps = s->kh * s->kw;
	int width;

	p->stem = s->kh == 6;
	p->kind = s->stride == 1 || p->stem ? WINO_S1 : data ? WINO_S2_DATA : WINO_S2;
	p->in = data ? s->cout : p->stem ? 4 * s->cin : s->cin;
	p->out = data ? s->cin : s->cout;
	p->w_in = (size_t)(data ? taps * s->cin : taps);
	p->w_out = (size_t)(data ? taps : taps * s->cin);
	p->window = p->kind == WINO_S1 ? 6 : p->kind == WINO_S2 ? 9 : 5;
	p->side = p->kind == WINO_S2_DATA ? 8 : 4;
	p->step = p->kind == WINO_S2 ? 8 : 4;
	p->origin = p->kind == WINO_S2_DATA ? 0 : -1;
	if (p->kind == WINO_S1)
		interpolation(p, data ? back : forth, 3);
	else
		interpolation(p, data ? odd_back : odd, 2);
	plan_groups(p);
	p->by_columns = p->in <= COLUMN_CHANNELS && p->kind != WINO_S2_DATA;
	p->blocks = ceil_div(ceil_div(p->out, k->lanes), k->vectors);
	width = k->lanes * (p->by_columns ? t->vectors : 1);
	p->floats = WINO_GROUPS * (size_t)p->in * round_up((size_t)p->out, (size_t)width);
}

static const struct wino_kernels *transforms(enum conv_path path)
{
	BUG_IF(path != conv_vectors(path));
	return CONV_BY_VECTORS(path, wino_kernels);
}

static bool reaches(const struct conv_shape *s)
{
	if (s->groups != 1 || s->kh != s->kw)
		return false;
	if (s->kh == 6)
		return s->stride == 2 && s->pad == 2 && s->h % 2 == 0 && s->w % 2 == 0 &&
		       4 * s->cin <= WINO_PATCH_CHANNELS;
	return s->kh == 3 && s->pad == 1 && (s->stride == 1 || s->stride == 2);
}

/*
 * Whether Winograd's beats the direct kernels, which take one multiply-add per output, tap and
 * input channel. A tile takes one per point and input channel, at 9/10 of the speed, and the
 * transforms of a channel of a tile as long as TRANSFORM_* multiply-adds: measured on Zen 4 with
 * AVX-512; by columns less, since they go through the caches once. So 3x3 kernels of stride 1 always
 * pay on whole tiles (64 channels: 2.6 times as fast, 128 and 256: 2.9), and so do those of stride 2
 * from 16 to 32 channels on (1.1; 32 to 64: 1.35, 64 to 64: 1.1, 64 to 128: 1.2, 128 to 256 and on:
 * 1.2 to 1.35) and the stem (16 channels: 1.55), though its pixels are gathered first.
 */
#define TRANSFORM_S1      700
#define TRANSFORM_S2      920
#define TRANSFORM_STEM    580
#define TRANSFORM_COLUMNS 400

static double transform_work(const struct wino_pass *p)
{
	return p->stem ? TRANSFORM_STEM : p->kind == WINO_S1 ? TRANSFORM_S1 : TRANSFORM_S2;
}

static bool pays(const struct wino_pass *p, int h, int w, double transform, double products)
{
	const double tiles = (double)ceil_div(h, p->side) * ceil_div(w, p->side);

	return tiles * (p->points * (double)p->in * p->out / 0.9 + transform * (p->in + p->out)) <
	       products;
}

static bool pass_pays(const struct wino_pass *p, int h, int w, double products)
{
	return pays(p, h, w, p->by_columns ? TRANSFORM_COLUMNS : transform_work(p), products);
}

/*
 * Backward-weights pays for stride 1 (16 channels: 1.3 to 1.7 times as fast, 32: 1.7 to 2, 64: 2.3,
 * 128: 2, 256: 1.6), for the stem (16: 1.2, 32: 1.5) and for stride 2 from 64 channels on (64 to 64:
 * 1.1, 64 to 128: 1.2, 128 to 256: 1.1; 32 to 64: 1), where the sums pass through the caches for
 * every block of tiles: transforms count one and a third times. Not where an image is so small that
 * bringing 36 matrices back to 9, which takes as long as SUMS tiles, weighs more, nor, for stride 2,
 * where these are so large that there is no second copy of them.
 */
#define SUMS      10
#define MOST_SUMS (2 << 20) /* floats: 128 to 256 channels, but not 256 to 256 */

static bool weights_pay(const struct wino_pass *p, const struct conv_shape *s)
{
	const double sums = (double)SUMS * p->points * p->in * p->out;
	const double products = conv_flops(s) / 2 - sums;
	const double tiles = (double)ceil_div(s->oh, p->side) * ceil_div(s->ow, p->side);

	if (p->kind == WINO_S1)
		return pays(p, s->oh, s->ow, transform_work(p), products);
	return p->floats <= MOST_SUMS &&
	       pays(p, s->oh, s->ow, TRANSFORM_S2,
		    products - tiles * TRANSFORM_S2 / 3 * (p->in + p->out));
}

struct wino *wino_new(const struct conv *c, bool always)
{
	const double products = conv_flops(&c->s) / 2;
	struct wino *w;

	if (!reaches(&c->s))
		return NULL;
	w = xcalloc(1, sizeof(*w));
	w->k = direct_kernels(c->path);
	w->t = transforms(c->path);
	plan_pass(&w->forward, c, w->k, w->t, false);
	w->does_forward = always || pass_pays(&w->forward, c->s.oh, c->s.ow, products);
	if (c->train && c->s.kh == 3) {
		plan_pass(&w->data, c, w->k, w->t, true);
		w->does_data = always || pass_pays(&w->data, c->s.h, c->s.w, products);
	}
	w->does_weights = c->train && (always || weights_pay(&w->forward, &c->s));
	return w;
}

void wino_free(struct wino *w)
{
	free(w);
}

struct pack_job {
	const struct conv *c;
	const struct wino_pass *p;
	const float *w;
	float *packed;
};

size_t wino_kernel_of(const struct wino_pass *p, int in, int *row, int *col)
{
	const int cin = p->stem ? p->in / 4 : p->in, part = in / cin;

	*row = p->stem ? 12 : 3;
	*col = p->stem ? 2 : 1;
	if (!p->stem)
		return (size_t)in * p->w_in;
	return (size_t)(in % cin) * p->w_in + (size_t)(part / 2 * 6 + part % 2);
}

static void gather_taps(const struct pack_job *j, int block, int v, int in, float *taps)
{
	const struct wino *w = j->c->wino;
	const int lanes = w->k->lanes, c0 = block_channel(w->k, block) + v * lanes;
	int lane, k, l, row, col;

	for (lane = 0; lane < lanes; lane++) {
		const float *from;

		if (c0 + lane >= j->p->out) {
			for (k = 0; k < 9; k++)
				taps[k * lanes + lane] = 0;
			continue;
		}
		from = j->w + (size_t)(c0 + lane) * j->p->w_out +
		       wino_kernel_of(j->p, in, &row, &col);
		for (k = 0; k < 3; k++)
			for (l = 0; l < 3; l++)
				taps[(3 * k + l) * lanes + lane] = from[k * row + l * col];
	}
}

/* Where vector v of a block begins, and floats from input channel to channel, from row to row and from
 * column to column of points. */
struct packed {
	size_t at, channel, row, column;
};

static struct packed packed_vector(const struct pack_job *j, int vectors, int v)
{
	const struct wino *w = j->c->wino;
	const int each = w->t->vectors;
	const size_t in = (size_t)j->p->in, lanes = (size_t)w->k->lanes;
	const size_t width = lanes * (size_t)(j->p->by_columns ? each : vectors);

	if (!j->p->by_columns)
		return (struct packed){(size_t)v * lanes, width, WINO_SIDE * in * width,
				       in * width};
	return (struct packed){WINO_GROUPS * in * (size_t)(v / each) * width +
				       (size_t)(v % each) * lanes,
			       WINO_SIDE * width, width, WINO_SIDE * in * width};
}

static void pack_channels(void *ctx, int job, int worker)
{
	const struct pack_job *j = ctx;
	const struct wino *w = j->c->wino;
	const int block = job % j->p->blocks, i0 = job / j->p->blocks * PACK_CHANNELS;
	const int vectors = block_vectors(w->k, j->p->out, block);
	const int all =
		(int)round_up((size_t)vectors, (size_t)(j->p->by_columns ? w->t->vectors : 1));
	float *to = j->packed + WINO_GROUPS * (size_t)j->p->in * (size_t)block_channel(w->k, block);
	float taps[9 * CONV_MOST_LANES];
	int i, v;

	(void)worker;
	for (i = i0; i < min_int(i0 + PACK_CHANNELS, j->p->in); i++)
		for (v = 0; v < all; v++) {
			const struct packed p = packed_vector(j, vectors, v);

			gather_taps(j, block, v, i, taps);
			w->t->weights(taps, (const float(*)[3])j->p->g,
				      to + p.at + (size_t)i * p.channel, p.row, p.column);
		}
}

void wino_pack(const struct conv *c, const struct wino_pass *p, struct pool *pool, const float *w,
	       float *packed)
{
	struct pack_job j = {c, p, w, packed};

	pool_spread(pool, p->blocks * ceil_div(p->in, PACK_CHANNELS), pack_channels, &j);
}

size_t wino_patch_floats(const struct wino_pass *p, int tiles)
{
	const int cols = p->window + (tiles - 1) * p->step;

	return p->stem ? (size_t)(p->window * cols * WINO_PATCH_CHANNELS) : 0;
}

/*
 * The four pixels of the image under pixels [x0, x1) of row y: those of the upper row, then those of
 * the lower. In a dense image two neighbours are one piece, copied as 8 floats whatever their number,
 * which the compiler knows: what is too much is written over or not read.
 */
static void stem_pixels(const struct view *v, int n, int y, int x0, int x1, float *to)
{
	const size_t half = 2 * (size_t)v->c;
	const float *up = view_at(v, n, 2 * y, 2 * x0), *down = up + view_row(v);
	int x;

	for (x = x0; x < x1; x++, to += WINO_PATCH_CHANNELS, up += 2 * v->ld, down += 2 * v->ld) {
		if (v->ld == v->c) {
			memcpy(to, up, STEM_PIECE * sizeof(float));
			memcpy(to + half, down, STEM_PIECE * sizeof(float));
			continue;
		}
		memcpy(to, up, (size_t)v->c * sizeof(float));
		memcpy(to + v->c, up + v->ld, (size_t)v->c * sizeof(float));
		memcpy(to + half, down, (size_t)v->c * sizeof(float));
		memcpy(to + half + v->c, down + v->ld, (size_t)v->c * sizeof(float));
	}
}

/* Windows of `cols` pixels of the stem's in all, zeros outside: [row][column][channels]. */
static void stem_patch(const struct wino_reader *r, int n, int y0, int x0, int cols)
{
	const int w = r->view->w / 2, h = r->view->h / 2, x1 = min_int(x0 + cols, w);
	const int left = x0 < 0 ? -x0 : 0, right = x0 + cols - x1;
	const size_t row = (size_t)cols * WINO_PATCH_CHANNELS;
	float *to = r->patch;
	int y;

	for (y = y0; y < y0 + r->window; y++, to += row) {
		if (y < 0 || y >= h) {
			memset(to, 0, row * sizeof(float));
			continue;
		}
		memset(to, 0, (size_t)(left * WINO_PATCH_CHANNELS) * sizeof(float));
		stem_pixels(r->view, n, y, x0 + left, x1, to + left * WINO_PATCH_CHANNELS);
		memset(to + (cols - right) * WINO_PATCH_CHANNELS, 0,
		       (size_t)(right * WINO_PATCH_CHANNELS) * sizeof(float));
	}
}

/* All tiles of one row of the stem's, from column x0 on. */
static void read_stem(const struct wino_reader *r, struct wino_in *t, int n, int y0, int x0)
{
	const int cols = r->window + (t->tiles - 1) * r->step;

	stem_patch(r, n, y0, x0, cols);
	t->x = r->patch;
	t->step = WINO_PATCH_CHANNELS;
	t->row = (size_t)cols * t->step;
	t->next = (size_t)r->step * t->step;
	r->input(t);
}

static void pixel_table(const struct wino_reader *r, int n, int y0, int x0, const float **px)
{
	const struct view *v = r->view;
	int y, x;

	for (y = y0; y < y0 + r->window; y++)
		for (x = x0; x < x0 + r->window; x++)
			*px++ = y < 0 || x < 0 || y >= v->h || x >= v->w ? r->zeros
									 : view_at(v, n, y, x);
}

/* How many of the tiles from the one at x0 on lie inside the image with all their windows. */
static int inside(const struct wino_reader *r, int y0, int x0)
{
	const struct view *v = r->view;

	if (y0 < 0 || x0 < 0 || y0 + r->window > v->h || x0 + r->window > v->w)
		return 0;
	return (v->w - r->window - x0) / r->step + 1;
}

static void read_border(const struct wino_reader *r, struct wino_in *t, int n, int y0, int x0)
{
	const float *px[WINO_MOST_WINDOW * WINO_MOST_WINDOW];

	pixel_table(r, n, y0, x0, px);
	t->px = px;
	t->x = *px; /* not used, but no null pointer to reckon from */
	r->input(t);
}

void wino_read(const struct wino_reader *r, int tile, int tiles, float *v, size_t v_next)
{
	const int first = tile, end = tile + tiles;
	int run;

	for (; tile < end; tile += run, v += (size_t)run * v_next) {
		const int n = tile / (r->across * r->down), ty = tile / r->across % r->down;
		const int y0 = ty * r->step + r->origin;
		const int x0 = tile % r->across * r->step + r->origin;
		struct wino_in t = {.channels = r->channels, .v = v, .v_next = v_next};

		t.first = tile - first;
		t.point = v_next * (size_t)tiles;
		if (r->stem) {
			run = t.tiles = min_int(r->across - tile % r->across, end - tile);
			read_stem(r, &t, n, y0, x0);
			continue;
		}
		run = min_int(inside(r, y0, x0), end - tile);
		t.tiles = run;
		if (run) {
			t.x = view_at(r->view, n, y0, x0);
			t.step = (size_t)r->view->ld;
			t.row = view_row(r->view);
			t.next = (size_t)r->step * t.step;
			r->input(&t);
			continue;
		}
		run = t.tiles = 1;
		read_border(r, &t, n, y0, x0);
	}
}

struct job {
	const struct wino *w;
	const struct wino_pass *p;
	const float *packed;
	const struct view *in, *out;
	const struct conv_epilogue *epi;
	enum finish finish;
	struct wino_cut cut;
	double *sums; /* per block of tiles: 2*out */
	float *work;  /* per worker: zeros, patch, points, products, sums */
	size_t per_worker;
};

/* Tiles of a block, at most. */
static int most_tiles(const struct wino_pass *p)
{
	const int each = p->points * (int)round_up((size_t)p->in, 16);
	const int most = min_int(BLOCK_FLOATS / each, p->kind == WINO_S1 ? MOST_TILES : FEW_TILES);

	if (p->by_columns)
		return COLUMN_TILES;
	return most < FEW_TILES ? FEW_TILES : most;
}

static struct wino_cut cut(const struct wino_pass *p, int n, int h, int w)
{
	struct wino_cut c = {.across = ceil_div(w, p->side), .down = ceil_div(h, p->side)};

	c.tiles = n * c.across * c.down;
	c.blocks = ceil_div(c.tiles, most_tiles(p));
	c.most = ceil_div(c.tiles, c.blocks); /* nearly equal blocks */
	c.blocks = ceil_div(c.tiles, c.most);
	c.each = ceil_div(c.blocks, MANY_JOBS);
	c.jobs = ceil_div(c.blocks, c.each);
	c.splits = min_int(p->blocks, ceil_div(FEW_JOBS, c.jobs));
	return c;
}

/* Whole sets. */
static size_t points_floats(const struct wino_pass *p, int tiles)
{
	return (size_t)p->points * round_up((size_t)tiles, MOST_SET) * round_up((size_t)p->in, 16);
}

static size_t block_width(const struct wino *w)
{
	return (size_t)(w->k->vectors * w->k->lanes);
}

static size_t products_floats(const struct wino *w, const struct wino_pass *p, int tiles)
{
	return (size_t)p->points * round_up((size_t)tiles, MOST_SET) * block_width(w);
}

static size_t per_worker(const struct wino *w, const struct wino_pass *p, int tiles)
{
	return round_up((size_t)p->in, 16) + wino_patch_floats(p, tiles) + points_floats(p, tiles) +
	       products_floats(w, p, tiles) + 2 * block_width(w);
}

/* For any batch up to the largest: a smaller one may have larger blocks, but none above these. */
static size_t pass_scratch(const struct conv *c, const struct wino_pass *p, int threads, int h,
			   int w, bool sums)
{
	const int tiles = c->max_n * ceil_div(w, p->side) * ceil_div(h, p->side);
	const int most = min_int(most_tiles(p), tiles);
	const int jobs = min_int(ceil_div(tiles, most), MANY_JOBS);

	return (sums ? round_up((size_t)jobs * 2 * (size_t)p->out, 8) * sizeof(double) : 0) +
	       (size_t)threads * per_worker(c->wino, p, most) * sizeof(float);
}

size_t wino_scratch(const struct conv *c, int threads)
{
	const struct wino *w = c->wino;
	size_t most = 0, bytes;

	if (w->does_forward)
		most = pass_scratch(c, &w->forward, threads, c->s.oh, c->s.ow, true);
	if (w->does_data) {
		bytes = pass_scratch(c, &w->data, threads, c->s.h, c->s.w, false);
		most = bytes > most ? bytes : most;
	}
	return most;
}

/* What a job has for itself. */
struct place {
	int tile0, tiles;
	float *zeros, *patch, *v, *m, *sums;
	size_t v_ld;
};

static void multiply(const struct job *j, const struct place *at, int block)
{
	const struct conv_kernels *k = j->w->k;
	const int vectors = block_vectors(k, j->p->out, block), width = vectors * k->lanes;
	const struct run run = {0, j->p->in};
	struct conv_row r = {
		.x_step = at->v_ld,
		.runs = &run,
		.nruns = 1,
		.w = j->packed + WINO_GROUPS * (size_t)j->p->in * (size_t)block_channel(k, block),
		.y_step = (size_t)width,
		.channels = width,
		.finish = FINISH_STORE,
	};
	int g;

	for (g = 0; g < WINO_GROUPS; g++) {
		const size_t first = (size_t)(j->p->groups[g].first * at->tiles);

		r.x = at->v + first * at->v_ld;
		r.y = at->m + first * (size_t)width;
		r.cols = j->p->groups[g].points * at->tiles;
		k->row[vectors](&r);
		r.w += (size_t)(j->p->in * width);
	}
}

/* Tiles from number `tile` on that lie in one row, at most `most`. */
static void tiles_out(const struct job *j, struct wino_out *o, int tile, int most, int c0)
{
	const struct wino_cut *c = &j->cut;
	const int n = tile / (c->across * c->down), ty = tile / c->across % c->down;
	const int y = ty * j->p->side, x = tile % c->across * j->p->side;
	const struct view mine = view_slice(j->out, c0, o->channels);

	o->y = view_at(&mine, n, y, x);
	o->rows = min_int(j->p->side, mine.h - y);
	o->cols = min_int(j->p->side, mine.w - x);
	o->tiles = 1;
	if (o->cols == j->p->side)
		o->tiles = min_int(most, (mine.w - x) / j->p->side);
	if (j->finish == FINISH_ALL && j->epi->residual.p)
		o->residual = view_at(&j->epi->residual, n, y, x) + c0;
	if (j->p->by_columns)
		j->w->t->output_rows[j->p->kind](o);
	else
		j->w->t->output[j->p->kind](o);
	if (x + o->tiles * j->p->side >= mine.w)
		view_clear_pads(&mine, n, y, y + o->rows);
}

/* Vectors [v0, v0 + vectors) of output channels, whose products of a tile are `next` floats. */
static void outputs(const struct job *j, const struct place *at, int v0, int vectors, size_t next,
		    double *sums)
{
	const int lanes = j->w->k->lanes, c0 = v0 * lanes, width = vectors * lanes;
	struct wino_out o = {
		.point = (size_t)(width * at->tiles),
		.step = (size_t)j->out->ld,
		.row = view_row(j->out),
		.channels = min_int(width, j->p->out - c0),
		.finish = j->finish,
		.sums = at->sums,
		.squares = at->sums + width,
	};
	int t, i;

	if (j->finish == FINISH_ALL) {
		o.bias = j->epi->bias ? j->epi->bias + c0 : NULL;
		o.silu = j->epi->silu;
		o.residual_step = (size_t)j->epi->residual.ld;
		o.residual_row = view_row(&j->epi->residual);
	}
	memset(at->sums, 0, 2 * (size_t)width * sizeof(float));
	o.m_next = next;
	o.next = (size_t)j->p->side * o.step;
	o.residual_next = (size_t)j->p->side * o.residual_step;
	for (t = 0; t < at->tiles; t += o.tiles) {
		o.m = at->m + (size_t)t * next;
		tiles_out(j, &o, at->tile0 + t, at->tiles - t, c0);
	}
	for (i = 0; sums && i < o.channels; i++) {
		sums[c0 + i] += (double)o.sums[i];
		sums[j->p->out + c0 + i] += (double)o.squares[i];
	}
}

/* One block of output channels. */
static void by_points(const struct job *j, const struct place *at, int block, double *sums)
{
	const struct conv_kernels *k = j->w->k;
	const int vectors = block_vectors(k, j->p->out, block);

	multiply(j, at, block);
	outputs(j, at, block * k->vectors, vectors, (size_t)(vectors * k->lanes), sums);
}

/* Output channels from vector v0 on: a column of all sets after the other, so that its weights stay. */
static void multiply_columns(const struct job *j, const struct place *at, int v0)
{
	const struct wino_pass *p = j->p;
	const int rows = p->kind == WINO_S1 ? 6 : 9, set = j->w->t->set, lanes = j->w->k->lanes;
	const size_t width = (size_t)(j->w->t->vectors * lanes);
	const size_t weights = WINO_SIDE * (size_t)p->in * width;
	const size_t points = (size_t)(rows * set) * round_up((size_t)p->in, (size_t)lanes);
	struct wino_column c = {.in = p->in};
	int i, t;

	for (i = 0; i < rows; i++) {
		c.w = j->packed + WINO_GROUPS * (size_t)p->in * (size_t)(v0 * lanes) +
		      (size_t)min_int(i, WINO_SIDE - 1) * weights;
		for (t = 0; t < at->tiles; t += set) {
			c.v = at->v + (size_t)(t / set * rows + i) * points;
			c.m = at->m + (size_t)(t * 4 * rows + i) * width;
			j->w->t->column[p->kind](&c);
		}
	}
}

static void by_columns(const struct job *j, const struct place *at, int block, double *sums)
{
	const struct conv_kernels *k = j->w->k;
	const int rows = j->p->kind == WINO_S1 ? 6 : 9, each = j->w->t->vectors;
	const int v0 = block * k->vectors, v1 = v0 + block_vectors(k, j->p->out, block);
	int v;

	for (v = v0; v < v1; v += each) {
		multiply_columns(j, at, v);
		outputs(j, at, v, each, (size_t)(4 * rows * each * k->lanes), sums);
	}
}

static struct place place(const struct job *j, int block, int worker)
{
	const size_t in = round_up((size_t)j->p->in, 16);
	struct place at = {.tile0 = block * j->cut.most, .v_ld = in};

	at.tiles = min_int(j->cut.most, j->cut.tiles - at.tile0);
	at.zeros = j->work + (size_t)worker * j->per_worker;
	at.patch = at.zeros + in;
	at.v = at.patch + wino_patch_floats(j->p, j->cut.most);
	at.m = at.v + points_floats(j->p, j->cut.most);
	at.sums = at.m + products_floats(j->w, j->p, j->cut.most);
	memset(at.zeros, 0, in * sizeof(float));
	return at;
}

static void tiles_block(const struct job *j, int block, int split, int worker, double *sums)
{
	const struct wino_pass *p = j->p;
	const struct place at = place(j, block, worker);
	const struct wino_reader reader = {
		.input = p->by_columns ? j->w->t->input_sets[p->kind] : j->w->t->input[p->kind],
		.view = j->in,
		.window = p->window,
		.step = p->step,
		.origin = p->origin,
		.across = j->cut.across,
		.down = j->cut.down,
		.stem = p->stem,
		.channels = p->in,
		.zeros = at.zeros,
		.patch = at.patch,
	};
	int b;

	wino_read(&reader, at.tile0, at.tiles, at.v, p->by_columns ? 0 : at.v_ld);
	for (b = p->blocks * split / j->cut.splits; b < p->blocks * (split + 1) / j->cut.splits;
	     b++) {
		if (p->by_columns)
			by_columns(j, &at, b, sums);
		else
			by_points(j, &at, b, sums);
	}
}

static void tiles_job(void *ctx, int number, int worker)
{
	const struct job *j = ctx;
	const int split = number % j->cut.splits, part = number / j->cut.splits;
	const int c0 = block_channel(j->w->k, j->p->blocks * split / j->cut.splits);
	const int c1 = block_channel(j->w->k, j->p->blocks * (split + 1) / j->cut.splits);
	double *sums = j->sums ? j->sums + (size_t)part * 2 * (size_t)j->p->out : NULL;
	int i;

	for (i = c0; sums && i < c1 && i < j->p->out; i++)
		sums[i] = sums[j->p->out + i] = 0;
	for (i = part * j->cut.each; i < (part + 1) * j->cut.each && i < j->cut.blocks; i++)
		tiles_block(j, i, split, worker, sums);
}

static void run_pass(struct job *j, struct pool *pool, void *scratch)
{
	size_t sums;

	j->cut = cut(j->p, j->out->n, j->out->h, j->out->w);
	sums = j->finish == FINISH_SUMS ? (size_t)j->cut.jobs * 2 * (size_t)j->p->out : 0;
	j->sums = sums ? scratch : NULL;
	j->work = (float *)((double *)scratch + round_up(sums, 8));
	j->per_worker = per_worker(j->w, j->p, j->cut.most);
	pool_spread(pool, j->cut.jobs * j->cut.splits, tiles_job, j);
}

void wino_forward(const struct conv *c, struct pool *pool, const float *packed,
		  const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		  void *scratch)
{
	struct job j = {.w = c->wino, .p = &c->wino->forward, .packed = packed, .in = x, .out = y};

	j.epi = epi;
	if (epi && epi->sums)
		j.finish = FINISH_SUMS;
	else if (epi && (epi->bias || epi->silu || epi->residual.p))
		j.finish = FINISH_ALL;
	run_pass(&j, pool, scratch);
	if (j.sums)
		conv_sum_parts(pool, j.sums, (size_t)j.cut.jobs, 2 * (size_t)j.p->out, epi->sums);
}

void wino_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			const struct view *dy, const struct view *dx, bool add, void *scratch)
{
	struct job j = {.w = c->wino, .p = &c->wino->data, .packed = packed, .in = dy, .out = dx};

	j.finish = add ? FINISH_ADD : FINISH_STORE;
	run_pass(&j, pool, scratch);
}
