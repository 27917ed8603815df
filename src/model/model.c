#include "model/model.h"

#include "base/num.h"
#include "base/rng.h"
#include "io/digest.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_YAML ((size_t)1 << 20)

/* ---- life and metadata ---- */

void model_free(struct model *m)
{
	int i;

	if (!m)
		return;
	for (i = 0; i < m->nmeta; i++) {
		free(m->meta[i].key);
		free(m->meta[i].value);
	}
	free(m->meta);
	names_free(m->names, (size_t)m->nnames);
	free(m->yaml);
	free(m->params);
	graph_free(m->graph);
	free(m);
}

const char *model_meta(const struct model *m, const char *key)
{
	int i;

	for (i = 0; i < m->nmeta; i++)
		if (!strcmp(m->meta[i].key, key))
			return m->meta[i].value;
	return NULL;
}

static void remove_meta(struct model *m, const char *key)
{
	int i;

	for (i = 0; i < m->nmeta; i++)
		if (!strcmp(m->meta[i].key, key)) {
			free(m->meta[i].key);
			free(m->meta[i].value);
			m->nmeta--;
			memmove(&m->meta[i], &m->meta[i + 1],
				(size_t)(m->nmeta - i) * sizeof(*m->meta));
			return;
		}
}

void model_set_meta(struct model *m, const char *key, const char *value)
{
	/* value may be the old one: copy before removing */
	char *copy = value ? xstrdup(value) : NULL;

	remove_meta(m, key);
	if (!copy)
		return;
	m->meta = xreallocarray(m->meta, (size_t)m->nmeta + 1, sizeof(*m->meta));
	m->meta[m->nmeta++] = (struct meta_entry){xstrdup(key), copy};
}

void model_set_names(struct model *m, char *const *names, int n)
{
	char **copy = xcalloc((size_t)n + 1, sizeof(*copy));
	int i;

	for (i = 0; i < n; i++)
		copy[i] = xstrdup(names[i]);
	names_free(m->names, (size_t)m->nnames);
	m->names = copy;
	m->nnames = n;
}

static void number_names(struct model *m)
{
	int i;

	m->nnames = m->graph->nc;
	m->names = xcalloc((size_t)m->nnames + 1, sizeof(*m->names));
	for (i = 0; i < m->nnames; i++)
		m->names[i] = xasprintf("%d", i);
}

static const struct param *find_anchors(const struct graph *g)
{
	int i;

	for (i = 0; i < g->nparams; i++)
		if (g->params[i].kind == PARAM_CONST && g->params[i].ndim == 3)
			return &g->params[i];
	return NULL;
}

/* The tensor from the graph's anchors. */
static void put_anchors(struct model *m)
{
	const struct graph *g = m->graph;
	const struct param *p = find_anchors(g);
	float *to = p ? m->params + p->offset : NULL;
	int i, a, k;

	for (i = 0; p && i < g->nl; i++)
		for (a = 0; a < g->na; a++)
			for (k = 0; k < 2; k++)
				*to++ = g->anchors[i][a][k] / (float)g->strides[i];
}

int model_sync_anchors(struct model *m, struct err *err)
{
	struct graph *g = m->graph;
	const struct param *p = find_anchors(g);
	const float *from = p ? m->params + p->offset : NULL;
	int i, a, k;

	for (i = 0; p && i < g->nl; i++)
		for (a = 0; a < g->na; a++)
			for (k = 0; k < 2; k++, from++) {
				if (!(*from > 0))
					return err_set(err, STATUS_INPUT,
						       "'%s' holds %g, which is not a size",
						       p->name, *from);
				g->anchors[i][a][k] = *from * (float)g->strides[i];
			}
	return 0;
}

struct model *model_new(const char *name, const char *yaml_text, int nc, struct err *err)
{
	char *text = nc > 0 ? config_set_classes(yaml_text, nc) : xstrdup(yaml_text);
	struct graph *g = config_parse(name, text, err);
	struct model *m;

	if (!g) {
		free(text);
		return NULL;
	}
	m = xcalloc(1, sizeof(*m));
	m->graph = g;
	m->yaml = text;
	m->to = g->nlayers;
	m->params = xaligned((g->nfloats + 1) * sizeof(float));
	memset(m->params, 0, g->nfloats * sizeof(float));
	number_names(m);
	put_anchors(m);
	return m;
}

/* ---- initialisation ---- */

static void fill_uniform(float *to, size_t n, double bound, uint64_t seed, uint64_t index)
{
	struct rng r;
	size_t i;

	rng_init(&r, seed, "init", index);
	for (i = 0; i < n; i++)
		to[i] = (float)rng_range(&r, -bound, bound);
}

static void fill(float *to, size_t n, float value)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = value;
}

/* Objectness: 8 objects per 640 pixel image; classes: 0.6 of the boxes have one
 * (models/yolo.py, _initialize_biases). */
static void init_detect_bias(const struct graph *g, float *bias, int stride)
{
	const double cells = 640.0 / stride;
	int a, k;

	for (a = 0; a < g->na; a++) {
		float *b = bias + a * (5 + g->nc);

		b[4] += (float)log(8 / (cells * cells));
		for (k = 0; k < g->nc; k++)
			b[5 + k] += (float)log(0.6 / (g->nc - 0.99999));
	}
}

/* torch.nn.Conv2d's and Linear's: both uniform within 1/sqrt(inputs of an output). */
static void init_step(struct model *m, const struct step *s, uint64_t seed)
{
	const struct graph *g = m->graph;
	const struct param *w = s->weight < 0 ? NULL : &g->params[s->weight];
	double bound;

	if (!w)
		return;
	bound = 1 / sqrt((double)(w->count / (size_t)w->dim[0]));
	fill_uniform(m->params + w->offset, w->count, bound, seed, (uint64_t)s->weight);
	if (s->bias >= 0) {
		const struct param *b = &g->params[s->bias];

		fill_uniform(m->params + b->offset, b->count, bound, seed, (uint64_t)s->bias);
	}
	if (s->bn >= 0) {
		const struct param *gamma = &g->params[s->bn], *var = &g->params[s->bn + 3];

		fill(m->params + gamma->offset, gamma->count, 1);
		fill(m->params + var->offset, var->count, 1);
	}
}

struct model *model_init(const char *yaml_text, int nc, char **names, uint64_t seed,
			 struct err *err)
{
	struct model *m = model_new("the model", yaml_text, nc, err);
	const struct graph *g;
	int i;

	if (!m)
		return NULL;
	g = m->graph;
	for (i = 0; i < g->nsteps; i++)
		init_step(m, &g->steps[i], seed);
	for (i = 0; i < g->nl; i++) {
		const struct step *s = &g->steps[g->values[g->outs[i]].step];

		init_detect_bias(g, m->params + g->params[s->bias].offset, g->strides[i]);
	}
	if (names)
		model_set_names(m, names, g->nc);
	return m;
}

/* ---- reading ---- */

static bool holds(const struct model *m, const struct param *p)
{
	return p->layer >= m->from && p->layer < m->to;
}

static int check_shape(const struct safetensors_tensor *t, const struct param *p, const char *path,
		       struct err *err)
{
	bool same = t->ndim == p->ndim;
	char shape[128];
	struct buf want = BUF_INIT;
	int i;

	for (i = 0; i < p->ndim && same; i++)
		same = t->dim[i] == (size_t)p->dim[i];
	if (same)
		return 0;
	for (i = 0; i < p->ndim; i++)
		buf_printf(&want, "%s%d", i ? ", " : "", p->dim[i]);
	err_set(err, STATUS_INPUT, "cannot use '%s': '%s' has the shape %s, not (%s)", path,
		p->name, safetensors_shape(t, shape, sizeof(shape)), want.data ? want.data : "");
	buf_release(&want);
	return -1;
}

static int read_param(struct model *m, struct param *p, struct safetensors *s, const char *path,
		      struct err *err)
{
	const struct safetensors_tensor *t = safetensors_find(s, p->name);
	float *to = m->params + p->offset;
	size_t bad;

	if (!t)
		return err_set(err, STATUS_INPUT, "cannot use '%s': it has no tensor '%s'", path,
			       p->name);
	if (check_shape(t, p, path, err))
		return -1;
	if (p->kind == PARAM_COUNTER)
		return safetensors_read_ints(s, t, &p->counter, err);
	if (safetensors_read_floats(s, t, to, err))
		return -1;
	bad = safetensors_finite(to, p->count);
	if (bad < p->count)
		return err_set(err, STATUS_NONFINITE,
			       "cannot use '%s': value %zu of '%s' is not finite", path, bad,
			       p->name);
	return 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool is_known(const struct graph *g, const char *name, bool checkpoint)
{
	const char *last = strrchr(name, '.');

	if (graph_param(g, name) || (last && !strcmp(last, ".anchor_grid")))
		return true;
	return checkpoint && (has_prefix(name, "ema.") || has_prefix(name, "optim."));
}

static int read_params(struct model *m, struct safetensors *s, const char *path, struct err *err)
{
	const bool checkpoint = safetensors_meta(s, "mist.train") != NULL;
	int i;

	for (i = 0; i < m->graph->nparams; i++)
		if (holds(m, &m->graph->params[i]) &&
		    read_param(m, &m->graph->params[i], s, path, err))
			return -1;
	for (i = 0; i < s->ntensors; i++)
		if (!is_known(m->graph, s->tensors[i].name, checkpoint))
			return err_set(err, STATUS_INPUT,
				       "cannot use '%s': the model has no tensor '%s'", path,
				       s->tensors[i].name);
	return m->to == m->graph->nlayers ? model_sync_anchors(m, err) : 0;
}

/* Narrows from and to as mist.part and mist.cut_layer say. */
static int read_part(struct model *m, const struct safetensors *s, const char *path,
		     struct err *err)
{
	const char *part = safetensors_meta(s, "mist.part");
	const char *cut = safetensors_meta(s, "mist.cut_layer");
	const bool edge = part && !strcmp(part, "edge");
	long layer;

	if (!part)
		return 0;
	if (!edge && strcmp(part, "cloud"))
		return err_set(err, STATUS_INPUT, "cannot use '%s': the unknown part '%s'", path,
			       part);
	if (!cut || num_long("mist.cut_layer", cut, 1, m->graph->nlayers - 1, &layer, err))
		return err_set(err, STATUS_INPUT, "cannot use '%s': a part without a legal cut",
			       path);
	*(edge ? &m->to : &m->from) = (int)layer;
	return 0;
}

static int read_names(struct model *m, const char *json, const char *path, struct err *err)
{
	json_t *array = json_parse("mist.names", json, strlen(json), err);
	char **names = NULL;
	size_t n = 0;
	int rc = -1;

	if (array && !json_get_strings("mist.names", array, &names, &n, err)) {
		rc = 0;
		if (m->graph->nc && n != (size_t)m->graph->nc)
			rc = err_set(err, STATUS_INPUT, "it names %zu classes, the model has %d", n,
				     m->graph->nc);
		else
			model_set_names(m, names, (int)n);
		names_free(names, n);
	}
	json_decref(array);
	return rc ? err_prefix(err, "cannot use '%s'", path) : 0;
}

static int read_all(struct model *m, struct safetensors *s, const char *path, struct err *err)
{
	const char *names = safetensors_meta(s, "mist.names");
	int i;

	if (read_part(m, s, path, err) || read_params(m, s, path, err) ||
	    (names && read_names(m, names, path, err)))
		return -1;
	for (i = 0; i < s->nmeta; i++)
		if (strcmp(s->meta[i].key, "mist.model") && strcmp(s->meta[i].key, "mist.names"))
			model_set_meta(m, s->meta[i].key, s->meta[i].value);
	return safetensors_digest(s, m->digest, err);
}

static struct model *load(struct safetensors *s, const char *path, const char *cfg, struct err *err)
{
	const char *yaml = safetensors_meta(s, "mist.model");
	struct buf text = BUF_INIT;
	char *name = cfg ? xstrdup(cfg) : xasprintf("%s: mist.model", path);
	struct model *m = NULL;

	if (cfg && !file_read(cfg, MAX_YAML, &text, err))
		m = model_new(name, text.data, 0, err);
	else if (!cfg && yaml)
		m = model_new(name, yaml, 0, err);
	else if (!cfg)
		err_set(err, STATUS_INPUT,
			"'%s' does not say what model it is of (mist.model): name a YAML", path);
	if (m && read_all(m, s, path, err)) {
		model_free(m);
		m = NULL;
	}
	buf_release(&text);
	free(name);
	return m;
}

struct model *model_load_part(const char *path, const char *cfg, struct err *err)
{
	struct safetensors s;
	struct model *m;

	if (safetensors_open(&s, path, err))
		return NULL;
	m = load(&s, path, cfg, err);
	safetensors_close(&s);
	return m;
}

struct model *model_load(const char *path, const char *cfg, struct err *err)
{
	struct model *m = model_load_part(path, cfg, err);

	if (m && (m->from > 0 || m->to < m->graph->nlayers)) {
		err_set(err, STATUS_INPUT,
			"cannot use '%s': it is only the %s part of a model (mist-model join)",
			path, m->from ? "cloud" : "edge");
		model_free(m);
		m = NULL;
	}
	return m;
}

/* ---- writing ---- */

static void add_names(const struct model *m, struct safetensors_writer *w)
{
	struct buf json = BUF_INIT;
	int i;

	buf_add_str(&json, "[");
	for (i = 0; i < m->nnames; i++) {
		buf_add_str(&json, i ? ", " : "");
		json_add_string(&json, m->names[i]);
	}
	buf_add_str(&json, "]");
	safetensors_writer_meta(w, "mist.names", json.data);
	buf_release(&json);
}

static void declare(const struct model *m, struct safetensors_writer *w, bool half)
{
	int i, d;

	safetensors_writer_meta(w, "mist.model", m->yaml);
	add_names(m, w);
	for (i = 0; i < m->nmeta; i++)
		safetensors_writer_meta(w, m->meta[i].key, m->meta[i].value);
	for (i = 0; i < m->graph->nparams; i++) {
		const struct param *p = &m->graph->params[i];
		enum safetensors_type type = half ? SAFETENSORS_F16 : SAFETENSORS_F32;
		size_t dim[4];

		if (!holds(m, p))
			continue;
		for (d = 0; d < p->ndim; d++)
			dim[d] = (size_t)p->dim[d];
		if (p->kind == PARAM_COUNTER)
			type = SAFETENSORS_I64;
		safetensors_writer_add(w, p->name, type, p->ndim, dim);
	}
}

static int write_params(const struct model *m, struct safetensors_writer *w, struct err *err)
{
	int i, first = 0;

	/* parameters lie in the order of the layers, so what is held is one run of them */
	while (first < m->graph->nparams && !holds(m, &m->graph->params[first]))
		first++;
	while ((i = safetensors_writer_next(w)) >= 0) {
		const struct param *p = &m->graph->params[first + i];
		int rc;

		if (p->kind == PARAM_COUNTER)
			rc = safetensors_writer_ints(w, &p->counter, err);
		else
			rc = safetensors_writer_floats(w, m->params + p->offset, err);
		if (rc)
			return -1;
	}
	return 0;
}

static int save(const struct model *m, const char *path, bool half, struct err *err)
{
	struct safetensors_writer w = SAFETENSORS_WRITER_INIT;

	declare(m, &w, half);
	if (safetensors_writer_begin(&w, path, err) || write_params(m, &w, err)) {
		safetensors_writer_discard(&w);
		return -1;
	}
	return safetensors_writer_finish(&w, err);
}

int model_save(const struct model *m, const char *path, struct err *err)
{
	return save(m, path, false, err);
}

int model_save_half(const struct model *m, const char *path, struct err *err)
{
	return save(m, path, true, err);
}

/* ---- the extractor's digest ---- */

void model_extractor_digest(const struct model *m, int cut, char hex[65])
{
	struct digest d;
	int i, k;

	digest_init(&d);
	for (i = 0; i < m->graph->nparams; i++) {
		const struct param *p = &m->graph->params[i];
		struct buf head = BUF_INIT;

		if (p->layer >= cut || p->kind == PARAM_COUNTER)
			continue;
		buf_printf(&head, "%s", p->name);
		for (k = 0; k < p->ndim; k++)
			buf_printf(&head, " %d", p->dim[k]);
		buf_add(&head, "\n", 1);
		digest_add(&d, head.data, head.len);
		digest_add(&d, m->params + p->offset, p->count * sizeof(float));
		buf_release(&head);
	}
	digest_hex(&d, hex);
}
