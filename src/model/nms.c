/*
 * nms.c - non-maximum suppression (Ultralytics YOLOv5, utils/general.py, non_max_suppression;
 * torchvision.ops.nms).
 *
 * Candidates in the order of boxes and classes, the best `max_candidates` of them by falling score
 * (stable); each is kept unless it overlaps a kept one of its class by more than `iou`. As only
 * max_det are kept, it suffices to compare with those, and to decode the boxes that are looked at.
 */
#include "model/detect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Boxes of class c are moved by c * 7680 in YOLOv5, to tell the classes apart; overlaps are
 * computed in 32-bit floats from the moved boxes, which rounds them. The same is done here. */
#define CLASS_OFFSET 7680.0f

/* Radix sort of 32-bit keys: three digits of 11 bits. */
#define DIGIT   11
#define BUCKETS (1 << DIGIT)

/* Class scores looked at together: four vectors of what every processor has. */
#define BLOCK 16
typedef float vec __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(16), aligned(4), may_alias));

struct candidate {
	float score;
	uint32_t place; /* row of `places` */
	int cls;
};

/* A box that has candidates: where it lies in the maps, and, once looked at, where in the image. */
struct place {
	const float *raw;
	int level, anchor, y, x;
	bool decoded;
	float box[4]; /* x1 y1 x2 y2 */
};

struct nms {
	const struct graph *g;
	struct nms_options opt;
	struct candidate *cands, *sorted;
	size_t ncands, cands_cap, sorted_cap;
	struct place *places;
	size_t nplaces, places_cap;
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
	free(s->places);
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
	s->cands[s->ncands++] = (struct candidate){score, (uint32_t)s->nplaces, cls};
}

/* True is -1: one bit of a lane each, bit 0 that of a[0]. */
static unsigned bits_of(ivec a, ivec b, ivec c, ivec d)
{
#ifdef __SSE2__
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(
		_mm_packs_epi32((__m128i)a, (__m128i)b), _mm_packs_epi32((__m128i)c, (__m128i)d)));
#else
	const ivec one = {1, 2, 4, 8};
	const ivec sum = (a & one) | (b & (one << 4)) | (c & (one << 8)) | (d & (one << 12));

	return (unsigned)(sum[0] | sum[1] | sum[2] | sum[3]);
#endif
}

/* Bit k: x[k] is above the bound. n <= BLOCK. */
static unsigned above(const float *x, int n, float bound)
{
	unsigned bits = 0;
	int k;

	if (n == BLOCK)
		return bits_of(((const vec *)x)[0] > bound, ((const vec *)x)[1] > bound,
			       ((const vec *)x)[2] > bound, ((const vec *)x)[3] > bound);
	for (k = 0; k < n; k++)
		bits |= (unsigned)(x[k] > bound) << k;
	return bits;
}

/* A class passes when obj * sigmoid(x) is above conf: a bound on x spares most of the exponentials. */
static void add_labels(struct nms *s, const float *x, float obj)
{
	const float ratio = s->opt.conf / obj;
	const float bound = ratio < 1 ? logf(ratio / (1 - ratio)) - 1e-3f : INFINITY;
	const int nc = s->g->nc;
	int k0;

	for (k0 = 0; k0 < nc; k0 += BLOCK) {
		unsigned bits = above(x + k0, nc - k0 < BLOCK ? nc - k0 : BLOCK, bound);

		for (; bits; bits &= bits - 1) {
			const int k = k0 + __builtin_ctz(bits);
			float score;

			if (s->opt.classes && !s->opt.classes[k])
				continue;
			score = obj * sigmoid(x[k]);
			if (score > s->opt.conf)
				add_candidate(s, k, score);
		}
	}
}

static vec larger(vec a, vec b)
{
	const ivec m = a > b;

	return (vec)((m & (ivec)a) | (~m & (ivec)b));
}

/* The largest; what is not a number is none, but for the first, which then is it. */
static float most(const float *x, int n)
{
	const vec first = {x[0], x[0], x[0], x[0]};
	vec a = first, b = first;
	float m;
	int k;

	for (k = 0; k + 8 <= n; k += 8) {
		a = larger(*(const vec *)(x + k), a);
		b = larger(*(const vec *)(x + k + 4), b);
	}
	a = larger(b, a);
	m = a[0] > a[1] ? a[0] : a[1];
	m = a[2] > m ? a[2] : m;
	m = a[3] > m ? a[3] : m;
	for (; k < n; k++)
		m = x[k] > m ? x[k] : m;
	return m;
}

/* The first of the largest. */
static int best_class(const float *x, int nc)
{
	const float m = most(x, nc);
	int k0, k;

	for (k0 = 0; k0 + BLOCK <= nc; k0 += BLOCK) {
		const unsigned bits =
			bits_of(((const vec *)(x + k0))[0] == m, ((const vec *)(x + k0))[1] == m,
				((const vec *)(x + k0))[2] == m, ((const vec *)(x + k0))[3] == m);

		if (bits)
			return k0 + __builtin_ctz(bits);
	}
	for (k = k0; k < nc && x[k] != m; k++)
		;
	return k < nc ? k : 0;
}

static void add_best(struct nms *s, const float *x, float obj)
{
	const int best = best_class(x, s->g->nc);
	const float score = obj * sigmoid(x[best]);

	if (score > s->opt.conf && (!s->opt.classes || s->opt.classes[best]))
		add_candidate(s, best, score);
}

/* The classes of one box; true when it has a candidate. */
static bool add_classes(struct nms *s, const float *x, float obj)
{
	const size_t before = s->ncands;

	if (s->opt.multi_label && s->g->nc > 1)
		add_labels(s, x, obj);
	else
		add_best(s, x, obj);
	return s->ncands > before;
}

static void decode(const struct graph *g, struct place *p)
{
	const float *raw = p->raw, *anchor = g->anchors[p->level][p->anchor];
	const float stride = (float)g->strides[p->level];
	const float cx = (sigmoid(raw[0]) * 2 - 0.5f + (float)p->x) * stride;
	const float cy = (sigmoid(raw[1]) * 2 - 0.5f + (float)p->y) * stride;
	const float sw = sigmoid(raw[2]) * 2, sh = sigmoid(raw[3]) * 2;
	const float w = sw * sw * anchor[0];
	const float h = sh * sh * anchor[1];

	p->box[0] = cx - w / 2;
	p->box[1] = cy - h / 2;
	p->box[2] = cx + w / 2;
	p->box[3] = cy + h / 2;
	p->decoded = true;
}

/* Where one box is a candidate the next often is, and the processor does not see it coming. */
static void prefetch(const float *x, int n)
{
	int i;

	for (i = 0; i < n; i += BLOCK)
		__builtin_prefetch(x + i);
}

/* The boxes of anchor `a` in one row of a map. */
static void collect_row(struct nms *s, const struct view *map, int image, int level, int a, int y,
			float bound)
{
	const float *raw = view_at(map, image, y, 0) + a * (5 + s->g->nc);
	float obj;
	int x;

	for (x = 0; x < map->w; x++, raw += map->ld) {
		if (!(raw[4] > bound))
			continue;
		prefetch(raw + map->ld, 5 + s->g->nc);
		obj = sigmoid(raw[4]);
		if (!(obj > s->opt.conf) || !add_classes(s, raw + 5, obj))
			continue;
		GROW(s->places, s->nplaces, s->places_cap);
		s->places[s->nplaces++] = (struct place){raw, level, a, y, x, false, {0}};
	}
}

static void collect(struct nms *s, const struct view *maps, int nl, int image)
{
	const float bound = logf(s->opt.conf / (1 - s->opt.conf)) - 1e-3f;
	int i, a, y;

	s->ncands = s->nplaces = 0;
	for (i = 0; i < nl; i++)
		for (a = 0; a < s->g->na; a++)
			for (y = 0; y < maps[i].h; y++)
				collect_row(s, &maps[i], image, i, a, y, bound);
}

/* Scores are positive floats: their bits order as they do. Inverted, the order falls. */
static uint32_t sort_key(const struct candidate *c)
{
	uint32_t bits;

	memcpy(&bits, &c->score, sizeof(bits));
	return ~bits;
}

static uint32_t digit(const struct candidate *c, int shift)
{
	return sort_key(c) >> shift & (BUCKETS - 1);
}

static void sort_digit(const struct candidate *in, struct candidate *out, size_t n, int shift)
{
	uint32_t at[BUCKETS + 1] = {0};
	size_t i;

	for (i = 0; i < n; i++)
		at[digit(&in[i], shift) + 1]++;
	for (i = 0; i < BUCKETS; i++)
		at[i + 1] += at[i];
	for (i = 0; i < n; i++)
		out[at[digit(&in[i], shift)]++] = in[i];
}

/* Drops what its first digit alone puts behind the best `limit`. */
static void drop_hopeless(struct nms *s, size_t limit)
{
	uint32_t count[BUCKETS] = {0}, last;
	size_t i, n;

	for (i = 0; i < s->ncands; i++)
		count[digit(&s->cands[i], 2 * DIGIT)]++;
	for (last = 0, n = count[0]; n < limit; n += count[last])
		last++;
	for (i = n = 0; i < s->ncands; i++)
		if (digit(&s->cands[i], 2 * DIGIT) <= last)
			s->cands[n++] = s->cands[i];
	s->ncands = n;
}

/* By falling score, stable; the best `limit`, and maybe more, are in s->sorted. */
static void sort_candidates(struct nms *s, size_t limit)
{
	if (s->ncands > limit)
		drop_hopeless(s, limit);
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
static bool keep(struct nms *s, const float *b, int cls, int n)
{
	const int group = s->opt.agnostic ? 0 : cls;
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
	const size_t limit = (size_t)s->opt.max_candidates;
	size_t i;
	int n = 0;

	collect(s, maps, nl, image);
	sort_candidates(s, limit);
	memset(s->first, 0xff, (size_t)s->g->nc * sizeof(*s->first));
	for (i = 0; i < s->ncands && i < limit && n < s->opt.max_det; i++) {
		const struct candidate *c = &s->sorted[i];
		struct place *p = &s->places[c->place];

		if (!p->decoded)
			decode(s->g, p);
		if (keep(s, p->box, c->cls, n))
			out[n++] = (struct det){p->box[0], p->box[1], p->box[2],
						p->box[3], c->score,  c->cls};
	}
	return n;
}
