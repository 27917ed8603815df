#include "eval/boxes.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void boxset_release(struct boxset *s)
{
	free(s->truths);
	free(s->dets);
	memset(s, 0, sizeof(*s));
}

void boxset_clear(struct boxset *s)
{
	s->ntruths = s->ndets = 0;
}

void boxset_add_truth(struct boxset *s, const struct truth *t)
{
	BUG_IF(t->image < 0 || t->image >= s->nimages || t->cls < 0 || t->cls >= s->nclasses);
	GROW(s->truths, s->ntruths, s->truths_cap);
	s->truths[s->ntruths++] = *t;
}

void boxset_add_detection(struct boxset *s, const struct detection *d)
{
	BUG_IF(d->image < 0 || d->image >= s->nimages || d->cls < 0 || d->cls >= s->nclasses);
	GROW(s->dets, s->ndets, s->dets_cap);
	s->dets[s->ndets++] = *d;
}

struct place {
	int cls, image;
};

static void count_sort(size_t n, int keys, const struct place *place, bool by_class,
		       const size_t *from, size_t *to)
{
	size_t *start = xcalloc((size_t)keys + 1, sizeof(*start)), i;
	int k;

	for (i = 0; i < n; i++)
		start[(by_class ? place[i].cls : place[i].image) + 1]++;
	for (k = 0; k < keys; k++)
		start[k + 1] += start[k];
	for (i = 0; i < n; i++) {
		size_t at = from ? from[i] : i;

		to[start[by_class ? place[at].cls : place[at].image]++] = at;
	}
	free(start);
}

/* The order of n records by class, then image, equals as they came: two passes of counting. */
static size_t *order_by_place(const struct boxset *s, size_t n, const struct place *place)
{
	size_t *by_image = xreallocarray(NULL, n + 1, sizeof(*by_image));
	size_t *both = xreallocarray(NULL, n + 1, sizeof(*both));

	count_sort(n, s->nimages, place, false, NULL, by_image);
	count_sort(n, s->nclasses, place, true, by_image, both);
	free(by_image);
	return both;
}

static void sort_truths(struct boxset *s)
{
	struct place *place = xreallocarray(NULL, s->ntruths + 1, sizeof(*place));
	struct truth *sorted = xreallocarray(NULL, s->ntruths + 1, sizeof(*sorted));
	size_t *at, i;

	for (i = 0; i < s->ntruths; i++)
		place[i] = (struct place){s->truths[i].cls, s->truths[i].image};
	at = order_by_place(s, s->ntruths, place);
	for (i = 0; i < s->ntruths; i++)
		sorted[i] = s->truths[at[i]];
	free(s->truths);
	s->truths = sorted;
	s->truths_cap = s->ntruths + 1;
	free(place);
	free(at);
}

struct scored {
	double score;
	size_t at;
};

static void merge(struct scored *v, size_t half, size_t n, struct scored *scratch)
{
	size_t i = 0, j = half, k = 0;

	if (v[half - 1].score >= v[half].score)
		return;
	memcpy(scratch, v, half * sizeof(*v));
	while (i < half && j < n)
		v[k++] = v[j].score > scratch[i].score ? v[j++] : scratch[i++];
	while (i < half)
		v[k++] = scratch[i++];
}

/* Falling score, stable; scratch for n / 2. */
static void sort_scored(struct scored *v, size_t n, struct scored *scratch)
{
	size_t i, j;

	if (n > 16) { /* below that, insertion is faster */
		sort_scored(v, n / 2, scratch);
		sort_scored(v + n / 2, n - n / 2, scratch);
		merge(v, n / 2, n, scratch);
		return;
	}
	for (i = 1; i < n; i++) {
		struct scored moving = v[i];

		for (j = i; j && v[j - 1].score < moving.score; j--)
			v[j] = v[j - 1];
		v[j] = moving;
	}
}

/* Sorts by score within every run of equal places. */
static void sort_runs(struct scored *v, size_t n, const struct place *place)
{
	struct scored *scratch = xreallocarray(NULL, n / 2 + 1, sizeof(*scratch));
	size_t i, end;

	for (i = 0; i < n; i = end) {
		const struct place *first = &place[v[i].at];

		for (end = i + 1; end < n; end++)
			if (place[v[end].at].cls != first->cls ||
			    place[v[end].at].image != first->image)
				break;
		sort_scored(v + i, end - i, scratch);
	}
	free(scratch);
}

static void sort_dets(struct boxset *s)
{
	struct place *place = xreallocarray(NULL, s->ndets + 1, sizeof(*place));
	struct scored *v = xreallocarray(NULL, s->ndets + 1, sizeof(*v));
	struct detection *sorted;
	size_t *at, i;

	for (i = 0; i < s->ndets; i++)
		place[i] = (struct place){s->dets[i].cls, s->dets[i].image};
	at = order_by_place(s, s->ndets, place);
	for (i = 0; i < s->ndets; i++)
		v[i] = (struct scored){s->dets[at[i]].score, at[i]};
	free(at);
	sort_runs(v, s->ndets, place);
	free(place);
	sorted = xreallocarray(NULL, s->ndets + 1, sizeof(*sorted));
	for (i = 0; i < s->ndets; i++)
		sorted[i] = s->dets[v[i].at];
	free(v);
	free(s->dets);
	s->dets = sorted;
	s->dets_cap = s->ndets + 1;
}

/* Takes the truths and detections of the lowest (class, image) at the two positions. */
static struct group take_group(const struct boxset *s, size_t *truth, size_t *det)
{
	struct group g = {-1, 0, *truth, 0, *det, 0};
	const struct truth *t = s->truths + *truth;
	const struct detection *d = s->dets + *det;

	if (*truth < s->ntruths)
		g.cls = t->cls, g.image = t->image;
	if (*det < s->ndets &&
	    (g.cls < 0 || d->cls < g.cls || (d->cls == g.cls && d->image < g.image)))
		g.cls = d->cls, g.image = d->image;
	while (*truth < s->ntruths && s->truths[*truth].cls == g.cls &&
	       s->truths[*truth].image == g.image)
		(*truth)++, g.ntruths++;
	while (*det < s->ndets && s->dets[*det].cls == g.cls && s->dets[*det].image == g.image)
		(*det)++, g.ndets++;
	return g;
}

void boxset_sort(struct boxset *s, struct groups *out)
{
	size_t truth = 0, det = 0, cap = 0, i;
	int c;

	sort_truths(s);
	sort_dets(s);
	*out = (struct groups){0};
	while (truth < s->ntruths || det < s->ndets) {
		GROW(out->group, out->n, cap);
		out->group[out->n++] = take_group(s, &truth, &det);
	}
	out->of_class = xcalloc((size_t)s->nclasses + 1, sizeof(*out->of_class));
	for (i = 0; i < out->n; i++)
		out->of_class[out->group[i].cls + 1]++;
	for (c = 0; c < s->nclasses; c++)
		out->of_class[c + 1] += out->of_class[c];
}

struct span class_truths(const struct groups *g, int cls)
{
	size_t first = g->of_class[cls], end = g->of_class[cls + 1];
	struct span span = {0, 0};

	if (first < end) {
		const struct group *last = &g->group[end - 1];

		span.first = g->group[first].truth0;
		span.n = last->truth0 + last->ntruths - span.first;
	}
	return span;
}

struct span class_dets(const struct groups *g, int cls)
{
	size_t first = g->of_class[cls], end = g->of_class[cls + 1];
	struct span span = {0, 0};

	if (first < end) {
		const struct group *last = &g->group[end - 1];

		span.first = g->group[first].det0;
		span.n = last->det0 + last->ndets - span.first;
	}
	return span;
}

struct rank_job {
	const struct boxset *set;
	const struct groups *groups;
	size_t *ranking;
};

static void rank_class(void *ctx, int cls, int worker)
{
	struct rank_job *r = ctx;
	struct span span = class_dets(r->groups, cls);
	struct scored *v = xreallocarray(NULL, span.n + span.n / 2 + 1, sizeof(*v));
	size_t i;

	(void)worker;
	for (i = 0; i < span.n; i++)
		v[i] = (struct scored){r->set->dets[span.first + i].score, span.first + i};
	sort_scored(v, span.n, v + span.n);
	for (i = 0; i < span.n; i++)
		r->ranking[span.first + i] = v[i].at;
	free(v);
}

size_t *boxset_rank(const struct boxset *s, const struct groups *groups, struct pool *pool)
{
	struct rank_job job = {s, groups, xreallocarray(NULL, s->ndets + 1, sizeof(size_t))};

	pool_run(pool, s->nclasses, rank_class, &job);
	return job.ranking;
}

void groups_release(struct groups *g)
{
	free(g->group);
	free(g->of_class);
	*g = (struct groups){0};
}

/* As pycocotools' bbIou computes it, so that equal overlaps stay equal. */
double box_iou(const struct box *det, const struct box *truth, bool crowd)
{
	double w = fmin(det->x + det->w, truth->x + truth->w) - fmax(det->x, truth->x);
	double h = fmin(det->y + det->h, truth->y + truth->h) - fmax(det->y, truth->y);
	double area = det->w * det->h, both = w * h;

	if (w <= 0 || h <= 0)
		return 0;
	return both / (crowd ? area : area + truth->w * truth->h - both);
}
