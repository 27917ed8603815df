#include "train/checkpoint.h"

#include "base/mem.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <float.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Of the layout of mist.train and the tensors' prefixes. */
#define FORMAT 1

void train_state_release(struct train_state *s)
{
	results_release(&s->results);
}

static json_t *rows_json(const struct results *r)
{
	json_t *rows = json_array();
	int i, k;

	for (i = 0; i < r->n; i++) {
		json_t *row = json_array();

		for (k = 0; k < RESULTS_COLUMNS; k++)
			json_array_append_new(row, json_real(r->row[i].value[k]));
		json_array_append_new(rows, row);
	}
	return rows;
}

json_t *train_state_json(const struct train_state *s)
{
	json_t *o = json_pack("{s:i, s:I, s:I, s:I, s:I, s:[f,f,f], s:f, s:I, s:b}", "format",
			      FORMAT, "epoch", (json_int_t)s->epoch, "batch", (json_int_t)s->batch,
			      "last_step", (json_int_t)s->last_step, "steps", (json_int_t)s->steps,
			      "loss", s->loss[0], s->loss[1], s->loss[2], "best", s->best,
			      "best_epoch", (json_int_t)s->best_epoch, "done", (int)s->done);

	BUG_IF(!o); /* losses are finite: the loop saw to it */
	json_object_set_new(o, "results", rows_json(&s->results));
	return o;
}

static int bad(const char *name, const char *what, struct err *err)
{
	return err_set(err, STATUS_INPUT, "%s: 'mist.train': %s", name, what);
}

static int parse_numbers(const json_t *array, size_t n, double *out)
{
	size_t i;

	if (json_array_size(array) != n)
		return -1;
	for (i = 0; i < n; i++) {
		const json_t *v = json_array_get(array, i);

		if (!json_is_number(v))
			return -1;
		out[i] = json_number_value(v);
	}
	return 0;
}

static int parse_rows(struct results *r, const char *name, const json_t *rows, struct err *err)
{
	struct results_row row;
	size_t i;

	for (i = 0; i < json_array_size(rows); i++) {
		if (parse_numbers(json_array_get(rows, i), RESULTS_COLUMNS, row.value))
			return bad(name, "a row of 'results' is not 14 numbers", err);
		results_add(r, &row);
	}
	return 0;
}

int train_state_parse(struct train_state *s, const char *name, const json_t *json, struct err *err)
{
	const json_t *loss, *rows;
	long format, steps;

	if (json_get_long(name, json, "format", 1, LONG_MAX, &format, err))
		return -1;
	if (format > FORMAT)
		return bad(name, "written by a newer version of this program", err);
	if (json_get_long(name, json, "epoch", 0, INT_MAX, &s->epoch, err) ||
	    json_get_long(name, json, "batch", 0, INT_MAX, &s->batch, err) ||
	    json_get_long(name, json, "last_step", -1, LONG_MAX / 2, &s->last_step, err) ||
	    json_get_long(name, json, "steps", 0, LONG_MAX / 2, &steps, err) ||
	    json_get_double(name, json, "best", -1, 1, &s->best, err) ||
	    json_get_long(name, json, "best_epoch", 0, INT_MAX, &s->best_epoch, err) ||
	    json_get_bool(name, json, "done", &s->done, err))
		return -1;
	s->steps = steps;
	loss = json_get_array(name, json, "loss", err);
	if (!loss)
		return -1;
	if (parse_numbers(loss, 3, s->loss))
		return bad(name, "'loss' is not three numbers", err);
	rows = json_get_array(name, json, "results", err);
	if (!rows)
		return -1;
	if (json_array_size(rows) != (size_t)s->epoch)
		return bad(name, "'results' has not one row for each epoch", err);
	return parse_rows(&s->results, name, rows, err);
}

/* One tensor of the file: floats, or a counter. */
struct slot {
	char *name;
	const struct param *param;
	float *floats;
	int64_t *counter;
};

struct slots {
	struct slot *v;
	int n, cap;
};

static void slots_add(struct slots *s, char *name_take, const struct param *p, float *floats,
		      int64_t *counter)
{
	GROW(s->v, s->n, s->cap);
	s->v[s->n++] = (struct slot){name_take, p, floats, counter};
}

static void slots_release(struct slots *s)
{
	int i;

	for (i = 0; i < s->n; i++)
		free(s->v[i].name);
	free(s->v);
}

/* What a checkpoint consists of, in one list for writing and reading. */
static void slots_init(struct slots *s, const struct checkpoint *c)
{
	struct graph *g = c->model->graph;
	int i, k;

	*s = (struct slots){NULL, 0, 0};
	for (i = 0; i < g->nparams; i++) {
		struct param *p = &g->params[i];

		if (p->kind == PARAM_COUNTER) {
			slots_add(s, xstrdup(p->name), p, NULL, &p->counter);
			continue;
		}
		slots_add(s, xstrdup(p->name), p, c->model->params + p->offset, NULL);
		slots_add(s, xasprintf("ema.%s", p->name), p, c->ema + p->offset, NULL);
		for (k = 0; optim_trains(c->optim, p) && k < optim_nmoments(c->optim); k++)
			slots_add(s,
				  xasprintf("optim.%s.%s", optim_moment_name(c->optim, k), p->name),
				  p, optim_moment(c->optim, k) + p->offset, NULL);
	}
}

static void declare_meta(const struct checkpoint *c, struct safetensors_writer *w)
{
	json_t *train = train_state_json(c->state), *names = json_array();
	char *text;
	int i;

	json_object_set(train, "options", (json_t *)c->options);
	text = json_text(train);
	safetensors_writer_meta(w, "mist.train", text);
	free(text);
	json_decref(train);
	for (i = 0; i < c->model->nnames; i++)
		json_array_append_new(names, json_string(c->model->names[i]));
	text = json_text(names);
	safetensors_writer_meta(w, "mist.names", text);
	free(text);
	json_decref(names);
	safetensors_writer_meta(w, "mist.model", c->model->yaml);
	for (i = 0; i < c->model->nmeta; i++)
		safetensors_writer_meta(w, c->model->meta[i].key, c->model->meta[i].value);
}

static void declare(const struct slot *s, struct safetensors_writer *w)
{
	size_t dim[4];
	int i;

	for (i = 0; i < s->param->ndim; i++)
		dim[i] = (size_t)s->param->dim[i];
	safetensors_writer_add(w, s->name, s->counter ? SAFETENSORS_I64 : SAFETENSORS_F32,
			       s->param->ndim, dim);
}

int checkpoint_save(const struct checkpoint *c, const char *path, struct err *err)
{
	struct safetensors_writer w = SAFETENSORS_WRITER_INIT;
	struct slots s;
	int i, rc;

	slots_init(&s, c);
	declare_meta(c, &w);
	for (i = 0; i < s.n; i++)
		declare(&s.v[i], &w);
	rc = safetensors_writer_begin(&w, path, err);
	while (!rc && (i = safetensors_writer_next(&w)) >= 0)
		rc = s.v[i].counter ? safetensors_writer_ints(&w, s.v[i].counter, err)
				    : safetensors_writer_floats(&w, s.v[i].floats, err);
	if (rc)
		safetensors_writer_discard(&w);
	else
		rc = safetensors_writer_finish(&w, err);
	slots_release(&s);
	return rc;
}

/* The first option that differs, in both directions. */
static int compare_options(const json_t *was, const json_t *now, const char *name, struct err *err)
{
	const char *key;
	const json_t *value;

	json_object_foreach((json_t *)now, key, value)
	{
		const char *a = json_string_value(json_object_get(was, key));
		const char *b = json_string_value(value);

		if (!a || strcmp(a, b))
			return err_set(err, STATUS_USAGE,
				       "cannot resume '%s': it was started with %s '%s', not '%s'",
				       name, key, a ? a : "(nothing)", b);
	}
	if (json_object_size(was) != json_object_size(now))
		return err_set(err, STATUS_USAGE,
			       "cannot resume '%s': it was started with other kinds of options",
			       name);
	return 0;
}

static int load_state(const struct checkpoint *c, const struct safetensors *f, const char *name,
		      struct err *err)
{
	const char *text = safetensors_meta(f, "mist.train");
	const json_t *options;
	json_t *json;
	int rc = -1;

	if (!text)
		return err_set(err, STATUS_INPUT, "cannot resume '%s': it is not a checkpoint",
			       name);
	json = json_parse(name, text, strlen(text), err);
	if (!json)
		return -1;
	options = json_get_object(name, json, "options", err);
	if (options)
		rc = compare_options(options, c->options, name, err);
	if (!rc)
		rc = train_state_parse(c->state, name, json, err);
	json_decref(json);
	return rc;
}

static int load_slot(const struct slot *s, struct safetensors *f, const char *name, struct err *err)
{
	const struct safetensors_tensor *t = safetensors_find(f, s->name);
	size_t count = s->counter ? 1 : s->param->count;

	if (!t || t->count != count)
		return err_set(err, STATUS_INPUT, "cannot resume '%s': tensor '%s' %s", name,
			       s->name, t ? "has another shape" : "is missing");
	if (s->counter)
		return safetensors_read_ints(f, t, s->counter, err);
	if (safetensors_read_floats(f, t, s->floats, err))
		return -1;
	if (safetensors_finite(s->floats, count) < count)
		return err_set(err, STATUS_NONFINITE, "cannot resume '%s': '%s' is not finite",
			       name, s->name);
	return 0;
}

int checkpoint_load(const struct checkpoint *c, const char *path, struct err *err)
{
	struct safetensors f;
	struct slots s;
	int i, rc;

	if (safetensors_open(&f, path, err))
		return -1;
	slots_init(&s, c);
	rc = load_state(c, &f, path, err);
	if (!rc && f.ntensors != s.n)
		rc = err_set(err, STATUS_INPUT, "cannot resume '%s': %d tensors instead of %d",
			     path, f.ntensors, s.n);
	for (i = 0; !rc && i < s.n; i++)
		rc = load_slot(&s.v[i], &f, path, err);
	if (!rc)
		optim_set_steps(c->optim, c->state->steps);
	slots_release(&s);
	safetensors_close(&f);
	return rc;
}
