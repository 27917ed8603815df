/*
 * transfer.h - weights for another number of classes, as YOLOv5's train.py takes them: whatever has
 * the same name and shape is kept, the rest (the head's last convolutions) is initialised.
 */
#ifndef MIST_MODEL_TRANSFER_H
#define MIST_MODEL_TRANSFER_H

#include "model/model.h"

/* A new model with these classes; metadata and digest are those of `from`. `kept` (may be NULL) is
 * set to the number of tensors taken over. Freed with model_free. */
struct model *transfer_classes(const struct model *from, int nc, char *const *names, uint64_t seed,
			       int *kept, struct err *err);

#endif
