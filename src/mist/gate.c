#include "mist/gate.h"

#include "base/ints.h"
#include "base/mem.h"
#include "io/half.h"
#include "mist/thin.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Channels handled at a time: a cache line of floats, whose thresholds and bits fit in registers.
 */
#define BLOCK 16

const char *const encoding_names[] = {"bit", "u8", "f16", "f32", NULL};

void gate_init(struct gate *g, enum encoding encoding, int c)
{
	*g = (struct gate){.encoding = encoding, .c = c};
}

size_t gate_filter_floats(const struct gate *g)
{
	const size_t c = (size_t)g->c, k = (size_t)g->filter_size;

	return c * c * k * k;
}

size_t gate_net_floats(const struct gate *g)
{
	const size_t c = (size_t)g->c, w = (size_t)g->net_width;

	return w ? 9 * (c * w + w * w + w * c) + 2 * w + c : 0;
}

static float *copy_floats(const float *from, size_t n)
{
	float *to;

	if (!from)
		return NULL;
	to = xreallocarray(NULL, n, sizeof(*to));
	memcpy(to, from, n * sizeof(*to));
	return to;
}

void gate_copy(struct gate *to, const struct gate *from)
{
	*to = *from;
	to->threshold = copy_floats(from->threshold, (size_t)from->c);
	to->low = copy_floats(from->low, (size_t)from->c);
	to->high = copy_floats(from->high, (size_t)from->c);
	to->mean = copy_floats(from->mean, (size_t)from->c);
	to->filter = copy_floats(from->filter, gate_filter_floats(from));
	to->net = copy_floats(from->net, gate_net_floats(from));
}

void gate_release(struct gate *g)
{
	free(g->threshold);
	free(g->low);
	free(g->high);
	free(g->mean);
	free(g->filter);
	free(g->net);
	*g = (struct gate){0};
}

void gate_drop_filter(struct gate *g)
{
	free(g->filter);
	free(g->net);
	g->filter = NULL;
	g->net = NULL;
	g->filter_size = g->net_width = 0;
}

static bool same_floats(const float *a, const float *b, int n)
{
	return a == b || (a && b && !memcmp(a, b, (size_t)n * sizeof(*a)));
}

bool gate_same_bits(const struct gate *a, const struct gate *b)
{
	return thin_pool(a) == thin_pool(b) && a->keep == b->keep &&
	       (!a->keep || a->subset == b->subset);
}

bool gate_same_levels(const struct gate *a, const struct gate *b)
{
	return gate_same_bits(a, b) && a->c == b->c &&
	       same_floats(a->threshold, b->threshold, a->c) && same_floats(a->low, b->low, a->c) &&
	       same_floats(a->high, b->high, a->c);
}

void gate_lend_filter(struct gate *to, const struct gate *from)
{
	if (!from->filter || from->encoding != to->encoding || !gate_same_levels(to, from))
		return;
	gate_drop_filter(to);
	free(to->mean);
	to->filter_size = from->filter_size;
	to->mean = copy_floats(from->mean, (size_t)from->c);
	to->filter = copy_floats(from->filter, gate_filter_floats(from));
	to->net_width = from->net_width;
	to->net = copy_floats(from->net, gate_net_floats(from));
}

bool gate_expects(const struct gate *g, double q)
{
	return fabs(g->q - q) < 1e-9; /* as gate_json.c reads it */
}

void gate_set_noise(struct gate *g, const struct noise *n)
{
	g->mechanism = n->mechanism;
	g->epsilon = n->epsilon;
	g->q = n->q;
}

size_t gate_packed_bytes(int c, int h, int w)
{
	return (size_t)c * (size_t)h * (((size_t)w + 7) / 8);
}

size_t gate_values(int c, int h, int w)
{
	return (size_t)c * (size_t)h * (size_t)w;
}

size_t gate_payload_bytes(enum encoding encoding, int c, int h, int w)
{
	switch (encoding) {
	case ENCODING_BIT:
		return gate_packed_bytes(c, h, w);
	case ENCODING_U8:
		return gate_values(c, h, w);
	case ENCODING_F16:
		return 2 * gate_values(c, h, w);
	case ENCODING_F32:
		return 4 * gate_values(c, h, w);
	}
	BUG_IF(true);
	return 0;
}

size_t gate_sent(const struct gate *g, int h, int w)
{
	return thin_has(g) ? thin_count(g, h, w) : gate_values(g->c, h, w);
}

size_t gate_bytes(const struct gate *g, int h, int w)
{
	return thin_has(g) ? (thin_count(g, h, w) + 7) / 8
			   : gate_payload_bytes(g->encoding, g->c, h, w);
}

/* ------------------------------------------------------------------ one bit a value */

/*
 * Vectors of four are what every processor has; the compiler widens nothing here, and the pass is
 * bound by reading the activations anyway. Unaligned, since a view may be any slice of channels.
 */
typedef float vec __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(16), aligned(4), may_alias));

/* Per channel of a block, what the kernels need; defaults filled in. */
struct block {
	int n;
	float threshold[BLOCK], low[BLOCK], high[BLOCK];
};

struct gate_levels gate_levels(const struct gate *g, int c, bool debias)
{
	const double stretch = debias && g->debias && g->q < 0.5 ? 1 / (1 - 2 * g->q) : 1;
	const double low = gate_low(g, c), high = gate_high(g, c);
	/* (b - q) / (1 - 2q) lies as far below 0 for b = 0 as it lies above 1 for b = 1 */
	const double past = (stretch - 1) / 2 * (high - low);
	const double mean = g->filter ? g->mean[c] : 0;
	const double known = g->mean ? g->mean[c] : (low + high) / 2;

	return (struct gate_levels){(float)(low - past - mean), (float)(high + past - mean),
				    (float)(known - mean)};
}

/* `debias`: levels that noisy bits decode to, else those of clean bits. */
static void block_init(struct block *b, const struct gate *g, int c0, bool debias)
{
	int i;

	*b = (struct block){.n = g->c - c0 < BLOCK ? g->c - c0 : BLOCK};
	for (i = 0; i < b->n; i++) {
		const struct gate_levels l = gate_levels(g, c0 + i, debias);

		b->threshold[i] = gate_threshold(g, c0 + i);
		b->low[i] = l.low;
		b->high[i] = l.high;
	}
}

/* Up to eight columns of a block: byte[c] gets one bit per column, the first highest. */
static void pack_columns(const struct block *b, const float *x, int ld, int columns,
			 int32_t byte[BLOCK])
{
	const int rest = 8 - columns;
	ivec acc[BLOCK / 4] = {{0}};
	int i, c;

	if (b->n == BLOCK) {
		for (i = 0; i < columns; i++, x += ld)
			for (c = 0; c < BLOCK / 4; c++) /* true is -1: shift in a bit */
				acc[c] = acc[c] + acc[c] -
					 (((const vec *)x)[c] > ((const vec *)b->threshold)[c]);
		for (c = 0; c < BLOCK / 4; c++)
			((ivec *)byte)[c] = acc[c] << rest;
		return;
	}
	memset(byte, 0, (size_t)b->n * sizeof(*byte));
	for (i = 0; i < columns; i++, x += ld)
		for (c = 0; c < b->n; c++)
			byte[c] |= x[c] > b->threshold[c] ? 0x80 >> i : 0;
}

static void unpack_columns(const struct block *b, const int32_t byte[BLOCK], float *x, int ld,
			   int columns)
{
	int i, c;

	for (i = 0; i < columns; i++, x += ld) {
		const int32_t bit = 0x80 >> i;

		if (b->n < BLOCK) {
			for (c = 0; c < b->n; c++)
				x[c] = byte[c] & bit ? b->high[c] : b->low[c];
			continue;
		}
		for (c = 0; c < BLOCK / 4; c++) {
			const ivec set = (((const ivec *)byte)[c] & bit) != 0;

			((ivec *)x)[c] = (set & ((const ivec *)b->high)[c]) |
					 (~set & ((const ivec *)b->low)[c]);
		}
	}
}

void gate_encode_bits(const struct gate *g, const struct view *x, int image, unsigned char *bits)
{
	const size_t row = ((size_t)x->w + 7) / 8, plane = row * (size_t)x->h;
	int32_t byte[BLOCK];
	struct block b;
	int c0, y, col, c;

	BUG_IF(g->c != x->c);
	/* row by row, so that the row's activations are in the cache for all blocks of channels */
	for (y = 0; y < x->h; y++) {
		for (c0 = 0; c0 < g->c; c0 += BLOCK) {
			unsigned char *to = bits + (size_t)c0 * plane + (size_t)y * row;

			block_init(&b, g, c0, false);
			for (col = 0; col < x->w; col += 8, to++) {
				pack_columns(&b, view_at(x, image, y, col) + c0, x->ld,
					     x->w - col < 8 ? x->w - col : 8, byte);
				for (c = 0; c < b.n; c++)
					to[(size_t)c * plane] = (unsigned char)byte[c];
			}
		}
	}
}

void gate_decode_bits(const struct gate *g, const unsigned char *bits, const struct view *x,
		      int image)
{
	const size_t row = ((size_t)x->w + 7) / 8, plane = row * (size_t)x->h;
	int32_t byte[BLOCK];
	struct block b;
	int c0, y, col, c;

	BUG_IF(g->c != x->c);
	for (y = 0; y < x->h; y++) {
		for (c0 = 0; c0 < g->c; c0 += BLOCK) {
			const unsigned char *from = bits + (size_t)c0 * plane + (size_t)y * row;

			block_init(&b, g, c0, true);
			for (col = 0; col < x->w; col += 8, from++) {
				for (c = 0; c < b.n; c++)
					byte[c] = from[(size_t)c * plane];
				unpack_columns(&b, byte, view_at(x, image, y, col) + c0, x->ld,
					       x->w - col < 8 ? x->w - col : 8);
			}
		}
	}
	view_clear_pads(x, image, 0, x->h);
}

void gate_flip(const struct noise *n, uint64_t stream, unsigned char *bits, int c, int h, int w)
{
	const size_t row = ((size_t)w + 7) / 8, rows = (size_t)c * (size_t)h;
	size_t i;

	noise_flip(n, stream, bits, rows * row);
	if (w % 8)
		for (i = 0; i < rows; i++)
			bits[i * row + row - 1] &= (unsigned char)(0xff << (8 - w % 8));
}

void gate_flip_payload(const struct gate *g, const struct noise *n, uint64_t stream,
		       unsigned char *payload, int h, int w, size_t sent)
{
	if (thin_has(g))
		gate_flip(n, stream, payload, 1, 1, (int)sent);
	else
		gate_flip(n, stream, payload, g->c, h, w);
}

/* ------------------------------------------------------------------ a byte or a float a value */

static unsigned char quantise(const struct gate *g, int c, float v)
{
	const float low = gate_low(g, c), high = gate_high(g, c);
	float step = (v - low) / (high - low) * 255;

	return step >= 255 ? 255 : step > 0 ? (unsigned char)(step + 0.5F) : 0; /* NaN: 0 */
}

static float dequantise(const struct gate *g, int c, unsigned char b)
{
	const float low = gate_low(g, c), high = gate_high(g, c);

	return low + (high - low) * ((float)b / 255);
}

/* w values of channel c, `ld` floats apart, to a row of a payload, and back. */
static void put_row(const struct gate *g, int c, const float *x, int ld, int w, unsigned char *row)
{
	int i;

	for (i = 0; i < w; i++, x += ld) {
		if (g->encoding == ENCODING_U8) {
			row[i] = quantise(g, c, *x);
		} else if (g->encoding == ENCODING_F16) {
			const uint16_t half = htole16(half_from_float(*x));

			memcpy(row + 2 * i, &half, sizeof(half));
		} else {
			uint32_t word;

			memcpy(&word, x, sizeof(word));
			word = htole32(word);
			memcpy(row + 4 * i, &word, sizeof(word));
		}
	}
}

static void get_row(const struct gate *g, int c, const unsigned char *row, float *x, int ld, int w)
{
	uint16_t half;
	uint32_t word;
	int i;

	for (i = 0; i < w; i++, x += ld) {
		if (g->encoding == ENCODING_U8) {
			*x = dequantise(g, c, row[i]);
		} else if (g->encoding == ENCODING_F16) {
			memcpy(&half, row + 2 * i, sizeof(half));
			*x = half_to_float(le16toh(half));
		} else {
			memcpy(&word, row + 4 * i, sizeof(word));
			word = le32toh(word);
			memcpy(x, &word, sizeof(word));
		}
	}
}

/* Rows outermost, so that a row's pixels are in the cache for all of its channels. */
void gate_encode(const struct gate *g, const struct view *x, int image, unsigned char *payload)
{
	const size_t row = gate_payload_bytes(g->encoding, 1, 1, x->w), plane = row * (size_t)x->h;
	int c, y;

	BUG_IF(g->c != x->c);
	if (thin_has(g)) {
		thin_encode(g, x, image, payload);
		return;
	}
	if (g->encoding == ENCODING_BIT) {
		gate_encode_bits(g, x, image, payload);
		return;
	}
	for (y = 0; y < x->h; y++)
		for (c = 0; c < x->c; c++)
			put_row(g, c, view_at(x, image, y, 0) + c, x->ld, x->w,
				payload + (size_t)c * plane + (size_t)y * row);
}

void gate_decode(const struct gate *g, const unsigned char *payload, const struct view *x,
		 int image)
{
	const size_t row = gate_payload_bytes(g->encoding, 1, 1, x->w), plane = row * (size_t)x->h;
	int c, y;

	BUG_IF(g->c != x->c);
	if (thin_has(g)) {
		thin_decode(g, payload, x, image);
		return;
	}
	if (g->encoding == ENCODING_BIT) {
		gate_decode_bits(g, payload, x, image);
		return;
	}
	for (y = 0; y < x->h; y++)
		for (c = 0; c < x->c; c++)
			get_row(g, c, payload + (size_t)c * plane + (size_t)y * row,
				view_at(x, image, y, 0) + c, x->ld, x->w);
	view_clear_pads(x, image, 0, x->h);
}

/* ------------------------------------------------------------------ in place */

static float pass_value(const struct gate *g, int c, float v)
{
	if (g->encoding == ENCODING_U8)
		return dequantise(g, c, quantise(g, c, v));
	return half_to_float(half_from_float(v));
}

static void pass_bits(const struct gate *g, float *x, int ld, int columns)
{
	struct block b;
	int c0, i, c;

	for (c0 = 0; c0 < g->c; c0 += BLOCK) {
		block_init(&b, g, c0, false);
		for (i = 0; i < columns; i++) {
			float *p = x + (size_t)i * (size_t)ld + c0;

			for (c = 0; c < b.n; c++)
				p[c] = p[c] > b.threshold[c] ? b.high[c] : b.low[c];
		}
	}
}

struct apply_job {
	const struct gate *g;
	const struct view *x;
	const struct noise *n;
	uint64_t stream;
	unsigned char *scratch;
	size_t sent; /* bits of an image */
};

static void apply_row(void *ctx, int job, int worker)
{
	const struct apply_job *j = ctx;
	const struct view *x = j->x;
	float *row = view_at(x, job / x->h, job % x->h, 0);
	int col, c;

	(void)worker;
	if (j->g->encoding == ENCODING_BIT) {
		pass_bits(j->g, row, x->ld, x->w);
		return;
	}
	for (col = 0; col < x->w; col++, row += x->ld)
		for (c = 0; c < x->c; c++)
			row[c] = pass_value(j->g, c, row[c]);
}

static void apply_squares(void *ctx, int job, int worker)
{
	const struct apply_job *j = ctx;
	const int rows = thin_side(j->g, j->x->h);

	(void)worker;
	thin_apply_row(j->g, j->x, job / rows, job % rows);
}

void gate_apply(const struct gate *g, struct pool *pool, const struct view *x)
{
	struct apply_job j = {.g = g, .x = x};

	BUG_IF(g->c != x->c);
	if (thin_has(g))
		pool_run(pool, x->n * thin_side(g, x->h), apply_squares, &j);
	else if (g->encoding != ENCODING_F32)
		pool_run(pool, x->n * x->h, apply_row, &j);
}

static void apply_noisy_image(void *ctx, int job, int worker)
{
	const struct apply_job *j = ctx;
	const struct view *x = j->x;
	unsigned char *bits = j->scratch + (size_t)job * gate_packed_bytes(x->c, x->h, x->w);

	(void)worker;
	gate_encode(j->g, x, job, bits);
	gate_flip_payload(j->g, j->n, j->stream + (uint64_t)job, bits, x->h, x->w, j->sent);
	gate_decode(j->g, bits, x, job);
}

void gate_apply_noisy(const struct gate *g, struct pool *pool, const struct view *x,
		      const struct noise *n, uint64_t stream, unsigned char *scratch)
{
	struct apply_job j = {g, x, n, stream, scratch, gate_sent(g, x->h, x->w)};

	if (g->encoding != ENCODING_BIT || n->threshold == 0)
		gate_apply(g, pool, x);
	else
		pool_run(pool, x->n, apply_noisy_image, &j);
}

/* ------------------------------------------------------------------ the gradient */

struct gradient_job {
	const struct gate *g;
	const struct view *x, *dy, *dx;
	float slope;
};

static void gradient_row(void *ctx, int job, int worker)
{
	const struct gradient_job *j = ctx;
	const struct gate *g = j->g;
	const int n = job / j->x->h, y = job % j->x->h;
	int col, c;

	(void)worker;
	for (col = 0; col < j->x->w; col++) {
		const float *x = view_at(j->x, n, y, col), *dy = view_at(j->dy, n, y, col);
		float *dx = view_at(j->dx, n, y, col);

		for (c = 0; c < g->c; c++) {
			const float low = gate_low(g, c), high = gate_high(g, c);

			dx[c] = x[c] > low && x[c] < high ? dy[c] * j->slope : 0;
		}
	}
	view_clear_pads(j->dx, n, y, y + 1);
}

static void gradient_squares(void *ctx, int job, int worker)
{
	const struct gradient_job *j = ctx;
	const int rows = thin_side(j->g, j->x->h), n = job / rows, y = job % rows;
	const int pool = thin_pool(j->g);

	(void)worker;
	thin_gradient_row(j->g, j->x, j->dy, j->dx, j->slope, n, y);
	view_clear_pads(j->dx, n, y * pool, min_int((y + 1) * pool, j->x->h));
}

void gate_gradient(const struct gate *g, struct pool *pool, const struct view *x,
		   const struct view *dy, const struct view *dx)
{
	struct gradient_job j = {g, x, dy, dx, g->debias ? 1 : (float)(1 - 2 * g->q)};

	BUG_IF(g->c != x->c || !view_same_shape(x, dy) || !view_same_shape(x, dx));
	if (thin_has(g))
		pool_run(pool, x->n * thin_side(g, x->h), gradient_squares, &j);
	else if (g->encoding == ENCODING_BIT || g->encoding == ENCODING_U8)
		pool_run(pool, x->n * x->h, gradient_row, &j);
	else if (dx->p != dy->p)
		view_copy(pool, dy, dx);
}
