/*
 * shadow.h - shadow models (Shokri et al. 2017): cloud parts trained as the target was, on halves of
 * public pictures, so that it is known who was a member.
 *
 * A shadow starts from the weights that the target started from; its features go through the target's
 * gate with fresh noise; the trainer is mist-train's own. A target without a gate has shadows that are
 * trained from images. What lies on disk meanwhile (a feature stream, a list, weights) is in a folder of
 * its own below $TMPDIR, removed at the end.
 */
#ifndef MIST_ATTACK_SHADOW_H
#define MIST_ATTACK_SHADOW_H

#include "data/dataset.h"
#include "train/session.h"

struct shadow_options {
	const char *start; /* weights */
	int img;           /* of the features, and of the training */
	struct session_options
		session; /* epochs, rates and so on; weights, data, features and output are
					   set here */
	uint64_t seed;
	int threads;
};

/*
 * member[i]: is picture i of the public set in shadow number `index`? Shadows come in pairs: 2k+1 has
 * exactly the pictures that 2k has not.
 */
void shadow_split(int index, int n, uint64_t seed, bool *member);

/* Trains a shadow on the members; `gate` and `cut` are the target's metadata (NULL: none). The caller
 * frees the model. NULL on error. */
struct model *shadow_train(const struct dataset *public_set, const bool *member, int index,
			   const char *gate, const char *cut, const struct shadow_options *opt,
			   struct pool *pool, struct err *err);

#endif
