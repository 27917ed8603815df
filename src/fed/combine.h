/*
 * combine.h - the mathematics of aggregation: n clients' values of the same coordinates to one.
 *
 * v: n rows of m values, one row a client. Sums are in double precision, in the order of the
 * clients, so the same rows give the same bits on any number of threads.
 *
 *	mean	McMahan et al. 2017, "Communication-efficient learning", algorithm 1: sum of w_i v_i
 *	median	Yin et al. 2018, "Byzantine-robust distributed learning", definition 1: of each
 *		coordinate; of an even number, the mean of the two in the middle
 *	trimmed	the same, definition 2: of each coordinate the mean without the k smallest and the k
 *		largest
 *	krum	Blanchard et al. 2017, "Machine learning with adversaries", section 4: the client whose
 *		n - f - 2 nearest others are nearest (least sum of squared distances); multi-krum: the
 *		mean of the m with the least scores
 *	step	Reddi et al. 2021, "Adaptive federated optimization", algorithm 2, without its bias
 *		correction, as there; fedavgm: Hsu et al. 2019, "Measuring the effects of non-identical
 *		data distribution", section 4.3
 */
#ifndef MIST_FED_COMBINE_H
#define MIST_FED_COMBINE_H

#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void combine_mean(const float *v, const double *weight, int n, size_t m, double *out);
/* used (n; may be NULL): += how many of a client's values were the median, or within the trimmed. */
void combine_median(struct pool *pool, const float *v, int n, size_t m, double *out, double *used);
/* 0 <= 2k < n. */
void combine_trimmed(struct pool *pool, const float *v, int n, size_t m, int k, double *out,
		     double *used);
/* The lower median. */
int64_t combine_median_int(int64_t *v, int n);

/* gram (n x n, upper triangle) += v v'; distances come of it at the end: |a|^2 + |b|^2 - 2ab. */
void combine_gram(const float *v, int n, size_t m, double *scratch, double *gram);
size_t combine_gram_scratch(int n, size_t m); /* doubles */
/* Squared distances, n x n, from the Gram matrix, in place. */
void combine_distances(double *gram, int n);
/* Scores of n clients of which f may lie; n >= f + 3. */
void combine_krum(const double *distance, int n, int f, double *score);
/* The indices of the m least scores, ascending by index; equal scores: the first. */
void combine_least(const double *score, int n, int m, int *out);

struct combine_step {
	enum { STEP_MOMENTUM, STEP_ADAM, STEP_YOGI } kind;
	double lr, beta1, beta2, tau;
};
/* delta (mean of the clients minus w) moves m, v (not of STEP_MOMENTUM) and gives the new w. */
void combine_step(const struct combine_step *s, const double *mean, const float *w, size_t n,
		  float *m, float *v, double *out);

#endif
