#include "attack/roc.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DRAWS 2000
#define FPR   0.01

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double *sorted(const double *v, int n)
{
	double *s = xreallocarray(NULL, (size_t)n, sizeof(*s));

	memcpy(s, v, (size_t)n * sizeof(*s));
	qsort(s, (size_t)n, sizeof(*s), ascending);
	return s;
}

/* Both sorted. */
static double auc(const double *in, int n, const double *out, int m)
{
	double sum = 0;
	int i, below = 0, same = 0;

	for (i = 0; i < n; i++) {
		while (below < m && out[below] < in[i])
			below++;
		if (same < below)
			same = below;
		while (same < m && out[same] <= in[i])
			same++;
		sum += below + 0.5 * (same - below);
	}
	return sum / ((double)n * m);
}

static double tpr_at(const double *in, int n, const double *out, int m, double fpr)
{
	const int allowed = (int)floor(fpr * m + 1e-9); /* 1 % of 100 is 1 */
	int i;

	if (allowed >= m)
		return 1;
	/* above the others' (allowed+1)-th largest score */
	for (i = n; i > 0 && in[i - 1] > out[m - 1 - allowed]; i--)
		;
	return (double)(n - i) / n;
}

/* Of a sorted list, how many are at least t. */
static double share(const double *v, int n, double t)
{
	int i;

	for (i = n; i > 0 && v[i - 1] >= t; i--)
		;
	return (double)(n - i) / n;
}

double roc_auc(const double *in, int n, const double *out, int m)
{
	double *a = sorted(in, n), *b = sorted(out, m), v = auc(a, n, b, m);

	free(a);
	free(b);
	return v;
}

double roc_tpr(const double *in, int n, const double *out, int m, double fpr)
{
	double *a = sorted(in, n), *b = sorted(out, m), v = tpr_at(a, n, b, m, fpr);

	free(a);
	free(b);
	return v;
}

double roc_balanced(const double *in, int n, const double *out, int m)
{
	double *a = sorted(in, n), *b = sorted(out, m), *all, best = -1, threshold = 0;
	int i;

	all = xreallocarray(NULL, (size_t)n + (size_t)m, sizeof(*all));
	memcpy(all, a, (size_t)n * sizeof(*all));
	memcpy(all + n, b, (size_t)m * sizeof(*all));
	qsort(all, (size_t)n + (size_t)m, sizeof(*all), ascending);
	for (i = 0; i < n + m; i++) {
		const double good = share(a, n, all[i]) - share(b, m, all[i]);

		if (good <= best)
			continue;
		best = good;
		threshold = i > 0 ? (all[i - 1] + all[i]) / 2 : all[i];
	}
	free(all);
	free(a);
	free(b);
	return threshold;
}

enum { AUC, TPR1, PRECISION, RECALL, ACCURACY, FIGURES };

/* Sorted scores to the five figures. */
static void figures(const double *in, int n, const double *out, int m, double t, double f[FIGURES])
{
	const double tpr = share(in, n, t), fpr = share(out, m, t);

	f[AUC] = auc(in, n, out, m);
	f[TPR1] = tpr_at(in, n, out, m, FPR);
	f[PRECISION] = tpr + fpr > 0 ? tpr / (tpr + fpr) : 0;
	f[RECALL] = tpr;
	f[ACCURACY] = (tpr + 1 - fpr) / 2;
}

static void draw(struct rng *r, const double *from, int n, double *to)
{
	int i;

	for (i = 0; i < n; i++)
		to[i] = from[rng_below(r, (uint32_t)n)];
	qsort(to, (size_t)n, sizeof(*to), ascending);
}

void roc_measure(struct roc *r, const double *in, int n, const double *out, int m, double threshold,
		 uint64_t seed)
{
	double *a = sorted(in, n), *b = sorted(out, m), *x, *y, *drawn[FIGURES], f[FIGURES];
	struct rate *to[FIGURES] = {&r->auc, &r->tpr1, &r->precision, &r->recall, &r->accuracy};
	struct rng rng;
	int i, k;

	*r = (struct roc){.threshold = threshold, .members = n, .others = m};
	x = xreallocarray(NULL, (size_t)n, sizeof(*x));
	y = xreallocarray(NULL, (size_t)m, sizeof(*y));
	for (k = 0; k < FIGURES; k++)
		drawn[k] = xreallocarray(NULL, DRAWS, sizeof(double));
	for (i = 0; i < DRAWS; i++) {
		rng_init(&rng, seed, "attack-bootstrap", (uint64_t)i);
		draw(&rng, a, n, x);
		draw(&rng, b, m, y);
		figures(x, n, y, m, threshold, f);
		for (k = 0; k < FIGURES; k++)
			drawn[k][i] = f[k];
	}
	figures(a, n, b, m, threshold, f);
	for (k = 0; k < FIGURES; k++) {
		qsort(drawn[k], DRAWS, sizeof(double), ascending);
		*to[k] =
			(struct rate){f[k], drawn[k][DRAWS / 40], drawn[k][DRAWS - 1 - DRAWS / 40]};
		free(drawn[k]);
	}
	free(a);
	free(b);
	free(x);
	free(y);
}
