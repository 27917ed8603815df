#include "attack/canvas.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GREY  (LETTERBOX_GREY / 255.0F)
#define BETA1 0.9
#define BETA2 0.99 /* quicker than Adam's .999: a search has hundreds of steps, not thousands */
#define EPS   1e-12

static size_t pixels(const struct canvas *c)
{
	return (size_t)c->h * (size_t)c->w;
}

/* Floats of one picture's level. */
static size_t level_floats(const struct canvas *c, int level)
{
	return 3 * (size_t)(c->h >> level) * (size_t)(c->w >> level);
}

void canvas_init(struct canvas *c, int n, int h, int w)
{
	int l;

	*c = (struct canvas){.n = n, .h = h, .w = w};
	for (l = 0; l < CANVAS_LEVELS && (h >> l) << l == h && (w >> l) << l == w && h >> l; l++) {
		c->z[l] = xcalloc((size_t)n * level_floats(c, l), sizeof(float));
		c->m[l] = xcalloc((size_t)n * level_floats(c, l), sizeof(float));
		c->v[l] = xcalloc((size_t)n * level_floats(c, l), sizeof(float));
		c->levels = l + 1;
	}
	c->x = xcalloc((size_t)n * 3 * pixels(c), sizeof(float));
	c->base = xcalloc((size_t)n * 3 * pixels(c), sizeof(float));
	c->sum = xcalloc((size_t)n * 3 * pixels(c), sizeof(float));
	c->scratch = xcalloc((size_t)n * 6 * pixels(c), sizeof(float));
	c->frame = xcalloc((size_t)n, sizeof(*c->frame));
	canvas_clear(c);
}

void canvas_release(struct canvas *c)
{
	int l;

	for (l = 0; l < c->levels; l++) {
		free(c->z[l]);
		free(c->m[l]);
		free(c->v[l]);
	}
	free(c->x);
	free(c->base);
	free(c->sum);
	free(c->scratch);
	free(c->frame);
	*c = (struct canvas){0};
}

void canvas_clear(struct canvas *c)
{
	const size_t n = (size_t)c->n * 3 * pixels(c);
	size_t i;
	int l;

	for (l = 0; l < c->levels; l++) {
		const size_t bytes = (size_t)c->n * level_floats(c, l) * sizeof(float);

		memset(c->z[l], 0, bytes);
		memset(c->m[l], 0, bytes);
		memset(c->v[l], 0, bytes);
	}
	for (i = 0; i < n; i++)
		c->base[i] = c->x[i] = GREY;
	memset(c->frame, 0, (size_t)c->n * sizeof(*c->frame));
	c->steps = c->summed = 0;
}

/* ------------------------------------------------------------------ the pyramid */

/* [1 2 1] / 4 along one line of `n` pixels that lie `stride` floats apart; ends are repeated. */
static void smooth_line(float *p, int n, size_t stride)
{
	float before[3], here;
	int i, k;

	memcpy(before, p, sizeof(before));
	for (i = 0; i < n; i++, p += stride)
		for (k = 0; k < 3; k++) {
			const float after = i + 1 < n ? p[stride + (size_t)k] : p[k];

			here = p[k];
			p[k] = 0.25F * (before[k] + after) + 0.5F * here;
			before[k] = here;
		}
}

static void smooth(float *p, int h, int w)
{
	int i;

	for (i = 0; i < h; i++)
		smooth_line(p + 3 * (size_t)i * (size_t)w, w, 3);
	for (i = 0; i < w; i++)
		smooth_line(p + 3 * (size_t)i, h, 3 * (size_t)w);
}

/* Each pixel of h x w becomes four. */
static void grow(const float *from, int h, int w, float *to)
{
	int y, x;

	for (y = 0; y < 2 * h; y++)
		for (x = 0; x < 2 * w; x++, to += 3)
			memcpy(to, from + 3 * ((size_t)(y / 2) * (size_t)w + (size_t)(x / 2)),
			       3 * sizeof(*to));
}

/* Four pixels of 2h x 2w are summed to one; in place. */
static void shrink(float *p, int h, int w)
{
	int y, x, k;

	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			for (k = 0; k < 3; k++) {
				const float *a =
					p +
					3 * ((size_t)(2 * y) * (size_t)(2 * w) + (size_t)(2 * x)) +
					(size_t)k;
				const float *b = a + 6 * (size_t)w;

				p[3 * ((size_t)y * (size_t)w + (size_t)x) + (size_t)k] =
					a[0] + a[3] + b[0] + b[3];
			}
}

/* The sum of the levels of picture i, added to its base and kept in range. */
static void compose(struct canvas *c, int i)
{
	const size_t n = 3 * pixels(c);
	float *a = c->scratch + (size_t)i * 2 * n, *b = a + n, *swap;
	const float *base = c->base + (size_t)i * n;
	float *x = c->x + (size_t)i * n;
	size_t j;
	int l = c->levels - 1;

	memcpy(a, c->z[l] + (size_t)i * level_floats(c, l), level_floats(c, l) * sizeof(float));
	for (l--; l >= 0; l--) {
		const float *z = c->z[l] + (size_t)i * level_floats(c, l);

		grow(a, c->h >> (l + 1), c->w >> (l + 1), b);
		smooth(b, c->h >> l, c->w >> l);
		for (j = 0; j < level_floats(c, l); j++)
			b[j] += z[j];
		swap = a;
		a = b;
		b = swap;
	}
	for (j = 0; j < n; j++) {
		const float v = base[j] + a[j];

		x[j] = v > 0 ? v < 1 ? v : 1 : 0;
	}
}

/* Grey outside of the frame. */
static void apply_frame(struct canvas *c, int i)
{
	const struct letterbox *lb = &c->frame[i];
	float *p = c->x + (size_t)i * 3 * pixels(c);
	int y, x, k;

	if (!lb->out_w)
		return;
	for (y = 0; y < c->h; y++)
		for (x = 0; x < c->w; x++, p += 3) {
			const bool in = y >= lb->top && y < lb->top + lb->new_h && x >= lb->left &&
					x < lb->left + lb->new_w;

			for (k = 0; k < 3 && !in; k++)
				p[k] = GREY;
		}
}

void canvas_start(struct canvas *c, int i, const struct image *from)
{
	const size_t n = 3 * pixels(c);
	size_t j;

	BUG_IF(from->w != c->w || from->h != c->h);
	for (j = 0; j < n; j++)
		c->base[(size_t)i * n + j] = (float)from->rgb[j] / 255.0F;
	compose(c, i);
	apply_frame(c, i);
}

void canvas_frame(struct canvas *c, int i, const struct letterbox *lb)
{
	BUG_IF(lb->out_w != c->w || lb->out_h != c->h);
	c->frame[i] = *lb;
	apply_frame(c, i);
}

/* Of each level; half a dozen of them make a contrast like a photograph's. */
#define NOISE_STRENGTH 0.12

void canvas_noise(struct canvas *c, uint64_t seed)
{
	struct rng r;
	size_t j;
	int i, l;

	canvas_clear(c);
	for (i = 0; i < c->n; i++) {
		rng_init(&r, seed, "attack-noise", (uint64_t)i);
		for (l = 0; l < c->levels; l++)
			for (j = 0; j < level_floats(c, l); j++)
				c->z[l][(size_t)i * level_floats(c, l) + j] =
					(float)(NOISE_STRENGTH * rng_normal(&r));
		compose(c, i);
	}
}

/* ------------------------------------------------------------------ Adam */

struct step_job {
	struct canvas *c;
	float *grad;
	double rate, fix1, fix2; /* of the moments' start at zero */
};

static void adam(const struct step_job *j, int level, int i, const float *g)
{
	const size_t n = level_floats(j->c, level);
	float *z = j->c->z[level] + (size_t)i * n, *m = j->c->m[level] + (size_t)i * n,
	      *v = j->c->v[level] + (size_t)i * n;
	const float rate = (float)(j->rate / j->fix1), fix = (float)(1 / j->fix2);
	size_t k;

	for (k = 0; k < n; k++) {
		m[k] += (float)(1 - BETA1) * (g[k] - m[k]);
		v[k] += (float)(1 - BETA2) * (g[k] * g[k] - v[k]);
		z[k] -= rate * m[k] / (sqrtf(v[k] * fix) + (float)EPS);
	}
}

/* A pixel at the end of its range, or in the frame, cannot go further. */
static void hold(const struct canvas *c, int i, float *g)
{
	const struct letterbox *lb = &c->frame[i];
	const float *x = c->x + (size_t)i * 3 * pixels(c);
	int row, col, k;

	for (row = 0; row < c->h; row++)
		for (col = 0; col < c->w; col++, x += 3, g += 3) {
			const bool out =
				lb->out_w && (row < lb->top || row >= lb->top + lb->new_h ||
					      col < lb->left || col >= lb->left + lb->new_w);

			for (k = 0; k < 3; k++)
				if (out || (x[k] <= 0 && g[k] > 0) || (x[k] >= 1 && g[k] < 0))
					g[k] = 0;
		}
}

static void step_picture(void *ctx, int i, int worker)
{
	const struct step_job *j = ctx;
	struct canvas *c = j->c;
	const size_t n = 3 * pixels(c);
	float *g = j->grad + (size_t)i * n;
	size_t k;
	int l;

	(void)worker;
	hold(c, i, g);
	for (l = 0; l < c->levels; l++) {
		if (l) {
			smooth(g, c->h >> (l - 1), c->w >> (l - 1));
			shrink(g, c->h >> l, c->w >> l);
		}
		adam(j, l, i, g);
	}
	compose(c, i);
	apply_frame(c, i);
	if (c->summed)
		for (k = 0; k < n; k++)
			c->sum[(size_t)i * n + k] += c->x[(size_t)i * n + k];
}

void canvas_step(struct canvas *c, struct pool *pool, float *grad, double rate)
{
	struct step_job j = {c, grad, rate, 0, 0};

	c->steps++;
	c->summed += c->summed > 0;
	j.fix1 = 1 - pow(BETA1, (double)c->steps);
	j.fix2 = 1 - pow(BETA2, (double)c->steps);
	pool_run(pool, c->n, step_picture, &j);
}

/* ------------------------------------------------------------------ out */

void canvas_average(struct canvas *c)
{
	memcpy(c->sum, c->x, (size_t)c->n * 3 * pixels(c) * sizeof(float));
	c->summed = 1;
}

void canvas_image(const struct canvas *c, int i, struct image *out)
{
	const size_t n = 3 * pixels(c);
	const float *from = (c->summed ? c->sum : c->x) + (size_t)i * n;
	const float scale = 255.0F / (float)(c->summed ? c->summed : 1);
	size_t j;

	image_alloc(out, c->w, c->h);
	for (j = 0; j < n; j++)
		out->rgb[j] = (unsigned char)(from[j] * scale + 0.5F);
}

void canvas_to_view(const struct canvas *c, const struct view *v)
{
	int i, y, x;

	BUG_IF(v->n > c->n || v->h != c->h || v->w != c->w || v->c != 3);
	for (i = 0; i < v->n; i++) {
		const float *from = c->x + (size_t)i * 3 * pixels(c);

		for (y = 0; y < c->h; y++)
			for (x = 0; x < c->w; x++, from += 3)
				memcpy(view_at(v, i, y, x), from, 3 * sizeof(*from));
		view_clear_pads(v, i, 0, c->h);
	}
}
