/*
 * netpair.c - which convolutions of a plan are run as one.
 *
 * A C3 begins with two 1x1 convolutions of the same input. As one convolution with the outputs side by
 * side they read the input once, and once write its gradient; of 16 channels each, they fill a register
 * tile only together. Larger kernels would gain nothing: they are bound by arithmetic.
 */
#include "nn/netplan.h"

/* Whether the two may be a pair; one layer alone has its parameters frozen or not, its statistics
 * constant or not. */
static bool alike(const struct plan *p, const struct unit *a, const struct unit *b)
{
	const struct step *s = &p->g->steps[a->step], *t = &p->g->steps[b->step];

	if (s->layer != t->layer || s->in[0] != t->in[0] || s->k != 1 || t->k != 1)
		return false;
	if (s->s != t->s || s->p || t->p || s->g != 1 || t->g != 1)
		return false;
	if (s->residual >= 0 || t->residual >= 0 || s->act != t->act || a->mode != b->mode)
		return false;
	/* without batch norm dz is dy, wherever that lies */
	if (a->grad && a->mode == UNIT_FUSED)
		return false;
	return a->shape.cout % CONV_REST_AT == 0;
}

void plan_pairs(struct plan *p)
{
	int i, j;

	for (i = 0; i < p->nunits && !p->opt.apart; i++)
		for (j = i + 1; j < p->nunits && p->units[i].pair < 0; j++) {
			struct unit *a = &p->units[i], *b = &p->units[j];

			if (b->pair >= 0 || !alike(p, a, b))
				continue;
			a->pair = j;
			b->pair = i;
			a->drop = b->drop = a->drop && b->drop;
		}
}
