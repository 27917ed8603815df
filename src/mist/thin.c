#include "mist/thin.h"

#include "base/mem.h"

#include <string.h>

bool thin_has(const struct gate *g)
{
	return g->pool > 1 || g->keep;
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
	return g->pool > 1 ? (side + g->pool - 1) / g->pool : side;
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
	const int side = g->pool > 1 ? g->pool : 1;
	struct square s = {y * side, (y + 1) * side, col * side, (col + 1) * side};

	s.y1 = s.y1 < x->h ? s.y1 : x->h;
	s.x1 = s.x1 < x->w ? s.x1 : x->w;
	return s;
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

static float threshold_of(const struct gate *g, int c)
{
	return g->threshold ? g->threshold[c] : 0;
}

static uint64_t number_of(const struct gate *g, const struct view *x, int c, int y, int col)
{
	const uint64_t h = (uint64_t)thin_side(g, x->h), w = (uint64_t)thin_side(g, x->w);

	return ((uint64_t)c * h + (uint64_t)y) * w + (uint64_t)col;
}

/* ------------------------------------------------------------------ payloads */

/* The bits are counted channel by channel, so that is the order of these two; a tensor that crosses a cut
 * lies in the cache that a core has to itself. */
void thin_encode(const struct gate *g, const struct view *x, int image, unsigned char *bits)
{
	const int h = thin_side(g, x->h), w = thin_side(g, x->w);
	uint64_t k = 0;
	unsigned byte = 1; /* a one before its bits: eight of them push it out */
	int c, y, col;

	for (c = 0; c < g->c; c++) {
		const float threshold = threshold_of(g, c);

		for (y = 0; y < h; y++)
			for (col = 0; col < w; col++, k++) {
				if (!thin_sends(g, k))
					continue;
				byte = byte << 1 | (thin_mean(g, x, image, y, col, c) > threshold);
				if (byte & 0x100) {
					*bits++ = (unsigned char)byte;
					byte = 1;
				}
			}
	}
	if (byte != 1) {
		while (!(byte & 0x100))
			byte <<= 1;
		*bits = (unsigned char)byte;
	}
}

void thin_decode(const struct gate *g, const unsigned char *bits, const struct view *x, int image)
{
	const int h = thin_side(g, x->h), w = thin_side(g, x->w);
	uint64_t k = 0;
	size_t next = 0;
	int c, y, col;

	for (c = 0; c < g->c; c++) {
		const struct gate_levels l = gate_levels(g, c, true);

		for (y = 0; y < h; y++)
			for (col = 0; col < w; col++, k++) {
				const struct square s = square_at(g, x, y, col);
				float v = l.unknown;

				if (thin_sends(g, k)) {
					v = bits[next / 8] & 0x80 >> next % 8 ? l.high : l.low;
					next++;
				}
				fill(x, image, &s, c, v);
			}
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
		const float threshold = threshold_of(g, c);

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
		const float low = g->low ? g->low[c] : 0, high = g->high ? g->high[c] : 1;

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
