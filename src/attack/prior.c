#include "attack/prior.h"

#include <math.h>
#include <stddef.h>

/* Smaller than a step of 8-bit pixels times sqrt(6): rounds off the corner at 0. */
#define ROUND 0.01F
/* Luma's variation is about twice the chromas' in photographs (JPEG halves their resolution). */
#define CHROMA 2.0F

/* Orthonormal: brightness, red against blue, green against both. */
static const float opponent[3][3] = {
	{0.57735027F, 0.57735027F, 0.57735027F},
	{CHROMA * 0.70710678F, 0, CHROMA * -0.70710678F},
	{CHROMA * 0.40824829F, CHROMA * -0.81649658F, CHROMA * 0.40824829F},
};

static void to_opponent(const float *a, const float *b, float d[3])
{
	int k;

	for (k = 0; k < 3; k++)
		d[k] = opponent[k][0] * (b[0] - a[0]) + opponent[k][1] * (b[1] - a[1]) +
		       opponent[k][2] * (b[2] - a[2]);
}

/* The gradient of a difference goes to both of its ends. */
static void add_back(const float d[3], float scale, float *da, float *db)
{
	int c;

	for (c = 0; c < 3; c++) {
		const float g = scale * (opponent[0][c] * d[0] + opponent[1][c] * d[1] +
					 opponent[2][c] * d[2]);

		da[c] -= g;
		db[c] += g;
	}
}

double prior_variation(const float *x, int h, int w, double weight, float *dx)
{
	const size_t row = 3 * (size_t)w;
	double sum = 0;
	int i, j, k;

	for (i = 0; i < h; i++)
		for (j = 0; j < w; j++, x += 3, dx += 3) {
			float right[3] = {0}, below[3] = {0}, s = ROUND * ROUND;

			if (j + 1 < w)
				to_opponent(x, x + 3, right);
			if (i + 1 < h)
				to_opponent(x, x + row, below);
			for (k = 0; k < 3; k++)
				s += right[k] * right[k] + below[k] * below[k];
			s = sqrtf(s);
			sum += (double)(s - ROUND);
			if (j + 1 < w)
				add_back(right, (float)weight / s, dx, dx + 3);
			if (i + 1 < h)
				add_back(below, (float)weight / s, dx, dx + row);
		}
	return weight * sum;
}
