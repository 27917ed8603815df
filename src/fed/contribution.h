/*
 * contribution.h - what each client brought to a round, for whoever must judge clients.
 *
 * With the weights that the clients started from: update u_i = w_i - w0 and combined update
 * u = w - w0, and the distance is |u_i|, the cosine that of u_i and u: near 1 for a client that pulls
 * as the others do, negative for one that pulls against them. Without: the distance is |w_i - w|, and
 * the cosine is not known. Of trained values only; w is what the clients' files were combined to,
 * before a server's optimiser.
 */
#ifndef MIST_FED_CONTRIBUTION_H
#define MIST_FED_CONTRIBUTION_H

#include "fed/cohort.h"

struct contribution {
	double weight; /* of its file in the mean; of ranks: the share of its values that were used */
	double clip;   /* factor of norm-clip; 1: not clipped */
	bool rejected;      /* krum */
	double square, dot; /* sums so far: |u_i|^2, u_i u */
};

struct contributions {
	struct contribution *client;
	int n;
	bool global;   /* is it known what the clients started from? */
	double square; /* |u|^2 */
};

void contributions_init(struct contributions *c, int n, bool global);
void contributions_release(struct contributions *c);
/* m values: n rows of the clients, the result, and where they started (NULL unless `global`). */
void contributions_add(struct contributions *c, const float *v, size_t m, const double *result,
		       const float *global);
/*
 * The report: a table, or JSON where the name ends in ".json": {"strategy", "reference": "global" or
 * "result", "clients": [{"client", "file", "sha256", "samples", "round", "weight", "distance",
 * "cosine" or null, "clip", "rejected"}]}. "-": standard output.
 */
int contributions_write(const struct contributions *c, const struct cohort *files,
			const char *strategy, const char *path, struct err *err);

#endif
