#include "train/ranks.h"

#include <stdlib.h>

int ranks_room(const struct comm *c, int batch)
{
	const int size = comm_size(c), most = (batch + size - 1) / size;

	return most > size - 1 ? most : size - 1;
}

struct share ranks_share(const struct comm *c, int all)
{
	const int size = comm_size(c), rank = comm_rank(c);
	struct share s = {.all = all};

	if (all < size) {
		s.solo = size > 1;
		s.n = rank ? 0 : all;
		return s;
	}
	s.first = (int)((long)all * rank / size);
	s.n = (int)((long)all * (rank + 1) / size) - s.first;
	return s;
}

/* Takes the targets of all ranks, whose images are numbered on. */
static void take_targets(struct target_list *targets, const struct buf *all, const size_t *sizes,
			 const double *counts, int size)
{
	const struct target *from = (const struct target *)(const void *)all->data;
	int r, first = 0;
	size_t i;

	targets->n = 0;
	for (r = 0; r < size; r++) {
		for (i = 0; i < sizes[r] / sizeof(*from); i++, from++) {
			struct target t = *from;

			t.image += first;
			target_list_add(targets, &t);
		}
		first += (int)counts[r];
	}
}

int ranks_join(struct comm *c, int rc, struct share *s, struct target_list *targets,
	       struct err *err)
{
	const int size = comm_size(c), rank = comm_rank(c);
	double *counts;
	size_t *sizes;
	struct buf all = BUF_INIT;
	int r;

	if (comm_settle(c, rc, err))
		return -1;
	if (size == 1) {
		s->all = s->n;
		return 0;
	}
	counts = xcalloc((size_t)size, sizeof(*counts));
	sizes = xcalloc((size_t)size, sizeof(*sizes));
	counts[rank] = (double)s->n;
	comm_sum(c, counts, (size_t)size);
	comm_gather(c, targets->v, s->n ? (size_t)targets->n * sizeof(*targets->v) : 0, &all,
		    sizes);
	take_targets(targets, &all, sizes, counts, size);
	for (s->first = 0, s->all = 0, r = 0; r < size; r++) {
		s->first += r < rank ? (int)counts[r] : 0;
		s->all += (int)counts[r];
	}
	for (r = 0; r < size && counts[r] > 0; r++)
		;
	rc = r < size && !s->solo
		     ? err_set(err, STATUS_INPUT,
			       "no image of a batch can be read of those that rank %d has", r)
		     : 0;
	if (rc && rank)
		err->msg[0] = '\0'; /* all know; one tells */
	buf_release(&all);
	free(counts);
	free(sizes);
	return rc;
}

void ranks_statistics(struct comm *c, const struct share *s, const struct graph *g, int from,
		      float *params)
{
	const double weight = s->solo ? comm_rank(c) == 0 : 1.0 / comm_size(c);
	double *v = NULL;
	size_t k;
	int i;

	for (i = 0; comm_size(c) > 1 && i < g->nparams; i++) {
		const struct param *p = &g->params[i];

		if ((p->kind != PARAM_BN_MEAN && p->kind != PARAM_BN_VAR) || p->layer < from)
			continue;
		v = xreallocarray(v, p->count, sizeof(*v));
		for (k = 0; k < p->count; k++)
			v[k] = weight * (double)params[p->offset + k];
		comm_sum(c, v, p->count);
		for (k = 0; k < p->count; k++)
			params[p->offset + k] = (float)v[k];
	}
	free(v);
}

void ranks_follow(struct comm *c, double *v, size_t n)
{
	size_t i;

	for (i = 0; comm_rank(c) && i < n; i++)
		v[i] = 0;
	comm_sum(c, v, n);
}
