/*
 * audit.c - what an auditor does with the streams of mist-extract, for tests/audit.bats.
 *
 *	audit model IN OUT	weights whose first layer tells white from black in every bit
 *	audit pictures DIR	two pictures that differ as much as two can: black and white
 *	audit ratio CLAIM CLEAN NOISY...
 *		the likelihood ratio of a noisy bit given its clean one, over all streams, against
 *		exp(CLAIM), or "certificate": exp of the epsilon per bit that the streams claim
 *	audit independent CLEAN NOISY...
 *		flip rates and covariances between bits, rows, channels, images and streams
 *
 * Every statement holds at a confidence of 1 - 1e-9, for all of one call's tests together: that is how
 * often a sound program fails. Status 0: nothing speaks against it; 1: refuted, and it says what.
 */
#include "io/image.h"
#include "io/json.h"
#include "mist/features.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALPHA 1e-9

static struct err err = ERR_INIT;

static void die(void)
{
	fprintf(stderr, "audit: %s\n", err.msg);
	exit(STATUS_INPUT);
}

/* ------------------------------------------------------------------ making */

/* Black gives SiLU(-1) < 0 everywhere, white at least SiLU(12 - 1) > 0, at the corners. */
static void make_model(const char *in, const char *out)
{
	struct model *m = model_load(in, NULL, &err);
	size_t i;

	if (!m)
		die();
	for (i = 0; i < (size_t)m->graph->nparams; i++) {
		const struct param *p = &m->graph->params[i];
		const char *name = p->name;
		float v = 0;
		size_t k;

		if (strncmp(name, "model.0.", 8))
			continue;
		if (!strcmp(name, "model.0.conv.weight") || !strcmp(name, "model.0.bn.weight") ||
		    !strcmp(name, "model.0.bn.running_var"))
			v = 1;
		else if (!strcmp(name, "model.0.bn.bias"))
			v = -1;
		for (k = 0; k < p->count; k++)
			m->params[p->offset + k] = v;
	}
	if (model_save(m, out, &err))
		die();
	model_free(m);
}

static void make_pictures(const char *dir)
{
	static const char *const names[] = {"black", "white"};
	int i;

	for (i = 0; i < 2; i++) {
		char *path = xasprintf("%s/%s.png", dir, names[i]);
		struct image img;

		image_alloc(&img, 512, 512);
		memset(img.rgb, i ? 255 : 0, (size_t)512 * 512 * 3);
		if (dir_make(dir, &err) || image_write(path, &img, &err))
			die();
		image_release(&img);
		free(path);
	}
}

/* ------------------------------------------------------------------ streams */

struct sample {
	unsigned char *bit; /* one a byte */
	size_t n;
};

/* A stream of one tensor a sample: all of it, in order. */
struct stream {
	struct sample sample[8];
	int n;
	int c, h, w;
	double q, epsilon; /* as claimed */
};

static double claimed_epsilon(const struct features_header *h)
{
	json_t *o = json_parse("mist.json", h->json, strlen(h->json), &err);
	const json_t *c = json_object_get(o, "certificate");
	const double v = json_number_value(json_object_get(c, "epsilon_per_bit"));

	json_decref(o);
	return v;
}

static void take_sample(struct stream *s, const struct features_sample *in)
{
	struct sample *to = &s->sample[s->n++];
	size_t i;

	to->n = (size_t)s->c * (size_t)s->h * (size_t)s->w;
	to->bit = xmalloc(to->n);
	for (i = 0; i < to->n; i++) /* no pads: the width is a multiple of 8 */
		to->bit[i] = in->data[0][i / 8] >> (7 - i % 8) & 1;
}

static void read_stream(const char *path, struct stream *s)
{
	struct features_reader *r = features_open(path, &err);
	const struct features_header *h;
	struct features_sample in;
	int rc;

	*s = (struct stream){0};
	if (!r)
		die();
	h = features_header(r);
	s->c = h->shape[0].c;
	s->h = h->shape[0].h;
	s->w = h->shape[0].w;
	s->q = h->q;
	s->epsilon = claimed_epsilon(h);
	BUG_IF(h->ntensors != 1 || s->w % 8 || h->encoding != ENCODING_BIT);
	while ((rc = features_next(r, &in, &err)) == 1) {
		BUG_IF(s->n == (int)ARRAY_LEN(s->sample));
		take_sample(s, &in);
	}
	if (rc < 0)
		die();
	features_close(r);
}

static void release_stream(struct stream *s)
{
	while (s->n)
		free(s->sample[--s->n].bit);
}

/* ------------------------------------------------------------------ bounds */

/* The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by Lentz. */
static double beta_fraction(double a, double b, double x)
{
	double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), f = d;
	long m;

	for (m = 1; m < 1000000; m++) {
		const double even = (double)m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

		d = 1 / (1 + even * d);
		c = 1 + even / c;
		f *= c * d;
		d = 1 / (1 + odd * d);
		c = 1 + odd / c;
		f *= c * d;
		if (fabs(c * d - 1) < 1e-14)
			break;
	}
	return f;
}

/* The regularised incomplete beta function I_x(a, b). */
static double beta(double a, double b, double x)
{
	const double front =
		exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));

	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

static double beta_quantile(double p, double a, double b)
{
	double lo = 0, hi = 1;
	int i;

	for (i = 0; i < 100; i++) {
		const double mid = (lo + hi) / 2;

		if (beta(a, b, mid) < p)
			lo = mid;
		else
			hi = mid;
	}
	return (lo + hi) / 2;
}

/* Clopper and Pearson's one-sided bounds for x of n. */
static double below(double x, double n, double alpha)
{
	return x > 0 ? beta_quantile(alpha, x, n - x + 1) : 0;
}

static double above(double x, double n, double alpha)
{
	return x < n ? beta_quantile(1 - alpha, x + 1, n - x) : 1;
}

/* Two-sided: |z| beyond which a normal variable lies with probability p. */
static double normal_bound(double p)
{
	double lo = 0, hi = 40;
	int i;

	for (i = 0; i < 100; i++) {
		const double mid = (lo + hi) / 2;

		if (erfc(mid / sqrt(2)) > p)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

/* ------------------------------------------------------------------ the likelihood ratio */

/* n[b] clean bits of value b, one[b] of them 1 after the noise. */
struct counts {
	double n[2], one[2];
};

static void count(const struct stream *clean, const struct stream *noisy, struct counts *c)
{
	size_t i;
	int k;

	BUG_IF(clean->n != noisy->n);
	for (k = 0; k < clean->n; k++)
		for (i = 0; i < clean->sample[k].n; i++) {
			const int b = clean->sample[k].bit[i];

			c->n[b]++;
			c->one[b] += noisy->sample[k].bit[i];
		}
}

static int audit_ratio(const char *claim, int n, char **paths)
{
	struct stream clean, noisy;
	struct counts c = {{0}, {0}};
	double epsilon = 0, for_one, for_zero, worst, seen;
	int i;

	read_stream(paths[0], &clean);
	for (i = 1; i < n; i++) {
		read_stream(paths[i], &noisy);
		count(&clean, &noisy, &c);
		epsilon = noisy.epsilon;
		release_stream(&noisy);
	}
	release_stream(&clean);
	if (strcmp(claim, "certificate"))
		epsilon = strtod(claim, NULL);
	/* four bounds, so that all hold together at 1 - ALPHA */
	for_one = log(below(c.one[1], c.n[1], ALPHA / 4) / above(c.one[0], c.n[0], ALPHA / 4));
	for_zero = log(below(c.n[0] - c.one[0], c.n[0], ALPHA / 4) /
		       above(c.n[1] - c.one[1], c.n[1], ALPHA / 4));
	worst = fmax(for_one, for_zero);
	seen = fmax(log(c.one[1] / c.n[1] / (c.one[0] / c.n[0])),
		    log((1 - c.one[0] / c.n[0]) / (1 - c.one[1] / c.n[1])));
	printf("%.0f bits: log likelihood ratio %.5f, at least %.5f; claimed: at most %.5f\n",
	       c.n[0] + c.n[1], seen, worst, epsilon);
	return worst > epsilon ? STATUS_NO : STATUS_OK;
}

/* ------------------------------------------------------------------ independence */

struct trial {
	double q, bound, worst;
	int tests;
	bool refuted;
};

/* `sum` has mean 0 and this variance, if all is well. */
static void try(struct trial *t, const char *what, int detail, double sum, double variance)
{
	const double z = sum / sqrt(variance);

	t->tests++;
	t->worst = fmax(t->worst, fabs(z));
	if (fabs(z) > t->bound) {
		printf("%s %d: %.1f standard deviations off\n", what, detail, z);
		t->refuted = true;
	}
}

/* Products of centred flips: uncorrelated even where they share one, so variances add up exactly. */
static void try_pairs(struct trial *t, const char *what, int detail, const unsigned char *a,
		      const unsigned char *b, size_t n)
{
	const double v = t->q * (1 - t->q);
	size_t i, both = 0, sum = 0;

	for (i = 0; i < n; i++) {
		both += a[i] & b[i];
		sum += (size_t)(a[i] + b[i]);
	}
	try(t, what, detail, (double)both - t->q * (double)sum + (double)n * t->q * t->q,
	    (double)n * v * v);
}

static void try_rate(struct trial *t, const char *what, int detail, const unsigned char *a,
		     size_t n)
{
	size_t i, sum = 0;

	for (i = 0; i < n; i++)
		sum += a[i];
	try(t, what, detail, (double)sum - (double)n * t->q, (double)n * t->q * (1 - t->q));
}

static void try_sample(struct trial *t, const struct stream *s, const struct sample *d)
{
	const size_t plane = (size_t)s->h * (size_t)s->w;
	const size_t lags[] = {1,     2,     3,        7, 8, 63, 64, 65, 512, (size_t)s->w,
			       32768, plane, 3 * plane};
	size_t i;
	int c;

	try_rate(t, "flips of a picture", 0, d->bit, d->n);
	for (c = 0; c < s->c; c++)
		try_rate(t, "flips of channel", c, d->bit + (size_t)c * plane, plane);
	for (i = 0; i < ARRAY_LEN(lags); i++)
		if (lags[i] < d->n)
			try_pairs(t, "bits at a distance of", (int)lags[i], d->bit,
				  d->bit + lags[i], d->n - lags[i]);
}

static void to_flips(const struct stream *clean, struct stream *s)
{
	size_t i;
	int k;

	BUG_IF(clean->n != s->n);
	for (k = 0; k < s->n; k++)
		for (i = 0; i < s->sample[k].n; i++)
			s->sample[k].bit[i] ^= clean->sample[k].bit[i];
}

static void try_stream(struct trial *t, const struct stream *s, const struct stream *before)
{
	int i, k;

	for (i = 0; i < s->n; i++) {
		try_sample(t, s, &s->sample[i]);
		for (k = 0; k < i; k++)
			try_pairs(t, "pictures", i, s->sample[i].bit, s->sample[k].bit,
				  s->sample[i].n);
		for (k = 0; before && k < before->n; k++)
			try_pairs(t, "streams", k, s->sample[i].bit, before->sample[k].bit,
				  s->sample[i].n);
	}
}

static int audit_independent(int n, char **paths)
{
	struct stream clean, s[2] = {{.n = 0}, {.n = 0}};
	struct trial t = {.bound = INFINITY};
	int i, round;

	read_stream(paths[0], &clean);
	/* once to count the tests, once more at the level that their number allows */
	for (round = 0; round < 2; round++) {
		t = (struct trial){.bound = round ? normal_bound(ALPHA / t.tests) : INFINITY};
		for (i = 1; i < n; i++) {
			struct stream *now = &s[i % 2];

			release_stream(now);
			read_stream(paths[i], now);
			to_flips(&clean, now);
			t.q = now->q;
			try_stream(&t, now, i > 1 ? &s[1 - i % 2] : NULL);
		}
		release_stream(&s[0]);
		release_stream(&s[1]);
	}
	/* 2.33: the power is 99 % */
	printf("%d tests, all within %.2f standard deviations (worst %.2f); a correlation of %.5f "
	       "in a "
	       "picture, or a rate off by %.5f, would be found with a probability of .99\n",
	       t.tests, t.bound, t.worst, (t.bound + 2.33) / sqrt((double)clean.sample[0].n),
	       (t.bound + 2.33) * sqrt(t.q * (1 - t.q) / (double)clean.sample[0].n));
	release_stream(&clean);
	return t.refuted ? STATUS_NO : STATUS_OK;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "model"))
		make_model(argv[2], argv[3]);
	else if (argc == 3 && !strcmp(argv[1], "pictures"))
		make_pictures(argv[2]);
	else if (argc > 4 && !strcmp(argv[1], "ratio"))
		return audit_ratio(argv[2], argc - 3, argv + 3);
	else if (argc > 3 && !strcmp(argv[1], "independent"))
		return audit_independent(argc - 2, argv + 2);
	else
		return STATUS_USAGE;
	return STATUS_OK;
}
