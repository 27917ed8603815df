#include "model/weightdiff.h"

#include "io/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool same_shape(const struct safetensors_tensor *a, const struct safetensors_tensor *b)
{
	return a->ndim == b->ndim && !memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof(a->dim[0]));
}

static bool is_integer(const struct safetensors_tensor *t)
{
	return t->type == SAFETENSORS_I64 || t->type == SAFETENSORS_I32 ||
	       t->type == SAFETENSORS_U8;
}

/* The largest difference; infinite where only one is NaN. */
static double diff_floats(const float *a, const float *b, size_t n, size_t *differ)
{
	double most = 0, d;
	size_t i;

	for (i = 0; i < n; i++) {
		if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))
			continue;
		d = fabs((double)a[i] - (double)b[i]);
		most = isnan(d) ? INFINITY : d > most ? d : most;
		++*differ;
	}
	return most;
}

static double diff_ints(const int64_t *a, const int64_t *b, size_t n, size_t *differ)
{
	double most = 0, d;
	size_t i;

	for (i = 0; i < n; i++) {
		d = fabs((double)a[i] - (double)b[i]);
		most = d > most ? d : most;
		*differ += a[i] != b[i];
	}
	return most;
}

static int diff_values(struct safetensors *a, struct safetensors *b,
		       const struct safetensors_tensor *ta, const struct safetensors_tensor *tb,
		       double *most, size_t *differ, struct err *err)
{
	void *va = xcalloc(ta->count + 1, sizeof(int64_t)),
	     *vb = xcalloc(ta->count + 1, sizeof(int64_t));
	int rc;

	if (is_integer(ta) && is_integer(tb)) {
		rc = safetensors_read_ints(a, ta, va, err) || safetensors_read_ints(b, tb, vb, err);
		*most = diff_ints(va, vb, ta->count, differ);
	} else {
		rc = safetensors_read_floats(a, ta, va, err) ||
		     safetensors_read_floats(b, tb, vb, err);
		*most = diff_floats(va, vb, ta->count, differ);
	}
	free(va);
	free(vb);
	return rc ? -1 : 0;
}

static int diff_tensor(struct safetensors *a, struct safetensors *b,
		       const struct safetensors_tensor *ta, struct buf *out, struct err *err)
{
	const struct safetensors_tensor *tb = safetensors_find(b, ta->name);
	char shape_a[128], shape_b[128];
	size_t differ = 0;
	double most;

	if (!tb) {
		buf_printf(out, "%s: only in the first\n", ta->name);
		return 0;
	}
	if (!same_shape(ta, tb)) {
		buf_printf(out, "%s: shapes %s and %s\n", ta->name,
			   safetensors_shape(ta, shape_a, sizeof(shape_a)),
			   safetensors_shape(tb, shape_b, sizeof(shape_b)));
		return 0;
	}
	if (diff_values(a, b, ta, tb, &most, &differ, err))
		return -1;
	if (differ)
		buf_printf(out, "%s: %zu of %zu values differ, by at most %.6g\n", ta->name, differ,
			   ta->count, most);
	return 0;
}

static void diff_meta(const struct safetensors *a, const struct safetensors *b, struct buf *out)
{
	int i;

	for (i = 0; i < a->nmeta; i++) {
		const char *other = safetensors_meta(b, a->meta[i].key);

		if (!other)
			buf_printf(out, "metadata %s: only in the first\n", a->meta[i].key);
		else if (strcmp(other, a->meta[i].value) != 0)
			buf_printf(out, "metadata %s: differs\n", a->meta[i].key);
	}
	for (i = 0; i < b->nmeta; i++)
		if (!safetensors_meta(a, b->meta[i].key))
			buf_printf(out, "metadata %s: only in the second\n", b->meta[i].key);
}

static int diff_open(struct safetensors *a, struct safetensors *b, struct buf *out, struct err *err)
{
	int i;

	for (i = 0; i < a->ntensors; i++)
		if (diff_tensor(a, b, &a->tensors[i], out, err))
			return -1;
	for (i = 0; i < b->ntensors; i++)
		if (!safetensors_find(a, b->tensors[i].name))
			buf_printf(out, "%s: only in the second\n", b->tensors[i].name);
	diff_meta(a, b, out);
	return 0;
}

int weightdiff_files(const char *a, const char *b, struct buf *out, bool *same, struct err *err)
{
	const size_t before = out->len;
	struct safetensors sa, sb;
	int rc;

	if (safetensors_open(&sa, a, err))
		return -1;
	if (safetensors_open(&sb, b, err)) {
		safetensors_close(&sa);
		return -1;
	}
	rc = diff_open(&sa, &sb, out, err);
	safetensors_close(&sa);
	safetensors_close(&sb);
	*same = out->len == before;
	return rc;
}
