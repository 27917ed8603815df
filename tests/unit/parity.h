/*
 * parity.h - inside t-parity only: the reference, the model, and how a tensor is compared.
 */
#ifndef MIST_TESTS_PARITY_H
#define MIST_TESTS_PARITY_H

#include "io/safetensors.h"
#include "model/detect.h"
#include "model/hyp.h"
#include "model/model.h"
#include "nn/net.h"

/* The stated tolerances. */
#define FEATURE_ABS 1e-4
#define FEATURE_REL 1e-3
#define BOX_ABS     0.05 /* pixels */
#define LOSS_REL    1e-4
#define TRACE_REL   1e-3
#define GRAD_REL    1e-3 /* of the L2 norm */
#define WEIGHT_REL  1e-4 /* of the L2 norm, after one step */
/* Gradients some steps later (kept_step): meanwhile rounding may have decided which of two nearly
 * equal values a max pool takes, and the gradient, not the loss, jumps. */
#define LATE_SLACK 10

struct parity {
	struct safetensors ref;
	struct model *model;
	struct pool *pool;
	enum conv_path path;
	struct hyp hyp;
	int n, h, w, size, cut;
	struct target *targets;
	int ntargets;
	unsigned char *images;
	int compared, failed;
	struct err err;
};

/* parity-compare.c: one printed line for a tensor; beyond the tolerance it counts as failed. */
void parity_verdict(struct parity *p, const char *name, double error, double tolerance,
		    const char *what);
/* Allowed is abs + rel * |theirs|. */
void parity_values(struct parity *p, const char *name, const float *ours, const float *theirs,
		   size_t n, double abs, double rel);
/* L2 norm of the difference over that of theirs. */
void parity_norm(struct parity *p, const char *name, const float *ours, const float *theirs,
		 size_t n, double rel);
void parity_number(struct parity *p, const char *name, double ours, double theirs, double rel);
void parity_missing(struct parity *p, const char *name, const char *why);
/* A tensor of the reference as floats; NULL when it is not there (or not of `want` values: that is
 * a failure). The caller frees. */
float *parity_floats(struct parity *p, const char *name, size_t *count);
float *parity_exactly(struct parity *p, const char *name, size_t want);
size_t parity_count(const struct view *v);
void parity_view(struct parity *p, const char *name, const struct view *v);

/* parity-eval.c */
struct net *parity_net(struct parity *p, int from, int to, bool train, int freeze, bool keep_all);
void parity_fill_image(const struct parity *p, struct view v);
/* The image through the layers before the cut, and what crosses into those behind it. */
int parity_split(struct parity *p, struct net *edge, struct net *cloud);
int parity_evaluate(struct parity *p);

/* parity-train.c: the family PREFIX of tensors, trained from layer `from` on with the layers before
 * `freeze` frozen; slack: times the tolerances of gradients. */
int parity_train(struct parity *p, const char *prefix, const char *label, int from, int freeze,
		 double slack);

#endif
