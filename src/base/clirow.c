#include "base/clirow.h"

#include "base/num.h"

void clirow_options(const struct cli_row *rows, size_t n, struct argp_option *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = (struct argp_option){
			rows[i].name, rows[i].key, rows[i].arg, 0, rows[i].doc, 0};
	out[n] = (struct argp_option){0};
}

static void store(const struct cli_row *row, void *to, char *arg, struct argp_state *state)
{
	struct err err;
	char name[40];

	snprintf(name, sizeof(name), "--%s", row->name);
	switch (row->kind) {
	case CLI_TEXT:
		*(const char **)to = arg;
		break;
	case CLI_INT:
		*(int *)to = (int)cli_long(state, name, arg, (long)row->min, (long)row->max);
		break;
	case CLI_LONG:
		*(long *)to = cli_long(state, name, arg, (long)row->min, (long)row->max);
		break;
	case CLI_REAL:
		*(double *)to = cli_double(state, name, arg, row->min, row->max);
		break;
	case CLI_BYTES:
		*(size_t *)to = cli_size(state, name, arg);
		break;
	case CLI_TIME:
		if (num_duration(name, arg, to, &err))
			argp_error(state, "%s", err.msg);
		break;
	case CLI_YES:
	case CLI_NO:
		*(bool *)to = row->kind == CLI_YES;
		break;
	case CLI_CHOICE:
		*(int *)to = cli_choice(state, name, arg, row->names);
		break;
	}
}

bool clirow_take(const struct cli_row *rows, size_t n, void *opts, uint64_t *given, int key,
		 char *arg, struct argp_state *state)
{
	size_t i;

	BUG_IF(n > 64);
	for (i = 0; i < n; i++)
		if (rows[i].key == key) {
			*given |= (uint64_t)1 << i;
			store(&rows[i], (char *)opts + rows[i].to, arg, state);
			return true;
		}
	return false;
}

void clirow_check(const struct cli_row *rows, size_t n, uint64_t given, unsigned command,
		  const char *name, struct argp_state *state)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (given >> i & 1 && !(rows[i].commands & command))
			argp_error(state, "%s does not take --%s", name, rows[i].name);
}
