/* ints.h - small sums of integers that every room needs. */
#ifndef MIST_BASE_INTS_H
#define MIST_BASE_INTS_H

#include <stddef.h>

static inline int min_int(int a, int b)
{
	return a < b ? a : b;
}

static inline int max_int(int a, int b)
{
	return a > b ? a : b;
}

/* a / b, not rounded down; a >= 0, b > 0. */
static inline int ceil_div(int a, int b)
{
	return (a + b - 1) / b;
}

/* The least multiple of `to` that is not below n. */
static inline size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

#endif
