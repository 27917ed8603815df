#include "eval/coco.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RECALLS = 101, NMAX = 3 };

const char *const coco_names[COCO_FIGURES] = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
					      "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};

/* Params.maxDets */
static const int max_dets[NMAX] = {1, 10, COCO_MAX_DETS};

/* accumulate's results for one class and one range of area. */
struct cell {
	bool defined; /* there is ground truth that counts */
	double ap[MATCH_IOUS];
	double recall[MATCH_IOUS][NMAX];
};

/* What a sweep over a class's detections counts, per threshold. */
struct tally {
	double *precision; /* at the k-th true positive, k = 0 … ntp-1 */
	size_t ntp, fp;
	size_t within[NMAX]; /* true positives among the first 1, 10, 100 of each image */
};

struct coco_job {
	const struct boxset *set;
	const struct groups *groups;
	const size_t *ranking;
	const struct verdict *verdicts;
	struct cell *cells; /* nclasses x MATCH_AREAS */
};

/*
 * The mean of the precision envelope at 101 recalls: searchsorted(recall, thr, 'left') always lands
 * on a true positive (or, for 0, at a point whose envelope is the first true positive's), so only
 * those are kept.
 */
static double mean_precision(struct tally *t, size_t real)
{
	double sum = 0;
	size_t k;
	int i;

	for (k = t->ntp; k-- > 1;)
		t->precision[k - 1] = fmax(t->precision[k - 1], t->precision[k]);
	for (i = 0, k = 0; i < RECALLS; i++) {
		double want = i == RECALLS - 1 ? 1 : i * (1.0 / (RECALLS - 1));

		while (k < t->ntp && (double)(k + 1) / (double)real < want)
			k++;
		sum += k < t->ntp ? t->precision[k] : 0;
	}
	return sum / RECALLS;
}

static void count_found(struct tally *t, const struct verdict *v, int range, size_t misses)
{
	int bit, m;
	size_t k;

	for (bit = 0; bit < MATCH_IOUS; bit++) {
		if (v->ignored[range] >> bit & 1)
			continue;
		if (!(v->found[range] >> bit & 1)) {
			t[bit].fp++;
			continue;
		}
		k = ++t[bit].ntp;
		t[bit].precision[k - 1] =
			(double)k / ((double)(t[bit].fp + misses + k) + DBL_EPSILON);
		for (m = 0; m < NMAX; m++)
			t[bit].within[m] += v->rank < max_dets[m];
	}
}

static void sweep(struct tally *t, const struct coco_job *c, struct span span, int range)
{
	size_t misses = 0, i;

	for (i = 0; i < span.n; i++) {
		const struct verdict *v = &c->verdicts[c->ranking[span.first + i]];

		if (v->rank >= COCO_MAX_DETS)
			continue;
		if (v->found[range])
			count_found(t, v, range, misses);
		else /* found nowhere: ignored everywhere or nowhere */
			misses += !v->ignored[range];
	}
}

static size_t count_real(const struct boxset *s, struct span span, int range)
{
	size_t n = 0, i;

	for (i = 0; i < span.n; i++) {
		const struct truth *t = &s->truths[span.first + i];

		n += !t->crowd && area_inside(range, t->area);
	}
	return n;
}

static void accumulate(void *ctx, int job, int worker)
{
	const struct coco_job *c = ctx;
	int cls = job / MATCH_AREAS, range = job % MATCH_AREAS, bit, m;
	size_t real = count_real(c->set, class_truths(c->groups, cls), range);
	struct cell *cell = &c->cells[job];
	struct tally tally[MATCH_IOUS] = {0};

	(void)worker;
	if (!real)
		return;
	cell->defined = true;
	for (bit = 0; bit < MATCH_IOUS; bit++)
		tally[bit].precision = xreallocarray(NULL, real, sizeof(double));
	sweep(tally, c, class_dets(c->groups, cls), range);
	for (bit = 0; bit < MATCH_IOUS; bit++) {
		cell->ap[bit] = mean_precision(&tally[bit], real);
		for (m = 0; m < NMAX; m++)
			cell->recall[bit][m] = (double)tally[bit].within[m] / (double)real;
		free(tally[bit].precision);
	}
}

/* Means over the classes that are defined; thresholds first … last. */
static double mean_ap(const struct cell *cells, int nclasses, int range, int first, int last)
{
	double sum = 0;
	long n = 0;
	int c, bit;

	for (c = 0; c < nclasses; c++) {
		const struct cell *cell = &cells[c * MATCH_AREAS + range];

		for (bit = first; cell->defined && bit <= last; bit++, n++)
			sum += cell->ap[bit];
	}
	return n ? sum / (double)n : -1;
}

static double mean_recall(const struct cell *cells, int nclasses, int range, int m)
{
	double sum = 0;
	long n = 0;
	int c, bit;

	for (c = 0; c < nclasses; c++) {
		const struct cell *cell = &cells[c * MATCH_AREAS + range];

		for (bit = 0; cell->defined && bit < MATCH_IOUS; bit++, n++)
			sum += cell->recall[bit][m];
	}
	return n ? sum / (double)n : -1;
}

void coco_metrics_compute(struct coco_metrics *out, const struct boxset *s,
			  const struct groups *groups, const size_t *ranking,
			  const struct verdict *verdicts, struct pool *pool)
{
	struct cell *cells = xcalloc((size_t)s->nclasses * MATCH_AREAS + 1, sizeof(*cells));
	struct coco_job job = {s, groups, ranking, verdicts, cells};
	double *f = out->figure;
	int n = s->nclasses, a;

	pool_run(pool, n * MATCH_AREAS, accumulate, &job);
	f[0] = mean_ap(cells, n, AREA_ALL, 0, MATCH_IOUS - 1);
	f[1] = mean_ap(cells, n, AREA_ALL, 0, 0); /* IoU 0.50 */
	f[2] = mean_ap(cells, n, AREA_ALL, 5, 5); /* IoU 0.75 */
	for (a = AREA_SMALL; a <= AREA_LARGE; a++) {
		f[2 + a] = mean_ap(cells, n, a, 0, MATCH_IOUS - 1);
		f[8 + a] = mean_recall(cells, n, a, NMAX - 1);
	}
	for (a = 0; a < NMAX; a++)
		f[6 + a] = mean_recall(cells, n, AREA_ALL, a);
	free(cells);
}
