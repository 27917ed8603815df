/*
 * membership.h - mist-attack membership: was this picture among those that a model was trained on? The
 * attacker has the picture, its labels, the trained weights and the weights that they started from.
 *
 * "threshold": a low loss says member (Yeom et al. 2018). The threshold is the one that is best, on
 * balance, for the shadow models on public pictures: no member of the target is used to set it.
 *
 * "shadow": how far the loss lies below what models say that never saw the picture (Watson et al. 2022;
 * Carlini et al. 2022, offline): shadow models and the start weights are those models. Differences of
 * the three parts of the loss, of the whole, and the loss itself go into a logistic regression that is
 * fitted on the shadows, each judged by the others.
 */
#ifndef MIST_ATTACK_MEMBERSHIP_H
#define MIST_ATTACK_MEMBERSHIP_H

#include "attack/roc.h"
#include "attack/shadow.h"
#include "eval/runner.h"

struct membership_options {
	const char *target, *members, *others, *public_set;
	const char *split; /* of all three */
	int shadows;       /* even, at least 2 */
	int gate;          /* an enum gate_mode, or -1: clean where the target has a gate */
	struct shadow_options shadow;
	const struct notices *notices;
	/* Shadows that are trained; may be NULL. */
	void (*progress)(void *ctx, int shadows);
	void *progress_ctx;
};
void membership_defaults(struct membership_options *o);

struct membership {
	struct roc threshold, shadow;
	int shadows, public_pictures;
	double mean_in, mean_out;     /* loss of the target on members and on others */
	double shadow_in, shadow_out; /* of the shadows */
};

int membership_run(struct membership *m, const struct membership_options *opt, struct pool *pool,
		   struct err *err);

/* Two lines of figures under a heading, and what they stand on. */
void membership_table(const struct membership *m, struct buf *out);
/* {"members", "others", "shadows", "public", "loss": {…}, "attacks": [{"attack", "auc": [value, low,
 * high], "tpr_at_fpr_1": …, "precision": …, "recall": …, "accuracy": …, "threshold"}]} */
void membership_json(const struct membership *m, struct buf *out);
/* The table to `path` (NULL: standard output, unless `json` is "-"), JSON to `json` (NULL: not). */
int membership_write(const struct membership *m, const char *path, const char *json,
		     struct err *err);

#endif
