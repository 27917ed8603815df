#include "data/shapes.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>

struct point {
	int x, y;
};

struct shape {
	const char *name;
	bool (*inside)(int x, int y, int inset);
	const struct point *corner; /* a polygon instead of a function */
	int corners;
};

static bool in_disc(int x, int y, int cx, int cy, int r)
{
	int64_t dx = x - cx, dy = y - cy;

	return r > 0 && dx * dx + dy * dy <= (int64_t)r * r;
}

static bool in_box(int x, int y, int half_w, int half_h)
{
	return abs(x) <= half_w && abs(y) <= half_h;
}

static bool circle(int x, int y, int inset)
{
	return in_disc(x, y, 0, 0, 960 - inset);
}

static bool square(int x, int y, int inset)
{
	return in_box(x, y, 715 - inset, 715 - inset);
}

static bool ring(int x, int y, int inset)
{
	return in_disc(x, y, 0, 0, 1000 - inset) && !in_disc(x, y, 0, 0, 540 + inset);
}

static bool cross(int x, int y, int inset)
{
	return in_box(x, y, 310 - inset, 960 - inset) || in_box(x, y, 960 - inset, 310 - inset);
}

static bool crescent(int x, int y, int inset)
{
	return in_disc(x, y, 0, 0, 1000 - inset) && !in_disc(x, y, 480, 0, 780 + inset);
}

/* Two discs, and below each what its tangent through the tip cuts off. */
static bool heart(int x, int y, int inset)
{
	const int cx = 440, cy = -260, tip = 960;
	const int nx = 743, ny = 669; /* of the tangent, in thousandths */
	int64_t ax = abs(x);

	if (in_disc((int)ax, y, cx, cy, 490 - inset))
		return true;
	return y >= cy && (y - cy) * nx - (ax - cx) * ny >= 0 &&
	       ax * nx + (int64_t)(y - tip) * ny <= -1000LL * inset;
}

/* Corners on circles, counted from the top clockwise; scaled by SHAPE_UNIT. */
static const struct point triangle[] = {{0, -1000}, {866, 500}, {-866, 500}};
static const struct point hexagon[] = {{0, -980}, {849, -490}, {849, 490},
				       {0, 980},  {-849, 490}, {-849, -490}};
static const struct point star[] = {{0, -1024},   {253, -348}, {974, -316}, {409, 133},
				    {602, 828},   {0, 430},    {-602, 828}, {-409, 133},
				    {-974, -316}, {-253, -348}};
static const struct point arrow[] = {{0, -1000},  {800, -100},  {330, -100}, {330, 900},
				     {-330, 900}, {-330, -100}, {-800, -100}};
static const struct shape shapes[] = {
	{"circle", circle, NULL, 0},
	{"square", square, NULL, 0},
	{"triangle", NULL, triangle, ARRAY_LEN(triangle)},
	{"star", NULL, star, ARRAY_LEN(star)},
	{"ring", ring, NULL, 0},
	{"cross", cross, NULL, 0},
	{"heart", heart, NULL, 0},
	{"crescent", crescent, NULL, 0},
	{"arrow", NULL, arrow, ARRAY_LEN(arrow)},
	{"hexagon", NULL, hexagon, ARRAY_LEN(hexagon)},
};

/* Even-odd rule: a ray to the right crosses an odd number of edges. */
static bool in_polygon(const struct point *p, int n, int64_t x, int64_t y)
{
	bool inside = false;
	int i, j;

	for (i = 0, j = n - 1; i < n; j = i++) {
		int64_t dy = p[j].y - p[i].y, across;

		if ((p[i].y > y) == (p[j].y > y))
			continue;
		/* x < xi + (y - yi) * dx / dy, without dividing */
		across = (x - p[i].x) * dy - (y - p[i].y) * (p[j].x - p[i].x);
		inside ^= dy > 0 ? across < 0 : across > 0;
	}
	return inside;
}

/* Is (x, y) nearer than `inset` to the line from a to b? */
static bool near_edge(const struct point *a, const struct point *b, int64_t x, int64_t y, int inset)
{
	int64_t dx = b->x - a->x, dy = b->y - a->y, px = x - a->x, py = y - a->y;
	int64_t length2 = dx * dx + dy * dy, along = px * dx + py * dy;
	int64_t across = px * dy - py * dx, limit = (int64_t)inset * inset;

	if (along <= 0)
		return px * px + py * py < limit;
	if (along >= length2)
		return (x - b->x) * (x - b->x) + (y - b->y) * (y - b->y) < limit;
	return across * across < limit * length2;
}

const char *shape_name(int shape)
{
	return shape >= 0 && shape < shape_count() ? shapes[shape].name : NULL;
}

int shape_count(void)
{
	return (int)ARRAY_LEN(shapes);
}

bool shape_inside(int shape, int x, int y, int inset)
{
	const struct shape *s = &shapes[shape];
	int i;

	if (s->inside)
		return s->inside(x, y, inset);
	if (!in_polygon(s->corner, s->corners, x, y))
		return false;
	for (i = 0; inset && i < s->corners; i++)
		if (near_edge(&s->corner[i], &s->corner[(i + 1) % s->corners], x, y, inset))
			return false;
	return true;
}
