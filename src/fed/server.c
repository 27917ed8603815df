#include "fed/server.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool has_v(const struct server *s)
{
	return s->step.kind != STEP_MOMENTUM;
}

static int bad(const struct server *s, const char *why, struct err *err)
{
	return err_set(err, STATUS_INPUT, "cannot use the state '%s': %s", s->in_path, why);
}

static const struct safetensors_tensor *moment(const struct server *s, char which, const char *name)
{
	char *key = xasprintf("%c.%s", which, name);
	const struct safetensors_tensor *t = safetensors_find(&s->in, key);

	free(key);
	return t;
}

static bool has_moments(const struct server *s, const struct safetensors_tensor *t)
{
	const struct safetensors_tensor *m = moment(s, 'm', t->name);
	const struct safetensors_tensor *v = has_v(s) ? moment(s, 'v', t->name) : m;

	return m && v && m->count == t->count && v->count == t->count;
}

static int check_in(const struct server *s, const struct cohort *c, struct err *err)
{
	const struct safetensors *first = &c->files[0].file;
	const char *name = safetensors_meta(&s->in, "mist.server");
	const char *mine = safetensors_meta(&s->in, "mist.parents");
	const char *its = safetensors_meta(&c->global, "mist.parents");
	int i;

	if (!name)
		return bad(s, "it is not the state of a server", err);
	if (strcmp(name, s->name))
		return err_set(err, STATUS_INPUT,
			       "cannot use the state '%s': it is of %.40s, not of %s", s->in_path,
			       name, s->name);
	if (!mine || !its || strcmp(mine, its))
		return err_set(err, STATUS_INPUT,
			       "cannot use the state '%s': it was not made together with '%s'",
			       s->in_path, c->global_path);
	for (i = 0; i < first->ntensors; i++)
		if (cohort_role(&first->tensors[i]) == COHORT_TRAINED &&
		    !has_moments(s, &first->tensors[i]))
			return bad(s, "it is of another model", err);
	return 0;
}

static void declare(struct server *s, const struct cohort *c)
{
	const struct safetensors *first = &c->files[0].file;
	char *key;
	int i, k;

	for (i = 0; i < first->ntensors; i++) {
		const struct safetensors_tensor *t = &first->tensors[i];

		for (k = 0; k < 1 + has_v(s) && cohort_role(t) == COHORT_TRAINED; k++) {
			key = xasprintf("%c.%s", "mv"[k], t -> name);
			safetensors_writer_add(&s->out, key, SAFETENSORS_F32, t->ndim, t->dim);
			free(key);
		}
	}
}

static void allocate(struct server *s, const struct cohort *c)
{
	const struct safetensors *first = &c->files[0].file;
	size_t most = 1;
	int i;

	for (i = 0; i < first->ntensors; i++)
		if (first->tensors[i].count > most)
			most = first->tensors[i].count;
	s->m = xreallocarray(NULL, most, sizeof(*s->m));
	s->v = xreallocarray(NULL, most, sizeof(*s->v));
}

int server_open(struct server *s, const struct combine_step *step, const char *name, const char *in,
		const char *out, const struct cohort *c, const char *parents, struct err *err)
{
	*s = (struct server){.step = *step, .name = name, .in_path = in};
	if (in && safetensors_open(&s->in, in, err))
		return -1;
	s->have_in = in != NULL;
	if (in && check_in(s, c, err))
		return -1;
	allocate(s, c);
	s->have_out = out != NULL;
	if (!out)
		return 0;
	declare(s, c);
	safetensors_writer_meta(&s->out, "mist.server", name);
	safetensors_writer_meta(&s->out, "mist.parents", parents);
	return safetensors_writer_begin(&s->out, out, err);
}

static int read_moment(struct server *s, char which, const struct safetensors_tensor *t, float *out,
		       struct err *err)
{
	const struct safetensors_tensor *from = s->have_in ? moment(s, which, t->name) : NULL;
	const float begin = which == 'm' ? 0 : (float)(s->step.tau * s->step.tau);
	size_t i, at;

	for (i = 0; !from && i < t->count; i++)
		out[i] = begin;
	if (!from)
		return 0;
	if (safetensors_read_floats(&s->in, from, out, err))
		return -1;
	at = safetensors_finite(out, t->count);
	if (at < t->count)
		return err_set(err, STATUS_NONFINITE,
			       "cannot use the state '%s': value %zu of '%s' is not finite",
			       s->in_path, at, from->name);
	for (i = 0; which == 'v' && i < t->count; i++)
		if (out[i] < 0)
			return bad(s, "a second moment is negative", err);
	return 0;
}

int server_step(struct server *s, const struct safetensors_tensor *t, const double *mean,
		const float *w, double *out, struct err *err)
{
	if (read_moment(s, 'm', t, s->m, err) || (has_v(s) && read_moment(s, 'v', t, s->v, err)))
		return -1;
	combine_step(&s->step, mean, w, t->count, s->m, s->v, out);
	if (!s->have_out)
		return 0;
	if (safetensors_writer_floats(&s->out, s->m, err))
		return -1;
	return has_v(s) ? safetensors_writer_floats(&s->out, s->v, err) : 0;
}

int server_finish(struct server *s, struct err *err)
{
	return s->have_out ? safetensors_writer_finish(&s->out, err) : 0;
}

void server_release(struct server *s)
{
	if (s->have_in)
		safetensors_close(&s->in);
	safetensors_writer_discard(&s->out);
	free(s->m);
	free(s->v);
	*s = (struct server){.have_in = false};
}
