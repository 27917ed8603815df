#include "data/warp.h"

#include <limits.h>
#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* ---- where a pixel and its neighbours all lie inside, most of a picture ---- */

#ifdef __SSE2__
/* The pixel at p and the one below it, each with a byte of what follows, as 16-bit numbers. */
static inline __m128i column(const unsigned char *p, size_t row)
{
	int above, below;

	memcpy(&above, p, sizeof(above));
	memcpy(&below, p + row, sizeof(below));
	return _mm_unpacklo_epi8(
		_mm_unpacklo_epi32(_mm_cvtsi32_si128(above), _mm_cvtsi32_si128(below)),
		_mm_setzero_si128());
}

/* blend() on all channels at once, along the rows first: in whole numbers that is the same. */
static inline void blend_columns(const unsigned char *p, size_t row, int fx, int fy,
				 unsigned char *out)
{
	const __m128i left = _mm_mullo_epi16(column(p, row), _mm_set1_epi16((short)(ONE - fx)));
	const __m128i right = _mm_mullo_epi16(column(p + 3, row), _mm_set1_epi16((short)fx));
	const __m128i both = _mm_add_epi16(left, right);
	const __m128i weights = _mm_set1_epi32(fy << 16 | (ONE - fy));
	__m128i v =
		_mm_madd_epi16(_mm_unpacklo_epi16(both, _mm_unpackhi_epi64(both, both)), weights);
	uint32_t rgb;

	v = _mm_srai_epi32(_mm_add_epi32(v, _mm_set1_epi32(ONE * ONE / 2)), 2 * INTER_BITS);
	v = _mm_packs_epi32(v, v);
	rgb = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
	memcpy(out, &rgb, 3);
}
#else
static inline void blend_columns(const unsigned char *p, size_t row, int fx, int fy,
				 unsigned char *out)
{
	blend(p, p + 3, p + row, p + row + 3, fx, fy, out);
}
#endif

/* A row of the result: pixel x comes from (x0 + dx[x], y0 + dy[x]). */
struct row {
	const struct image *src;
	const int *dx, *dy;
	int x0, y0, n;
};

/* With a column to spare on the right, for column(). */
static bool is_inside(const struct row *r, int x)
{
	const int sx = (r->x0 + r->dx[x]) >> AB_BITS, sy = (r->y0 + r->dy[x]) >> AB_BITS;

	return sx >= 0 && sy >= 0 && sx + 2 < r->src->w && sy + 1 < r->src->h;
}

static void warp_inside(const struct row *r, int from, int to, unsigned char *out)
{
	const int shift = AB_BITS - INTER_BITS;
	const size_t stride = 3 * (size_t)r->src->w;
	int i;

	for (i = from; i < to; i++) {
		const int x = (r->x0 + r->dx[i]) >> shift, y = (r->y0 + r->dy[i]) >> shift;

		blend_columns(r->src->rgb + (size_t)(y >> INTER_BITS) * stride +
				      3 * (size_t)(x >> INTER_BITS),
			      stride, x & (ONE - 1), y & (ONE - 1), out + 3 * i);
	}
}

static void warp_edge(const struct row *r, int from, int to, const unsigned char *border,
		      unsigned char *out)
{
	const int shift = AB_BITS - INTER_BITS;
	int i;

	for (i = from; i < to; i++)
		warp_pixel(r->src, (r->x0 + r->dx[i]) >> shift, (r->y0 + r->dy[i]) >> shift, border,
			   out + 3 * i);
}

/* Along a row source coordinates only rise or only fall, so what lies inside is one run. */
static void warp_row(const struct row *r, const unsigned char *border, unsigned char *out)
{
	int from = 0, to = r->n;

	while (from < r->n && !is_inside(r, from))
		from++;
	while (to > from && !is_inside(r, to - 1))
		to--;
	warp_edge(r, 0, from, border, out);
	warp_inside(r, from, to, out);
	warp_edge(r, to, r->n, border, out);
}

void warp_affine(const struct image *src, const double m[6], struct image *dst,
		 unsigned char border)
{
	const unsigned char edge[3] = {border, border, border};
	const int round = 1 << (AB_BITS - INTER_BITS - 1);
	int *dx = xmalloc(2 * (size_t)dst->w * sizeof(*dx)), *dy = dx + dst->w;
	struct row row = {.src = src, .dx = dx, .dy = dy, .n = dst->w};
	double inv[6];
	int x, y;

	invert(m, inv);
	for (x = 0; x < dst->w; x++) {
		dx[x] = fixed(inv[0] * x);
		dy[x] = fixed(inv[3] * x);
	}
	for (y = 0; y < dst->h; y++) {
		row.x0 = fixed(inv[1] * y + inv[2]) + round;
		row.y0 = fixed(inv[4] * y + inv[5]) + round;
		warp_row(&row, edge, dst->rgb + 3 * (size_t)y * (size_t)dst->w);
	}
	free(dx);
}
