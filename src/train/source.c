#include "train/source.h"

#include "base/mem.h"
#include "model/transfer.h"

#include <stdlib.h>

int source_fill(struct source *s, struct pool *pool, struct net *net, long epoch, const int *index,
		int *n, struct target_list *out, struct err *err)
{
	out->n = 0;
	return s->class->fill(s, pool, net, epoch, index, n, out, err);
}

void source_backward(struct source *s, struct net *net, int first, int n, float *grads)
{
	if (s->class->backward)
		s->class->backward(s, net, first, n, grads);
}

void source_load(struct source *s)
{
	if (s->class->load)
		s->class->load(s);
}

void source_stamp(const struct source *s, struct model *m)
{
	if (s->class->stamp)
		s->class->stamp(s, m);
}

void source_free(struct source *s)
{
	if (s)
		s->class->free(s);
}

void target_list_add(struct target_list *l, const struct target *t)
{
	GROW(l->v, l->n, l->cap);
	l->v[l->n++] = *t;
}

void target_list_release(struct target_list *l)
{
	free(l->v);
	*l = (struct target_list){NULL, 0, 0};
}

int source_adapt(struct model **m, int nc, char *const *names, uint64_t seed,
		 const struct notices *notices, struct err *err)
{
	struct model *old = *m, *new;
	int kept;

	if (nc == old->graph->nc)
		return 0;
	new = transfer_classes(old, nc, names, seed, &kept, err);
	if (!new)
		return -1;
	notice(notices,
	       "the weights have %d classes, the data %d: %d of %d tensors are kept, the rest "
	       "begins anew",
	       old->graph->nc, nc, kept, new->graph->nparams);
	model_free(old);
	*m = new;
	return 0;
}
