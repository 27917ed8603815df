#include "fed/candidates.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void reject(struct arrival *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void reject(struct arrival *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, ap);
	va_end(ap);
}

/* Ready, and nothing against it so far. */
static bool is_good(const struct arrival *a)
{
	return a->ready && !a->why[0];
}

static void release_list(struct arrival *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		arrival_release(&list[i]);
	free(list);
}

/* ------------------------------------------------------------------ the folder */

struct scan {
	struct arrival *old; /* by name, as the folder is listed */
	size_t n, at;
	bool changed;
};

/* What an earlier look found out about the file, if it is still the same. */
static bool take_known(struct scan *s, const char *name, const struct file_id *id,
		       struct arrival *out)
{
	struct arrival *a;

	while (s->at < s->n && strcmp(s->old[s->at].name, name) < 0)
		s->at++;
	if (s->at == s->n)
		return false;
	a = &s->old[s->at];
	if (strcmp(a->name, name) || !file_id_same(&a->id, id))
		return false;
	*out = *a;
	*a = (struct arrival){.name = xstrdup(name)}; /* which keeps the list in order */
	return true;
}

static int scan_one(struct candidates *c, struct scan *s, const char *name, struct err *err)
{
	char *path = path_join(c->dir, name);
	const struct intake_round *by;
	struct file_id id = {0};
	struct stat st;
	int rc = 0;

	if (lstat(path, &st) == 0)
		id = file_id_of(&st);
	by = intake_taken(c->in, name, &id, "");
	if (by && by != c->round) { /* passed over without being read */
		free(path);
		return 0;
	}
	if (!take_known(s, name, &id, &c->list[c->n])) {
		rc = arrival_inspect(&c->list[c->n], c->dir, name, c->allow_seeded, err);
		s->changed = true;
	}
	c->n++;
	free(path);
	return rc;
}

static int scan(struct candidates *c, bool *changed, struct err *err)
{
	struct scan s = {.old = c->list, .n = c->n, .changed = !c->list};
	char **names;
	size_t count, i;
	int rc = 0;

	if (dir_list(c->dir, &names, &count, err))
		return -1;
	c->list = xcalloc(count + 1, sizeof(*c->list));
	c->n = 0;
	for (i = 0; i < count && !rc; i++)
		if (names[i][0] != '.')
			rc = scan_one(c, &s, names[i], err);
	*changed = s.changed || c->n != s.n;
	names_free(names, count);
	if (!*changed) { /* back where it was: the chosen point there */
		for (i = 0; i < s.n; i++)
			arrival_release(&s.old[i]);
		memcpy(s.old, c->list, c->n * sizeof(*c->list));
		free(c->list);
		c->list = s.old;
		return rc;
	}
	release_list(s.old, s.n);
	return rc;
}

/* ------------------------------------------------------------------ what is against a file */

static void reject_taken(struct candidates *c)
{
	const struct intake_round *by;
	size_t i;

	for (i = 0; i < c->n; i++) {
		struct arrival *a = &c->list[i];

		by = is_good(a) ? intake_taken(c->in, a->name, &a->id, a->digest) : NULL;
		if (by && by != c->round)
			reject(a, "it was taken for round '%s'", by->name);
	}
}

static bool is_expected(const struct candidates *c, const char *client)
{
	size_t i;

	for (i = 0; i < c->nclients; i++)
		if (!strcmp(c->clients[i], client))
			return true;
	return c->nclients == 0;
}

static void reject_strangers(struct candidates *c)
{
	size_t i, k;

	for (i = 0; i < c->n; i++)
		for (k = 0; is_good(&c->list[i]) && k < c->list[i].nclients; k++)
			if (!is_expected(c, c->list[i].clients[k]))
				reject(&c->list[i], "client '%s' is not one of those expected",
				       c->list[i].clients[k]);
}

/* The largest group of files that fit each other, by one of them; NULL: there is none. The first file
 * does not decide: then one foreign file could make all others so. */
static const struct arrival *largest_group(const struct candidates *c)
{
	const struct arrival **first = xcalloc(c->n + 1, sizeof(*first)), *best;
	size_t *size = xcalloc(c->n + 1, sizeof(*size)), i, k, n = 0, most = 0;
	struct err err;

	for (i = 0; i < c->n; i++) {
		if (!is_good(&c->list[i]))
			continue;
		for (k = 0; k < n && arrival_fit(first[k], &c->list[i], &err); k++)
			;
		if (k == n)
			first[n++] = &c->list[i];
		size[k]++;
	}
	for (k = 1; k < n; k++)
		if (size[k] > size[most])
			most = k;
	best = first[most];
	free(first);
	free(size);
	return best;
}

static void reject_misfits(struct candidates *c)
{
	const struct arrival *best = largest_group(c);
	struct err err;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (is_good(&c->list[i]) && arrival_fit(best, &c->list[i], &err))
			reject(&c->list[i], "it does not fit '%s': %s", best->label, err.msg);
}

static void reject_stale(struct candidates *c)
{
	long newest = -1;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (is_good(&c->list[i]) && c->list[i].round > newest)
			newest = c->list[i].round;
	for (i = 0; c->max_staleness >= 0 && i < c->n; i++) {
		struct arrival *a = &c->list[i];

		if (is_good(a) && a->round >= 0 && newest - a->round > c->max_staleness)
			reject(a, "it is too late: weights of round %ld, where others are of %ld",
			       a->round, newest);
	}
}

/* ------------------------------------------------------------------ one file a client */

static int by_arrival(const void *pa, const void *pb)
{
	const struct arrival *a = *(const struct arrival *const *)pa,
			     *b = *(const struct arrival *const *)pb;

	if (a->id.mtime != b->id.mtime)
		return a->id.mtime < b->id.mtime ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int by_client(const void *pa, const void *pb)
{
	const struct arrival *a = *(const struct arrival *const *)pa,
			     *b = *(const struct arrival *const *)pb;
	const int rc = strcmp(a->clients[0], b->clients[0]);

	return rc ? rc : strcmp(a->name, b->name);
}

static bool share_client(const struct arrival *a, const struct arrival *b)
{
	size_t k, m;

	for (k = 0; k < a->nclients; k++)
		for (m = 0; m < b->nclients; m++)
			if (!strcmp(a->clients[k], b->clients[m]))
				return true;
	return false;
}

static void choose_one(struct candidates *c, struct arrival *a)
{
	size_t i;

	for (i = 0; i < c->nchosen; i++)
		if (share_client(c->chosen[i], a)) {
			reject(a, "its client has sent '%s' before", c->chosen[i]->label);
			return;
		}
	c->chosen[c->nchosen++] = a;
	c->ready += (long)a->nclients;
}

static void choose(struct candidates *c)
{
	struct arrival **all = xcalloc(c->n + 1, sizeof(*all));
	size_t i, n = 0;

	free(c->chosen);
	c->chosen = xcalloc(c->n + 1, sizeof(*c->chosen));
	c->nchosen = 0;
	c->ready = 0;
	for (i = 0; i < c->n; i++)
		if (is_good(&c->list[i]))
			all[n++] = &c->list[i];
	qsort(all, n, sizeof(*all), by_arrival);
	for (i = 0; i < n; i++)
		choose_one(c, all[i]);
	qsort(c->chosen, c->nchosen, sizeof(*c->chosen), by_client);
	free(all);
}

int candidates_look(struct candidates *c, struct err *err)
{
	bool changed;
	size_t i;

	if (scan(c, &changed, err))
		return -1;
	if (!changed)
		return 0;
	for (i = 0; i < c->n; i++) /* judged anew: the others may have changed */
		if (c->list[i].ready)
			c->list[i].why[0] = '\0';
	reject_taken(c);
	reject_strangers(c);
	reject_misfits(c);
	reject_stale(c);
	choose(c);
	return 0;
}

/* Content that was named before. */
static void reject_repeated(struct candidates *c)
{
	size_t i, k;

	for (i = 0; i < c->n; i++)
		for (k = 0; k < i && is_good(&c->list[i]); k++)
			if (is_good(&c->list[k]) && !strcmp(c->list[k].digest, c->list[i].digest))
				reject(&c->list[i], "it is the same as '%s'", c->list[k].label);
}

/* Links are followed: who names a file means what it leads to. */
static int inspect_named(struct candidates *c, struct arrival *a, const char *path, struct err *err)
{
	char *real = realpath(path, NULL);
	const int cause = errno;
	char *dir = path_dir(real ? real : path);
	const int rc = arrival_inspect(a, dir, path_base(real ? real : path), c->allow_seeded, err);

	if (!real)
		reject(a, "%s", strerror(cause));
	free(dir);
	free(real);
	return rc;
}

int candidates_judge(struct candidates *c, char *const *paths, size_t n, struct err *err)
{
	size_t i;
	int rc = 0;

	c->list = xcalloc(n + 1, sizeof(*c->list));
	c->chosen = xcalloc(n + 1, sizeof(*c->chosen));
	for (i = 0; i < n && !rc; i++, c->n++)
		rc = inspect_named(c, &c->list[i], paths[i], err);
	if (rc)
		return rc;
	reject_repeated(c);
	reject_misfits(c);
	for (i = 0; i < n; i++)
		if (is_good(&c->list[i]))
			c->chosen[c->nchosen++] = &c->list[i];
	return 0;
}

bool candidates_have(const struct candidates *c, const char *client)
{
	size_t i, k;

	for (i = 0; i < c->nchosen; i++)
		for (k = 0; k < c->chosen[i]->nclients; k++)
			if (!strcmp(c->chosen[i]->clients[k], client))
				return true;
	return false;
}

void candidates_release(struct candidates *c)
{
	release_list(c->list, c->n);
	free(c->chosen);
	c->list = NULL;
	c->chosen = NULL;
	c->n = c->nchosen = 0;
}
