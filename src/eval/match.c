#include "eval/match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Groups that one job matches: enough to be worth a job, few enough to share out. */
#define GROUPS_A_JOB 512

double match_iou(int i)
{
	const double step = (0.95 - 0.5) / (MATCH_IOUS - 1);

	return i == MATCH_IOUS - 1 ? 0.95 : 0.5 + i * step;
}

bool area_inside(int range, double area)
{
	/* cocoeval.py, Params.setDetParams */
	static const double ends[MATCH_AREAS][2] = {
		{0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}};

	return area >= ends[range][0] && area <= ends[range][1];
}

/* The ground truth of one group in COCO's order for one range of area: the ignored last. */
struct lineup {
	size_t *order;   /* ntruths */
	size_t nreal;    /* the first of them are not ignored */
	uint16_t *taken; /* ntruths: thresholds at which it is no longer free */
};

struct scratch {
	size_t cap;
	double *iou;
	struct lineup lineup[MATCH_AREAS];
};

static void scratch_reserve(struct scratch *s, size_t n)
{
	int a;

	if (n <= s->cap)
		return;
	s->cap = n + n / 2;
	s->iou = xreallocarray(s->iou, s->cap, sizeof(*s->iou));
	for (a = 0; a < MATCH_AREAS; a++) {
		struct lineup *l = &s->lineup[a];

		l->order = xreallocarray(l->order, s->cap, sizeof(*l->order));
		l->taken = xreallocarray(l->taken, s->cap, sizeof(*l->taken));
	}
}

static void scratch_release(struct scratch *s)
{
	int a;

	free(s->iou);
	for (a = 0; a < MATCH_AREAS; a++) {
		free(s->lineup[a].order);
		free(s->lineup[a].taken);
	}
}

static void line_up(struct lineup *l, int range, const struct truth *truths, size_t n)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (!truths[i].crowd && area_inside(range, truths[i].area))
			l->order[k++] = i;
	l->nreal = k;
	for (i = 0; i < n; i++)
		if (truths[i].crowd || !area_inside(range, truths[i].area))
			l->order[k++] = i;
	memset(l->taken, 0, n * sizeof(*l->taken));
}

/* evaluateImg's inner loop: the best free one from `first` on, of equals the last; n if none. */
static size_t best_free(const struct lineup *l, const struct truth *truths, size_t first,
			size_t last, const double *iou, int bit, double least)
{
	size_t best = SIZE_MAX, i;

	for (i = first; i < last; i++) {
		size_t t = l->order[i];

		if ((l->taken[t] >> bit & 1 && !truths[t].crowd) || iou[t] < least)
			continue;
		least = iou[t];
		best = i;
	}
	return best;
}

static void judge_coco(struct verdict *v, struct lineup *l, int range, const struct truth *truths,
		       size_t n, const double *iou, double area)
{
	int bit;

	for (bit = 0; bit < MATCH_IOUS; bit++) {
		double least = match_iou(bit);
		size_t at = best_free(l, truths, 0, l->nreal, iou, bit, least);

		if (at == SIZE_MAX)
			at = best_free(l, truths, l->nreal, n, iou, bit, least);
		if (at == SIZE_MAX) {
			v->ignored[range] |= (uint16_t)(!area_inside(range, area) << bit);
			continue;
		}
		l->taken[l->order[at]] |= (uint16_t)(1 << bit);
		v->found[range] |= (uint16_t)(1 << bit);
		v->ignored[range] |= (uint16_t)((at >= l->nreal) << bit);
	}
}

static void match_coco(const struct truth *truths, size_t ntruths, const struct detection *dets,
		       size_t ndets, struct verdict *v, struct scratch *s)
{
	size_t i, t;
	int a;

	scratch_reserve(s, ntruths + 1); /* so that there is something to point to */
	for (a = 0; a < MATCH_AREAS; a++)
		line_up(&s->lineup[a], a, truths, ntruths);
	for (i = 0; i < ndets && i < COCO_MAX_DETS; i++) {
		double area = dets[i].box.w * dets[i].box.h;

		for (t = 0; t < ntruths; t++)
			s->iou[t] = box_iou(&dets[i].box, &truths[t].box, truths[t].crowd);
		for (a = 0; a < MATCH_AREAS; a++)
			judge_coco(&v[i], &s->lineup[a], a, truths, ntruths, s->iou, area);
	}
}

static void match_yolo(const struct truth *truths, size_t ntruths, const struct detection *dets,
		       size_t ndets, struct verdict *v, uint16_t *taken)
{
	size_t i, t;
	int bit;

	memset(taken, 0, ntruths * sizeof(*taken));
	for (i = 0; i < ndets; i++) {
		double best = -1;
		size_t at = 0;

		for (t = 0; t < ntruths; t++) {
			double iou =
				truths[t].crowd ? -1 : box_iou(&dets[i].box, &truths[t].box, false);

			if (iou >= best && iou >= 0)
				best = iou, at = t;
		}
		for (bit = 0; bit < MATCH_IOUS && best >= match_iou(bit); bit++) {
			if (taken[at] >> bit & 1)
				continue;
			taken[at] |= (uint16_t)(1 << bit);
			v[i].yolo |= (uint16_t)(1 << bit);
		}
	}
}

struct match {
	const struct boxset *set;
	const struct groups *groups;
	struct verdict *verdicts;
	struct scratch *scratch; /* one per worker */
};

static void match_group(const struct match *m, const struct group *g, struct scratch *s)
{
	const struct truth *truths = m->set->truths + g->truth0;
	const struct detection *dets = m->set->dets + g->det0;
	struct verdict *v = m->verdicts + g->det0;
	size_t i;

	for (i = 0; i < g->ndets; i++)
		v[i].rank = (uint16_t)(i < UINT16_MAX ? i : UINT16_MAX);
	match_coco(truths, g->ntruths, dets, g->ndets, v, s);
	if (g->ntruths)
		match_yolo(truths, g->ntruths, dets, g->ndets, v, s->lineup[0].taken);
}

static void match_job(void *ctx, int job, int worker)
{
	const struct match *m = ctx;
	size_t i = (size_t)job * GROUPS_A_JOB, end = i + GROUPS_A_JOB;

	for (; i < end && i < m->groups->n; i++)
		match_group(m, &m->groups->group[i], &m->scratch[worker]);
}

struct verdict *match_all(const struct boxset *s, const struct groups *groups, struct pool *pool)
{
	int workers = pool ? pool_threads(pool) : 1, i;
	struct match m = {s, groups, NULL, NULL};

	m.verdicts = xcalloc(s->ndets + 1, sizeof(*m.verdicts));
	m.scratch = xcalloc((size_t)workers, sizeof(*m.scratch));
	pool_run(pool, (int)((groups->n + GROUPS_A_JOB - 1) / GROUPS_A_JOB), match_job, &m);
	for (i = 0; i < workers; i++)
		scratch_release(&m.scratch[i]);
	free(m.scratch);
	return m.verdicts;
}
