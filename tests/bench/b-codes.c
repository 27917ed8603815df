/*
 * b-codes [WEIGHTS DATASET [SIZE]] - what a value's share of the budget buys: of the variance of what crosses
 * cut 4, the part that the best linear estimate of a value explains from its own noisy bits, for a budget
 * that is spent on one bit at the median, on thermometer codes of 2 to 4 bits (thresholds at the
 * quantiles between, epsilon shared evenly), on one bit for each square of 2 x 2 or 4 x 4 values'
 * average (with the epsilon of all of them), or on a random quarter of the bits. Not a matter of time
 * but of the pictures: without arguments, an untrained YOLOv5n and drawn ones. Tab-separated.
 *
 * With bits b, clean covariance C, flips of probability q and de-biased bits, the noise adds
 * q(1-q)/(1-2q)^2 to C's diagonal, and what is explained of a value v is c' (C + N)^-1 c / var(v),
 * c = cov(b, v). Channels are weighed by their variance.
 */
#include "bench.h"
#include "data/dataset.h"
#include "data/letterbox.h"
#include "data/synth.h"
#include "mist/noise.h"
#include "mist/thin.h"
#include "model/model.h"
#include "nn/net.h"

#include <math.h>

enum { CUT = 4, MOST = 4 };

static const double epsilons[] = {.5, 1, 2, 4, 8};

struct values {
	size_t n, cap; /* of a channel */
	int c;
	float **v;
};

static void values_add(struct values *s, const struct view *x, int pool)
{
	const struct gate g = {.c = x->c, .pool = pool};
	int y, col, c;

	if (!s->v) {
		s->c = x->c;
		s->v = xcalloc((size_t)s->c, sizeof(*s->v));
	}
	for (y = 0; y < thin_side(&g, x->h); y++)
		for (col = 0; col < thin_side(&g, x->w); col++) {
			if (s->n == s->cap) {
				s->cap = s->cap ? 2 * s->cap : 4096;
				for (c = 0; c < s->c; c++)
					s->v[c] = xreallocarray(s->v[c], s->cap, sizeof(float));
			}
			for (c = 0; c < s->c; c++)
				s->v[c][s->n] = thin_mean(&g, x, 0, y, col, c);
			s->n++;
		}
}

static void values_release(struct values *s)
{
	int c;

	for (c = 0; c < s->c; c++)
		free(s->v[c]);
	free(s->v);
}

static int ascending(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double variance(const float *v, size_t n)
{
	double sum = 0, squares = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		sum += (double)v[i];
		squares += (double)v[i] * (double)v[i];
	}
	return squares / (double)n - sum / (double)n * (sum / (double)n);
}

/* Of a sorted channel: bit i is 1 from place at[i] on. So P(b_i), P(b_i b_j) and E(b_i v) are sums. */
static void moments(const float *v, size_t n, const size_t *at, int bits, double cov[MOST][MOST],
		    double *with)
{
	double mean = 0, tail[MOST] = {0};
	size_t i;
	int j, k;

	for (i = 0; i < n; i++)
		for (mean += (double)v[i], j = 0; j < bits; j++)
			tail[j] += i >= at[j] ? (double)v[i] : 0;
	mean /= (double)n;
	for (j = 0; j < bits; j++) {
		const double pj = (double)(n - at[j]) / (double)n;

		with[j] = tail[j] / (double)n - pj * mean;
		for (k = 0; k < bits; k++) {
			const size_t later = at[j] > at[k] ? at[j] : at[k];

			cov[j][k] = (double)(n - later) / (double)n -
				    pj * (double)(n - at[k]) / (double)n;
		}
	}
}

/* c' M^-1 c by elimination; M is positive definite. */
static double explained(double m[MOST][MOST], const double *c, int n)
{
	double b[MOST], sum = 0;
	int i, j, k;

	memcpy(b, c, sizeof(b));
	for (i = 0; i < n; i++) {
		sum += b[i] * b[i] / m[i][i]; /* LDL': the sum of squares over the pivots */
		for (j = i + 1; j < n; j++) {
			const double f = m[j][i] / m[i][i];

			for (k = i; k < n; k++)
				m[j][k] -= f * m[i][k];
			b[j] -= f * b[i];
		}
	}
	return sum;
}

/* Of the variance `whole` of the values, what `bits` bits of epsilon `each` say of the sorted v. */
static double channel(const float *v, size_t n, int bits, double each)
{
	const double q = ldexp((double)noise_threshold(MECHANISM_RR, each), -64);
	double cov[MOST][MOST], with[MOST] = {0};
	size_t at[MOST];
	int i;

	for (i = 0; i < bits; i++) /* behind all values that equal the quantile, as B = v > t */
		for (at[i] = n * (size_t)(i + 1) / (size_t)(bits + 1);
		     at[i] < n && v[at[i]] == v[at[i] - 1]; at[i]++)
			;
	moments(v, n, at, bits, cov, with);
	for (i = 0; i < bits; i++)
		cov[i][i] += q * (1 - q) / ((1 - 2 * q) * (1 - 2 * q));
	return explained(cov, with, bits);
}

/* `part`: of the values whose bits are sent. */
static void row(const char *name, const struct values *s, const struct values *whole, int bits,
		double each, double part)
{
	double sum = 0, all = 0;
	size_t e;
	int c;

	printf("%s", name);
	for (e = 0; e < ARRAY_LEN(epsilons); e++, sum = all = 0) {
		for (c = 0; c < s->c; c++) {
			all += variance(whole->v[c], whole->n);
			sum += part * channel(s->v[c], s->n, bits, each * epsilons[e]);
		}
		printf("\t%.3f", sum / all);
	}
	printf("\n");
}

static void look(struct net *net, const struct model *m, const struct dataset *d, int side,
		 struct values *s)
{
	struct view in = net_input(net, 0, 1);
	struct err err = ERR_INIT;
	struct letterbox lb;
	struct image img;
	int i, p, c;

	for (i = 0; i < d->nitems; i++) {
		if (letterbox_read(d->items[i].path, side, &lb, &img, &err))
			bench_fail(&err);
		letterbox_to_view(&img, &in, 0);
		image_release(&img);
		net_forward(net, 1, m->params);
		for (p = 0; p < 3; p++) {
			const struct view out = net_output(net, 0, 1);

			values_add(&s[p], &out, 1 << p);
		}
	}
	for (p = 0; p < 3; p++)
		for (c = 0; c < s[p].c; c++)
			qsort(s[p].v[c], s[p].n, sizeof(float), ascending);
}

static void run(const struct model *m, const char *set, int side)
{
	const struct dataset_options dopt = {.any_class = true};
	const struct net_options nopt = {
		.to = CUT, .max_n = 1, .h = side, .w = side, .path = bench_kernel()};
	struct err err = ERR_INIT;
	struct dataset *d = dataset_open(set, &dopt, &err);
	struct net *net = d ? net_new(m->graph, &nopt, NULL, &err) : NULL;
	struct values s[3] = {{0}};
	size_t i;
	int p;

	if (!net)
		bench_fail(&err);
	net_load_params(net, m->params);
	look(net, m, d, side, s);
	printf("# %d images of %d pixels, %zu values of each of %d channels\n", d->nitems, side,
	       s[0].n, s[0].c);
	printf("epsilon a value");
	for (i = 0; i < ARRAY_LEN(epsilons); i++)
		printf("\t%g", epsilons[i]);
	printf("\n");
	row("1 bit", s, s, 1, 1, 1);
	row("2 bits", s, s, 2, 1. / 2, 1);
	row("3 bits", s, s, 3, 1. / 3, 1);
	row("4 bits", s, s, 4, 1. / 4, 1);
	row("a quarter of the bits", s, s, 1, 4, .25);
	row("squares of 2 x 2", &s[1], s, 1, 4, 1);
	row("squares of 4 x 4", &s[2], s, 1, 16, 1);
	for (p = 0; p < 3; p++)
		values_release(&s[p]);
	net_free(net);
	dataset_free(d);
}

int main(int argc, char **argv)
{
	const struct synth_options drawn = {
		.images = bench_quick() ? 2 : 24, .classes = 3, .img = 320, .seed = 1};
	char *dir = bench_tmpdir(), *set = xasprintf("%s/set", dir);
	struct err err = ERR_INIT;
	struct model *m;

	bench_print_processor();
	if (argc < 3 && synth_write(&drawn, set, NULL, NULL, NULL, &err))
		bench_fail(&err);
	m = argc < 3 ? bench_model('n') : model_load(argv[1], NULL, &err);
	if (!m)
		bench_fail(&err);
	run(m, argc < 3 ? set : argv[2], bench_int(argc, argv, 3, 320));
	model_free(m);
	bench_rmdir(dir);
	free(set);
	return 0;
}
