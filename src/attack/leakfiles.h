/*
 * leakfiles.h - the files that an inversion leaves: table, TSV, JSON, sheet, recovered pictures.
 */
#ifndef MIST_ATTACK_LEAKFILES_H
#define MIST_ATTACK_LEAKFILES_H

#include "attack/inversion.h"

struct leakfiles {
	const char *table;              /* NULL: standard output, unless `json` is */
	const char *json, *tsv, *sheet; /* NULL: not asked for */
	const char *recovered;          /* a folder: N/KEY.png, N counting the streams */
};

/* What can fail without having written anything comes first. */
int leakfiles_write(const struct inversion *v, const struct leakfiles *files, struct err *err);

#endif
