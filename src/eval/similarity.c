#include "eval/similarity.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* Wang et al. 2004, section III-B. */
enum { WINDOW = 11 };
#define SIGMA 1.5
#define C1    (0.01 * 255 * 0.01 * 255)
#define C2    (0.03 * 255 * 0.03 * 255)

static double *luma(const struct image *img)
{
	size_t i, n = (size_t)img->w * (size_t)img->h;
	double *y = xreallocarray(NULL, n, sizeof(*y));

	for (i = 0; i < n; i++) {
		const unsigned char *p = img->rgb + 3 * i;

		y[i] = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
	}
	return y;
}

static void gaussian(double g[WINDOW])
{
	double sum = 0;
	int i;

	for (i = 0; i < WINDOW; i++) {
		double d = i - WINDOW / 2;

		g[i] = exp(-d * d / (2 * SIGMA * SIGMA));
		sum += g[i];
	}
	for (i = 0; i < WINDOW; i++)
		g[i] /= sum;
}

/* Five windowed moments of the two pictures at one position or along one row. */
struct moments {
	double a, b, aa, bb, ab;
};

static void moments_add(struct moments *m, double weight, const struct moments *v)
{
	m->a += weight * v->a;
	m->b += weight * v->b;
	m->aa += weight * v->aa;
	m->bb += weight * v->bb;
	m->ab += weight * v->ab;
}

/* The window is separable: one row of horizontal moments, w - WINDOW + 1 of them. */
static void row_moments(const double *a, const double *b, int w, const double g[WINDOW],
			struct moments *out)
{
	int x, i;

	for (x = 0; x + WINDOW <= w; x++) {
		struct moments m = {0};

		for (i = 0; i < WINDOW; i++) {
			double p = a[x + i], q = b[x + i];

			moments_add(&m, g[i], &(struct moments){p, q, p * p, q * q, p * q});
		}
		out[x] = m;
	}
}

static double ssim_at(const struct moments *m)
{
	double var_a = m->aa - m->a * m->a, var_b = m->bb - m->b * m->b;
	double cov = m->ab - m->a * m->b;

	return (2 * m->a * m->b + C1) * (2 * cov + C2) /
	       ((m->a * m->a + m->b * m->b + C1) * (var_a + var_b + C2));
}

/* SSIM, and *detail. */
static double ssim(const double *a, const double *b, int w, int h, double *detail)
{
	size_t row = (size_t)(w - WINDOW + 1);
	struct moments *rows = xreallocarray(NULL, (size_t)h * row, sizeof(*rows));
	double g[WINDOW], sum = 0, cov = 0, var = 0;
	int y, i;
	size_t x;

	gaussian(g);
	for (y = 0; y < h; y++)
		row_moments(a + (size_t)y * (size_t)w, b + (size_t)y * (size_t)w, w, g,
			    rows + (size_t)y * row);
	for (y = 0; y + WINDOW <= h; y++)
		for (x = 0; x < row; x++) {
			struct moments m = {0};

			for (i = 0; i < WINDOW; i++)
				moments_add(&m, g[i], &rows[(size_t)(y + i) * row + x]);
			sum += ssim_at(&m);
			cov += m.ab - m.a * m.b;
			var += m.aa - m.a * m.a + m.bb - m.b * m.b;
		}
	free(rows);
	*detail = var > 0 ? 2 * cov / var : 0;
	return sum / (double)((size_t)(h - WINDOW + 1) * row);
}

static double sobel(const double *p, int w)
{
	double gx = p[-w + 1] + 2 * p[1] + p[w + 1] - p[-w - 1] - 2 * p[-1] - p[w - 1];
	double gy = p[w - 1] + 2 * p[w] + p[w + 1] - p[-w - 1] - 2 * p[-w] - p[-w + 1];

	return sqrt(gx * gx + gy * gy);
}

static double edge_correlation(const double *a, const double *b, int w, int h)
{
	double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0, n = (double)(w - 2) * (double)(h - 2);
	double var;
	int x, y;

	for (y = 1; y + 1 < h; y++)
		for (x = 1; x + 1 < w; x++) {
			size_t at = (size_t)y * (size_t)w + (size_t)x;
			double p = sobel(a + at, w), q = sobel(b + at, w);

			sa += p;
			sb += q;
			saa += p * p;
			sbb += q * q;
			sab += p * q;
		}
	var = (saa - sa * sa / n) * (sbb - sb * sb / n);
	/* A picture without edges correlates with nothing. */
	return var > 1e-9 * n * n ? (sab - sa * sb / n) / sqrt(var) : 0;
}

static double psnr(const struct image *a, const struct image *b)
{
	size_t i, n = 3 * (size_t)a->w * (size_t)a->h;
	double sum = 0;

	for (i = 0; i < n; i++) {
		double d = (double)a->rgb[i] - b->rgb[i];

		sum += d * d;
	}
	return sum > 0 ? 10 * log10(255.0 * 255.0 * (double)n / sum) : INFINITY;
}

int similarity_measure(const struct image *a, const struct image *b, struct similarity *out,
		       struct err *err)
{
	double *ya, *yb;

	if (a->w != b->w || a->h != b->h)
		return err_set(err, STATUS_INPUT, "pictures of %dx%d and %dx%d cannot be compared",
			       a->w, a->h, b->w, b->h);
	if (a->w < WINDOW || a->h < WINDOW)
		return err_set(err, STATUS_INPUT,
			       "a picture of %dx%d is smaller than SSIM's window", a->w, a->h);
	ya = luma(a);
	yb = luma(b);
	out->ssim = ssim(ya, yb, a->w, a->h, &out->detail);
	out->edge_corr = edge_correlation(ya, yb, a->w, a->h);
	out->psnr = psnr(a, b);
	free(ya);
	free(yb);
	return 0;
}
