#include "model/import.h"

#include "base/cli.h"
#include "io/digest.h"
#include "io/safetensors.h"
#include "io/torchpt.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)4 << 30)
#define MAX_YAML ((size_t)1 << 20)

static const char parallel[] = "module."; /* torch.nn.DataParallel's prefix */

static const struct torchpt_tensor *find_tensor(const struct torchpt *pt, const char *name)
{
	const struct torchpt_tensor *t = torchpt_find(pt, name);
	char *longer;

	if (t)
		return t;
	longer = xasprintf("%s%s", parallel, name);
	t = torchpt_find(pt, longer);
	free(longer);
	return t;
}

static bool same_shape(const struct torchpt_tensor *t, const struct param *p)
{
	bool same = t->ndim == p->ndim;
	int i;

	for (i = 0; i < p->ndim && same; i++)
		same = t->dim[i] == (size_t)p->dim[i];
	return same;
}

static int shape_err(const struct torchpt_tensor *t, const struct param *p, struct err *err)
{
	struct buf is = BUF_INIT, want = BUF_INIT;
	int i;

	for (i = 0; i < t->ndim; i++)
		buf_printf(&is, "%s%zu", i ? ", " : "", t->dim[i]);
	for (i = 0; i < p->ndim; i++)
		buf_printf(&want, "%s%d", i ? ", " : "", p->dim[i]);
	buf_add(&is, ")", 1);
	buf_add(&want, ")", 1);
	err_set(err, STATUS_INPUT, "'%s' has the shape (%s, the model wants (%s", p->name, is.data,
		want.data);
	buf_release(&is);
	buf_release(&want);
	return -1;
}

static int take_param(struct model *m, struct param *p, const struct torchpt *pt, struct err *err)
{
	const struct torchpt_tensor *t = find_tensor(pt, p->name);
	float *to = m->params + p->offset;
	size_t bad;

	/* PyTorch before 0.4.1 counted no batches */
	if (!t && p->kind == PARAM_COUNTER)
		return 0;
	if (!t)
		return err_set(err, STATUS_INPUT, "there is no tensor '%s' in it", p->name);
	if (!same_shape(t, p))
		return shape_err(t, p, err);
	if (p->kind == PARAM_COUNTER) {
		if (!t->integer)
			return err_set(err, STATUS_INPUT, "'%s' is not an integer", p->name);
		torchpt_ints(t, &p->counter);
		return 0;
	}
	torchpt_floats(t, to);
	bad = safetensors_finite(to, p->count);
	if (bad < p->count)
		return err_set(err, STATUS_NONFINITE, "value %zu of '%s' is not finite", bad,
			       p->name);
	return 0;
}

static bool is_known(const struct graph *g, const char *name)
{
	const char *last = strrchr(name, '.');

	if (!strncmp(name, parallel, strlen(parallel)))
		name += strlen(parallel);
	return graph_param(g, name) || (last && !strcmp(last, ".anchor_grid"));
}

static int take_all(struct model *m, const struct torchpt *pt, struct err *err)
{
	struct graph *g = m->graph;
	int i;

	for (i = 0; i < g->nparams; i++)
		if (take_param(m, &g->params[i], pt, err))
			return -1;
	for (i = 0; i < pt->ntensors; i++)
		if (!is_known(g, pt->tensors[i].name))
			return err_set(err, STATUS_INPUT, "the model has no tensor '%s'",
				       pt->tensors[i].name);
	if (pt->nnames && pt->nnames != g->nc)
		return err_set(err, STATUS_INPUT, "it names %d classes, the model has %d",
			       pt->nnames, g->nc);
	if (pt->nnames)
		model_set_names(m, pt->names, pt->nnames);
	return model_sync_anchors(m, err);
}

static struct model *fill(const char *path, const char *name, const char *yaml,
			  const struct torchpt *pt, struct err *err)
{
	struct model *m = model_new(name, yaml, 0, err);

	if (m && take_all(m, pt, err)) {
		err_prefix(err, "cannot import '%s'", path);
		model_free(m);
		m = NULL;
	}
	return m;
}

static struct model *make(const char *path, const char *cfg, const struct torchpt *pt,
			  struct err *err)
{
	struct buf text = BUF_INIT;
	struct model *m = NULL;
	char *name;

	if (!cfg && !pt->yaml) {
		err_set(err, STATUS_INPUT,
			"cannot import '%s': it does not say what model it is of: give --cfg",
			path);
		return NULL;
	}
	name = cfg ? xstrdup(cfg) : xasprintf("%s: yaml", path);
	if (!cfg || !import_config(cfg, &text, err))
		m = fill(path, name, cfg ? text.data : pt->yaml, pt, err);
	free(name);
	buf_release(&text);
	return m;
}

static struct model *import_bytes(const char *path, const char *cfg, const struct buf *data,
				  struct err *err)
{
	struct torchpt *pt = torchpt_parse(path, data->data, data->len, err);
	char hex[DIGEST_HEX], *parents;
	struct model *m;

	if (!pt)
		return NULL;
	m = make(path, cfg, pt, err);
	torchpt_free(pt);
	if (!m)
		return NULL;
	digest_bytes(data->data, data->len, hex);
	parents = xasprintf("[\"%s\"]", hex);
	model_set_meta(m, "mist.parents", parents);
	free(parents);
	return m;
}

struct model *import_torchpt(const char *path, const char *cfg, struct err *err)
{
	struct buf data = BUF_INIT;
	struct model *m = NULL;

	if (!file_read(path, MAX_FILE, &data, err))
		m = import_bytes(path, cfg, &data, err);
	buf_release(&data);
	return m;
}

int import_config(const char *path, struct buf *text, struct err *err)
{
	char *name = xasprintf("models/%s", path), *shared = cli_share(name);
	const bool known = strcmp(path, "-") && !path_exists(path) && path_exists(shared);
	int rc = file_read(known ? shared : path, MAX_YAML, text, err);

	free(name);
	free(shared);
	return rc;
}

struct model *import_init(const char *path, int classes, const char *names, uint64_t seed,
			  struct err *err)
{
	struct buf text = BUF_INIT;
	struct model *m = NULL;
	char **list = NULL;
	size_t n = 0;

	if (names)
		list = names_split(names, &n);
	if (list && classes && n != (size_t)classes)
		err_set(err, STATUS_USAGE, "--names has %zu names for %d classes", n, classes);
	else if (!import_config(path, &text, err))
		m = model_init(text.data, n ? (int)n : classes, list, seed, err);
	names_free(list, n);
	buf_release(&text);
	return m;
}
