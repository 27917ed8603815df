#include "eval/ap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* metrics.py: px = linspace(0, 1, 1000); smooth(f1, 0.1) is a box of 101 points over it. */
enum { CURVE = 1000, SMOOTH = 101, RECALLS = 101 };
#define EPS 1e-16

/* One class's precision and recall over confidence, and its AP at every threshold. */
struct curves {
	int cls;
	long instances;
	double p[CURVE], r[CURVE];
	double ap[MATCH_IOUS];
};

static double confidence_at(int i)
{
	return i == CURVE - 1 ? 1.0 : i * (1.0 / (CURVE - 1));
}

/* numpy.interp between two points. */
static double between(double x, double x0, double y0, double x1, double y1)
{
	return x == x0 ? y0 : (y1 - y0) / (x1 - x0) * (x - x0) + y0;
}

struct point {
	double conf, p, r;
};

static struct point next_point(double conf, bool hit, size_t *tp, size_t *fp, long instances)
{
	*tp += hit;
	*fp += !hit;
	return (struct point){conf, (double)*tp / (double)(*tp + *fp),
			      (double)*tp / (double)instances};
}

/*
 * Precision and recall at IoU 0.5 as functions of confidence: numpy.interp(-px, -conf, …), which
 * takes the last of equal confidences, 1 and 0 above the first, and the last value below the last.
 */
static void confidence_curves(struct curves *c, const struct boxset *s, const size_t *rank,
			      size_t n, const struct verdict *verdicts)
{
	struct point a = {INFINITY, 1, 0}, b;
	size_t tp = 0, fp = 0, j = 0;
	int i;

	b = next_point(s->dets[rank[0]].score, verdicts[rank[0]].yolo & 1, &tp, &fp, c->instances);
	for (i = CURVE - 1; i >= 0; i--) {
		double x = confidence_at(i);

		while (j < n && b.conf >= x) {
			a = b;
			if (++j < n)
				b = next_point(s->dets[rank[j]].score, verdicts[rank[j]].yolo & 1,
					       &tp, &fp, c->instances);
		}
		if (j == 0 || j == n) { /* before the first, or behind the last */
			c->p[i] = a.p;
			c->r[i] = a.r;
			continue;
		}
		c->p[i] = between(-x, -a.conf, a.p, -b.conf, b.p);
		c->r[i] = between(-x, -a.conf, a.r, -b.conf, b.r);
	}
}

/* The false positives before the k-th true positive, k = 1 … ntp, and at the end (k = ntp + 1). */
struct hits {
	size_t *fp; /* [1 … ntp + 1] */
	size_t ntp;
};

static void count_hits(struct hits *hits, size_t instances, const size_t *rank, size_t n,
		       const struct verdict *verdicts)
{
	size_t misses[MATCH_IOUS] = {0}, all = 0, i;
	int bit;

	for (bit = 0; bit < MATCH_IOUS; bit++)
		hits[bit] = (struct hits){xcalloc(instances + 2, sizeof(size_t)), 0};
	for (i = 0; i < n; i++) {
		unsigned found = verdicts[rank[i]].yolo;

		if (!found) { /* most of them */
			all++;
			continue;
		}
		for (bit = 0; bit < MATCH_IOUS; bit++) {
			if (found >> bit & 1)
				hits[bit].fp[++hits[bit].ntp] = misses[bit] + all;
			else
				misses[bit]++;
		}
	}
	for (bit = 0; bit < MATCH_IOUS; bit++)
		hits[bit].fp[hits[bit].ntp + 1] = misses[bit] + all;
}

/*
 * compute_ap: the curve (recall, precision) between (0, 1) and (1, 0), its envelope from the right,
 * numpy.interp at 101 recalls, trapezoids. Recall stands still between true positives, and interp
 * takes the last of equal recalls, so each level k of true positives has two values: where the
 * level begins (at the k-th true positive) and where it ends (just before the next).
 */
static double average_precision(const struct hits *h, long instances)
{
	size_t ntp = h->ntp, k;
	double *begin = xreallocarray(NULL, ntp + 2, sizeof(*begin));
	double *end = xreallocarray(NULL, ntp + 2, sizeof(*end));
	double sum = 0, before = 0;
	int i;

	begin[ntp + 1] = 0; /* the sentinel (1, 0) */
	for (k = ntp; k >= 1; k--) {
		double last = (double)k / (double)(k + h->fp[k + 1]);
		double first = (double)k / (double)(k + h->fp[k]);

		end[k] = fmax(last, begin[k + 1]);
		begin[k] = fmax(first, end[k]);
	}
	end[0] = h->fp[1] ? begin[1] : 1; /* the sentinel (0, 1) unless misses come first */
	for (i = 0, k = 0; i < RECALLS; i++) {
		double x = i == RECALLS - 1 ? 1 : i * (1.0 / (RECALLS - 1)), x0, x1, y;

		while (k < ntp && (double)(k + 1) / (double)instances <= x)
			k++;
		x0 = (double)k / (double)instances;
		x1 = k < ntp ? (double)(k + 1) / (double)instances : 1;
		y = x >= 1 ? 0 : between(x, x0, end[k], x1, begin[k + 1]);
		if (i)
			sum += (before + y) / 2 * (1.0 / (RECALLS - 1));
		before = y;
	}
	free(begin);
	free(end);
	return sum;
}

struct ap_job {
	const struct boxset *set;
	const struct groups *groups;
	const size_t *ranking;
	const struct verdict *verdicts;
	struct curves *curves;
};

static void class_curves(void *ctx, int job, int worker)
{
	struct ap_job *a = ctx;
	struct curves *c = &a->curves[job];
	struct span span = class_dets(a->groups, c->cls);
	const size_t *rank = a->ranking + span.first;
	struct hits hits[MATCH_IOUS];
	int bit;

	(void)worker;
	if (!span.n)
		return;
	confidence_curves(c, a->set, rank, span.n, a->verdicts);
	count_hits(hits, (size_t)c->instances, rank, span.n, a->verdicts);
	for (bit = 0; bit < MATCH_IOUS; bit++) {
		c->ap[bit] = average_precision(&hits[bit], c->instances);
		free(hits[bit].fp);
	}
}

/* The point of the smoothed mean F1's maximum: the first of equals. */
static int best_point(const struct curves *c, int n)
{
	double f1[CURVE], best = -1;
	int i, j, at = 0;

	for (i = 0; i < CURVE; i++) {
		f1[i] = 0;
		for (j = 0; j < n; j++)
			f1[i] += 2 * c[j].p[i] * c[j].r[i] / (c[j].p[i] + c[j].r[i] + EPS);
		f1[i] /= n;
	}
	for (i = 0; i < CURVE; i++) {
		double sum = 0;

		for (j = i - SMOOTH / 2; j <= i + SMOOTH / 2; j++)
			sum += f1[j < 0 ? 0 : j >= CURVE ? CURVE - 1 : j];
		if (sum / SMOOTH > best) {
			best = sum / SMOOTH;
			at = i;
		}
	}
	return at;
}

static void summarise(struct yolo_metrics *out, const struct curves *c)
{
	int at = best_point(c, out->nclasses), i, bit;

	out->confidence = confidence_at(at);
	for (i = 0; i < out->nclasses; i++) {
		struct yolo_class *y = &out->classes[i];

		y->p = c[i].p[at];
		y->r = c[i].r[at];
		y->map50 = c[i].ap[0];
		for (bit = 0; bit < MATCH_IOUS; bit++)
			y->map += c[i].ap[bit] / MATCH_IOUS;
		out->p += y->p / out->nclasses;
		out->r += y->r / out->nclasses;
		out->map50 += y->map50 / out->nclasses;
		out->map += y->map / out->nclasses;
	}
}

static long count_instances(const struct boxset *s, struct span span)
{
	long n = 0;
	size_t i;

	for (i = 0; i < span.n; i++)
		n += !s->truths[span.first + i].crowd;
	return n;
}

static bool anything_found(const struct boxset *s, const struct verdict *verdicts)
{
	size_t i;

	for (i = 0; i < s->ndets; i++)
		if (verdicts[i].yolo)
			return true;
	return false;
}

void yolo_metrics_compute(struct yolo_metrics *out, const struct boxset *s,
			  const struct groups *groups, const size_t *ranking,
			  const struct verdict *verdicts, struct pool *pool)
{
	struct curves *curves = xcalloc((size_t)s->nclasses + 1, sizeof(*curves));
	struct ap_job job = {s, groups, ranking, verdicts, curves};
	int c;

	yolo_metrics_init(out);
	out->classes = xcalloc((size_t)s->nclasses + 1, sizeof(*out->classes));
	for (c = 0; c < s->nclasses; c++) {
		long n = count_instances(s, class_truths(groups, c));

		if (!n)
			continue;
		curves[out->nclasses].cls = c;
		curves[out->nclasses].instances = n;
		out->classes[out->nclasses++] = (struct yolo_class){.cls = c, .instances = n};
	}
	if (anything_found(s, verdicts)) {
		pool_run(pool, out->nclasses, class_curves, &job);
		summarise(out, curves);
	}
	free(curves);
}

void yolo_metrics_init(struct yolo_metrics *m)
{
	memset(m, 0, sizeof(*m));
}

void yolo_metrics_release(struct yolo_metrics *m)
{
	free(m->classes);
	yolo_metrics_init(m);
}
