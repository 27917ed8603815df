/*
 * settings.h - what a manifest's `env` may say: Sedna's names (cut_layer, epsilon, learning_rate …)
 * and the programs' own options with '_' for '-'. One table: a row a name.
 */
#ifndef MIST_JOB_SETTINGS_H
#define MIST_JOB_SETTINGS_H

#include "base/err.h"
#include "job/words.h"

/* Which command lines an option goes to. */
enum setting_to {
	TO_EXTRACT = 1,
	TO_TRAIN = 2,
	TO_AGGREGATE = 4,
	TO_EVAL = 8,
	TO_CALIBRATE = 16,
	TO_INIT = 32,
};

enum setting_kind { SETTING_TEXT, SETTING_PATH, SETTING_FLAG, SETTING_WHOLE, SETTING_REAL };

struct setting {
	const char *env;
	const char *option; /* "--cut"; NULL: the job itself asks for it */
	unsigned to;        /* enum setting_to, or'ed */
	enum setting_kind kind;
	double min, max;
	bool own; /* said on one side it holds for that side alone */
};

/* NULL for a name that is not in the table. */
const struct setting *setting_find(const char *env);
/* The nearest name, or NULL. */
const char *setting_nearest(const char *env);
/* The rows in their order; NULL behind the last. */
const struct setting *setting_row(size_t i);
/* -1 and "'epochs' …" unless the value is one. */
int setting_check(const struct setting *s, const char *value, struct err *err);
/* Adds option and value; of a flag the option where it is true, nothing where it is false. */
void setting_add(const struct setting *s, const char *value, struct words *to);
/* "true", "yes", "1", "on". */
bool setting_is_true(const char *value);

#endif
