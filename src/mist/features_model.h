/*
 * features_model.h - does a feature stream belong to these weights? What its header says must be what
 * the model's layers before the cut would make.
 */
#ifndef MIST_MIST_FEATURES_MODEL_H
#define MIST_MIST_FEATURES_MODEL_H

#include "mist/features.h"
#include "model/model.h"

/* The layers (by digest), the tensors that cross the cut and the names of the classes that both
 * have; -1 and a sentence that names the difference. `path` is the stream's, for the sentence. */
int features_fit_model(const struct features_header *h, const struct model *m, const char *path,
		       struct err *err);

/* Can a detector be trained by these labels? An error where there are none, a notice where their classes
 * are randomised. */
int features_check_labels(const struct features_header *h, const char *path,
			  const struct notices *notices, struct err *err);

#endif
