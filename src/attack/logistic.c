#include "attack/logistic.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

#define RIDGE 1e-2
#define STEPS 50

static void standardise(struct logistic *l, const double *x, int n)
{
	int i, k;

	for (k = 0; k < l->features; k++) {
		double sum = 0, squares = 0;

		for (i = 0; i < n; i++)
			sum += x[i * l->features + k];
		l->mean[k] = sum / n;
		for (i = 0; i < n; i++) {
			const double d = x[i * l->features + k] - l->mean[k];

			squares += d * d;
		}
		l->deviation[k] = squares > 0 ? sqrt(squares / n) : 1;
	}
}

static void row_of(const struct logistic *l, const double *x, double z[LOGISTIC_MAX + 1])
{
	int k;

	for (k = 0; k < l->features; k++)
		z[k] = (x[k] - l->mean[k]) / l->deviation[k];
	z[k] = 1;
}

/* a x = b for a symmetric positive definite a, by Cholesky's factor; b becomes x. */
static void solve(double a[LOGISTIC_MAX + 1][LOGISTIC_MAX + 1], double *b, int n)
{
	int i, j, k;

	for (i = 0; i < n; i++)
		for (j = 0; j <= i; j++) {
			double s = a[i][j];

			for (k = 0; k < j; k++)
				s -= a[i][k] * a[j][k];
			a[i][j] = i == j ? sqrt(s) : s / a[j][j];
		}
	for (i = 0; i < n; i++) {
		for (k = 0; k < i; k++)
			b[i] -= a[i][k] * b[k];
		b[i] /= a[i][i];
	}
	for (i = n - 1; i >= 0; i--) {
		for (k = i + 1; k < n; k++)
			b[i] -= a[k][i] * b[k];
		b[i] /= a[i][i];
	}
}

void logistic_fit(struct logistic *l, const double *x, const bool *label, int n, int features)
{
	double h[LOGISTIC_MAX + 1][LOGISTIC_MAX + 1], g[LOGISTIC_MAX + 1], z[LOGISTIC_MAX + 1];
	int i, j, k, step, members = 0;

	BUG_IF(features < 1 || features > LOGISTIC_MAX);
	*l = (struct logistic){.features = features};
	standardise(l, x, n);
	for (i = 0; i < n; i++)
		members += label[i];
	BUG_IF(members == 0 || members == n);
	for (step = 0; step < STEPS; step++) {
		memset(h, 0, sizeof(h));
		for (k = 0; k <= features; k++) {
			h[k][k] = RIDGE;
			g[k] = -RIDGE * l->weight[k];
		}
		for (i = 0; i < n; i++) {
			const double w = 0.5 / (label[i] ? members : n - members);
			double p;

			row_of(l, x + i * features, z);
			p = 1 / (1 + exp(-logistic_score(l, x + i * features)));
			for (k = 0; k <= features; k++) {
				g[k] += w * (label[i] - p) * z[k];
				for (j = 0; j <= k; j++)
					h[k][j] += w * p * (1 - p) * z[k] * z[j];
			}
		}
		solve(h, g, features + 1);
		for (k = 0; k <= features; k++)
			l->weight[k] += g[k];
	}
}

double logistic_score(const struct logistic *l, const double *x)
{
	double z[LOGISTIC_MAX + 1], sum = 0;
	int k;

	row_of(l, x, z);
	for (k = 0; k <= l->features; k++)
		sum += l->weight[k] * z[k];
	return sum;
}
