/*
 * victims.h - the pictures under attack: the first `limit` of a data set, letterboxed as the edge did.
 *
 * An attack never looks at their pixels, only the measures do. Where a picture lies in its letterbox an
 * attacker knows too: KEY.json of the stream says it in clear.
 */
#ifndef MIST_ATTACK_VICTIMS_H
#define MIST_ATTACK_VICTIMS_H

#include "data/dataset.h"
#include "data/letterbox.h"

struct victims {
	const struct dataset *set; /* borrowed; picture i is item i of it */
	int n, img;
	struct letterbox *lb; /* of each */
	struct image *image;  /* img x img */
};

/* limit 0: all. A picture that cannot be decoded is an error. Releasing is harmless after one. */
int victims_init(struct victims *v, const struct dataset *d, int limit, int img, struct err *err);
void victims_release(struct victims *v);

/* The part of a letterboxed picture that is picture: what the measures compare. */
void victims_crop(const struct letterbox *lb, const struct image *boxed, struct image *out);

#endif
