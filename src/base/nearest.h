/*
 * nearest.h - "did you mean": the known word that a misspelt one is closest to.
 */
#ifndef MIST_BASE_NEAREST_H
#define MIST_BASE_NEAREST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours; optimal string alignment) from a to b. */
int nearest_distance(const char *a, const char *b);
/* Of n words the one with the fewest edits (the first of several); NULL when the best would change
 * more than half of the longer word. Borrowed from `known`. */
const char *nearest_word(const char *word, const char *const *known, size_t n);

#endif
