/*
 * nms.c - non-maximum suppression (Ultralytics YOLOv5, utils/general.py, non_max_suppression;
 * torchvision.ops.nms).
 *
 * Candidates in the order of boxes and classes, the best `max_candidates` of them by falling score
 * (stable); each is kept unless it overlaps a kept one of its class by more than `iou`. As only
 * max_det are kept, it suffices to compare with those.
 */
#include "model/detect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Boxes of class c are moved by c * 7680 in YOLOv5, to tell the classes apart; overlaps are
 * computed in 32-bit floats from the moved boxes, which rounds them. The same is done here. */
#define CLASS_OFFSET 7680.0f

/* Radix sort of 32-bit keys: three digits of 11 bits. */
#define DIGIT 11

struct candidate {
	float score;
	uint32_t box; /* row of `boxes` */
	int cls;
};

struct nms {
	const struct graph *g;
	struct nms_options opt;
	struct candidate *cands, *sorted;
	size_t ncands, cands_cap, sorted_cap;
	float (*boxes)[4]; /* x1 y1 x2 y2 of the boxes that have candidates */
	size_t nboxes, boxes_cap;
	float (*kept)[5]; /* moved box and area, of what is kept */
	int *next;        /* of the same class; -1 */
	int *first;       /* per class */
};

struct nms *nms_new(const struct graph *g, const struct nms_options *opt)
{
	struct nms *s = xcalloc(1, sizeof(*s));

	s->g = g;
	s->opt = *opt;
	s->kept = xcalloc((size_t)opt->max_det, sizeof(*s->kept));
	s->next = xcalloc((size_t)opt->max_det, sizeof(*s->next));
	s->first = xcalloc((size_t)g->nc, sizeof(*s->first));
	return s;
}

void nms_free(struct nms *s)
{
	if (!s)
		return;
	free(s->cands);
	free(s->sorted);
	free(s->boxes);
	free(s->kept);
	free(s->next);
	free(s->first);
	free(s);
}

static float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

static void add_candidate(struct nms *s, int cls, float score)
{
	GROW(s->cands, s->ncands, s->cands_cap);
	s->cands[s->ncands++] = (struct candidate){score, (uint32_t)s->nboxes, cls};
}

/* The classes of one box; true when it has a candidate. A class passes when obj * sigmoid(x) is
 * above conf: a bound on x spares most of the exponentials. */
static bool add_classes(struct nms *s, const float *x, float obj)
{
	const float ratio = s->opt.conf / obj;
	const float bound = ratio < 1 ? logf(ratio / (1 - ratio)) - 1e-3f : INFINITY;
	const size_t before = s->ncands;
	int k, best = 0;

	if (s->opt.multi_label && s->g->nc > 1) {
		for (k = 0; k < s->g->nc; k++) {
			float score;

			if (!(x[k] > bound) || (s->opt.classes && !s->opt.classes[k]))
				continue;
			score = obj * sigmoid(x[k]);
			if (score > s->opt.conf)
				add_candidate(s, k, score);
		}
		return s->ncands > before;
	}
	for (k = 1; k < s->g->nc; k++)
		if (x[k] > x[best])
			best = k;
	if (obj * sigmoid(x[best]) > s->opt.conf && (!s->opt.classes || s->opt.classes[best]))
		add_candidate(s, best, obj * sigmoid(x[best]));
	return s->ncands > before;
}

static void add_box(struct nms *s, int level, int a, int y, int x, const float *raw)
{
	const float stride = (float)s->g->strides[level];
	const float cx = (sigmoid(raw[0]) * 2 - 0.5f + (float)x) * stride;
	const float cy = (sigmoid(raw[1]) * 2 - 0.5f + (float)y) * stride;
	const float sw = sigmoid(raw[2]) * 2, sh = sigmoid(raw[3]) * 2;
	const float w = sw * sw * s->g->anchors[level][a][0];
	const float h = sh * sh * s->g->anchors[level][a][1];
	float *b;

	GROW(s->boxes, s->nboxes, s->boxes_cap);
	b = s->boxes[s->nboxes++];
	b[0] = cx - w / 2;
	b[1] = cy - h / 2;
	b[2] = cx + w / 2;
	b[3] = cy + h / 2;
}

static void collect(struct nms *s, const struct view *maps, int nl, int image)
{
	const int no = 5 + s->g->nc;
	const float bound = logf(s->opt.conf / (1 - s->opt.conf)) - 1e-3f;
	int i, a, y, x;

	s->ncands = s->nboxes = 0;
	for (i = 0; i < nl; i++)
		for (a = 0; a < s->g->na; a++)
			for (y = 0; y < maps[i].h; y++)
				for (x = 0; x < maps[i].w; x++) {
					const float *raw = view_at(&maps[i], image, y, x) + a * no;
					float obj;

					if (!(raw[4] > bound))
						continue;
					obj = sigmoid(raw[4]);
					if (obj > s->opt.conf && add_classes(s, raw + 5, obj))
						add_box(s, i, a, y, x, raw);
				}
}

/* Scores are positive floats: their bits order as they do. Inverted, the order falls. */
static uint32_t sort_key(const struct candidate *c)
{
	uint32_t bits;

	memcpy(&bits, &c->score, sizeof(bits));
	return ~bits;
}

static void sort_digit(const struct candidate *in, struct candidate *out, size_t n, int shift)
{
	uint32_t at[(1 << DIGIT) + 1] = {0};
	size_t i;

	for (i = 0; i < n; i++)
		at[(sort_key(&in[i]) >> shift & ((1 << DIGIT) - 1)) + 1]++;
	for (i = 0; i < 1 << DIGIT; i++)
		at[i + 1] += at[i];
	for (i = 0; i < n; i++)
		out[at[sort_key(&in[i]) >> shift & ((1 << DIGIT) - 1)]++] = in[i];
}

/* By falling score, stable; the result is in s->sorted. */
static void sort_candidates(struct nms *s)
{
	if (s->ncands > s->sorted_cap) {
		s->sorted_cap = s->cands_cap;
		s->sorted = xreallocarray(s->sorted, s->sorted_cap, sizeof(*s->sorted));
	}
	sort_digit(s->cands, s->sorted, s->ncands, 0);
	sort_digit(s->sorted, s->cands, s->ncands, DIGIT);
	sort_digit(s->cands, s->sorted, s->ncands, 2 * DIGIT);
}

static bool overlaps(const float *a, const float *b, float iou)
{
	const float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]);
	const float h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
	const float inter = fmaxf(w, 0) * fmaxf(h, 0);

	return inter / (a[4] + b[4] - inter) > iou;
}

/* Keeps the candidate unless one of its class is in the way. */
static bool keep(struct nms *s, const struct candidate *c, int n)
{
	const int group = s->opt.agnostic ? 0 : c->cls;
	const float *b = s->boxes[c->box];
	float *k = s->kept[n];
	int i;

	for (i = 0; i < 4; i++)
		k[i] = b[i] + (float)group * CLASS_OFFSET;
	k[4] = (k[2] - k[0]) * (k[3] - k[1]);
	for (i = s->first[group]; i >= 0; i = s->next[i])
		if (overlaps(s->kept[i], k, s->opt.iou))
			return false;
	s->next[n] = s->first[group];
	s->first[group] = n;
	return true;
}

int nms_run(struct nms *s, const struct view *maps, int nl, int image, struct det *out)
{
	size_t i, limit;
	int n = 0;

	collect(s, maps, nl, image);
	sort_candidates(s);
	memset(s->first, 0xff, (size_t)s->g->nc * sizeof(*s->first));
	limit = (size_t)s->opt.max_candidates;
	for (i = 0; i < s->ncands && i < limit && n < s->opt.max_det; i++) {
		const struct candidate *c = &s->sorted[i];
		const float *b = s->boxes[c->box];

		if (keep(s, c, n))
			out[n++] = (struct det){b[0], b[1], b[2], b[3], c->score, c->cls};
	}
	return n;
}
