#include "data/partition.h"

#include "base/rng.h"

#define MAX_DRAWS 100 /* of a Dirichlet partition in which nobody goes empty */

const char *const partition_schemes[] = {"iid",     "contiguous", "dirichlet",
					 "classes", "quantity",   NULL};

/* What the schemes need to know about the set. */
struct survey {
	const struct dataset *d;
	int n, clients;
	int nclasses;  /* 1 + the largest class */
	int *pictures; /* per class: how many pictures hold it */
	int *main;     /* per picture: its rarest class, or -1 */
};

static void survey_release(struct survey *s)
{
	free(s->pictures);
	free(s->main);
}

static bool holds(const struct item *item, int cls, int before)
{
	int i;

	for (i = 0; i < before; i++)
		if (item->labels[i].cls == cls)
			return true;
	return false;
}

static void survey_init(struct survey *s, const struct dataset *d, int clients)
{
	int i, k;

	*s = (struct survey){.d = d, .n = d->nitems, .clients = clients, .nclasses = 1};
	for (i = 0; i < s->n; i++)
		for (k = 0; k < d->items[i].nlabels; k++)
			if (d->items[i].labels[k].cls >= s->nclasses)
				s->nclasses = d->items[i].labels[k].cls + 1;
	s->pictures = xcalloc((size_t)s->nclasses, sizeof(int));
	s->main = xmalloc((size_t)s->n * sizeof(int));
	for (i = 0; i < s->n; i++)
		for (k = 0; k < d->items[i].nlabels; k++)
			if (!holds(&d->items[i], d->items[i].labels[k].cls, k))
				s->pictures[d->items[i].labels[k].cls]++;
	for (i = 0; i < s->n; i++) {
		s->main[i] = -1;
		for (k = 0; k < d->items[i].nlabels; k++) {
			int cls = d->items[i].labels[k].cls, best = s->main[i];

			if (best < 0 || s->pictures[cls] < s->pictures[best] ||
			    (s->pictures[cls] == s->pictures[best] && cls < best))
				s->main[i] = cls;
		}
	}
}

/* 0 … n-1 in a random order; the caller frees. */
static int *shuffled(int n, struct rng *rng)
{
	int *v = xmalloc((size_t)n * sizeof(*v)), i;

	for (i = 0; i < n; i++)
		v[i] = i;
	rng_shuffle(rng, v, (size_t)n);
	return v;
}

/* --- iid, contiguous, quantity --- */

static void assign_iid(const struct survey *s, struct rng *rng, int *owner)
{
	int *order = shuffled(s->n, rng), i;

	for (i = 0; i < s->n; i++)
		owner[order[i]] = i % s->clients;
	free(order);
}

static void assign_contiguous(const struct survey *s, int *owner)
{
	int i;

	for (i = 0; i < s->n; i++)
		owner[i] = (int)((int64_t)i * s->clients / s->n);
}

/* Shares of 1 drawn from Dirichlet(alpha), as running sums that end with exactly 1. */
static void draw_shares(int n, double alpha, struct rng *rng, double *sums)
{
	double sum = 0;
	int i, lucky;

	for (i = 0; i < n; i++) {
		sum += rng_gamma(rng, alpha);
		sums[i] = sum;
	}
	lucky = (int)rng_below(rng, (uint32_t)n);
	for (i = 0; i < n; i++)
		/* A tiny alpha may underflow to nothing for all: then one takes all. */
		sums[i] = sum > 0 ? sums[i] / sum : i >= lucky;
	sums[n - 1] = 1;
}

/* Hands out v[0 … n-1] by shares. */
static void deal_by_shares(const int *v, int n, const double *sums, int clients, int *owner)
{
	int i = 0, k;

	for (k = 0; k < clients; k++)
		for (; i < (int)(sums[k] * n + 0.5); i++)
			owner[v[i]] = k;
}

static void assign_quantity(const struct survey *s, double alpha, struct rng *rng, int *owner)
{
	double *sums = xmalloc((size_t)s->clients * sizeof(*sums));
	int *order = shuffled(s->n, rng), i;

	for (i = 0; i < s->clients; i++)
		owner[order[i]] = i;
	draw_shares(s->clients, alpha, rng, sums);
	deal_by_shares(order + s->clients, s->n - s->clients, sums, s->clients, owner);
	free(order);
	free(sums);
}

/* --- by class --- */

static int smallest(const int *counts, int n)
{
	int best = 0, i;

	for (i = 1; i < n; i++)
		if (counts[i] < counts[best])
			best = i;
	return best;
}

/* Pictures without labels go, in a random order, to whoever has the fewest. */
static void deal_backgrounds(const struct survey *s, struct rng *rng, int *owner)
{
	int *counts = xcalloc((size_t)s->clients, sizeof(*counts));
	int *order = shuffled(s->n, rng), i;

	for (i = 0; i < s->n; i++)
		if (s->main[i] >= 0)
			counts[owner[i]]++;
	for (i = 0; i < s->n; i++)
		if (s->main[order[i]] < 0) {
			owner[order[i]] = smallest(counts, s->clients);
			counts[owner[order[i]]]++;
		}
	free(order);
	free(counts);
}

static void draw_dirichlet(const struct survey *s, double alpha, struct rng *rng, int *owner)
{
	double *sums = xmalloc((size_t)s->clients * sizeof(*sums));
	int *of_class = xmalloc((size_t)s->n * sizeof(*of_class));
	int *order = shuffled(s->n, rng), cls, i, n;

	for (cls = 0; cls < s->nclasses; cls++) {
		if (!s->pictures[cls])
			continue;
		for (i = n = 0; i < s->n; i++)
			if (s->main[order[i]] == cls)
				of_class[n++] = order[i];
		draw_shares(s->clients, alpha, rng, sums);
		deal_by_shares(of_class, n, sums, s->clients, owner);
	}
	deal_backgrounds(s, rng, owner);
	free(order);
	free(of_class);
	free(sums);
}

static int assign_dirichlet(const struct survey *s, const struct partition_options *opt, int *owner,
			    struct err *err)
{
	struct err empty;
	struct rng rng;
	uint64_t draw;

	for (draw = 0; draw < MAX_DRAWS; draw++) {
		rng_init(&rng, opt->seed, "partition dirichlet", draw);
		draw_dirichlet(s, opt->alpha, &rng, owner);
		if (partition_check(owner, s->n, s->clients, &empty) == 0)
			return 0;
	}
	return err_set(err, STATUS_INPUT,
		       "in %d draws with alpha %g, one of %d clients was always left without a "
		       "picture; take a larger alpha or fewer clients",
		       MAX_DRAWS, opt->alpha, s->clients);
}

/* --- a few classes each --- */

/* has[client * nclasses + class]; the caller frees. Client k takes the next K of the classes in a
 * random order, over and over. */
static bool *deal_classes(const struct survey *s, const int *present, int npresent, int each,
			  struct rng *rng)
{
	bool *has = xcalloc((size_t)s->clients * (size_t)s->nclasses, sizeof(*has));
	int *order = shuffled(npresent, rng), i;

	for (i = 0; i < s->clients * each; i++)
		has[(size_t)(i / each) * (size_t)s->nclasses +
		    (size_t)present[order[i % npresent]]] = true;
	free(order);
	return has;
}

/* How many of a picture's labels are of the client's classes. */
static int known_labels(const struct item *item, const bool *mine)
{
	int n = 0, k;

	for (k = 0; k < item->nlabels; k++)
		n += mine[item->labels[k].cls];
	return n;
}

static int best_client(const struct survey *s, const bool *has, int picture, const int *counts)
{
	int best = -1, best_known = -1, k;

	for (k = 0; k < s->clients; k++) {
		const bool *mine = has + (size_t)k * (size_t)s->nclasses;
		int known;

		if (!mine[s->main[picture]])
			continue;
		known = known_labels(&s->d->items[picture], mine);
		if (known > best_known || (known == best_known && counts[k] < counts[best])) {
			best = k;
			best_known = known;
		}
	}
	BUG_IF(best < 0);
	return best;
}

static void deal_to_holders(const struct survey *s, const bool *has, struct rng *rng, int *owner)
{
	int *counts = xcalloc((size_t)s->clients, sizeof(*counts));
	int *order = shuffled(s->n, rng), i;

	for (i = 0; i < s->n; i++)
		if (s->main[order[i]] >= 0) {
			owner[order[i]] = best_client(s, has, order[i], counts);
			counts[owner[order[i]]]++;
		}
	free(order);
	free(counts);
	deal_backgrounds(s, rng, owner);
}

/* The classes that pictures count as, ascending; the caller frees. */
static int *main_classes(const struct survey *s, int *n)
{
	bool *is_main = xcalloc((size_t)s->nclasses, sizeof(*is_main));
	int *present = xmalloc((size_t)s->nclasses * sizeof(*present)), i;

	for (i = 0; i < s->n; i++)
		if (s->main[i] >= 0)
			is_main[s->main[i]] = true;
	for (i = *n = 0; i < s->nclasses; i++)
		if (is_main[i])
			present[(*n)++] = i;
	free(is_main);
	return present;
}

static int assign_classes(const struct survey *s, const struct partition_options *opt,
			  struct rng *rng, int *owner, struct err *err)
{
	int npresent, rc = 0;
	int *present = main_classes(s, &npresent);
	bool *has;

	if (opt->classes > npresent)
		rc = err_set(err, STATUS_INPUT,
			     "%d classes per client, but pictures count as only %d classes",
			     opt->classes, npresent);
	else if ((int64_t)opt->clients * opt->classes < npresent)
		rc = err_set(
			err, STATUS_INPUT,
			"%d clients of %d classes each cannot hold all %d classes that pictures "
			"count as; at least %d per client are needed",
			opt->clients, opt->classes, npresent,
			(npresent + opt->clients - 1) / opt->clients);
	if (!rc) {
		has = deal_classes(s, present, npresent, opt->classes, rng);
		deal_to_holders(s, has, rng, owner);
		free(has);
	}
	free(present);
	return rc;
}

/* --- the interface --- */

int partition_check(const int *owner, int n, int clients, struct err *err)
{
	int *counts = xcalloc((size_t)clients, sizeof(*counts)), i, rc = 0;

	for (i = 0; i < n; i++) {
		BUG_IF(owner[i] < 0 || owner[i] >= clients);
		counts[owner[i]]++;
	}
	for (i = 0; i < clients && !rc; i++)
		if (!counts[i])
			rc = err_set(err, STATUS_INPUT, "client %d would be left without a picture",
				     i + 1);
	free(counts);
	return rc;
}

int partition_assign(const struct dataset *d, const struct partition_options *opt, int *owner,
		     struct err *err)
{
	struct survey s;
	struct rng rng;
	int rc = 0, i;

	BUG_IF(opt->clients < 1);
	if (opt->clients > d->nitems)
		return err_set(err, STATUS_INPUT, "%d clients, but only %d picture%s", opt->clients,
			       d->nitems, d->nitems == 1 ? "" : "s");
	for (i = 0; i < d->nitems; i++)
		owner[i] = -1;
	survey_init(&s, d, opt->clients);
	rng_init(&rng, opt->seed, "partition", (uint64_t)opt->scheme);
	switch (opt->scheme) {
	case PARTITION_IID:
		assign_iid(&s, &rng, owner);
		break;
	case PARTITION_CONTIGUOUS:
		assign_contiguous(&s, owner);
		break;
	case PARTITION_QUANTITY:
		assign_quantity(&s, opt->alpha, &rng, owner);
		break;
	case PARTITION_DIRICHLET:
		rc = assign_dirichlet(&s, opt, owner, err);
		break;
	case PARTITION_CLASSES:
		rc = assign_classes(&s, opt, &rng, owner, err);
		break;
	}
	survey_release(&s);
	return rc ? rc : partition_check(owner, d->nitems, opt->clients, err);
}
