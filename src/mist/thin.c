#include "mist/thin.h"

#include "base/ints.h"
#include "base/mem.h"

#include <string.h>

/* Channels handled at a time: a cache line of floats. */
#define BLOCK 16

bool thin_has(const struct gate *g)
{
	return g->pool > 1 || g->keep;
}

int thin_pool(const struct gate *g)
{
	return max_int(g->pool, 1);
}

void thin_set(struct gate *gates, int n, const struct thinning *t)
{
	int i;

	for (i = 0; i < n; i++) {
		if (t->pool)
			gates[i].pool = t->pool > 1 ? t->pool : 0;
		if (t->chosen) {
			gates[i].keep = t->keep;
			gates[i].subset = t->keep ? t->subset + (uint64_t)i : 0;
		}
	}
}

int thin_side(const struct gate *g, int side)
{
	return ceil_div(side, thin_pool(g));
}

/* Output k of SplitMix64: its state is a counter, so any output is as near as the first. */
bool thin_sends(const struct gate *g, uint64_t k)
{
	uint64_t z = g->subset + (k + 1) * UINT64_C(0x9e3779b97f4a7c15);

	if (!g->keep)
		return true;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) >> 32 < g->keep;
}

static size_t positions(const struct gate *g, int h, int w)
{
	return gate_values(g->c, thin_side(g, h), thin_side(g, w));
}

size_t thin_count(const struct gate *g, int h, int w)
{
	const size_t all = positions(g, h, w);
	size_t k, n = 0;

	if (!g->keep)
		return all;
	for (k = 0; k < all; k++)
		n += thin_sends(g, k);
	return n;
}

uint32_t thin_choose(const struct gate *g, const int *h, const int *w, int n, size_t bits,
		     size_t *sent)
{
	size_t all = 0, best = 0;
	uint32_t keep = 0;
	int bit, i;

	for (i = 0; i < n; i++)
		all += positions(&g[i], h[i], w[i]);
	*sent = all;
	if (all <= bits)
		return 0;
	for (bit = 31; bit >= 0; bit--) { /* more is sent the larger keep is: bisection */
		const uint32_t try = keep | UINT32_C(1) << bit;
		size_t sum = 0;

		for (i = 0; i < n; i++) {
			struct gate one = g[i];

			one.keep = try;
			sum += thin_count(&one, h[i], w[i]);
		}
		if (sum <= bits) {
			keep = try;
			best = sum;
		}
	}
	*sent = best;
	return best ? keep : 0;
}

/* ------------------------------------------------------------------ one square */

struct square {
	int y0, y1, x0, x1;
};

static struct square square_at(const struct gate *g, const struct view *x, int y, int col)
{
	const int side = thin_pool(g);

	return (struct square){y * side, min_int((y + 1) * side, x->h), col * side,
			       min_int((col + 1) * side, x->w)};
}

static float mean_of(const struct view *x, int image, const struct square *s, int c)
{
	float sum = 0;
	int y, col;

	for (y = s->y0; y < s->y1; y++)
		for (col = s->x0; col < s->x1; col++)
			sum += view_at(x, image, y, col)[c];
	return sum / (float)((s->y1 - s->y0) * (s->x1 - s->x0));
}

static void fill(const struct view *x, int image, const struct square *s, int c, float v)
{
	int y, col;

	for (y = s->y0; y < s->y1; y++)
		for (col = s->x0; col < s->x1; col++)
			view_at(x, image, y, col)[c] = v;
}

float thin_mean(const struct gate *g, const struct view *x, int image, int y, int col, int c)
{
	const struct square s = square_at(g, x, y, col);

	return mean_of(x, image, &s, c);
}

void thin_share(const struct gate *g, const struct view *dx, int image, int y, int col, int c,
		float d)
{
	const struct square s = square_at(g, dx, y, col);

	fill(dx, image, &s, c, d / (float)((s.y1 - s.y0) * (s.x1 - s.x0)));
}

static uint64_t number_of(const struct gate *g, const struct view *x, int c, int y, int col)
{
	const uint64_t h = (uint64_t)thin_side(g, x->h), w = (uint64_t)thin_side(g, x->w);

	return ((uint64_t)c * h + (uint64_t)y) * w + (uint64_t)col;
}

/* ------------------------------------------------------------------ payloads */

/* Squares' bits, packed as gate_encode_bits packs values. The channels of a pixel lie side by side. */
static void pack_squares(const struct gate *g, const struct view *x, int image, unsigned char *bits)
{
	const int h = thin_side(g, x->h), w = thin_side(g, x->w);
	const size_t row = ((size_t)w + 7) / 8;
	int y, col, c0, c, sy, sx;

	memset(bits, 0, gate_packed_bytes(g->c, h, w));
	for (y = 0; y < h; y++)
		for (col = 0; col < w; col++) {
			const struct square s = square_at(g, x, y, col);
			const float n = (float)((s.y1 - s.y0) * (s.x1 - s.x0));

			for (c0 = 0; c0 < g->c; c0 += BLOCK) {
				const int some = min_int(g->c - c0, BLOCK);
				float sum[BLOCK] = {0};

				for (sy = s.y0; sy < s.y1; sy++)
					for (sx = s.x0; sx < s.x1; sx++) {
						const float *p = view_at(x, image, sy, sx) + c0;

						for (c = 0; c < some; c++)
							sum[c] += p[c];
					}
				for (c = 0; c < some; c++)
					if (sum[c] / n > gate_threshold(g, c0 + c))
						bits[((size_t)(c0 + c) * (size_t)h + (size_t)y) *
							     row +
						     (size_t)col / 8] |=
							(unsigned char)(0x80 >> col % 8);
			}
		}
}

/* Packed rows to the bits that are sent, in place: what is written never overtakes what is read. Without
 * branches on what is chosen, which nothing could foresee. */
static void choose(const struct gate *g, unsigned char *bits, int h, int w)
{
	const size_t rows = (size_t)g->c * (size_t)h, row = ((size_t)w + 7) / 8;
	unsigned char *to = bits;
	uint64_t k = 0;
	unsigned byte = 1; /* a one before its bits: eight of them push it out */
	size_t r;
	int col;

	for (r = 0; r < rows; r++)
		for (col = 0; col < w; col++, k++) {
			const unsigned bit = bits[r * row + (size_t)col / 8] >> (7 - col % 8) & 1;
			const unsigned sent = thin_sends(g, k);

			byte = byte << sent | (bit & sent);
			if (byte & 0x100) {
				*to++ = (unsigned char)byte;
				byte = 1;
			}
		}
	if (byte != 1) {
		while (!(byte & 0x100))
			byte <<= 1;
		*to = (unsigned char)byte;
	}
}

void thin_encode(const struct gate *g, const struct view *x, int image, unsigned char *bits)
{
	if (g->pool > 1)
		pack_squares(g, x, image, bits);
	else
		gate_encode_bits(g, x, image, bits);
	choose(g, bits, thin_side(g, x->h), thin_side(g, x->w));
}

/* Bits sent of a channel. */
static size_t count_plane(const struct gate *g, uint64_t first, size_t plane)
{
	size_t k, n = 0;

	for (k = 0; k < plane; k++)
		n += thin_sends(g, first + k);
	return g->keep ? n : plane;
}

static void spread(const struct view *x, int image, const struct square *s, int c0, int some,
		   const float *v)
{
	int y, col;

	for (y = s->y0; y < s->y1; y++)
		for (col = s->x0; col < s->x1; col++)
			memcpy(view_at(x, image, y, col) + c0, v, (size_t)some * sizeof(*v));
}

/* Channels c0 … of all squares; next[c]: where the bits of channel c0 + c go on. */
static void decode_block(const struct gate *g, const unsigned char *bits, const struct view *x,
			 int image, int c0, int some, size_t next[BLOCK])
{
	const int h = thin_side(g, x->h), w = thin_side(g, x->w);
	struct gate_levels l[BLOCK];
	float v[BLOCK];
	int y, col, c;

	for (c = 0; c < some; c++)
		l[c] = gate_levels(g, c0 + c, true);
	for (y = 0; y < h; y++)
		for (col = 0; col < w; col++) {
			const struct square s = square_at(g, x, y, col);
			uint64_t k = number_of(g, x, c0, y, col);

			for (c = 0; c < some; c++, k += (uint64_t)h * (uint64_t)w) {
				const bool sent = thin_sends(g, k);
				const size_t at = sent ? next[c] : 0;
				const bool bit = bits[at / 8] & 0x80 >> at % 8;

				v[c] = sent ? bit ? l[c].high : l[c].low : l[c].unknown;
				next[c] += sent;
			}
			spread(x, image, &s, c0, some, v);
		}
}

void thin_decode(const struct gate *g, const unsigned char *bits, const struct view *x, int image)
{
	const size_t plane = (size_t)thin_side(g, x->h) * (size_t)thin_side(g, x->w);
	size_t next[BLOCK], from = 0;
	int c0, c;

	for (c0 = 0; c0 < g->c; c0 += BLOCK) {
		const int some = min_int(g->c - c0, BLOCK);

		for (c = 0; c < some; c++) {
			next[c] = from;
			from += count_plane(g, (uint64_t)(c0 + c) * plane, plane);
		}
		decode_block(g, bits, x, image, c0, some, next);
	}
	view_clear_pads(x, image, 0, x->h);
}

/* ------------------------------------------------------------------ in place */

void thin_apply_row(const struct gate *g, const struct view *x, int image, int y)
{
	const int w = thin_side(g, x->w);
	int c, col;

	for (c = 0; c < g->c; c++) {
		const struct gate_levels l = gate_levels(g, c, false);
		const float threshold = gate_threshold(g, c);

		for (col = 0; col < w; col++) {
			const struct square s = square_at(g, x, y, col);
			float v = l.unknown;

			if (thin_sends(g, number_of(g, x, c, y, col)))
				v = mean_of(x, image, &s, c) > threshold ? l.high : l.low;
			fill(x, image, &s, c, v);
		}
	}
}

/* Each value of a square has its share of what all of the square passes on. */
void thin_gradient_row(const struct gate *g, const struct view *x, const struct view *dy,
		       const struct view *dx, float slope, int image, int y)
{
	const int w = thin_side(g, x->w);
	int c, col;

	for (c = 0; c < g->c; c++) {
		const float low = gate_low(g, c), high = gate_high(g, c);

		for (col = 0; col < w; col++) {
			const struct square s = square_at(g, x, y, col);
			float d = 0;

			if (thin_sends(g, number_of(g, x, c, y, col))) {
				const float v = mean_of(x, image, &s, c);

				if (v > low && v < high) /* the mean of the gradients: sum / n */
					d = mean_of(dy, image, &s, c) * slope;
			}
			fill(dx, image, &s, c, d);
		}
	}
}
