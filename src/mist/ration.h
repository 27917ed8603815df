/*
 * ration.h - what a budget per image buys: how many bits, of which epsilon.
 *
 * An image's features cost releases x bits x epsilon per bit (sequential composition, MistNet's theorem
 * 4.1), so a budget E is kept by sending at most E / (releases x epsilon) bits: those of the pooled
 * tensors, and of these a public subset (thin.h). Cut, size and options decide, and no image.
 *
 * Where no epsilon per bit is given, RATION_EPSILON: a noisy bit tells at most ln 2 - H(q) nats of
 * what it was, H the entropy of its flip, and that divided by its epsilon is largest, .170, at 2.5 to
 * 2.6 (it is .111 at 1, .164 at 2, .147 at 4). More only where the budget is more than all bits cost.
 */
#ifndef MIST_MIST_RATION_H
#define MIST_MIST_RATION_H

#include "mist/thin.h"
#include "model/model.h"

#define RATION_EPSILON 2.5

struct ration {
	double epsilon_image; /* finite, above 0 */
	int cut, img;
	int releases; /* of an image */
	enum mechanism mechanism;
	uint64_t subset;
	int pool; /* 0: the weight file's */
};

/*
 * *epsilon, the mechanism's, is chosen where it is NAN; *out is what extract_gates takes. A budget that
 * does not pay for one bit is an error with status usage.
 */
int ration_choose(const struct model *m, const struct ration *r, double *epsilon,
		  struct thinning *out, struct err *err);

#endif
