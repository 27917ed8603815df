/*
 * info.h - what a model is: a table of its layers, of its cuts with what crosses them, and totals.
 * Sizes are for images of img x img. Parameters are those that are trained (PyTorch's parameters());
 * FLOPs are 2 * multiply-adds of the convolutions.
 */
#ifndef MIST_MODEL_INFO_H
#define MIST_MODEL_INFO_H

#include "model/model.h"

/* Two tables and the totals. -1: the size does not fit the model. */
int info_text(const struct model *m, int img, struct buf *out, struct err *err);
/*
 * One object: {"layers": [{"layer", "from", "repeat", "module", "shape", "parameters", "flops"}],
 * "cuts": [{"cut", "layers", "shapes", "values", "bits", "bytes": {"bit", "u8", "f16", "f32"}}],
 * "classes", "strides", "img", "parameters", "flops", "metadata"}
 */
int info_json(const struct model *m, int img, struct buf *out, struct err *err);

#endif
