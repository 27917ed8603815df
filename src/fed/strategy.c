#include "fed/strategy.h"

#include "base/mem.h"
#include "base/num.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

/* What a client may claim: more images than any data set has, and sums that stay exact. */
#define MAX_SAMPLES (1L << 40)
#define MAX_ROUND   1000000000L

const char *const strategy_names[] = {"fedavg", NULL};

struct input {
	const char *path; /* borrowed */
	/* open, and parked, where it lists its tensors as the first file does; else it is opened
	 * for each tensor, so that its list is not kept */
	struct safetensors file;
	bool resident;
	long samples; /* -1: the file does not tell */
	char digest[DIGEST_HEX];
};

struct mean {
	const struct strategy_options *opt;
	struct input *inputs;
	int n;
	long samples, round; /* the sum, the largest */
	struct seen digests;
	float *values;
	double *sum;
	int64_t *ints, *max;
	struct safetensors_writer out;
};

static int bad(const char *path, const char *why, struct err *err)
{
	return err_set(err, STATUS_INPUT, "cannot use '%s': %s", path, why);
}

/* ------------------------------------------------------------------ one file against the first */

static bool is_integer(const struct safetensors_tensor *t)
{
	static const char counter[] = "num_batches_tracked";
	const size_t len = strlen(t->name), tail = sizeof(counter) - 1;

	return t->type == SAFETENSORS_I64 || t->type == SAFETENSORS_I32 ||
	       t->type == SAFETENSORS_U8 || (len >= tail && !strcmp(t->name + len - tail, counter));
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
	if (is_integer(t) != is_integer(want))
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

static int take_numbers(struct mean *m, struct input *in, struct err *err)
{
	long round;

	if (meta_number(&in->file, in->path, "mist.samples", MAX_SAMPLES, &in->samples, err) ||
	    meta_number(&in->file, in->path, "mist.round", MAX_ROUND, &round, err))
		return -1;
	if (in->samples > 0)
		m->samples += in->samples;
	if (round > m->round)
		m->round = round;
	if (m->samples > MAX_SAMPLES)
		return bad(in->path, "more samples in all than can be", err);
	if ((in->samples < 0) != (m->inputs[0].samples < 0))
		return err_set(err, STATUS_INPUT,
			       "cannot average '%s' and '%s': only one says how many samples are "
			       "behind it",
			       m->inputs[0].path, in->path);
	return 0;
}

static int check_file(struct mean *m, struct input *in, struct err *err)
{
	const struct input *first = &m->inputs[0];

	if (safetensors_meta(&in->file, "mist.train"))
		return bad(in->path, "it is a checkpoint of an unfinished run", err);
	if (safetensors_digest(&in->file, in->digest, err))
		return -1;
	if (seen_before(&m->digests, in->digest, strlen(in->digest)))
		return bad(in->path, "the same file was given before", err);
	if (in != first && (check_meta(&in->file, in->path, &first->file, first->path, err) ||
			    check_tensors(&in->file, in->path, &first->file, first->path, err)))
		return -1;
	return take_numbers(m, in, err);
}

static int take_input(struct mean *m, struct input *in, struct err *err)
{
	if (safetensors_open(&in->file, in->path, err))
		return -1;
	in->resident = true;
	if (check_file(m, in, err))
		return -1;
	if (in->samples < 0)
		notice(m->opt->details, "'%s': SHA-256 %.12s", in->path, in->digest);
	else
		notice(m->opt->details, "'%s': %ld samples, SHA-256 %.12s", in->path, in->samples,
		       in->digest);
	safetensors_park(&in->file);
	/* standard input cannot be opened again, so its list is kept */
	if (in == m->inputs || safetensors_share(&in->file, &m->inputs[0].file) ||
	    !strcmp(in->path, "-"))
		return 0;
	safetensors_close(&in->file);
	in->resident = false;
	return 0;
}

static int take_inputs(struct mean *m, char *const *paths, int n, struct err *err)
{
	m->inputs = xcalloc((size_t)n, sizeof(*m->inputs));
	for (; m->n < n; m->n++) {
		m->inputs[m->n].path = paths[m->n];
		m->inputs[m->n].file.fd = -1;
		if (take_input(m, &m->inputs[m->n], err)) {
			m->n++;
			return -1;
		}
	}
	if (m->inputs[0].samples < 0)
		notice(m->opt->notices,
		       "no file says how many samples are behind it: every file counts the same");
	else if (m->samples == 0)
		return bad(paths[0], "no file has a sample behind it", err);
	return 0;
}

/* ------------------------------------------------------------------ the mean of one tensor */

static double weight_of(const struct mean *m, const struct input *in)
{
	return in->samples < 0 ? 1.0 / m->n : (double)in->samples / (double)m->samples;
}

static int check_finite(const struct mean *m, const struct input *in,
			const struct safetensors_tensor *t, struct err *err)
{
	const size_t at = safetensors_finite(m->values, t->count);

	if (at == t->count)
		return 0;
	return err_set(err, STATUS_NONFINITE, "cannot use '%s': value %zu of '%s' is not finite",
		       in->path, at, t->name);
}

static int add_floats(struct mean *m, const struct input *in, struct safetensors *s,
		      const struct safetensors_tensor *t, struct err *err)
{
	const double weight = weight_of(m, in);
	size_t i;

	if (safetensors_read_floats(s, t, m->values, err) || check_finite(m, in, t, err))
		return -1;
	for (i = 0; i < t->count; i++)
		m->sum[i] += weight * (double)m->values[i];
	return 0;
}

static int take_max(struct mean *m, struct safetensors *s, const struct safetensors_tensor *t,
		    bool first, struct err *err)
{
	size_t i;

	if (safetensors_read_ints(s, t, m->ints, err))
		return -1;
	for (i = 0; i < t->count; i++)
		if (first || m->ints[i] > m->max[i])
			m->max[i] = m->ints[i];
	return 0;
}

static int add_input(struct mean *m, struct input *in, const char *name, struct err *err)
{
	struct safetensors again, *s = &in->file;
	const struct safetensors_tensor *t;
	int rc;

	if (!in->resident) {
		if (safetensors_open(&again, in->path, err))
			return -1;
		s = &again;
	}
	t = safetensors_find(s, name);
	if (!t) /* of a file opened again, which so was another */
		rc = bad(in->path, "it was replaced while it was read", err);
	else if (is_integer(t))
		rc = take_max(m, s, t, in == m->inputs, err);
	else
		rc = add_floats(m, in, s, t, err);
	if (in->resident)
		safetensors_park(s);
	else
		safetensors_close(s);
	return rc;
}

static int average_tensor(struct mean *m, const struct safetensors_tensor *t, struct err *err)
{
	size_t i;
	int k;

	memset(m->sum, 0, t->count * sizeof(*m->sum));
	for (k = 0; k < m->n; k++)
		if (add_input(m, &m->inputs[k], t->name, err))
			return -1;
	if (is_integer(t))
		return safetensors_writer_ints(&m->out, m->max, err);
	for (i = 0; i < t->count; i++)
		m->values[i] = (float)m->sum[i];
	return safetensors_writer_floats(&m->out, m->values, err);
}

/* ------------------------------------------------------------------ writing */

static void set_number(struct mean *m, const char *key, long v)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", v);
	safetensors_writer_meta(&m->out, key, text);
}

static void set_meta(struct mean *m)
{
	const struct safetensors *first = &m->inputs[0].file;
	json_t *parents = json_array();
	char *text;
	int i;

	for (i = 0; i < first->nmeta; i++)
		safetensors_writer_meta(&m->out, first->meta[i].key, first->meta[i].value);
	for (i = 0; i < m->n; i++)
		json_array_append_new(parents, json_string(m->inputs[i].digest));
	text = json_text(parents);
	json_decref(parents);
	safetensors_writer_meta(&m->out, "mist.parents", text);
	free(text);
	safetensors_writer_meta(&m->out, "mist.client", NULL);
	set_number(m, "mist.round", m->round + 1);
	if (m->inputs[0].samples >= 0)
		set_number(m, "mist.samples", m->samples);
}

static int write_mean(struct mean *m, const char *output, struct err *err)
{
	const struct safetensors *first = &m->inputs[0].file;
	size_t most = 1;
	int i, next;

	set_meta(m);
	for (i = 0; i < first->ntensors; i++) {
		const struct safetensors_tensor *t = &first->tensors[i];

		safetensors_writer_add(&m->out, t->name,
				       is_integer(t) ? SAFETENSORS_I64 : SAFETENSORS_F32, t->ndim,
				       t->dim);
		if (t->count > most)
			most = t->count;
	}
	m->values = xreallocarray(NULL, most, sizeof(*m->values));
	m->sum = xreallocarray(NULL, most, sizeof(*m->sum));
	m->ints = xreallocarray(NULL, most, sizeof(*m->ints));
	m->max = xreallocarray(NULL, most, sizeof(*m->max));
	if (safetensors_writer_begin(&m->out, output, err))
		return -1;
	while ((next = safetensors_writer_next(&m->out)) >= 0)
		if (average_tensor(m, &first->tensors[next], err))
			return -1;
	return 0;
}

static void release(struct mean *m)
{
	int i;

	/* the first last: the others borrow its list */
	for (i = m->n - 1; i >= 0; i--)
		if (m->inputs[i].resident)
			safetensors_close(&m->inputs[i].file);
	free(m->inputs);
	free(m->values);
	free(m->sum);
	free(m->ints);
	free(m->max);
	seen_release(&m->digests);
}

int strategy_run(char *const *paths, int n, const char *output, const struct strategy_options *opt,
		 struct err *err)
{
	struct mean m = {.opt = opt, .out = SAFETENSORS_WRITER_INIT};
	int rc = seen_init(&m.digests, err);

	if (!rc)
		rc = take_inputs(&m, paths, n, err);
	if (!rc)
		rc = write_mean(&m, output, err);
	if (!rc && opt->confirm)
		rc = opt->confirm->fn(opt->confirm->ctx, err);
	if (!rc)
		rc = safetensors_writer_finish(&m.out, err);
	else
		safetensors_writer_discard(&m.out);
	release(&m);
	return rc;
}
