/*
 * sampling.h - the clients that are to train in a round: some of them, drawn without replacement,
 * each as likely as any other, by seed and name of the round alone.
 */
#ifndef MIST_FED_SAMPLING_H
#define MIST_FED_SAMPLING_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* "5", or "10%" of n rounded up; at least 1, at most n. */
int sampling_size(const char *text, size_t n, size_t *out, struct err *err);
/* k of 0 … n-1, ascending. */
void sampling_draw(uint64_t seed, const char *round, size_t n, size_t k, int *out);
/* sampling_size of them, a name a line, to `path` (NULL: standard output). */
int sampling_print(const char *size, uint64_t seed, const char *round, char *const *names, size_t n,
		   const char *path, struct err *err);

#endif
