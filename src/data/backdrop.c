#include "data/backdrop.h"

#define OCTAVES 4

void backdrop_colour(int hue, int saturation, int value, unsigned char rgb[3])
{
	int sector = hue / 256 % 6, f = hue % 256;
	int low = value * (255 - saturation) / 255;
	int up = low + (value - low) * f / 255, down = value - (value - low) * f / 255;
	const int parts[6][3] = {{value, up, low},   {down, value, low}, {low, value, up},
				 {low, down, value}, {up, low, value},   {value, low, down}};
	int c;

	for (c = 0; c < 3; c++)
		rgb[c] = (unsigned char)parts[sector][c];
}

/* Mixes a key and a lattice point (the finaliser of MurmurHash3). */
static uint32_t hash(uint32_t key, int x, int y)
{
	uint32_t h = key ^ (uint32_t)x * 0x9e3779b1u ^ (uint32_t)y * 0x85ebca77u;

	h ^= h >> 16;
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	h *= 0xc2b2ae35u;
	return h ^ h >> 16;
}

int backdrop_grain(uint32_t key, int x, int y)
{
	return (int)(hash(key, x, y) >> 24);
}

/* 3t^2 - 2t^3 on 0 … 256. */
static int smooth(int t)
{
	return t * t * (3 * 256 - 2 * t) >> 16;
}

/* Value noise, 0 … 255: bytes on a lattice of `cell` pixels, blended smoothly. */
static int value_noise(uint32_t key, int x, int y, int cell)
{
	int ix = x / cell, iy = y / cell;
	int fx = smooth(x % cell * 256 / cell), fy = smooth(y % cell * 256 / cell);
	int top = backdrop_grain(key, ix, iy) * (256 - fx) + backdrop_grain(key, ix + 1, iy) * fx;
	int bottom = backdrop_grain(key, ix, iy + 1) * (256 - fx) +
		     backdrop_grain(key, ix + 1, iy + 1) * fx;

	return (top * (256 - fy) + bottom * fy) >> 16;
}

/* Octaves of half the cell and half the weight; 0 … 255, mostly near the middle. */
static int fractal(uint32_t key, int x, int y, int cell)
{
	int sum = 0, weight = 128, o;

	for (o = 0; o < OCTAVES && cell > 1; o++, cell /= 2, weight /= 2)
		sum += value_noise(key + (uint32_t)o, x, y, cell) * weight;
	return sum >> 8;
}

enum pattern { GRADIENT, STRIPES, CHECKS, DOTS, CLOUDS, NPATTERNS };

struct backdrop {
	enum pattern pattern;
	unsigned char a[3], b[3];
	int dx, dy, scale; /* of the pattern */
	int size;
	uint32_t key;
};

/* How much of colour b there is at a point, 0 … 256. */
static int share(const struct backdrop *s, int x, int y)
{
	int along = x * s->dx + y * s->dy;

	switch (s->pattern) {
	case GRADIENT:
		return along * 256 / (s->size * (s->dx + s->dy));
	case STRIPES:
		return along / 16 / s->scale % 2 ? 256 : 0;
	case CHECKS:
		return (x / s->scale + y / s->scale) % 2 ? 256 : 0;
	case DOTS: {
		int cx = x % (2 * s->scale) - s->scale, cy = y % (2 * s->scale) - s->scale;

		return cx * cx + cy * cy < s->scale * s->scale / 4 ? 256 : 0;
	}
	default:
		return fractal(s->key + 99, x, y, s->size / 2);
	}
}

static void muted(struct rng *rng, int value, unsigned char rgb[3])
{
	backdrop_colour((int)rng_below(rng, 1536), 20 + (int)rng_below(rng, 70), value, rgb);
}

void backdrop_draw(struct image *img, struct rng *rng)
{
	int value = 90 + (int)rng_below(rng, 110);
	int contrast = 12 + (int)rng_below(rng, 36);
	struct backdrop s = {.pattern = (enum pattern)rng_below(rng, NPATTERNS),
			     .dx = 4 + (int)rng_below(rng, 13),
			     .dy = 4 + (int)rng_below(rng, 13),
			     .size = img->w > img->h ? img->w : img->h};
	unsigned char *p = img->rgb;
	int x, y, c;

	s.scale = 2 + s.size * (3 + (int)rng_below(rng, 8)) / 100;
	s.key = rng_u32(rng);
	muted(rng, value, s.a);
	muted(rng, value + (rng_below(rng, 2) ? contrast : -contrast), s.b);
	for (y = 0; y < img->h; y++)
		for (x = 0; x < img->w; x++, p += 3) {
			int t = share(&s, x, y);
			int light = fractal(s.key, x, y, s.size / 4 + 2) / 2 - 60 +
				    backdrop_grain(s.key + 7, x, y) / 16;

			for (c = 0; c < 3; c++) {
				int v = (s.a[c] * (256 - t) + s.b[c] * t) / 256 + light;

				p[c] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
			}
		}
}
