#include "job/settings.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "base/num.h"

#include <string.h>
#include <strings.h>

#define EDGE (TO_EXTRACT | TO_TRAIN)

static const struct setting settings[] = {
	/* Of the job. */
	{"aggregation_algorithm", NULL, 0, SETTING_TEXT, 0, 0, false},
	{"cut_layer", NULL, 0, SETTING_WHOLE, 1, 1000, false},
	{"epochs", NULL, 0, SETTING_WHOLE, 1, 1e6, false},
	{"mechanism", NULL, 0, SETTING_TEXT, 0, 0, false},
	{"noise_seed", NULL, 0, SETTING_WHOLE, 0, 1e15, false},
	{"public", NULL, 0, SETTING_PATH, 0, 0, true},
	{"sample", NULL, 0, SETTING_TEXT, 0, 0, true},
	{"seed", NULL, 0, SETTING_WHOLE, 0, 1e15, false},
	{"val", NULL, 0, SETTING_PATH, 0, 0, true},
	{"model", NULL, 0, SETTING_PATH, 0, 0, true},
	{"warmup_epochs", NULL, 0, SETTING_REAL, 0, 1e4, false},
	/* Sedna's names for options. */
	{"batch_size", "--batch-size", TO_TRAIN, SETTING_WHOLE, 1, 65536, false},
	{"epsilon", "--epsilon", TO_EXTRACT, SETTING_REAL, 0, 1e9, false},
	{"learning_rate", "--lr0", TO_TRAIN, SETTING_REAL, 0, 10, false},
	/* The programs' own. */
	{"beta1", "--beta1", TO_AGGREGATE, SETTING_REAL, 0, 1, true},
	{"beta2", "--beta2", TO_AGGREGATE, SETTING_REAL, 0, 1, true},
	{"budget", "--budget", TO_EXTRACT, SETTING_REAL, 0, 1e15, false},
	{"budget_image", "--budget-image", TO_EXTRACT, SETTING_REAL, 0, 1e15, false},
	{"byzantine", "--byzantine", TO_AGGREGATE, SETTING_WHOLE, 0, 1e6, true},
	{"clip", "--clip", TO_AGGREGATE, SETTING_REAL, 0, 1e30, true},
	{"ledger", "--ledger", TO_EXTRACT, SETTING_PATH, 0, 0, false},
	{"max_staleness", "--max-staleness", TO_AGGREGATE, SETTING_WHOLE, 0, 1e6, true},
	{"proximal", "--proximal", TO_TRAIN, SETTING_REAL, 0, 1e6, false},
	{"select", "--select", TO_AGGREGATE, SETTING_WHOLE, 1, 1e6, true},
	{"server_lr", "--server-lr", TO_AGGREGATE, SETTING_REAL, 0, 1e6, true},
	{"staleness", "--staleness", TO_AGGREGATE, SETTING_REAL, 0, 100, true},
	{"tau", "--tau", TO_AGGREGATE, SETTING_REAL, 1e-12, 1e6, true},
	{"trim", "--trim", TO_AGGREGATE, SETTING_REAL, 0, 0.5, true},
	{"classes", "--classes", TO_INIT, SETTING_WHOLE, 1, 1e5, true},
	{"names", "--names", TO_INIT, SETTING_TEXT, 0, 0, true},
	{"cos_lr", "--cos-lr", TO_TRAIN, SETTING_FLAG, 0, 0, false},
	{"encoding", "--encoding", TO_EXTRACT, SETTING_TEXT, 0, 0, false},
	{"freeze", "--freeze", TO_TRAIN, SETTING_WHOLE, 1, 1e4, false},
	{"gate", "--gate", TO_EVAL, SETTING_TEXT, 0, 0, true},
	{"hflip", "--hflip", TO_EXTRACT, SETTING_FLAG, 0, 0, false},
	{"hyp", "--hyp", TO_TRAIN, SETTING_PATH, 0, 0, false},
	{"img", "--img", TO_EXTRACT | TO_TRAIN | TO_EVAL | TO_CALIBRATE, SETTING_WHOLE, 32, 8192,
	 false},
	{"max_det", "--max-det", TO_EVAL, SETTING_WHOLE, 1, 1e6, true},
	{"nbs", "--nbs", TO_TRAIN, SETTING_WHOLE, 1, 1e6, false},
	{"no_labels", "--no-labels", TO_EXTRACT, SETTING_FLAG, 0, 0, false},
	{"no_shuffle", "--no-shuffle", TO_TRAIN, SETTING_FLAG, 0, 0, false},
	{"optimizer", "--optimizer", TO_TRAIN, SETTING_TEXT, 0, 0, false},
	{"save_steps", "--save-steps", TO_TRAIN, SETTING_WHOLE, 1, 1e9, false},
	{"strategy", "--strategy", TO_AGGREGATE, SETTING_TEXT, 0, 0, true},
	{"strict", "--strict", EDGE, SETTING_FLAG, 0, 0, false},
	{"threads", "--threads", EDGE | TO_EVAL | TO_CALIBRATE, SETTING_WHOLE, 1, 1024, true},
	{"threshold", "--threshold", TO_CALIBRATE, SETTING_TEXT, 0, 0, true},
	{"val_split", "--split", TO_EVAL, SETTING_TEXT, 0, 0, true},
};

const struct setting *setting_row(size_t i)
{
	return i < ARRAY_LEN(settings) ? &settings[i] : NULL;
}

const struct setting *setting_find(const char *env)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(settings); i++)
		if (!strcmp(settings[i].env, env))
			return &settings[i];
	return NULL;
}

const char *setting_nearest(const char *env)
{
	const char *known[ARRAY_LEN(settings)];
	size_t i;

	for (i = 0; i < ARRAY_LEN(settings); i++)
		known[i] = settings[i].env;
	return nearest_word(env, known, ARRAY_LEN(settings));
}

static bool is_one_of(const char *value, const char *const *words, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcasecmp(value, words[i]))
			return true;
	return false;
}

bool setting_is_true(const char *value)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};

	return is_one_of(value, yes, ARRAY_LEN(yes));
}

int setting_check(const struct setting *s, const char *value, struct err *err)
{
	static const char *const no[] = {"false", "no", "off", "0"};
	double real;
	long whole;

	if (!*value)
		return err_set(err, STATUS_INPUT, "'%s' is empty", s->env);
	switch (s->kind) {
	case SETTING_FLAG:
		if (setting_is_true(value) || is_one_of(value, no, ARRAY_LEN(no)))
			return 0;
		return err_set(err, STATUS_INPUT, "'%s' is neither true nor false: '%s'", s->env,
			       value);
	case SETTING_WHOLE:
		if (!num_long(s->env, value, (long)s->min, (long)s->max, &whole, err))
			return 0;
		break;
	case SETTING_REAL:
		if (!num_double(s->env, value, s->min, s->max, &real, err))
			return 0;
		break;
	case SETTING_TEXT:
	case SETTING_PATH:
		return 0;
	}
	err->status = STATUS_INPUT;
	return -1;
}

void setting_add(const struct setting *s, const char *value, struct words *to)
{
	if (s->kind == SETTING_FLAG) {
		if (setting_is_true(value))
			words_add(to, s->option);
		return;
	}
	words_add(to, s->option);
	words_add(to, value);
}
