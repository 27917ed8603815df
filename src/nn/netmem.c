/*
 * netmem.c - where buffers lie: the largest first, each at the lowest place where no buffer that
 * lives at the same time is in the way (greedy by size; Pisarchyk and Lee 2020).
 */
#include "nn/netplan.h"

#include <stdlib.h>
#include <string.h>

/* A cache line: rows of a register tile never straddle two buffers. */
#define ALIGN 16

struct order {
	const struct buffer *bufs;
	int i;
};

static int larger_first(const void *a, const void *b)
{
	const struct order *p = a, *q = b;
	const size_t m = p->bufs[p->i].floats, n = q->bufs[q->i].floats;

	if (m != n)
		return m < n ? 1 : -1;
	return p->i - q->i;
}

static bool meet(const struct buffer *a, const struct buffer *b)
{
	return a->ops.first <= b->ops.last && b->ops.first <= a->ops.last;
}

/* The lowest offset at which `b` overlaps none of the placed ones that it meets. */
static size_t lowest(const struct buffer *bufs, const struct order *placed, int n,
		     const struct buffer *b)
{
	size_t at = 0;
	int i = 0;

	while (i < n) {
		const struct buffer *o = &bufs[placed[i].i];

		if (meet(o, b) && at < o->offset + o->floats && o->offset < at + b->floats) {
			at = o->offset + o->floats;
			i = 0;
		} else {
			i++;
		}
	}
	return at;
}

size_t plan_place(struct buffer *bufs, int n)
{
	struct order *order = xcalloc((size_t)n + 1, sizeof(*order));
	size_t end = 0;
	int i;

	for (i = 0; i < n; i++) {
		bufs[i].floats = (bufs[i].floats + ALIGN - 1) / ALIGN * ALIGN;
		order[i] = (struct order){bufs, i};
	}
	qsort(order, (size_t)n, sizeof(*order), larger_first);
	for (i = 0; i < n; i++) {
		struct buffer *b = &bufs[order[i].i];

		b->offset = lowest(bufs, order, i, b);
		if (b->offset + b->floats > end)
			end = b->offset + b->floats;
	}
	free(order);
	return end;
}
