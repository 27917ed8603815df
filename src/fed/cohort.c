#include "fed/cohort.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What a client may claim: more images than any data set has, and sums that stay exact. */
#define MAX_SAMPLES (1L << 40)
#define MAX_ROUND   1000000000L

static int bad(const char *path, const char *why, struct err *err)
{
	return err_set(err, STATUS_INPUT, "cannot use '%s': %s", path, why);
}

/* ------------------------------------------------------------------ one file against the first */

static bool ends_in(const char *name, const char *tail)
{
	const size_t len = strlen(name), n = strlen(tail);

	return len >= n && !strcmp(name + len - n, tail);
}

enum cohort_role cohort_role(const struct safetensors_tensor *t)
{
	static const char *const statistics[] = {"running_mean", "running_var", ".anchors",
						 ".anchor_grid"};
	size_t i;

	if (t->type == SAFETENSORS_I64 || t->type == SAFETENSORS_I32 || t->type == SAFETENSORS_U8 ||
	    ends_in(t->name, "num_batches_tracked"))
		return COHORT_COUNTER;
	for (i = 0; i < ARRAY_LEN(statistics); i++)
		if (ends_in(t->name, statistics[i]))
			return COHORT_STATISTIC;
	return COHORT_TRAINED;
}

static int check_tensor(const char *path, const char *first, const struct safetensors_tensor *t,
			const struct safetensors_tensor *want, struct err *err)
{
	char is[96], should[96];

	if (!t)
		return err_set(err, STATUS_INPUT,
			       "cannot average '%s' and '%s': the second has no tensor '%s'", first,
			       path, want->name);
	if (t->ndim != want->ndim ||
	    memcmp(t->dim, want->dim, (size_t)t->ndim * sizeof(*t->dim)) != 0)
		return err_set(err, STATUS_INPUT,
			       "cannot average '%s' and '%s': '%s' is of shape %s in one and %s in "
			       "the other",
			       first, path, t->name,
			       safetensors_shape(want, should, sizeof(should)),
			       safetensors_shape(t, is, sizeof(is)));
	if ((cohort_role(t) == COHORT_COUNTER) != (cohort_role(want) == COHORT_COUNTER))
		return err_set(err, STATUS_INPUT,
			       "cannot average '%s' and '%s': '%s' is an integer in one only",
			       first, path, t->name);
	return 0;
}

static int check_tensors(const struct safetensors *s, const char *path,
			 const struct safetensors *first, const char *first_path, struct err *err)
{
	int i;

	for (i = 0; i < first->ntensors; i++)
		if (check_tensor(path, first_path, safetensors_find(s, first->tensors[i].name),
				 &first->tensors[i], err))
			return -1;
	for (i = 0; i < s->ntensors; i++)
		if (!safetensors_find(first, s->tensors[i].name))
			return err_set(err, STATUS_INPUT,
				       "cannot average '%s' and '%s': the first has no tensor '%s'",
				       first_path, path, s->tensors[i].name);
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static int check_meta(const struct safetensors *s, const char *path,
		      const struct safetensors *first, const char *first_path, struct err *err)
{
	static const struct {
		const char *key, *what;
	} same[] = {{"mist.model", "models"},
		    {"mist.names", "class names"},
		    {"mist.cut_layer", "cut layers"},
		    {"mist.gate", "gates"}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(same); i++)
		if (!same_text(safetensors_meta(s, same[i].key),
			       safetensors_meta(first, same[i].key)))
			return err_set(err, STATUS_INPUT,
				       "cannot average '%s' and '%s': their %s differ", first_path,
				       path, same[i].what);
	return 0;
}

/* -1 in *out where the key is absent. */
static int meta_number(const struct safetensors *s, const char *path, const char *key, long max,
		       long *out, struct err *err)
{
	const char *text = safetensors_meta(s, key);

	*out = -1;
	if (!text || !num_long(key, text, 0, max, out, err))
		return 0;
	err->status = STATUS_INPUT;
	return err_prefix(err, "cannot use '%s'", path);
}

/* ------------------------------------------------------------------ taking the files in */

static int take_numbers(struct cohort *c, struct cohort_file *in, struct err *err)
{
	if (meta_number(&in->file, in->path, "mist.samples", MAX_SAMPLES, &in->samples, err) ||
	    meta_number(&in->file, in->path, "mist.round", MAX_ROUND, &in->round, err))
		return -1;
	if (in->samples > 0)
		c->samples += in->samples;
	if (in->round > c->round)
		c->round = in->round;
	if (c->samples > MAX_SAMPLES)
		return bad(in->path, "more samples in all than can be", err);
	if ((in->samples < 0) != (c->files[0].samples < 0))
		return err_set(err, STATUS_INPUT,
			       "cannot average '%s' and '%s': only one says how many samples are "
			       "behind it",
			       c->files[0].path, in->path);
	return 0;
}

static int check_file(struct cohort *c, struct cohort_file *in, struct err *err)
{
	const struct cohort_file *first = &c->files[0];

	if (safetensors_meta(&in->file, "mist.train"))
		return bad(in->path, "it is a checkpoint of an unfinished run", err);
	if (safetensors_digest(&in->file, in->digest, err))
		return -1;
	if (seen_before(&c->digests, in->digest, strlen(in->digest)))
		return bad(in->path, "the same file was given before", err);
	if (in != first && (check_meta(&in->file, in->path, &first->file, first->path, err) ||
			    check_tensors(&in->file, in->path, &first->file, first->path, err)))
		return -1;
	return take_numbers(c, in, err);
}

/* The file's own word, or its name up to the first dot. */
static char *client_of(const struct cohort_file *in)
{
	const char *client = safetensors_meta(&in->file, "mist.client");
	const char *base = path_base(in->path);

	char *name = client ? xstrdup(client) : xstrndup(base, strcspn(base, ".")), *p;

	for (p = name; *p; p++) /* it is printed */
		if (iscntrl((unsigned char)*p))
			*p = '?';
	return name;
}

static int take_input(struct cohort *c, struct cohort_file *in, const struct notices *details,
		      struct err *err)
{
	if (safetensors_open(&in->file, in->path, err))
		return -1;
	in->resident = true;
	if (check_file(c, in, err))
		return -1;
	in->client = client_of(in);
	if (in->samples < 0)
		notice(details, "'%s': SHA-256 %.12s", in->path, in->digest);
	else
		notice(details, "'%s': %ld samples, SHA-256 %.12s", in->path, in->samples,
		       in->digest);
	safetensors_park(&in->file);
	/* standard input cannot be opened again, so its list is kept */
	if (in == c->files || safetensors_share(&in->file, &c->files[0].file) ||
	    !strcmp(in->path, "-"))
		return 0;
	safetensors_close(&in->file);
	in->resident = false;
	return 0;
}

static int take_global(struct cohort *c, const char *path, struct err *err)
{
	const struct cohort_file *first = &c->files[0];

	if (safetensors_open(&c->global, path, err))
		return -1;
	c->global_path = path;
	if (safetensors_digest(&c->global, c->global_digest, err) ||
	    check_tensors(&c->global, path, &first->file, first->path, err))
		return -1;
	safetensors_park(&c->global);
	return 0;
}

int cohort_open(struct cohort *c, char *const *paths, int n, const char *global,
		const struct notices *details, struct err *err)
{
	*c = (struct cohort){.global = {.fd = -1}, .round = -1};
	if (seen_init(&c->digests, err))
		return -1;
	c->files = xcalloc((size_t)n, sizeof(*c->files));
	for (; c->n < n; c->n++) {
		c->files[c->n].path = paths[c->n];
		c->files[c->n].file.fd = -1;
		if (take_input(c, &c->files[c->n], details, err)) {
			c->n++;
			return -1;
		}
	}
	return global ? take_global(c, global, err) : 0;
}

void cohort_release(struct cohort *c)
{
	int i;

	if (c->global_path)
		safetensors_close(&c->global);
	/* the first last: the others borrow its list */
	for (i = c->n - 1; i >= 0; i--) {
		if (c->files[i].resident)
			safetensors_close(&c->files[i].file);
		free(c->files[i].client);
	}
	free(c->files);
	seen_release(&c->digests);
	*c = (struct cohort){.global = {.fd = -1}};
}

/* ------------------------------------------------------------------ reading */

static int check_finite(const char *path, const char *name, size_t first, const float *v, size_t n,
			struct err *err)
{
	const size_t at = safetensors_finite(v, n);

	if (at == n)
		return 0;
	return err_set(err, STATUS_NONFINITE, "cannot use '%s': value %zu of '%s' is not finite",
		       path, first + at, name);
}

/* The file, opened again where it is not kept; close_file gives it back. */
static struct safetensors *open_file(struct cohort_file *in, struct safetensors *again,
				     struct err *err)
{
	if (in->resident)
		return &in->file;
	return safetensors_open(again, in->path, err) ? NULL : again;
}

static void close_file(struct cohort_file *in, struct safetensors *s)
{
	if (in->resident)
		safetensors_park(s);
	else
		safetensors_close(s);
}

/* Of a file that was opened again, and so was another; NULL. */
static const struct safetensors_tensor *find(struct safetensors *s, const char *path,
					     const char *name, size_t least, struct err *err)
{
	const struct safetensors_tensor *t = safetensors_find(s, name);

	if (t && t->count >= least)
		return t;
	bad(path, "it was replaced while it was read", err);
	return NULL;
}

int cohort_read(struct cohort *c, int file, const char *name, size_t first, size_t count,
		float *out, struct err *err)
{
	struct cohort_file *in = &c->files[file];
	struct safetensors again, *s = open_file(in, &again, err);
	const struct safetensors_tensor *t;
	int rc;

	if (!s)
		return -1;
	t = find(s, in->path, name, first + count, err);
	rc = t ? safetensors_read_range(s, t, first, count, out, err) : -1;
	close_file(in, s);
	return rc ? -1 : check_finite(in->path, name, first, out, count, err);
}

int cohort_read_global(struct cohort *c, const char *name, size_t first, size_t count, float *out,
		       struct err *err)
{
	const struct safetensors_tensor *t = safetensors_find(&c->global, name);
	const int rc = safetensors_read_range(&c->global, t, first, count, out, err);

	safetensors_park(&c->global);
	return rc ? -1 : check_finite(c->global_path, name, first, out, count, err);
}

int cohort_read_ints(struct cohort *c, int file, const char *name, size_t count, int64_t *out,
		     struct err *err)
{
	struct cohort_file *in = &c->files[file];
	struct safetensors again, *s = open_file(in, &again, err);
	const struct safetensors_tensor *t;
	int rc;

	if (!s)
		return -1;
	t = find(s, in->path, name, count, err);
	if (t && t->count != count)
		rc = bad(in->path, "it was replaced while it was read", err);
	else
		rc = t ? safetensors_read_ints(s, t, out, err) : -1;
	close_file(in, s);
	return rc;
}
