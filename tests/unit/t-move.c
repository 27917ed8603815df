#include "train/move.h"
#include "unit.h"

#include <math.h>

enum { H = 3, W = 4, C = 2, LD = 5, PAD = 2 };

struct canvas {
	float data[(PAD + 2 * H * (W + PAD)) * LD];
	struct view v;
};

/* Two images of value 100*n + 10*y + x + c/10, in a wider buffer filled with -1. */
static void paint(struct canvas *a)
{
	size_t i;
	int n, y, x, c;

	for (i = 0; i < ARRAY_LEN(a->data); i++)
		a->data[i] = -1;
	a->v = (struct view){a->data + PAD * LD + 1, 2, H, W, C, LD, PAD};
	for (n = 0; n < 2; n++)
		for (y = 0; y < H; y++)
			for (x = 0; x < W; x++)
				for (c = 0; c < C; c++)
					view_at(&a->v, n, y, x)[c] =
						(float)(100 * n + 10 * y + x) + (float)c / 10;
}

/* What a moved image should be, from its definition. */
static float expected(const struct move *m, int y, int x, int c)
{
	int dx = (int)lround(m->dx * W), dy = (int)lround(m->dy * H);
	int fy = y - dy, fx = x - dx;

	if (fy < 0 || fy >= H || fx < 0 || fx >= W)
		return 0;
	if (m->flip)
		fx = W - 1 - fx;
	return (float)(100 + 10 * fy + fx) + (float)c / 10;
}

static void check_move(bool flip, int dx, int dy)
{
	struct move m = {flip, (double)dx / W, (double)dy / H};
	struct canvas before, after;
	size_t i, changed = 0;
	int y, x, c;

	paint(&before);
	paint(&after);
	move_features(&m, &after.v, 1);
	for (y = 0; y < H; y++)
		for (x = 0; x < W; x++)
			for (c = 0; c < C; c++) {
				float *p = &view_at(&after.v, 1, y, x)[c];

				assert_true(*p == expected(&m, y, x, c));
				*p = view_at(&before.v, 1, y, x)[c];
			}
	for (i = 0; i < ARRAY_LEN(before.data); i++) /* other images, channels and pads */
		changed += before.data[i] != after.data[i];
	assert_int_equal(changed, 0);
}

static void features_flip_and_move_and_nothing_else_changes(void **state)
{
	int dx, dy;

	(void)state;
	for (dx = -W - 1; dx <= W + 1; dx++)
		for (dy = -H - 1; dy <= H + 1; dy++) {
			check_move(false, dx, dy);
			check_move(true, dx, dy);
		}
}

static void boxes_follow_and_are_clipped(void **state)
{
	const struct move flip = {true, 0, 0}, right = {false, .25, 0}, both = {true, .25, -.5};
	struct target t = {0, 3, .2f, .6f, .2f, .4f};

	(void)state;
	assert_true(move_box(&flip, &t, 320));
	assert_true(fabsf(t.xc - .8f) < 1e-6f && t.yc == .6f && t.w == .2f);
	assert_true(move_box(&right, &t, 320)); /* .95 … 1.15 keeps a quarter */
	assert_true(fabsf(t.xc - .975f) < 1e-6f && fabsf(t.w - .05f) < 1e-6f);
	assert_int_equal(t.cls, 3);
	t = (struct target){0, 3, .9f, .1f, .2f, .4f}; /* moved up: nothing is left */
	assert_false(move_box(&both, &t, 320));
	t = (struct target){0, 3, .5f, .5f, .001f, .001f}; /* tiny, but not moved */
	assert_true(move_box(&flip, &t, 320));
	assert_false(move_box(&right, &t, 320));
}

static void moves_are_whole_cells_within_the_bounds(void **state)
{
	struct move m;
	struct rng r;
	int i, flips = 0, moved = 0;

	(void)state;
	rng_init(&r, 1, "test", 0);
	for (i = 0; i < 2000; i++) {
		move_draw(&m, &r, .5, .1, 40, 20);
		assert_true(fabs(m.dx * 40 - nearbyint(m.dx * 40)) < 1e-9);
		assert_true(fabs(m.dy * 20 - nearbyint(m.dy * 20)) < 1e-9);
		assert_true(fabs(m.dx) <= .1 + 1e-9 && fabs(m.dy) <= .1 + 1e-9);
		flips += m.flip;
		moved += m.dx != 0;
	}
	assert_in_range(flips, 900, 1100); /* 4.5 standard deviations */
	assert_in_range(moved, 1500, 2000);
	move_draw(&m, &r, 0, 0, 40, 40);
	assert_true(!m.flip && m.dx == 0 && m.dy == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features_flip_and_move_and_nothing_else_changes),
		cmocka_unit_test(boxes_follow_and_are_clipped),
		cmocka_unit_test(moves_are_whole_cells_within_the_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
