/*
 * runner.h - a detector made ready to look at pictures of one size: the network whole, or the layers
 * before its cut and those after it with the gate between them, as a federation runs them.
 */
#ifndef MIST_EVAL_RUNNER_H
#define MIST_EVAL_RUNNER_H

#include "mist/gate.h"
#include "model/model.h"
#include "nn/net.h"
#include "nn/profile.h"

enum gate_mode {
	GATE_OFF,   /* floats cross, as if there were no gate */
	GATE_CLEAN, /* encoded and decoded without noise */
	GATE_NOISY, /* with it */
};

/* "off", "clean", "noisy", NULL: indexed by enum gate_mode. */
extern const char *const gate_mode_names[];

struct runner_options {
	int max_n, h, w; /* of the network's input */
	enum conv_path path;
	enum gate_mode gate;
	const uint64_t *
		seed; /* of the noise; NULL: the kernel's entropy. Borrowed while runner_new runs */
};

struct runner;

/* A weight file, and the gate that belongs to it. */
struct detector {
	struct model *model;
	struct gates gates; /* n is 0 when it has none */
	enum gate_mode gate;
	enum conv_path path;
};

/*
 * cfg: as model_load. gate: an enum gate_mode, or -1 for GATE_CLEAN where the model has a gate and
 * GATE_OFF elsewhere; a mode that needs a gate the model lacks is an error. A classifier is one too.
 * kernel: a conv_path's name, or NULL for the best.
 */
int detector_open(struct detector *d, const char *weights, const char *cfg, int gate,
		  const char *kernel, struct err *err);
void detector_close(struct detector *d);

/*
 * Borrows model, gates (unless GATE_OFF: of at least one tensor) and pool. A size that does not fit,
 * or gates that do not fit the model, is an error.
 */
struct runner *runner_new(const struct model *m, const struct gates *gates,
			  const struct runner_options *opt, struct pool *pool, struct err *err);
void runner_free(struct runner *r);
/* The model's parameters changed. runner_new has loaded them once. */
void runner_load(struct runner *r);

/* Adds what its networks' operations took to `p` (NULL: nothing happens). */
void runner_profile(struct runner *r, struct profile *p);

/* The image's view, for a batch of n <= max_n; fill it, then forward. */
struct view runner_input(struct runner *r, int n);
/* `first` numbers the batch's first picture: noise never repeats over numbers. */
void runner_forward(struct runner *r, int n, uint64_t first);
/* The detection head's raw maps; returns how many levels there are (at most 5). */
int runner_maps(struct runner *r, int n, struct view *maps);
/* Are all values of image i of the maps finite? */
bool runner_finite(const struct view *maps, int nl, int image);

#endif
