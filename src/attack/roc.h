/*
 * roc.h - how well scores tell members from others: area under the ROC curve (the probability that a
 * member scores higher, ties count half; Hanley and McNeil 1982), the true positive rate where the false
 * positive rate is at most 1 % (Carlini et al. 2022), precision and recall at a threshold.
 *
 * Precision is that of a world where one in two is a member, TPR / (TPR + FPR), whatever the numbers of
 * pictures that were tried. Intervals are 95 % percentile intervals of a stratified bootstrap (Efron
 * 1979): members and others are drawn anew with replacement, 2000 times, by a seed.
 */
#ifndef MIST_ATTACK_ROC_H
#define MIST_ATTACK_ROC_H

#include <stdint.h>

struct rate {
	double value, low, high;
};

struct roc {
	struct rate auc, tpr1, precision, recall, accuracy;
	double threshold;
	int members, others;
};

/* Scores of n members and m others, both at least 1; a score >= threshold says "member". */
void roc_measure(struct roc *r, const double *in, int n, const double *out, int m, double threshold,
		 uint64_t seed);

/* The parts, without intervals. */
double roc_auc(const double *in, int n, const double *out, int m);
double roc_tpr(const double *in, int n, const double *out, int m, double fpr);
/* The threshold with the largest (TPR + 1 - FPR) / 2, in the middle of the gap to the next score. */
double roc_balanced(const double *in, int n, const double *out, int m);

#endif
