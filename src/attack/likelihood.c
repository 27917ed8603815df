#include "attack/likelihood.h"

#include "mist/thin.h"

#include <math.h>

/* Deviation of sent floats in units of a channel's spread: what a search of some hundred steps gets
 * down to. */
#define FLOAT_SIGMA 0.05
/* Beyond so many deviations a value pulls no harder (Huber): hostile or broken values do not win. */
#define FLOAT_REACH 60.0F
/* And adds no more: the sum of hostile values stays finite. */
#define FLOAT_MOST 1e6F
/* A bit's probability is no smaller, so that a logarithm stays finite. */
#define LEAST 1e-12F

static double bit(float a, bool one, float q, float threshold, float scale, float *da)
{
	const float u = (a - threshold) / scale, open = 1 - 2 * q;
	const float s = 1 / (1 + expf(one ? -u : u)); /* of the side that was seen */
	const float p = fmaxf(q + open * s, LEAST);
	const float slope = open * s * (1 - s) / (p * scale);

	*da = one ? -slope : slope;
	return -(double)logf(p);
}

static double value(float a, float sent, float spread, float *da)
{
	const float sigma = (float)FLOAT_SIGMA * spread;
	const float r = fminf(fmaxf((a - sent) / sigma, -FLOAT_MOST), FLOAT_MOST);
	const float held = fminf(fmaxf(r, -FLOAT_REACH), FLOAT_REACH);

	*da = held / sigma;
	return (double)held * ((double)r - 0.5 * (double)held);
}

/* One row of bits: plane c of the payload, row y. */
static double bit_row(const struct likelihood *l, const unsigned char *payload, double q,
		      const struct view *x, const struct view *dx, int i, int y)
{
	const size_t bytes = ((size_t)x->w + 7) / 8, plane = bytes * (size_t)x->h;
	double sum = 0;
	int col, c;

	payload += (size_t)y * bytes;
	for (col = 0; col < x->w; col++) {
		const float *a = view_at(x, i, y, col);
		float *da = view_at(dx, i, y, col);

		for (c = 0; c < x->c; c++) {
			const unsigned char byte = payload[(size_t)c * plane + (size_t)col / 8];

			sum += bit(a[c], byte & 0x80 >> col % 8, (float)q,
				   gate_threshold(l->gate, c), (float)l->sharpness * l->spread[c],
				   &da[c]);
		}
	}
	return sum;
}

/* A thinned gate's bits (thin.h): each pulls at all of its square. What was not sent pulls nowhere. */
static double thin_bits(const struct likelihood *l, const unsigned char *payload, double q,
			const struct view *x, const struct view *dx, int i)
{
	const struct gate *g = l->gate;
	const int h = thin_side(g, x->h), w = thin_side(g, x->w);
	uint64_t k = 0;
	size_t next = 0;
	double sum = 0;
	int c, y, col;

	for (c = 0; c < g->c; c++)
		for (y = 0; y < h; y++)
			for (col = 0; col < w; col++, k++) {
				float da = 0;

				if (thin_sends(g, k)) {
					sum += bit(thin_mean(g, x, i, y, col, c),
						   payload[next / 8] & 0x80 >> next % 8, (float)q,
						   gate_threshold(g, c),
						   (float)l->sharpness * l->spread[c], &da);
					next++;
				}
				thin_share(g, dx, i, y, col, c, da);
			}
	return sum;
}

double likelihood_of(const struct likelihood *l, const unsigned char *payload, double q,
		     const struct view *x, const struct view *dx, int i, float *sent)
{
	const struct view y = {sent, 1, x->h, x->w, x->c, x->c, 0};
	double sum = 0;
	int row, col, c;

	if (l->gate->encoding != ENCODING_BIT)
		gate_decode(l->gate, payload, &y, 0);
	if (thin_has(l->gate))
		sum = thin_bits(l, payload, q, x, dx, i);
	for (row = 0; row < x->h && !thin_has(l->gate); row++) {
		if (l->gate->encoding == ENCODING_BIT) {
			sum += bit_row(l, payload, q, x, dx, i, row);
			continue;
		}
		for (col = 0; col < x->w; col++)
			for (c = 0; c < x->c; c++)
				sum += value(view_at(x, i, row, col)[c],
					     view_at(&y, 0, row, col)[c], l->spread[c],
					     &view_at(dx, i, row, col)[c]);
	}
	view_clear_pads(dx, i, 0, dx->h);
	return sum;
}
