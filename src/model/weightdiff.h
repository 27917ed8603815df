/*
 * weightdiff.h - two weight files side by side: tensors and metadata that only one has, shapes that
 * differ, and the largest absolute difference of the values. One tensor at a time.
 */
#ifndef MIST_MODEL_WEIGHTDIFF_H
#define MIST_MODEL_WEIGHTDIFF_H

#include "base/err.h"
#include "base/mem.h"

/* Appends a line per difference; *same says whether there was none. Types may differ (F16, F32):
 * values are compared as floats, integers as integers; two NaNs are the same. */
int weightdiff_files(const char *a, const char *b, struct buf *out, bool *same, struct err *err);

#endif
