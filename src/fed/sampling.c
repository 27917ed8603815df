#include "fed/sampling.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int sampling_size(const char *text, size_t n, size_t *out, struct err *err)
{
	const size_t len = strlen(text);
	const bool percent = len && text[len - 1] == '%';
	char *digits = xstrndup(text, len - percent);
	double v;
	int rc = num_double("--sample", digits, 0, percent ? 100 : 1e9, &v, err);

	free(digits);
	if (rc)
		return -1;
	if (percent)
		v = ceil(v / 100 * (double)n);
	*out = (size_t)v;
	if ((double)*out != v || *out < 1 || *out > n)
		return err_set(err, STATUS_USAGE, "--sample %s of %zu clients is not possible",
			       text, n);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

void sampling_draw(uint64_t seed, const char *round, size_t n, size_t k, int *out)
{
	char *purpose = xasprintf("clients of round %s", round);
	int *all = xreallocarray(NULL, n, sizeof(*all));
	struct rng r;
	size_t i;

	for (i = 0; i < n; i++)
		all[i] = (int)i;
	rng_init(&r, seed, purpose, 0);
	rng_shuffle(&r, all, n);
	memcpy(out, all, k * sizeof(*out));
	qsort(out, k, sizeof(*out), by_value);
	free(all);
	free(purpose);
}

int sampling_print(const char *size, uint64_t seed, const char *round, char *const *names, size_t n,
		   const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	size_t k, i;
	int *drawn, rc;

	if (sampling_size(size, n, &k, err))
		return -1;
	drawn = xreallocarray(NULL, k, sizeof(*drawn));
	sampling_draw(seed, round, n, k, drawn);
	for (i = 0; i < k; i++)
		buf_printf(&text, "%s\n", names[drawn[i]]);
	free(drawn);
	rc = file_write(path ? path : "-", text.data, text.len, err);
	buf_release(&text);
	return rc;
}
