/*
 * server.h - the state of the server's optimiser (fedavgm, fedadam, fedyogi) between rounds: a
 * safetensors file with "m.NAME" and, but for fedavgm, "v.NAME" for every trained tensor.
 *
 * It says to which weights it belongs: mist.parents is that of the weights that were made with it. The
 * new state is another file, so that a round that was killed can be repeated from what it began with.
 */
#ifndef MIST_FED_SERVER_H
#define MIST_FED_SERVER_H

#include "fed/cohort.h"
#include "fed/combine.h"

struct server {
	struct combine_step step;
	const char *name; /* of the strategy */
	const char *in_path;
	struct safetensors in;
	bool have_in, have_out;
	struct safetensors_writer out;
	float *m, *v; /* of the largest tensor */
};

/*
 * in (NULL: nothing is known yet, moments are zero, and tau squared) must be of the same strategy, fit
 * the weights, and belong to c->global; out may be NULL. `parents` is noted in the new state.
 */
int server_open(struct server *s, const struct combine_step *step, const char *name, const char *in,
		const char *out, const struct cohort *c, const char *parents, struct err *err);
/* One trained tensor, in the order of the first file: mean and w to the new values, `out`. */
int server_step(struct server *s, const struct safetensors_tensor *t, const double *mean,
		const float *w, double *out, struct err *err);
/* Commits the new state. */
int server_finish(struct server *s, struct err *err);
/* After finish or an error. */
void server_release(struct server *s);

#endif
