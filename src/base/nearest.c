#include "base/nearest.h"

#include "base/ints.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int nearest_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), i, j;
	int *rows = xcalloc(3 * (m + 1), sizeof(*rows));
	int *before = rows, *last = rows + m + 1, *row = last + m + 1, *t, d;

	for (j = 0; j <= m; j++)
		row[j] = (int)j;
	for (i = 1; i <= n; i++) {
		t = before;
		before = last;
		last = row;
		row = t;
		row[0] = (int)i;
		for (j = 1; j <= m; j++) {
			row[j] = min_int(last[j - 1] + (a[i - 1] != b[j - 1]),
					 min_int(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min_int(row[j], before[j - 2] + 1);
		}
	}
	d = row[m];
	free(rows);
	return d;
}

const char *nearest_word(const char *word, const char *const *known, size_t n)
{
	const char *best = NULL;
	size_t i, longer;
	int d, least = 0;

	if (strlen(word) > 256) /* nobody's typing error */
		return NULL;
	for (i = 0; i < n; i++) {
		d = nearest_distance(word, known[i]);
		longer = strlen(word) > strlen(known[i]) ? strlen(word) : strlen(known[i]);
		if ((size_t)d * 2 <= longer && (!best || d < least)) {
			best = known[i];
			least = d;
		}
	}
	return best;
}
