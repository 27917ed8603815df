/*
 * logistic.h - logistic regression on a few features, by Newton's method with a small ridge, which keeps
 * it finite where the classes can be told apart without error. Features are standardised inside.
 */
#ifndef MIST_ATTACK_LOGISTIC_H
#define MIST_ATTACK_LOGISTIC_H

#include <stdbool.h>

#define LOGISTIC_MAX 8

struct logistic {
	int features;
	double mean[LOGISTIC_MAX], deviation[LOGISTIC_MAX];
	double weight[LOGISTIC_MAX + 1]; /* the last is the constant */
};

/*
 * x: n rows of `features` numbers; label: of each row. The two classes weigh the same, however many
 * rows they have. At least one row of each.
 */
void logistic_fit(struct logistic *l, const double *x, const bool *label, int n, int features);
/* The log-odds of a row. */
double logistic_score(const struct logistic *l, const double *x);

#endif
