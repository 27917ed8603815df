/*
 * gather_text.c - deadlines and lists of clients as a command line has them.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "fed/gather.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int gather_deadline_parse(const char *text, struct gather_deadline *out, struct err *err)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"};
	size_t i;

	out->kind = GATHER_AT;
	if (text[0] == '@')
		return num_double("--deadline", text + 1, 0, 1e11, &out->seconds, err);
	for (i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, forms[i], &tm);

		if (!end || (*end && strcmp(end, "Z")))
			continue;
		out->seconds = (double)(*end ? timegm(&tm) : mktime(&tm));
		return 0;
	}
	out->kind = GATHER_AFTER;
	return num_duration("--deadline", text, &out->seconds, err);
}

static int add_client(char ***list, size_t *n, const char *name, size_t len, struct err *err)
{
	char *copy = xstrndup(name, len);
	size_t i;

	for (i = 0; i < *n; i++)
		if (!strcmp((*list)[i], copy)) {
			err_set(err, STATUS_USAGE, "--clients: '%s' is there twice", copy);
			free(copy);
			return -1;
		}
	*list = xreallocarray(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = copy;
	return 0;
}

/* Words apart by commas, spaces or newlines; '#' to the end of a line is a comment. */
static int split_clients(const char *text, char ***list, size_t *n, struct err *err)
{
	int rc = 0;

	while (*text && !rc) {
		size_t len = strcspn(text, ", \t\r\n#");

		if (len)
			rc = add_client(list, n, text, len, err);
		text += len;
		if (*text == '#')
			text += strcspn(text, "\n");
		else if (*text)
			text++;
	}
	return rc;
}

int gather_clients(const char *text, char ***out, size_t *n, struct err *err)
{
	struct buf file = BUF_INIT;
	int rc = 0;

	*out = NULL;
	*n = 0;
	if (text[0] == '@')
		rc = file_read(text + 1, 1 << 24, &file, err);
	if (!rc)
		rc = split_clients(text[0] == '@' ? file.data : text, out, n, err);
	if (!rc && !*n)
		rc = err_set(err, STATUS_USAGE, "--clients names nobody");
	if (rc) {
		names_free(*out, *n);
		*out = NULL;
		*n = 0;
	}
	buf_release(&file);
	return rc;
}

struct stop *gather_trigger(const char *text, struct err *err)
{
	struct stop *s = stop_parse(text, err);
	int m;

	for (m = 0; s && m < STOP_METRICS; m++)
		if (m != STOP_CLIENTS && m != STOP_TIME && stop_uses(s, (enum stop_metric)m)) {
			stop_free(s);
			s = NULL;
			err_set(err, STATUS_USAGE,
				"--trigger: an inbox knows of clients and time only");
		}
	return s;
}

static int check_options(const struct gather_options *o, const struct gather_texts *t,
			 struct err *err)
{
	const bool any = o->min_clients || t->trigger || t->clients || t->deadline || o->quorum ||
			 o->wait > 0 || o->round || o->record || o->max_staleness >= 0;

	if (!o->inbox && any)
		return err_set(err, STATUS_USAGE, "waiting for clients needs --inbox DIR");
	if (!o->inbox)
		return 0;
	if (!o->output || !strcmp(o->output, "-"))
		return err_set(err, STATUS_USAGE, "--inbox needs -o FILE");
	if (!o->min_clients && !t->trigger)
		return err_set(err, STATUS_USAGE,
			       "--inbox needs --min-clients N or --trigger EXPR");
	if (o->quorum && !t->deadline)
		return err_set(err, STATUS_USAGE, "--quorum needs --deadline T");
	return 0;
}

int gather_parse(struct gather_options *o, const struct gather_texts *t, bool check,
		 struct err *err)
{
	if (check && check_options(o, t, err))
		return -1;
	if (t->deadline && gather_deadline_parse(t->deadline, &o->deadline, err))
		return -1;
	if (t->clients && gather_clients(t->clients, &o->clients, &o->nclients, err))
		return -1;
	if (!t->trigger)
		return 0;
	o->trigger = gather_trigger(t->trigger, err);
	return o->trigger ? 0 : -1;
}

void gather_release(struct gather_options *o)
{
	stop_free(o->trigger);
	names_free(o->clients, o->nclients);
	o->trigger = NULL;
	o->clients = NULL;
	o->nclients = 0;
}
