#include "data/argsort.h"

/* Up to 16 keys are sorted by insertion. */
enum { SMALL = 15 };

static void swap(int *a, int *b)
{
	int t = *a;

	*a = *b;
	*b = t;
}

static void insertion(const double *key, int *lo, int *hi)
{
	int *i, *j, moving;

	for (i = lo + 1; i <= hi; i++) {
		moving = *i;
		for (j = i; j > lo && key[moving] < key[j[-1]]; j--)
			*j = j[-1];
		*j = moving;
	}
}

static void sift(const double *key, int *heap, int root, int n)
{
	int child;

	for (; (child = 2 * root + 1) < n; root = child) {
		child += child + 1 < n && key[heap[child]] < key[heap[child + 1]];
		if (!(key[heap[root]] < key[heap[child]]))
			return;
		swap(&heap[root], &heap[child]);
	}
}

/* Where quicksort degenerates; n log n whatever the keys. */
static void heapsort_indices(const double *key, int *heap, int n)
{
	int i;

	for (i = n / 2 - 1; i >= 0; i--)
		sift(key, heap, i, n);
	for (i = n - 1; i > 0; i--) {
		swap(&heap[0], &heap[i]);
		sift(key, heap, 0, i);
	}
}

/* Splits lo … hi around the median of first, middle and last; returns where that median lies. */
static int *partition(const double *key, int *lo, int *hi)
{
	int *mid = lo + ((hi - lo) >> 1), *i = lo, *j = hi - 1;
	double pivot;

	if (key[*mid] < key[*lo])
		swap(mid, lo);
	if (key[*hi] < key[*mid])
		swap(hi, mid);
	if (key[*mid] < key[*lo])
		swap(mid, lo);
	pivot = key[*mid];
	swap(mid, j);
	for (;;) {
		do
			i++;
		while (key[*i] < pivot);
		do
			j--;
		while (pivot < key[*j]);
		if (i >= j)
			break;
		swap(i, j);
	}
	swap(i, hi - 1);
	return i;
}

static void sort(const double *key, int *lo, int *hi, int depth)
{
	while (hi - lo > SMALL) {
		int *at;

		if (depth-- < 0) {
			heapsort_indices(key, lo, (int)(hi - lo) + 1);
			return;
		}
		at = partition(key, lo, hi);
		/* the smaller part by recursion, which bounds the stack */
		if (at - lo < hi - at) {
			sort(key, lo, at - 1, depth);
			lo = at + 1;
		} else {
			sort(key, at + 1, hi, depth);
			hi = at - 1;
		}
	}
	insertion(key, lo, hi);
}

void argsort(const double *key, int *order, int n)
{
	int i, depth = 0;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i /= 2)
		depth += 2; /* introsort's limit: twice the logarithm */
	if (n > 1)
		sort(key, order, order + n - 1, depth);
}
