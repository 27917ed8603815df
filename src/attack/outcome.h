/*
 * outcome.h - what one attack recovered under one setting, and how much of the victims it shows.
 *
 * Measured on the part of the letterbox that is picture. Means are over pictures; the PSNR's leaves out
 * none, since no recovered picture is the original (an infinite one counts as 100 dB).
 */
#ifndef MIST_ATTACK_OUTCOME_H
#define MIST_ATTACK_OUTCOME_H

#include "attack/victims.h"
#include "base/pool.h"
#include "eval/similarity.h"
#include "model/model.h"

struct outcome {
	const char *attack; /* "white-box", "learnt", "both": a constant */
	double variation;   /* the prior's weight; NAN: none */
	int n;
	struct image *picture;   /* recovered, letterboxed */
	struct similarity *each; /* n */
	struct similarity mean;
	double score;      /* mean of the means of SSIM, edge correlation and detail: who is best */
	bool detected;     /* the next two are there */
	double map50, map; /* of an untouched detector on the recovered pictures */
};

/* Takes the pictures over; measures them against the first n victims. */
int outcome_take(struct outcome *o, const char *attack, double variation, struct image *picture,
		 int n, const struct victims *v, struct err *err);
void outcome_release(struct outcome *o);

/*
 * Writes the recovered pictures (the part that is picture) to `dir`, which exists, as KEY.png.
 */
int outcome_save(const struct outcome *o, const struct victims *v, const char *dir,
		 struct err *err);
/* Fills map50 and map; `detector` is a model with a head, run without a gate at the victims' size. */
int outcome_detect(struct outcome *o, const struct victims *v, const struct model *detector,
		   struct pool *pool, struct err *err);

#endif
