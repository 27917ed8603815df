#include "job/manifest.h"

#include "base/file.h"
#include "base/nearest.h"
#include "fed/sampling.h"
#include "fed/stop.h"
#include "io/store.h"
#include "job/condition.h"
#include "job/fields.h"
#include "job/quantity.h"

#include <stdlib.h>
#include <string.h>

/* More would be a typing error, and more edges than a plan should list. */
#define MAX_EDGES 100000

const char *const algorithm_names[] = {"mistnet", "fedavg", NULL};

static void ignored(void *ctx, const char *path)
{
	struct words *list = ctx;

	if (!words_have(list, path))
		words_add(list, path);
}

/* Walks down "a.b.c"; NULL where something is missing. */
static const struct yaml_node *descend(const struct yaml_node *node, const char *path)
{
	size_t n;
	char **names = names_split(path, &n);
	size_t i;

	for (i = 0; i < n && node; i++)
		node = yaml_get(node, names[i]);
	names_free(names, n);
	return node && !yaml_is_null(node) ? node : NULL;
}

static int get_text(const struct yaml_node *map, const char *key, const char *what,
		    const char **out, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (!node || yaml_is_null(node))
		return yaml_err(map, err, "%s has no '%s'", what, key);
	return yaml_string(node, key, out, err);
}

static int name_of(const struct yaml_node *doc, const char *kind, const char **out, struct err *err)
{
	const struct yaml_node *meta = yaml_get(doc, "metadata");

	if (!meta || meta->kind != YAML_MAP)
		return yaml_err(doc, err, "the %s has no 'metadata'", kind);
	return get_text(meta, "name", "'metadata'", out, err);
}

/* What is about to name a folder. */
static int check_name(const struct yaml_node *at, const char *name, struct err *err)
{
	const char *p;

	for (p = name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    *p))
			break;
	if (*p || !*name || *name == '.' || *name == '-' || strlen(name) > 128)
		return yaml_err(at, err,
				"the job's name '%s' is not made of letters, digits, '-', '_' and "
				"'.', or begins with one of the last",
				name);
	return 0;
}

static int read_dataset(struct manifest *m, const struct yaml_node *doc, struct err *err)
{
	static const char *const formats[] = {"txt", "dir"};
	const struct yaml_node *spec = yaml_need(doc, "spec", err);
	struct dataset_ref *d = &m->datasets[m->ndatasets];
	const char *format = "dir";
	int i;

	d->at = doc;
	if (!spec || name_of(doc, "Dataset", &d->name, err) ||
	    get_text(spec, "url", "the Dataset's 'spec'", &d->url, err) ||
	    yaml_get_string(spec, "format", &format, err) ||
	    yaml_get_string(spec, "nodeName", &d->node, err))
		return -1;
	if (strcmp(format, formats[0]) != 0 && strcmp(format, formats[1]) != 0)
		return yaml_err(yaml_get(spec, "format"), err,
				"data sets are of format txt or dir, not '%s'", format);
	for (i = 0; i < m->ndatasets; i++)
		if (!strcmp(m->datasets[i].name, d->name))
			return yaml_err(doc, err, "the Dataset '%s' is there twice", d->name);
	m->ndatasets++;
	return 0;
}

static int read_model(struct manifest *m, const struct yaml_node *doc, struct err *err)
{
	static const char *const formats[] = {"pt", "pth", "pb", "safetensors"};
	const struct yaml_node *spec = yaml_need(doc, "spec", err);
	struct model_ref *model = &m->models[m->nmodels];
	size_t i;
	int k;

	model->at = doc;
	if (!spec || name_of(doc, "Model", &model->name, err) ||
	    get_text(spec, "url", "the Model's 'spec'", &model->url, err) ||
	    get_text(spec, "format", "the Model's 'spec'", &model->format, err))
		return -1;
	for (i = 0; i < ARRAY_LEN(formats) && strcmp(formats[i], model->format) != 0; i++)
		;
	if (i == ARRAY_LEN(formats))
		return yaml_err(yaml_get(spec, "format"), err,
				"models are of format pt, pth, pb or safetensors, not '%s'",
				model->format);
	for (k = 0; k < m->nmodels; k++)
		if (!strcmp(m->models[k].name, model->name))
			return yaml_err(doc, err, "the Model '%s' is there twice", model->name);
	m->nmodels++;
	return 0;
}

static int add_env(struct manifest *m, struct worker *w, const struct yaml_node *pair,
		   struct err *err)
{
	const struct setting *s;
	const char *name, *near;
	struct env_value *v;
	int i;

	if (get_text(pair, "name", "an entry of 'env'", &name, err))
		return -1;
	s = setting_find(name);
	if (!s) {
		near = setting_nearest(name);
		if (near)
			return yaml_err(pair, err, "unknown setting '%s'; did you mean '%s'?", name,
					near);
		near = xasprintf("env %s", name);
		ignored(&m->ignored, near);
		free((char *)near);
		return 0;
	}
	for (i = 0; i < w->nenv; i++)
		if (w->env[i].setting == s)
			return yaml_err(pair, err, "the setting '%s' is there twice", name);
	v = &w->env[w->nenv];
	v->setting = s;
	v->at = pair;
	if (get_text(pair, "value", "an entry of 'env'", &v->value, err))
		return -1;
	if (setting_check(s, v->value, err)) {
		struct err cause = *err;

		return yaml_err(yaml_get(pair, "value"), err, "%s", cause.msg);
	}
	w->nenv++;
	return 0;
}

static int read_limits(struct worker *w, const struct yaml_node *container, struct err *err)
{
	const struct yaml_node *limits = descend(container, "resources,limits");
	const char *memory = NULL, *cpu = NULL;
	struct err cause = ERR_INIT;

	if (!limits)
		return 0;
	if (yaml_get_string(limits, "memory", &memory, err) ||
	    yaml_get_string(limits, "cpu", &cpu, err))
		return -1;
	if (memory && quantity_bytes("memory", memory, &w->memory, &cause))
		return yaml_err(yaml_get(limits, "memory"), err, "%s", cause.msg);
	if (cpu && quantity_cpus("cpu", cpu, &w->cpus, &cause))
		return yaml_err(yaml_get(limits, "cpu"), err, "%s", cause.msg);
	return 0;
}

/* The pod: where it runs, what it is told, what it may take. */
static int read_template(struct manifest *m, struct worker *w, const struct yaml_node *worker,
			 struct err *err)
{
	const struct yaml_node *spec = descend(worker, "template,spec");
	const struct yaml_node *list = spec ? descend(spec, "containers") : NULL;
	const struct yaml_node *env;
	int i;

	w->at = worker;
	if (!spec)
		return 0;
	if (yaml_get_string(spec, "nodeName", &w->node, err))
		return -1;
	if (!list || !list->n)
		return 0;
	if (list->n > 1)
		return yaml_err(list, err, "a worker has one container here, not %d", list->n);
	if (read_limits(w, list->item[0], err))
		return -1;
	env = descend(list->item[0], "env");
	w->env = xcalloc(env ? (size_t)env->n : 1, sizeof(*w->env));
	for (i = 0; env && i < env->n; i++)
		if (add_env(m, w, env->item[i], err))
			return -1;
	return 0;
}

static const struct dataset_ref *find_dataset(const struct manifest *m, const char *name)
{
	int i;

	for (i = 0; i < m->ndatasets; i++)
		if (!strcmp(m->datasets[i].name, name))
			return &m->datasets[i];
	return NULL;
}

static int wrong_reference(const struct yaml_node *at, const char *kind, const char *name,
			   const char *const *known, int n, struct err *err)
{
	const char *near = nearest_word(name, known, (size_t)n);

	if (near)
		return yaml_err(at, err, "there is no %s '%s'; did you mean '%s'?", kind, name,
				near);
	return yaml_err(at, err, "there is no %s '%s' in this file", kind, name);
}

static int read_edge(struct manifest *m, const struct yaml_node *node, struct err *err)
{
	struct worker *w = &m->edges[m->nedges++];
	const struct yaml_node *ref = yaml_need(node, "dataset", err);
	const char *name;

	if (!ref || get_text(ref, "name", "'dataset'", &name, err))
		return -1;
	w->dataset = find_dataset(m, name);
	if (!w->dataset) {
		const char **known = xcalloc((size_t)m->ndatasets + 1, sizeof(*known));
		int i;

		for (i = 0; i < m->ndatasets; i++)
			known[i] = m->datasets[i].name;
		wrong_reference(ref, "Dataset", name, known, m->ndatasets, err);
		free(known);
		return -1;
	}
	if (read_template(m, w, node, err))
		return -1;
	if (!w->node)
		w->node = w->dataset->node;
	if (w->node && w->dataset->node && strcmp(w->node, w->dataset->node) != 0)
		return yaml_err(node, err,
				"the worker runs on '%s', but its Dataset '%s' lies on '%s'",
				w->node, name, w->dataset->node);
	return 0;
}

static int find_model(const struct manifest *m, const struct yaml_node *ref,
		      const struct model_ref **out, struct err *err)
{
	const char **known;
	const char *name;
	int i;

	if (get_text(ref, "name", "the model", &name, err))
		return -1;
	for (i = 0; i < m->nmodels; i++)
		if (!strcmp(m->models[i].name, name)) {
			*out = &m->models[i];
			return 0;
		}
	known = xcalloc((size_t)m->nmodels + 1, sizeof(*known));
	for (i = 0; i < m->nmodels; i++)
		known[i] = m->models[i].name;
	wrong_reference(ref, "Model", name, known, m->nmodels, err);
	free(known);
	return -1;
}

/* A text as a part of a file's name. */
static char *file_safe(const char *text)
{
	char *out = xstrdup(text), *p;

	for (p = out; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
			    *p) &&
		    (*p != '.' || p == out))
			*p = '_';
	if (*out == '-')
		*out = '_';
	if (strlen(out) > 100)
		out[100] = '\0';
	return out;
}

static bool id_taken(const struct manifest *m, int before, const char *id)
{
	int i;

	for (i = 0; i < before; i++)
		if (!strcmp(m->edges[i].id, id))
			return true;
	return !strcmp(id, "cloud");
}

/* Each edge is called after its node, or after its data set where several share the node. */
static void name_edges(struct manifest *m)
{
	int i, k, same, n;

	m->cloud.id = xstrdup("cloud");
	for (i = 0; i < m->nedges; i++) {
		struct worker *w = &m->edges[i];
		char *id;

		for (k = same = 0; k < m->nedges && w->node; k++)
			same += m->edges[k].node && !strcmp(m->edges[k].node, w->node);
		w->id = file_safe(w->node && same == 1 ? w->node : w->dataset->name);
		for (n = 2; id_taken(m, i, w->id); n++) {
			id = xasprintf("%.90s-%d", w->id, n);
			free(w->id);
			w->id = id;
		}
	}
}

static int check_algorithm(struct manifest *m, struct err *err)
{
	const struct setting *s = setting_find("aggregation_algorithm");
	const char *said = NULL;
	int i, k;

	for (i = -1; i < m->nedges; i++) {
		const struct worker *w = i < 0 ? &m->cloud : &m->edges[i];

		for (k = 0; k < w->nenv; k++) {
			const char *value = w->env[k].value;

			if (w->env[k].setting != s)
				continue;
			if (said && strcmp(said, value) != 0)
				return yaml_err(w->env[k].at, err,
						"aggregation_algorithm is '%s' here and '%s' "
						"elsewhere",
						value, said);
			said = value;
			if (!strcmp(value, "mistnet") || !strcmp(value, "fedavg"))
				continue;
			return yaml_err(w->env[k].at, err,
					"aggregation_algorithm is mistnet or fedavg, not '%s'",
					value);
		}
	}
	m->algorithm = said && !strcmp(said, "fedavg") ? ALGORITHM_FEDAVG : ALGORITHM_MISTNET;
	return 0;
}

/* How many edges take part in a round: all, or with FedAvg those that are drawn. */
static int read_sample(const struct manifest *m, int *out, struct err *err)
{
	const struct worker *w = &m->cloud;
	struct err cause = ERR_INIT;
	size_t n;
	int i;

	*out = m->nedges;
	for (i = 0; i < w->nenv && m->algorithm == ALGORITHM_FEDAVG; i++) {
		const struct env_value *v = &w->env[i];

		if (strcmp(v->setting->env, "sample") != 0)
			continue;
		if (sampling_size(v->value, (size_t)m->nedges, &n, &cause))
			return yaml_err(v->at, err,
					"'sample' is a number of the %d training workers, or a "
					"share such as 50%%, not '%s'",
					m->nedges, v->value);
		*out = (int)n;
	}
	return 0;
}

static int read_conditions(struct manifest *m, const struct yaml_node *spec, struct err *err)
{
	const struct yaml_node *stop = descend(spec, "stopCondition");
	const struct yaml_node *trigger = descend(spec, "aggregationTrigger,condition");
	int n;

	if ((stop && !(m->stop = condition_stop(stop, err))) || read_sample(m, &n, err))
		return -1;
	m->min_clients = n;
	if (!trigger)
		return 0;
	return condition_trigger(trigger, n, n < m->nedges ? "drawn each round" : "declared",
				 &m->min_clients, err);
}

/* transmitter.s3: what edges send goes by way of a store. */
static int read_transmitter(struct manifest *m, const struct yaml_node *spec, struct err *err)
{
	const struct yaml_node *s3 = descend(spec, "transmitter,s3");
	struct err cause = ERR_INIT;
	char *whole, *url = NULL;
	const char *path;
	size_t n;

	if (!s3)
		return 0;
	if (descend(spec, "transmitter,ws"))
		return yaml_err(s3, err, "a transmitter is ws or s3, not both");
	if (get_text(s3, "aggDataPath", "'transmitter.s3'", &path, err) ||
	    yaml_get_string(s3, "credentialName", &m->credential, err))
		return -1;
	for (n = strlen(path); n && path[n - 1] == '/'; n--)
		;
	m->transmit = xstrndup(path, n);
	whole = xasprintf("%s/x", m->transmit);
	if (!strncmp(whole, "s3://", 5))
		url = store_s3_url(whole, NULL, "x", &cause);
	free(whole);
	if (!url)
		return yaml_err(yaml_get(s3, "aggDataPath"), err,
				"'aggDataPath' is not s3://BUCKET or s3://BUCKET/PREFIX: '%s'",
				path);
	free(url);
	if (m->credential && (!*m->credential || strpbrk(m->credential, "[]")))
		return yaml_err(yaml_get(s3, "credentialName"), err,
				"'credentialName' is no name of a profile: '%s'", m->credential);
	return 0;
}

static int read_workers(struct manifest *m, const struct yaml_node *spec, struct err *err)
{
	const struct yaml_node *cloud = yaml_need(spec, "aggregationWorker", err);
	const struct yaml_node *list = cloud ? yaml_need(spec, "trainingWorkers", err) : NULL;
	const struct yaml_node *ref = list ? yaml_need(cloud, "model", err) : NULL;
	int i;

	if (!ref || find_model(m, ref, &m->model, err) || read_template(m, &m->cloud, cloud, err))
		return -1;
	if (!list->n || list->n > MAX_EDGES)
		return yaml_err(list, err, "a job has 1 to %d training workers, not %d", MAX_EDGES,
				list->n);
	m->edges = xcalloc((size_t)list->n, sizeof(*m->edges));
	for (i = 0; i < list->n; i++)
		if (read_edge(m, list->item[i], err))
			return -1;
	name_edges(m);
	return 0;
}

static int read_job(struct manifest *m, const struct yaml_node *doc, struct err *err)
{
	const struct yaml_node *spec = yaml_need(doc, "spec", err);
	const struct yaml_node *ref;

	if (!spec || name_of(doc, "FederatedLearningJob", &m->name, err) ||
	    check_name(doc, m->name, err))
		return -1;
	ref = descend(spec, "pretrainedModel");
	if (ref && find_model(m, ref, &m->pretrained, err))
		return -1;
	if (read_transmitter(m, spec, err) || read_workers(m, spec, err) ||
	    check_algorithm(m, err) || read_conditions(m, spec, err))
		return -1;
	return manifest_check_agreement(m, err);
}

static int check_document(struct manifest *m, const struct yaml_node *doc, const char **kind,
			  struct err *err)
{
	const struct field *fields;
	const char *api, *near;

	if (yaml_want(doc, YAML_MAP, "the document", err) ||
	    get_text(doc, "kind", "the document", kind, err) ||
	    get_text(doc, "apiVersion", "the document", &api, err))
		return -1;
	fields = fields_of(*kind);
	if (!fields) {
		near = fields_nearest_kind(*kind);
		return yaml_err(yaml_get(doc, "kind"), err, "unknown kind '%s'%s%s%s", *kind,
				near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
	if (strcmp(api, "sedna.io/v1alpha1") != 0 && strcmp(*kind, "Secret") != 0)
		return yaml_err(yaml_get(doc, "apiVersion"), err,
				"apiVersion is sedna.io/v1alpha1, not '%s'", api);
	if (!strcmp(*kind, "Secret"))
		ignored(&m->ignored, "Secret");
	return fields_check(doc, fields, ignored, &m->ignored, err);
}

/* First what others refer to, then the job. */
static int read_documents(struct manifest *m, struct err *err)
{
	const struct yaml_node *job = NULL;
	int i, rc = 0;

	m->datasets = xcalloc((size_t)m->yaml->ndocs, sizeof(*m->datasets));
	m->models = xcalloc((size_t)m->yaml->ndocs, sizeof(*m->models));
	for (i = 0; i < m->yaml->ndocs && !rc; i++) {
		const struct yaml_node *doc = m->yaml->doc[i];
		const char *kind;

		if (yaml_is_null(doc))
			continue;
		if (check_document(m, doc, &kind, err))
			return -1;
		if (!strcmp(kind, "Dataset"))
			rc = read_dataset(m, doc, err);
		else if (!strcmp(kind, "Model"))
			rc = read_model(m, doc, err);
		else if (!strcmp(kind, "FederatedLearningJob") && job)
			rc = yaml_err(doc, err, "a second FederatedLearningJob; one file, one job");
		else if (!strcmp(kind, "FederatedLearningJob"))
			job = doc;
	}
	if (rc)
		return rc;
	if (!job)
		return err_set(err, STATUS_INPUT, "%s: there is no FederatedLearningJob in it",
			       m->yaml->file);
	return read_job(m, job, err);
}

static struct manifest *finish(struct yaml *yaml, struct err *err)
{
	struct manifest *m;

	if (!yaml)
		return NULL;
	m = xcalloc(1, sizeof(*m));
	m->yaml = yaml;
	if (!read_documents(m, err))
		return m;
	manifest_free(m);
	return NULL;
}

struct manifest *manifest_parse(const char *name, const char *text, size_t len, struct err *err)
{
	return finish(yaml_parse(name, text, len, err), err);
}

struct manifest *manifest_read(const char *path, struct err *err)
{
	return finish(yaml_read(path, err), err);
}

void manifest_free(struct manifest *m)
{
	int i;

	if (!m)
		return;
	for (i = 0; i < m->nedges; i++) {
		free(m->edges[i].id);
		free(m->edges[i].env);
	}
	free(m->cloud.id);
	free(m->cloud.env);
	free(m->edges);
	free(m->datasets);
	free(m->models);
	free(m->stop);
	free(m->transmit);
	words_release(&m->ignored);
	yaml_tree_free(m->yaml);
	free(m);
}

static const char *own_value(const struct worker *w, const struct setting *s)
{
	int i;

	for (i = 0; i < w->nenv; i++)
		if (w->env[i].setting == s)
			return w->env[i].value;
	return NULL;
}

static const char *value_of(const struct manifest *m, const struct worker *w,
			    const struct setting *s)
{
	const char *own = own_value(w, s);

	if (own || s->own)
		return own;
	return own_value(w == &m->cloud ? &m->edges[0] : &m->cloud, s);
}

const char *manifest_value(const struct manifest *m, const struct worker *w, const char *env)
{
	const struct setting *s = setting_find(env);

	BUG_IF(!s);
	return value_of(m, w, s);
}

void manifest_options(const struct manifest *m, const struct worker *w, enum setting_to program,
		      struct words *to)
{
	const struct setting *s;
	size_t i;

	for (i = 0; (s = setting_row(i)); i++) {
		const char *value = s->to & (unsigned)program ? value_of(m, w, s) : NULL;

		if (value)
			setting_add(s, value, to);
	}
}

/* With MistNet the cloud trains, FedAvg's cloud does not: then what edges say of training is theirs. */
int manifest_check_agreement(const struct manifest *m, struct err *err)
{
	const struct setting *s;
	size_t i;
	int k;

	for (i = 0; (s = setting_row(i)); i++) {
		const char *first = own_value(&m->edges[0], s);
		bool needed = !s->to || s->to & TO_EVAL ||
			      (s->to & TO_TRAIN && m->algorithm == ALGORITHM_MISTNET);

		if (s->own || !needed || own_value(&m->cloud, s))
			continue;
		if (!strcmp(s->env, "epochs") && m->algorithm == ALGORITHM_FEDAVG)
			continue;
		for (k = 1; k < m->nedges; k++) {
			const char *other = own_value(&m->edges[k], s);

			if ((first && other && !strcmp(first, other)) || (!first && !other))
				continue;
			return yaml_err(m->edges[k].at, err,
					"the training workers differ in '%s': say it in the "
					"aggregation worker",
					s->env);
		}
	}
	return 0;
}
