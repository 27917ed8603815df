#include "nn/upsample.h"

#include "base/err.h"

#include <string.h>

struct job {
	const struct view *small, *large;
	bool add;
};

static void check(const struct view *small, const struct view *large)
{
	BUG_IF(small->n != large->n || small->c != large->c);
	BUG_IF(large->h != 2 * small->h || large->w != 2 * small->w);
}

static void forward_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int n = job / j->large->h, y = job % j->large->h;
	int x;

	(void)worker;
	for (x = 0; x < j->large->w; x++)
		memcpy(view_at(j->large, n, y, x), view_at(j->small, n, y / 2, x / 2),
		       (size_t)j->small->c * sizeof(float));
	view_clear_pads(j->large, n, y, y + 1);
}

void upsample_forward(struct pool *pool, const struct view *x, const struct view *y)
{
	struct job j = {x, y, false};

	check(x, y);
	pool_spread(pool, y->n * y->h, forward_row, &j);
}

static void backward_row(void *ctx, int job, int worker)
{
	const struct job *j = ctx;
	const int n = job / j->small->h, y = job % j->small->h;
	int x, c;

	(void)worker;
	for (x = 0; x < j->small->w; x++) {
		const float *a = view_at(j->large, n, 2 * y, 2 * x), *b = a + j->large->ld;
		const float *d = view_at(j->large, n, 2 * y + 1, 2 * x), *e = d + j->large->ld;
		float *to = view_at(j->small, n, y, x);

		for (c = 0; c < j->small->c; c++) {
			const float sum = (a[c] + b[c]) + (d[c] + e[c]);

			to[c] = j->add ? to[c] + sum : sum;
		}
	}
	view_clear_pads(j->small, n, y, y + 1);
}

void upsample_backward(struct pool *pool, const struct view *dy, const struct view *dx, bool add)
{
	struct job j = {dx, dy, add};

	check(dx, dy);
	pool_spread(pool, dx->n * dx->h, backward_row, &j);
}
