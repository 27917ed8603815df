#include "data/hsv.h"

#include <math.h>

#define SHIFT 12
#define HUES  180 /* OpenCV's hue counts two degrees */

static int max2(int a, int b)
{
	return a > b ? a : b;
}

static int min2(int a, int b)
{
	return a < b ? a : b;
}

/* round(n / d * 2^12), and 0 for d = 0. */
static int reciprocal(int n, double d)
{
	return d > 0 ? (int)lrint((n << SHIFT) / d) : 0;
}

/* saturation * 255 / value and hue * 30 / chroma are looked up, not divided. */
struct tables {
	int s[256], h[256];
};

static void tables_init(struct tables *t)
{
	int i;

	for (i = 0; i < 256; i++) {
		t->s[i] = reciprocal(255, i);
		t->h[i] = reciprocal(HUES, 6.0 * i);
	}
}

/* Without branches, which would be guessed wrong half of the time. */
static int choose(bool first, int a, int b)
{
	return b ^ ((a ^ b) & -(int)first);
}

struct hsv {
	unsigned char h, s, v;
};

static inline struct hsv pixel_to_hsv(const struct tables *t, int r, int g, int b)
{
	int v = max2(max2(r, g), b), chroma = v - min2(min2(r, g), b);
	int h = choose(v == r, g - b, choose(v == g, b - r + 2 * chroma, r - g + 4 * chroma));

	h = (h * t->h[chroma] + (1 << (SHIFT - 1))) >> SHIFT;
	return (struct hsv){(unsigned char)(h + (HUES & -(int)(h < 0))),
			    (unsigned char)((chroma * t->s[v] + (1 << (SHIFT - 1))) >> SHIFT),
			    (unsigned char)v};
}

void hsv_from_rgb(const unsigned char *rgb, unsigned char *hsv, int n)
{
	struct tables t;
	int i;

	tables_init(&t);
	for (i = 0; i < n; i++, rgb += 3, hsv += 3) {
		const struct hsv p = pixel_to_hsv(&t, rgb[0], rgb[1], rgb[2]);

		hsv[0] = p.h;
		hsv[1] = p.s;
		hsv[2] = p.v;
	}
}

static unsigned char to_byte(float x)
{
	return (unsigned char)(x * 255.0f);
}

/*
 * The way back, looked up: one colour is the value, one value * (1 - saturation), and the third
 * value * (1 - saturation * between); at[] is where they go.
 */
struct back {
	struct {
		float between;
		unsigned char at[3];
	} h[256];
	float s[256], v[256];
	unsigned char byte[256]; /* of the value */
};

/* Of a hue, saturation and value that are first put through lut[]. */
static void back_init(struct back *back, unsigned char lut[3][256])
{
	/* For each sixth of the circle, where value, least and third are among red, green, blue. */
	static const unsigned char at[6][3] = {{0, 2, 1}, {1, 2, 0}, {1, 0, 2},
					       {2, 0, 1}, {2, 1, 0}, {0, 1, 2}};
	int i;

	for (i = 0; i < 256; i++) {
		float h = (float)lut[0][i] * (6.0f / HUES);
		int sector = (int)h;

		h -= (float)sector;
		back->h[i].between = sector & 1 ? h : 1.0f - h;
		memcpy(back->h[i].at, at[sector % 6], 3);
		back->s[i] = (float)lut[1][i] * (1.0f / 255.0f);
		back->v[i] = (float)lut[2][i] * (1.0f / 255.0f);
		back->byte[i] = to_byte(back->v[i]);
	}
}

static inline void pixel_to_rgb(const struct back *back, struct hsv c, unsigned char *out)
{
	const unsigned char *at = back->h[c.h].at;
	const float s = back->s[c.s], v = back->v[c.v];

	out[at[0]] = back->byte[c.v];
	out[at[1]] = to_byte(v * (1.0f - s));
	out[at[2]] = to_byte(v * (1.0f - s * back->h[c.h].between));
}

void hsv_to_rgb(const unsigned char *hsv, unsigned char *rgb, int n)
{
	unsigned char lut[3][256];
	struct back back;
	int i;

	for (i = 0; i < 256; i++)
		lut[0][i] = lut[1][i] = lut[2][i] = (unsigned char)i;
	back_init(&back, lut);
	for (i = 0; i < n; i++, rgb += 3, hsv += 3)
		pixel_to_rgb(&back, (struct hsv){hsv[0], hsv[1], hsv[2]}, rgb);
}

static unsigned char clip(double x)
{
	return (unsigned char)(x < 0 ? 0 : x > 255 ? 255 : x);
}

void hsv_gain(struct image *img, double hue, double saturation, double value)
{
	unsigned char lut[3][256], *p = img->rgb;
	size_t i, n = (size_t)img->w * (size_t)img->h;
	struct back back;
	struct tables t;
	int x;

	for (x = 0; x < 256; x++) {
		lut[0][x] = (unsigned char)fmod(x * hue, HUES);
		lut[1][x] = clip(x * saturation);
		lut[2][x] = clip(x * value);
	}
	tables_init(&t);
	back_init(&back, lut);
	for (i = 0; i < n; i++, p += 3)
		pixel_to_rgb(&back, pixel_to_hsv(&t, p[0], p[1], p[2]), p);
}
