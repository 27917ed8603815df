/*
 * inversion.h - mist-attack invert: every attack on every stream, what each recovered, and which was
 * best. A stream is a setting: the same pictures under another gate or another epsilon.
 *
 * "white-box" searches from grey (whitebox.h), "learnt" is a decoder's (decoder.h), "both" searches from
 * what the decoder made. The white-box attack's prior is tuned per setting: each weight of the list is tried on the first few
 * pictures, the best by score (outcome.h) then works on all. That is more than an attacker could do, who
 * has no originals: a bound on what was to be feared, not an estimate of what will happen.
 */
#ifndef MIST_ATTACK_INVERSION_H
#define MIST_ATTACK_INVERSION_H

#include "attack/decoder.h"
#include "attack/evidence.h"
#include "attack/outcome.h"
#include "attack/whitebox.h"

#define INVERSION_MAX_WEIGHTS 16
#define INVERSION_MAX_ATTACKS 3

struct inversion_options {
	const char *weights, *cfg; /* the extractor: a whole weight file or its edge */
	const char *detector;      /* judges the pictures; NULL: `weights`, where it has a head */
	const char *data;          /* the originals */
	const char *split;         /* of `data` */
	int limit;                 /* pictures; 0: all */
	double variation[INVERSION_MAX_WEIGHTS];
	int nvariation; /* 0: a list that suits the setting */
	struct whitebox_options whitebox;
	bool learn; /* the learnt attack too, and the search that starts from what it made */
	struct decoder_options decoder;
	const struct notices *notices;
	/* What is under way, and how far (0 … 1); may be NULL. */
	void (*progress)(void *ctx, const char *what, double done);
	void *progress_ctx;
};
void inversion_defaults(struct inversion_options *o);
/* variation and nvariation from "W,W,..."; an error with STATUS_USAGE. */
int inversion_weights(struct inversion_options *o, const char *text, struct err *err);

struct setting {
	struct evidence evidence;
	struct outcome outcome[INVERSION_MAX_ATTACKS];
	int n;
	int best; /* of the outcomes, by score */
};

struct inversion {
	struct dataset *data;
	struct victims victims;
	struct model *model, *detector; /* the same, or two */
	struct outcome original;        /* the victims themselves: what there is to find */
	struct outcome flat;     /* each one's mean colour: what no attack need be proud of */
	struct setting *setting; /* one per stream */
	int n;
};

/* Everything; releasing is harmless after an error. */
int inversion_run(struct inversion *v, char *const *streams, int n,
		  const struct inversion_options *opt, struct pool *pool, struct err *err);
void inversion_release(struct inversion *v);

#endif
