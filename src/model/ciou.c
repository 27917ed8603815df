#include "model/ciou.h"

#include <math.h>

#define EPS 1e-7 /* bbox_iou's */

/* Overlap and enclosing length of two intervals (centre, length), and what they gain when the
 * first one's centre (index 0) or length (1) grows. */
struct span {
	double inter, outer;
	double dinter[2], douter[2];
};

static struct span span_of(double x1, double w1, double x2, double w2)
{
	const double l1 = x1 - w1 / 2, r1 = x1 + w1 / 2, l2 = x2 - w2 / 2, r2 = x2 + w2 / 2;
	const double r = r1<r2, l = l1> l2; /* which ends are ours */
	struct span s;

	s.inter = fmin(r1, r2) - fmax(l1, l2);
	s.outer = fmax(r1, r2) - fmin(l1, l2);
	s.dinter[0] = r - l;
	s.dinter[1] = (r + l) / 2;
	s.douter[0] = l - r;
	s.douter[1] = (2 - r - l) / 2;
	if (s.inter < 0)
		s.inter = s.dinter[0] = s.dinter[1] = 0;
	return s;
}

double ciou(const double box[4], const double target[4], double grad[4])
{
	const struct span x = span_of(box[0], box[2], target[0], target[2]);
	const struct span y = span_of(box[1], box[3], target[1], target[3]);
	const double w = box[2], h = box[3];
	const double inter = x.inter * y.inter;
	const double uni = w * h + target[2] * target[3] - inter + EPS;
	const double iou = inter / uni;
	const double dx = target[0] - box[0], dy = target[1] - box[1];
	const double rho2 = dx * dx + dy * dy;
	const double c2 = x.outer * x.outer + y.outer * y.outer + EPS;
	const double turn = atan(target[2] / target[3]) - atan(w / h);
	const double v = 4 / (M_PI * M_PI) * turn * turn;
	const double alpha = v / (v - iou + 1 + EPS);
	int i;

	for (i = 0; i < 4 && grad; i++) {
		const int size = i >= 2; /* 0: a centre, 1: a length */
		const struct span *s = i % 2 ? &y : &x, *o = i % 2 ? &x : &y;
		const double dinter = s->dinter[size] * o->inter;
		const double duni = (size ? (i % 2 ? w : h) : 0) - dinter;
		const double drho2 = size ? 0 : -2 * (i % 2 ? dy : dx);
		const double dc2 = 2 * s->outer * s->douter[size];
		/* d atan(w/h): h / (w^2 + h^2) by w, -w / (w^2 + h^2) by h */
		const double dturn = size ? (i % 2 ? w : -h) / (w * w + h * h) : 0;

		grad[i] = (dinter * uni - inter * duni) / (uni * uni) - drho2 / c2 +
			  rho2 * dc2 / (c2 * c2) - alpha * 8 / (M_PI * M_PI) * turn * dturn;
	}
	return iou - rho2 / c2 - alpha * v;
}
