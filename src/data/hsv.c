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

static void pixel_to_hsv(const struct tables *t, int r, int g, int b, unsigned char *out)
{
	int v = max2(max2(r, g), b), chroma = v - min2(min2(r, g), b);
	int h = v == r ? g - b : v == g ? b - r + 2 * chroma : r - g + 4 * chroma;

	h = (h * t->h[chroma] + (1 << (SHIFT - 1))) >> SHIFT;
	out[0] = (unsigned char)(h < 0 ? h + HUES : h);
	out[1] = (unsigned char)((chroma * t->s[v] + (1 << (SHIFT - 1))) >> SHIFT);
	out[2] = (unsigned char)v;
}

void hsv_from_rgb(const unsigned char *rgb, unsigned char *hsv, int n)
{
	struct tables t;
	int i;

	tables_init(&t);
	for (i = 0; i < n; i++, rgb += 3, hsv += 3)
		pixel_to_hsv(&t, rgb[0], rgb[1], rgb[2], hsv);
}

static unsigned char to_byte(float x)
{
	return (unsigned char)(x * 255.0f);
}

static void pixel_to_rgb(int hue, int saturation, int value, unsigned char *out)
{
	/* For each sixth of the circle, which of tab[] is red, green, blue. */
	static const unsigned char sixth[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3},
						  {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
	float h = (float)hue * (6.0f / HUES);
	float s = (float)saturation * (1.0f / 255.0f), v = (float)value * (1.0f / 255.0f);
	int sector = (int)h;
	float tab[4];
	int c;

	h -= (float)sector;
	sector %= 6;
	tab[0] = v;
	tab[1] = v * (1.0f - s);
	tab[2] = v * (1.0f - s * h);
	tab[3] = v * (1.0f - s * (1.0f - h));
	for (c = 0; c < 3; c++)
		out[c] = to_byte(tab[sixth[sector][c]]);
}

void hsv_to_rgb(const unsigned char *hsv, unsigned char *rgb, int n)
{
	int i;

	for (i = 0; i < n; i++, rgb += 3, hsv += 3)
		pixel_to_rgb(hsv[0], hsv[1], hsv[2], rgb);
}

static unsigned char clip(double x)
{
	return (unsigned char)(x < 0 ? 0 : x > 255 ? 255 : x);
}

void hsv_gain(struct image *img, double hue, double saturation, double value)
{
	unsigned char lut[3][256], hsv[3], *p = img->rgb;
	size_t i, n = (size_t)img->w * (size_t)img->h;
	struct tables t;
	int x;

	for (x = 0; x < 256; x++) {
		lut[0][x] = (unsigned char)fmod(x * hue, HUES);
		lut[1][x] = clip(x * saturation);
		lut[2][x] = clip(x * value);
	}
	tables_init(&t);
	for (i = 0; i < n; i++, p += 3) {
		pixel_to_hsv(&t, p[0], p[1], p[2], hsv);
		pixel_to_rgb(lut[0][hsv[0]], lut[1][hsv[1]], lut[2][hsv[2]], p);
	}
}
