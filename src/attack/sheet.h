/*
 * sheet.h - the pictures of an inversion side by side: a row per victim; columns are the original, then
 * what each attack recovered from each stream, under labels.
 */
#ifndef MIST_ATTACK_SHEET_H
#define MIST_ATTACK_SHEET_H

#include "attack/inversion.h"

/* At most `rows` victims (0: all). Allocates `out`; a sheet beyond cairo's size is an error. */
int sheet_draw(const struct inversion *v, int rows, struct image *out, struct err *err);

#endif
