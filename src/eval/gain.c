#include "eval/gain.h"

#include <math.h>

double gain_error(enum gain_rule rule, int width, int height, int img)
{
	double r, w, h;

	if (rule == GAIN_EXACT || width <= 0 || height <= 0)
		return 1;
	/* load_image, in its order of operations: truncation shows the last bit */
	r = (double)img / (width > height ? width : height);
	w = rule == GAIN_TRUNCATED ? trunc(width * r) : ceil(width * r);
	h = rule == GAIN_TRUNCATED ? trunc(height * r) : ceil(height * r);
	if (r == 1 || w < 1 || h < 1)
		return 1;
	return (w / width) / (h / height);
}

static struct box moved(const struct truth *t, double error, int width)
{
	struct box b = t->box;
	double right;

	if (error == 1)
		return b;
	right = fmin((b.x + b.w) * error, width);
	b.x *= error;
	b.w = fmax(right - b.x, 0);
	return b;
}

/* The best overlap of a truth with the detections of its group. */
static double best_overlap(const struct boxset *s, const struct group *g, const struct box *truth)
{
	double best = 0;
	size_t i;

	for (i = 0; i < g->ndets; i++)
		best = fmax(best, box_iou(&s->dets[g->det0 + i].box, truth, false));
	return best;
}

/* Only overlaps that match at all bear witness: below 0.5 they tell of other objects. */
static double witness(const struct boxset *s, const struct groups *groups,
		      const struct coco_image *images, int img, enum gain_rule rule)
{
	double sum = 0;
	size_t i, t;

	for (i = 0; i < groups->n; i++) {
		const struct group *g = &groups->group[i];
		const struct coco_image *im = &images[g->image];
		double error = gain_error(rule, im->width, im->height, img);

		if (gain_error(GAIN_TRUNCATED, im->width, im->height, img) == 1 &&
		    gain_error(GAIN_ROUNDED_UP, im->width, im->height, img) == 1)
			continue;
		for (t = g->truth0; t < g->truth0 + g->ntruths; t++) {
			struct box b = moved(&s->truths[t], error, im->width);
			double iou = s->truths[t].crowd ? 0 : best_overlap(s, g, &b);

			sum += iou >= 0.5 ? iou - 0.5 : 0;
		}
	}
	return sum;
}

enum gain_rule gain_guess(const struct boxset *s, const struct groups *groups,
			  const struct coco_image *images, int img)
{
	enum gain_rule best = GAIN_EXACT, rule;
	double most = witness(s, groups, images, img, GAIN_EXACT);

	for (rule = GAIN_TRUNCATED; rule <= GAIN_ROUNDED_UP; rule++) {
		double sum = witness(s, groups, images, img, rule);

		if (sum > most) {
			most = sum;
			best = rule;
		}
	}
	return best;
}

void gain_apply(struct boxset *s, const struct coco_image *images, int img, enum gain_rule rule)
{
	size_t i;

	for (i = 0; i < s->ntruths; i++) {
		const struct coco_image *im = &images[s->truths[i].image];

		s->truths[i].box = moved(&s->truths[i],
					 gain_error(rule, im->width, im->height, img), im->width);
	}
}
