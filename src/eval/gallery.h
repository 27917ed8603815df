/*
 * gallery.h - the folder that mist-detect fills: pictures under the names of their inputs, labels/ beside
 * them. Inputs of one name become NAME, NAME-2, NAME-3.
 *
 * All is written aside and moved into place at the end: into a new folder, or file by file into one
 * that is there, whose other files stay. A run that fails leaves nothing.
 */
#ifndef MIST_EVAL_GALLERY_H
#define MIST_EVAL_GALLERY_H

#include "io/image.h"
#include "model/detect.h"

#include <jansson.h>

struct gallery {
	char *path, *temp;
	json_t *names; /* those given so far: a set */
	bool labels;   /* labels/ has been made */
};

int gallery_open(struct gallery *g, const char *path, struct err *err);
/* The name (without suffix) that the picture of `input` gets; the caller frees. */
char *gallery_name(struct gallery *g, const char *input);
/* Writes NAME.png where the input was a PNG, else NAME.jpg. */
int gallery_add(struct gallery *g, const char *name, const char *input, const struct image *picture,
		struct err *err);
/* Writes labels/NAME.txt: class, centre and size as fractions of the picture; with `scores` a sixth
 * column. */
int gallery_add_labels(struct gallery *g, const char *name, const struct det *dets, int n, int w,
		       int h, bool scores, struct err *err);
/* Moves all into place; releases. */
int gallery_close(struct gallery *g, struct err *err);
/* Forgets all; harmless after gallery_close and on a zeroed gallery. */
void gallery_discard(struct gallery *g);

#endif
