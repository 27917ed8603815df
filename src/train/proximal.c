#include "train/proximal.h"

void proximal_add(const struct graph *g, int from, double mu, const float *w, const float *start,
		  float *grads)
{
	const float m = (float)mu;
	size_t k;
	int i;

	for (i = 0; i < g->nparams; i++) {
		const struct param *p = &g->params[i];

		if (!param_trained(p) || p->layer < from)
			continue;
		for (k = p->offset; k < p->offset + p->count; k++)
			grads[k] += m * (w[k] - start[k]);
	}
}
