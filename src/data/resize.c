#include "data/resize.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

/* Four floats; unaligned loads and stores go through memcpy, which compiles to one instruction. */
typedef float v4 __attribute__((vector_size(16)));

static v4 load4(const float *p)
{
	v4 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Rounds half to even and saturates, as cvRound: adding 1.5 * 2^23 leaves the integer below. */
static void store_rounded(const float *sum, unsigned char *dst, int n)
{
	const float magic = 12582912.0f;
	int i;

	for (i = 0; i < n; i++) {
		float v = sum[i] < 255.0f ? sum[i] : 255.0f;
		uint32_t bits;

		v += magic;
		memcpy(&bits, &v, sizeof(bits));
		dst[i] = (unsigned char)bits;
	}
}

/* --- INTER_AREA --- */

/* One source cell's share of one destination cell, sorted by destination, then source. */
struct tap {
	int dst, src;
	float weight;
};

/* OpenCV's computeResizeAreaTab; at most 2 * nsrc entries. Returns how many. */
static int area_taps(int nsrc, int ndst, struct tap *taps)
{
	double scale = 1.0 / ((double)ndst / nsrc);
	int d, s, n = 0;

	for (d = 0; d < ndst; d++) {
		double from = d * scale, to = from + scale;
		double width = fmin(scale, nsrc - from);
		int first = (int)ceil(from), last = (int)floor(to);

		last = last < nsrc - 1 ? last : nsrc - 1;
		first = first < last ? first : last;
		if (first - from > 1e-3)
			taps[n++] = (struct tap){d, first - 1, (float)((first - from) / width)};
		for (s = first; s < last; s++)
			taps[n++] = (struct tap){d, s, (float)(1.0 / width)};
		if (to - last > 1e-3)
			taps[n++] = (struct tap){
				d, last, (float)(fmin(fmin(to - last, 1.0), width) / width)};
	}
	return n;
}

/* A source row as floats, averaged horizontally: dst_w pixels of 3 floats; out has room for 1 more.
 */
static void area_row(const unsigned char *src, int w, const struct tap *taps, int ntaps, float *row,
		     float *out)
{
	int i, t = 0;

	for (i = 0; i < 3 * w; i++)
		row[i] = src[i];
	while (t < ntaps) {
		int d = taps[t].dst;
		v4 sum = load4(row + 3 * taps[t].src) * taps[t].weight;

		for (t++; t < ntaps && taps[t].dst == d; t++)
			sum += load4(row + 3 * taps[t].src) * taps[t].weight;
		memcpy(out + 3 * d, &sum, sizeof(sum));
	}
}

static void area_any(const struct image *src, unsigned char *dst, int dst_w, int dst_h,
		     size_t stride)
{
	struct tap *xtaps = xmalloc(2 * ((size_t)src->w + (size_t)src->h) * sizeof(*xtaps));
	struct tap *ytaps = xtaps + 2 * (size_t)src->w;
	size_t nrow = 3 * (size_t)src->w + 4, nout = 3 * (size_t)dst_w + 4;
	float *row = xmalloc((nrow + 2 * nout) * sizeof(*row));
	float *out = row + nrow, *sum = out + nout;
	int nx = area_taps(src->w, dst_w, xtaps), ny = area_taps(src->h, dst_h, ytaps);
	int t, i;

	memset(row, 0, nrow * sizeof(*row));
	for (t = 0; t < ny; t++) {
		bool first = t == 0 || ytaps[t - 1].dst != ytaps[t].dst;
		bool last = t + 1 == ny || ytaps[t + 1].dst != ytaps[t].dst;
		float weight = ytaps[t].weight;

		/* A row on the border of two cells is used twice in a row. */
		if (t == 0 || ytaps[t].src != ytaps[t - 1].src)
			area_row(src->rgb + (size_t)ytaps[t].src * 3 * (size_t)src->w, src->w,
				 xtaps, nx, row, out);
		if (first)
			for (i = 0; i < 3 * dst_w; i++)
				sum[i] = out[i] * weight;
		else
			for (i = 0; i < 3 * dst_w; i++)
				sum[i] += out[i] * weight;
		if (last)
			store_rounded(sum, dst + (size_t)ytaps[t].dst * stride, 3 * dst_w);
	}
	free(row);
	free(xtaps);
}

/* The sum of `rows` rows of n bytes, `row` bytes apart. */
static void sum_rows(const unsigned char *src, size_t row, int rows, int *sum, int n)
{
	int i, j;

	for (i = 0; i < n; i++)
		sum[i] = src[i];
	for (j = 1; j < rows; j++)
		for (i = 0, src += row; i < n; i++)
			sum[i] += src[i];
}

/* Whole-number scales: integer sums; 2 x 2 is rounded half up, the others by a float factor. */
static void area_whole(const struct image *src, unsigned char *dst, int dst_w, int dst_h,
		       size_t stride, int sx, int sy)
{
	size_t src_row = 3 * (size_t)src->w;
	int *sums = xmalloc(src_row * sizeof(*sums));
	float scale = 1.0f / (float)(sx * sy);
	int x, y, c, i;

	for (y = 0; y < dst_h; y++) {
		unsigned char *d = dst + (size_t)y * stride;
		const int *s = sums;

		sum_rows(src->rgb + (size_t)y * (size_t)sy * src_row, src_row, sy, sums,
			 3 * src->w);
		for (x = 0; x < dst_w; x++, s += 3 * sx, d += 3)
			for (c = 0; c < 3; c++) {
				int sum = s[c];

				for (i = 1; i < sx; i++)
					sum += s[3 * i + c];
				d[c] = sx == 2 && sy == 2
					       ? (unsigned char)((sum + 2) >> 2)
					       : (unsigned char)lrintf((float)sum * scale);
			}
	}
	free(sums);
}

/* OpenCV calls a scale whole when it is so to DBL_EPSILON; 0 when it is not. */
static int whole_scale(int nsrc, int ndst)
{
	double scale = 1.0 / ((double)ndst / nsrc);
	int whole = (int)lrint(scale);

	return fabs(scale - whole) < DBL_EPSILON ? whole : 0;
}

void resize_area(const struct image *src, unsigned char *dst, int dst_w, int dst_h, size_t stride)
{
	int sx = whole_scale(src->w, dst_w), sy = whole_scale(src->h, dst_h);

	BUG_IF(dst_w > src->w || dst_h > src->h || dst_w <= 0 || dst_h <= 0);
	if (sx && sy)
		area_whole(src, dst, dst_w, dst_h, stride, sx, sy);
	else
		area_any(src, dst, dst_w, dst_h, stride);
}

/* --- INTER_LINEAR --- */

#define COEF_BITS 11 /* INTER_RESIZE_COEF_BITS */

/* Two neighbours and their weights, of 2048. */
struct pair {
	int src[2];
	int weight[2];
};

/* Columns that fall outside take the border pixel whole; rows keep their weights (as OpenCV). */
static void linear_pairs(int nsrc, int ndst, bool columns, struct pair *pairs)
{
	double scale = 1.0 / ((double)ndst / nsrc);
	int d, k;

	for (d = 0; d < ndst; d++) {
		float f = (float)((d + 0.5) * scale - 0.5);
		int s = (int)floorf(f);

		f -= (float)s;
		if (columns && (s < 0 || s >= nsrc - 1)) {
			f = 0;
			s = s < 0 ? 0 : nsrc - 1;
		}
		pairs[d].weight[0] = (int)lrintf((1.0f - f) * (1 << COEF_BITS));
		pairs[d].weight[1] = (int)lrintf(f * (1 << COEF_BITS));
		for (k = 0; k < 2; k++) {
			int at = s + k;

			pairs[d].src[k] = at < 0 ? 0 : at < nsrc ? at : nsrc - 1;
		}
	}
}

static void linear_row(const unsigned char *src, const struct pair *pairs, int n, int *out)
{
	int x;

	for (x = 0; x < n; x++, out += 3) {
		const unsigned char *a = src + 3 * pairs[x].src[0], *b = src + 3 * pairs[x].src[1];
		int wa = pairs[x].weight[0], wb = pairs[x].weight[1];

		out[0] = a[0] * wa + b[0] * wb;
		out[1] = a[1] * wa + b[1] * wb;
		out[2] = a[2] * wa + b[2] * wb;
	}
}

/* Vertical blending with the roundings of OpenCV's VResizeLinear for 8 bits. */
static void linear_blend(const int *a, const int *b, int wa, int wb, unsigned char *dst, int n)
{
	int i;

	for (i = 0; i < n; i++)
		dst[i] = (unsigned char)((((wa * (a[i] >> 4)) >> 16) + ((wb * (b[i] >> 4)) >> 16) +
					  2) >>
					 2);
}

void resize_linear(const struct image *src, unsigned char *dst, int dst_w, int dst_h, size_t stride)
{
	struct pair *xs, *ys;
	int held[2] = {-1, -1}; /* which source rows lie in rows[0] and rows[1] */
	int *rows[2];
	int y, k, n = 3 * dst_w;

	BUG_IF(dst_w <= 0 || dst_h <= 0);
	if (whole_scale(src->w, dst_w) == 2 && whole_scale(src->h, dst_h) == 2) {
		resize_area(src, dst, dst_w, dst_h, stride); /* as OpenCV does */
		return;
	}
	xs = xmalloc(((size_t)dst_w + (size_t)dst_h) * sizeof(*xs));
	ys = xs + dst_w;
	rows[0] = xmalloc(2 * (size_t)n * sizeof(int));
	rows[1] = rows[0] + n;
	linear_pairs(src->w, dst_w, true, xs);
	linear_pairs(src->h, dst_h, false, ys);
	for (y = 0; y < dst_h; y++) {
		const struct pair *p = &ys[y];

		/* Source row r is kept in slot r & 1, so neighbours never evict each other. */
		for (k = 0; k < 2; k++)
			if (held[p->src[k] & 1] != p->src[k]) {
				linear_row(src->rgb + (size_t)p->src[k] * 3 * (size_t)src->w, xs,
					   dst_w, rows[p->src[k] & 1]);
				held[p->src[k] & 1] = p->src[k];
			}
		linear_blend(rows[p->src[0] & 1], rows[p->src[1] & 1], p->weight[0], p->weight[1],
			     dst + (size_t)y * stride, n);
	}
	free(rows[0]);
	free(xs);
}
