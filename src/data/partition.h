/*
 * partition.h - who gets which picture: a data set divided among N clients, each picture to exactly one
 * and none left without.
 *
 *  iid         shuffled and dealt out: sizes differ by at most one
 *  contiguous  in the order of the paths, N equal runs
 *  quantity    shuffled; one each, the rest in shares drawn from Dirichlet(alpha)
 *  dirichlet   per class, shares drawn from Dirichlet(alpha) (Hsu, Qi and Brown 2019): label skew
 *  classes     K classes per client (McMahan and others 2017, "pathological"): a picture goes to a
 *              client that holds its class
 *
 * A detection picture has labels of many classes. For the last two it counts as the class among its
 * labels that is in the fewest pictures of the set (the lower number of equals), so that the rare
 * classes steer; the others come along. Where several clients hold a picture's class, the one that
 * holds most of its other classes gets it, then the one with the fewest pictures. Pictures without
 * labels go to whoever has the fewest.
 */
#ifndef MIST_DATA_PARTITION_H
#define MIST_DATA_PARTITION_H

#include "data/dataset.h"

enum partition_scheme {
	PARTITION_IID,
	PARTITION_CONTIGUOUS,
	PARTITION_DIRICHLET,
	PARTITION_CLASSES,
	PARTITION_QUANTITY,
};

/* Their names, in that order, NULL at the end. */
extern const char *const partition_schemes[];

struct partition_options {
	enum partition_scheme scheme;
	int clients;
	double alpha; /* dirichlet, quantity: > 0; small is skewed */
	int classes;  /* per client, for `classes` */
	uint64_t seed;
};

/* owner[i] becomes the client (from 0) of item i. More clients than pictures, or a scheme that cannot
 * be met, is an error. */
int partition_assign(const struct dataset *d, const struct partition_options *opt, int *owner,
		     struct err *err);

/* Every owner in range and no client without a picture? */
int partition_check(const int *owner, int n, int clients, struct err *err);

#endif
