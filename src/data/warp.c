#include "data/warp.h"

#include <limits.h>
#include <math.h>

#define AB_BITS    10 /* of a coordinate behind the point */
#define INTER_BITS 5  /* of them that weigh */
#define ONE        (1 << INTER_BITS)

/* dst -> src, as warpAffine inverts. */
static void invert(const double m[6], double inv[6])
{
	double det = m[0] * m[4] - m[1] * m[3];
	double d = det != 0 ? 1.0 / det : 0;

	inv[0] = m[4] * d;
	inv[4] = m[0] * d;
	inv[1] = m[1] * -d;
	inv[3] = m[3] * -d;
	inv[2] = -inv[0] * m[2] - inv[1] * m[5];
	inv[5] = -inv[3] * m[2] - inv[4] * m[5];
}

/* Fixed point, saturating far outside of any picture so that sums cannot overflow. */
static int fixed(double x)
{
	double v = x * (1 << AB_BITS);

	if (!(fabs(v) < INT_MAX / 4))
		return v < 0 ? -(INT_MAX / 4) : INT_MAX / 4;
	return (int)lrint(v);
}

static const unsigned char *pixel_or(const struct image *src, int x, int y,
				     const unsigned char *border)
{
	if ((unsigned)x >= (unsigned)src->w || (unsigned)y >= (unsigned)src->h)
		return border;
	return src->rgb + 3 * ((size_t)y * (size_t)src->w + (size_t)x);
}

static void blend(const unsigned char *p00, const unsigned char *p01, const unsigned char *p10,
		  const unsigned char *p11, int fx, int fy, unsigned char *out)
{
	int w00 = (ONE - fx) * (ONE - fy), w01 = fx * (ONE - fy);
	int w10 = (ONE - fx) * fy, w11 = fx * fy;
	int c;

	for (c = 0; c < 3; c++)
		out[c] = (unsigned char)((p00[c] * w00 + p01[c] * w01 + p10[c] * w10 +
					  p11[c] * w11 + ONE * ONE / 2) >>
					 (2 * INTER_BITS));
}

static void warp_pixel(const struct image *src, int x, int y, const unsigned char *border,
		       unsigned char *out)
{
	int sx = x >> INTER_BITS, sy = y >> INTER_BITS;
	int fx = x & (ONE - 1), fy = y & (ONE - 1);
	size_t row = 3 * (size_t)src->w;

	if (sx >= 0 && sy >= 0 && sx + 1 < src->w && sy + 1 < src->h) {
		const unsigned char *p = src->rgb + (size_t)sy * row + 3 * (size_t)sx;

		blend(p, p + 3, p + row, p + row + 3, fx, fy, out);
	} else if (sx < -1 || sy < -1 || sx >= src->w || sy >= src->h) {
		memcpy(out, border, 3);
	} else {
		blend(pixel_or(src, sx, sy, border), pixel_or(src, sx + 1, sy, border),
		      pixel_or(src, sx, sy + 1, border), pixel_or(src, sx + 1, sy + 1, border), fx,
		      fy, out);
	}
}

void warp_affine(const struct image *src, const double m[6], struct image *dst,
		 unsigned char border)
{
	const unsigned char edge[3] = {border, border, border};
	const int round = 1 << (AB_BITS - INTER_BITS - 1), shift = AB_BITS - INTER_BITS;
	int *dx = xmalloc(2 * (size_t)dst->w * sizeof(*dx)), *dy = dx + dst->w;
	unsigned char *out = dst->rgb;
	double inv[6];
	int x, y;

	invert(m, inv);
	for (x = 0; x < dst->w; x++) {
		dx[x] = fixed(inv[0] * x);
		dy[x] = fixed(inv[3] * x);
	}
	for (y = 0; y < dst->h; y++) {
		int x0 = fixed(inv[1] * y + inv[2]) + round;
		int y0 = fixed(inv[4] * y + inv[5]) + round;

		for (x = 0; x < dst->w; x++, out += 3)
			warp_pixel(src, (x0 + dx[x]) >> shift, (y0 + dy[x]) >> shift, edge, out);
	}
	free(dx);
}
