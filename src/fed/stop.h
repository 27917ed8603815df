/*
 * stop.h - when to stop: an expression over what a training run knows of itself, such as
 * "epochs>100 or accuracy>0.95 or deltaLoss<0.03" (the stop conditions of Sedna's federated job).
 *
 *	expression = term { "or" term }          term = factor { "and" factor }
 *	factor     = "not" factor | "(" expression ")" | METRIC OPERATOR NUMBER
 *	METRIC     = rounds | epochs | accuracy | targetAccuracy | loss | deltaLoss | time |
 *	             clients | num_of_ready_clients
 *	OPERATOR   = < <= > >= == = !=
 *
 * accuracy (targetAccuracy is Sedna's name for it) is mAP at IoU 0.5 for detectors and top-1 for
 * classifiers, in 0..1; deltaLoss is |loss - previous loss| between two successive epochs or
 * rounds; time is seconds since the start; clients (Sedna: num_of_ready_clients) is how many have sent
 * what an aggregation waits for, in the same language "num_of_ready_clients > 5". A comparison with a
 * metric that is not known yet (deltaLoss in the first epoch, accuracy without validation) is false,
 * and so is its negation's operand: "not" turns that into true, as in any two-valued logic.
 */
#ifndef MIST_FED_STOP_H
#define MIST_FED_STOP_H

#include "base/err.h"

enum stop_metric {
	STOP_ROUNDS,
	STOP_EPOCHS,
	STOP_ACCURACY,
	STOP_LOSS,
	STOP_DELTA_LOSS,
	STOP_TIME,
	STOP_CLIENTS,
	STOP_METRICS, /* how many there are */
};

struct stop_values {
	double value[STOP_METRICS];
	bool known[STOP_METRICS];
};

struct stop;

/* NULL and a sentence with the column on a bad expression (status usage). Freed by stop_free. */
struct stop *stop_parse(const char *text, struct err *err);
void stop_free(struct stop *s);

/* True when training should end. `reason` (may be NULL; size bytes) gets the first comparison that
 * held, with its numbers: "accuracy 0.961 > 0.95". */
bool stop_holds(const struct stop *s, const struct stop_values *v, char *reason, size_t size);

/* Whether the expression mentions the metric: accuracy needs a validation set. */
bool stop_uses(const struct stop *s, enum stop_metric m);

#endif
