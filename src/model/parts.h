/*
 * parts.h - a weight file in two: the edge's layers and the cloud's. A part is a weight file that
 * says so (mist.part "edge" or "cloud", mist.cut_layer) and carries all metadata; mist.extractor,
 * the digest of the edge's layers, lets join see that two parts belong together.
 */
#ifndef MIST_MODEL_PARTS_H
#define MIST_MODEL_PARTS_H

#include "model/model.h"

/*
 * Writes PREFIX.edge.safetensors and PREFIX.cloud.safetensors, both or none. to: PREFIX, or the
 * folder that they get, or NULL; then PREFIX is the input's name without its suffix.
 * cut 0: the one in the file (mist.cut_layer).
 */
int parts_split(const char *path, int cut, const char *to, struct err *err);
/* The whole model; where metadata differ, the cloud's stay. NULL on error. */
struct model *parts_join(const char *edge, const char *cloud, struct err *err);

#endif
