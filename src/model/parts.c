#include "model/parts.h"

#include "base/num.h"
#include "io/digest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_parents(struct model *m, const char *first, const char *second)
{
	char *text = second ? xasprintf("[\"%s\", \"%s\"]", first, second)
			    : xasprintf("[\"%s\"]", first);

	model_set_meta(m, "mist.parents", text);
	free(text);
}

/* The cut asked for must be legal, and the one the file was trained at, if any. */
static int check_cut(const struct model *m, const char *path, int *cut, struct err *err)
{
	const char *text = model_meta(m, "mist.cut_layer");
	const int most = m->graph->nlayers - 1;
	struct err ignored;
	long own = 0;

	if (text && num_long("mist.cut_layer", text, 1, most, &own, &ignored))
		return err_set(err, STATUS_INPUT, "cannot use '%s': its cut '%s' is not legal",
			       path, text);
	if (!*cut && !own)
		return err_set(err, STATUS_USAGE, "'%s' has no cut of its own: give --cut", path);
	if (!*cut)
		*cut = (int)own;
	if (own && own != *cut)
		return err_set(err, STATUS_INPUT, "'%s' is cut at layer %ld, not at %d", path, own,
			       *cut);
	if (*cut > most)
		return err_set(err, STATUS_INPUT, "'%s' has the cuts 1 to %d, no %d", path, most,
			       *cut);
	return 0;
}

static char *make_prefix(const char *path, const char *to)
{
	const char *base = path_base(path), *dot = strrchr(base, '.');
	char *stem = xstrndup(path, dot && dot > base ? (size_t)(dot - path) : strlen(path));
	char *prefix;

	if (!to)
		return stem;
	prefix = path_is_dir(to) ? path_join(to, path_base(stem)) : xstrdup(to);
	free(stem);
	return prefix;
}

static int save_two(struct model *m, int cut, const char *edge, const char *cloud, struct err *err)
{
	m->from = 0;
	m->to = cut;
	model_set_meta(m, "mist.part", "edge");
	if (model_save(m, edge, err))
		return -1;
	m->from = cut;
	m->to = m->graph->nlayers;
	model_set_meta(m, "mist.part", "cloud");
	if (!model_save(m, cloud, err))
		return 0;
	unlink(edge);
	return -1;
}

static int save_parts(struct model *m, int cut, const char *prefix, struct err *err)
{
	char *edge = xasprintf("%s.edge.safetensors", prefix);
	char *cloud = xasprintf("%s.cloud.safetensors", prefix);
	int rc = save_two(m, cut, edge, cloud, err);

	free(edge);
	free(cloud);
	return rc;
}

int parts_split(const char *path, int cut, const char *to, struct err *err)
{
	char extractor[DIGEST_HEX], number[16], *prefix;
	struct model *m;
	int rc;

	if ((to && !strcmp(to, "-")) || (!to && !strcmp(path, "-")))
		return err_set(err, STATUS_USAGE,
			       "split writes two files: -o names a folder or a prefix");
	m = model_load(path, NULL, err);
	if (!m)
		return -1;
	rc = check_cut(m, path, &cut, err);
	if (!rc && model_meta(m, "mist.train"))
		rc = err_set(err, STATUS_INPUT,
			     "cannot split '%s': it is a checkpoint of a training", path);
	if (!rc) {
		snprintf(number, sizeof(number), "%d", cut);
		model_set_meta(m, "mist.cut_layer", number);
		model_extractor_digest(m, cut, extractor);
		model_set_meta(m, "mist.extractor", extractor);
		set_parents(m, m->digest, NULL);
		prefix = make_prefix(path, to);
		rc = save_parts(m, cut, prefix, err);
		free(prefix);
	}
	model_free(m);
	return rc;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static int check_fit(const struct model *e, const struct model *c, const char *edge,
		     const char *cloud, struct err *err)
{
	static const char *const keys[] = {"mist.cut_layer", "mist.gate"};
	const char *extractor = model_meta(c, "mist.extractor");
	char hex[DIGEST_HEX];
	size_t i;

	if (e->from != 0 || e->to == e->graph->nlayers)
		return err_set(err, STATUS_INPUT, "'%s' is not the edge part of a model", edge);
	if (c->from == 0)
		return err_set(err, STATUS_INPUT, "'%s' is not the cloud part of a model", cloud);
	if (strcmp(e->yaml, c->yaml) != 0)
		return err_set(err, STATUS_INPUT, "'%s' and '%s' are of different models", edge,
			       cloud);
	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (!same(model_meta(e, keys[i]), model_meta(c, keys[i])))
			return err_set(err, STATUS_INPUT, "'%s' and '%s' differ in %s", edge, cloud,
				       keys[i]);
	model_extractor_digest(e, e->to, hex);
	if (extractor && strcmp(extractor, hex) != 0)
		return err_set(err, STATUS_INPUT,
			       "'%s' was trained behind other edge layers than those of '%s'",
			       cloud, edge);
	return 0;
}

/* The edge's parameters into the cloud's model, whose metadata are the later ones. */
static void merge(struct model *c, const struct model *e)
{
	int i;

	for (i = 0; i < e->graph->nparams; i++) {
		const struct param *p = &e->graph->params[i];

		if (p->layer >= e->to)
			continue;
		if (p->kind == PARAM_COUNTER) /* takes no place among the floats */
			c->graph->params[i].counter = p->counter;
		else
			memcpy(c->params + p->offset, e->params + p->offset,
			       p->count * sizeof(float));
	}
	for (i = 0; i < e->nmeta; i++)
		if (!model_meta(c, e->meta[i].key))
			model_set_meta(c, e->meta[i].key, e->meta[i].value);
	c->from = 0;
	model_set_meta(c, "mist.part", NULL);
	model_set_meta(c, "mist.extractor", NULL);
	set_parents(c, e->digest, c->digest);
}

struct model *parts_join(const char *edge, const char *cloud, struct err *err)
{
	struct model *e = model_load_part(edge, NULL, err);
	struct model *c = e ? model_load_part(cloud, NULL, err) : NULL;

	if (c && check_fit(e, c, edge, cloud, err)) {
		model_free(c);
		c = NULL;
	}
	if (c)
		merge(c, e);
	model_free(e);
	return c;
}
