/*
 * import.h - a model from a PyTorch checkpoint: io/torchpt.h reads the tensors, the model's YAML
 * and the class names; this puts them in their places.
 *
 * Half-precision parameters become float32, counters stay integers. Names are those of state_dict;
 * "module." in front (DataParallel) and the older graphs' anchor_grid are passed over.
 */
#ifndef MIST_MODEL_IMPORT_H
#define MIST_MODEL_IMPORT_H

#include "model/model.h"

/* cfg: the path of a YAML, needed for a plain state_dict and preferred to the checkpoint's own; or
 * NULL. mist.parents names the checkpoint by its SHA-256. */
struct model *import_torchpt(const char *path, const char *cfg, struct err *err);

/* The text of a model's YAML: a file, or a name among the models that come with the programs
 * ("yolov5n.yaml"). */
int import_config(const char *path, struct buf *text, struct err *err);
/* A fresh model of it (model_init). classes 0: the YAML's; names: "A,B,…", as many, or NULL. */
struct model *import_init(const char *path, int classes, const char *names, uint64_t seed,
			  struct err *err);

#endif
