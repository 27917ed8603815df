/*
 * verdict.h - is it enough? After each round a row of results.csv, and the stop conditions over it.
 *
 * A row of a job's results.csv is a round, in YOLOv5's 14 columns: epoch is the number of epochs
 * that a client (FedAvg) or the cloud (MistNet) has trained so far, less one; the losses are those
 * of the round's last epoch, of several clients their mean weighted by the samples of each; P, R
 * and mAP are mist-eval's of the round's weights. So rounds are rows, and epochs the last row's
 * epoch and one; in mist-train's own results.csv both are the epochs.
 */
#ifndef MIST_JOB_VERDICT_H
#define MIST_JOB_VERDICT_H

#include "base/err.h"
#include "fed/stop.h"
#include "model/results.h"

/*
 * What an expression is judged by: accuracy is the last row's mAP50 (known where some row has one),
 * loss the sum of its three training losses, deltaLoss the change from the row before, time
 * `seconds` (negative: not known). Without rows nothing is known.
 */
void verdict_values(const struct results *table, double seconds, struct stop_values *out);

/* Does the expression hold of the table in `path`? `reason` as stop_holds. */
int verdict_should_stop(const char *expression, const char *path, double seconds, bool *stop,
			char *reason, size_t size, struct err *err);

/*
 * Ends a round of the job in `folder`: results.csv gets its rows up to this round, and
 * rounds/N/verdict the answer, which stays what it is when asked again. `expression` may be NULL:
 * then the first round is enough.
 */
int verdict_round(const char *folder, long round, const char *expression, bool *stop, char *reason,
		  size_t size, struct err *err);

#endif
