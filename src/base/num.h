/*
 * num.h - numbers from text: the whole string or nothing, in range or an error with a sentence.
 * Decimal points are '.' whatever the locale; the programs never call setlocale for LC_NUMERIC.
 */
#ifndef MIST_BASE_NUM_H
#define MIST_BASE_NUM_H

#include "base/err.h"

#include <stdint.h>

/* `what` names the value in the sentence: "--epochs". */
int num_long(const char *what, const char *text, long min, long max, long *out, struct err *err);
int num_u64(const char *what, const char *text, uint64_t *out, struct err *err);
/* Finite, min <= value <= max. */
int num_double(const char *what, const char *text, double min, double max, double *out,
	       struct err *err);
/* Bytes, with an optional suffix K, M or G (powers of 1024). */
int num_size(const char *what, const char *text, uint64_t *out, struct err *err);
/* Seconds, with an optional suffix s, m, h or d: "90", "1.5h". */
int num_duration(const char *what, const char *text, double *out, struct err *err);

#endif
