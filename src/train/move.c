#include "train/move.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* utils/augmentations.py, box_candidates: wh_thr and area_thr. */
#define LEAST_SIDE 2.0f
#define LEAST_AREA 0.1f

void move_draw(struct move *m, struct rng *r, double fliplr, double translate, int cells_x,
	       int cells_y)
{
	m->flip = rng_double(r) < fliplr;
	m->dx = nearbyint(rng_range(r, -translate, translate) * cells_x) / cells_x;
	m->dy = nearbyint(rng_range(r, -translate, translate) * cells_y) / cells_y;
}

static void flip_row(float *row, int w, int ld, int c)
{
	float *a = row, *b = row + (size_t)(w - 1) * (size_t)ld;
	int k;

	for (; a < b; a += ld, b -= ld)
		for (k = 0; k < c; k++) {
			float t = a[k];

			a[k] = b[k];
			b[k] = t;
		}
}

static void clear_cells(const struct view *v, int n, int y, int x0, int x1)
{
	for (; x0 < x1; x0++)
		memset(view_at(v, n, y, x0), 0, (size_t)v->c * sizeof(float));
}

/* Row y of the result from row y - dy, which no earlier call has written. */
static void shift_row(const struct view *v, int n, int y, int dx, int dy)
{
	int from = y - dy, i, x;

	if (from < 0 || from >= v->h || abs(dx) >= v->w) {
		clear_cells(v, n, y, 0, v->w);
		return;
	}
	for (i = abs(dx); i < v->w; i++) {
		x = dx > 0 ? v->w - 1 - (i - dx) : i + dx; /* right to left when moving right */
		memmove(view_at(v, n, y, x), view_at(v, n, from, x - dx),
			(size_t)v->c * sizeof(float));
	}
	if (dx > 0)
		clear_cells(v, n, y, 0, dx);
	else
		clear_cells(v, n, y, v->w + dx, v->w);
}

void move_features(const struct move *m, const struct view *v, int n)
{
	int dx = (int)lrint(m->dx * v->w), dy = (int)lrint(m->dy * v->h), y;

	for (y = 0; m->flip && y < v->h; y++)
		flip_row(view_at(v, n, y, 0), v->w, v->ld, v->c);
	if (!dx && !dy)
		return;
	for (y = 0; y < v->h; y++)
		shift_row(v, n, dy > 0 ? v->h - 1 - y : y, dx, dy);
}

static void clip(float *centre, float *size)
{
	float a = fmaxf(*centre - *size / 2, 0), b = fminf(*centre + *size / 2, 1);

	*centre = (a + b) / 2;
	*size = b - a;
}

bool move_box(const struct move *m, struct target *t, int img)
{
	const float area = t->w * t->h, least = LEAST_SIDE / (float)img;

	if (m->flip)
		t->xc = 1 - t->xc;
	if (m->dx == 0 && m->dy == 0)
		return true; /* the user's boxes are kept, whatever their size */
	t->xc += (float)m->dx;
	t->yc += (float)m->dy;
	clip(&t->xc, &t->w);
	clip(&t->yc, &t->h);
	return t->w > least && t->h > least && t->w * t->h > LEAST_AREA * area;
}
