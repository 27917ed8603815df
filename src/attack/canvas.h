/*
 * canvas.h - the pictures that a white-box attack searches for, as the sum of a pyramid: one correction
 * per pixel, one per 2 x 2 pixels, per 4 x 4 and so on, each smoothed as it grows. Adam (Kingma and Ba
 * 2015) moves all of them by the gradient of the pixels, so that large shapes, which many features agree
 * on, come first: pixel by pixel the search drowns in noise of its own making.
 *
 * Pixels are dense, n x h x w x 3, kept within 0 … 1. Every picture is worked on by itself: the result
 * does not depend on threads or on the others.
 */
#ifndef MIST_ATTACK_CANVAS_H
#define MIST_ATTACK_CANVAS_H

#include "base/pool.h"
#include "base/rng.h"
#include "data/letterbox.h"

#define CANVAS_LEVELS 6

struct canvas {
	int n, h, w, levels;
	float *x;   /* the pixels as they are now */
	float *sum; /* of those since canvas_average */
	int summed;
	float *base;             /* what the pyramid is added to */
	float *z[CANVAS_LEVELS]; /* corrections, level 0 is of pixels; w >> level columns */
	float *m[CANVAS_LEVELS], *v[CANVAS_LEVELS]; /* Adam's moments */
	float *scratch;                             /* per picture */
	struct letterbox *frame;                    /* per picture; out_w 0: none */
	long steps;
};

void canvas_init(struct canvas *c, int n, int h, int w);
void canvas_release(struct canvas *c);

/* Begins anew: grey everywhere, or picture i as it is given (h x w). */
void canvas_clear(struct canvas *c);
void canvas_start(struct canvas *c, int i, const struct image *from);
/* What lies outside of the letterboxed picture is known: it stays as letterboxes are. */
void canvas_frame(struct canvas *c, int i, const struct letterbox *lb);
/* Pictures with the spectrum of photographs (all levels alike in strength), for calibration. */
void canvas_noise(struct canvas *c, uint64_t seed);

/* One step along -grad (n x h x w x 3, of the pixels; overwritten). */
void canvas_step(struct canvas *c, struct pool *pool, float *grad, double rate);
/* From now on, sum the steps up; canvas_image then gives their mean. */
void canvas_average(struct canvas *c);
/* Picture i as bytes; allocated here. */
void canvas_image(const struct canvas *c, int i, struct image *out);
/* The first v->n pictures to a net's input. */
void canvas_to_view(const struct canvas *c, const struct view *v);

#endif
