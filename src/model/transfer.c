#include "model/transfer.h"

#include <string.h>

static bool same_shape(const struct param *a, const struct param *b)
{
	return a->kind == b->kind && a->ndim == b->ndim &&
	       !memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof(a->dim[0]));
}

static int copy_params(struct model *to, const struct model *from)
{
	const struct param *p;
	struct param *q;
	int i, kept = 0;

	for (i = 0; i < to->graph->nparams; i++) {
		q = &to->graph->params[i];
		p = graph_param(from->graph, q->name);
		if (!p || !same_shape(p, q))
			continue;
		kept++;
		if (p->kind == PARAM_COUNTER)
			q->counter = p->counter;
		else
			memcpy(to->params + q->offset, from->params + p->offset,
			       p->count * sizeof(float));
	}
	return kept;
}

struct model *transfer_classes(const struct model *from, int nc, char *const *names, uint64_t seed,
			       int *kept, struct err *err)
{
	struct model *m = model_init(from->yaml, nc, (char **)names, seed, err);
	int i, n;

	if (!m)
		return NULL;
	n = copy_params(m, from);
	if (model_sync_anchors(m, err)) {
		model_free(m);
		return NULL;
	}
	for (i = 0; i < from->nmeta; i++)
		model_set_meta(m, from->meta[i].key, from->meta[i].value);
	memcpy(m->digest, from->digest, sizeof(m->digest));
	if (kept)
		*kept = n;
	return m;
}
