#include "fed/gather.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "fed/candidates.h"
#include "fed/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD ".mist-inbox.json"
/* Between two looks at the folder, or tries for the lock: 0.3 s, for people and cron are no quicker. */
#define NAP_NS 300000000L
/* Missing clients that a sentence names; all are told with -v. */
#define NAMED 12

struct gather {
	const struct gather_options *o;
	const char *name; /* of the round */
	char *record;
	int lock;
	double began; /* monotonic */
	struct intake in;
	struct intake_round *round;
	struct candidates candidates;
};

static void nap(void)
{
	nanosleep(&(struct timespec){0, NAP_NS}, NULL);
}

static bool may_wait(const struct gather *g)
{
	return clock_seconds() - g->began < g->o->wait;
}

static void tell(const struct gather *g)
{
	const struct candidates *c = &g->candidates;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->list[i].why[0])
			notice(g->o->notices, "'%s' is left alone: %s", c->list[i].label,
			       c->list[i].why);
}

/* ------------------------------------------------------------------ enough? */

/* "; missing: a, b, c and 7 more", or nothing. */
static void add_missing(const struct gather *g, struct buf *out)
{
	size_t i, missing = 0, named = 0;

	for (i = 0; i < g->o->nclients; i++) {
		const char *client = g->o->clients[i];

		if (candidates_have(&g->candidates, client))
			continue;
		if (missing++ == named && named < NAMED && out->len < 600)
			buf_printf(out, "%s%s", named++ ? ", " : "; missing: ", client);
		notice(g->o->details, "missing: '%s'", client);
	}
	if (missing > named)
		buf_printf(out, " and %zu more", missing - named);
}

static bool holds(const struct gather_options *o, long clients, double age)
{
	struct stop_values v = {0};

	if (!o->trigger)
		return clients >= o->min_clients;
	v.known[STOP_CLIENTS] = v.known[STOP_TIME] = true;
	v.value[STOP_CLIENTS] = (double)clients;
	v.value[STOP_TIME] = age;
	return stop_holds(o->trigger, &v, NULL, 0) && clients >= o->min_clients;
}

static double deadline_of(const struct gather *g)
{
	const struct gather_deadline *d = &g->o->deadline;

	return d->kind == GATHER_AFTER ? g->round->opened + d->seconds : d->seconds;
}

static int say_no(const struct gather *g, const char *what, struct err *err)
{
	struct buf text = BUF_INIT;

	if (g->o->nclients)
		buf_printf(&text, "%ld of %zu clients are ready", g->candidates.ready,
			   g->o->nclients);
	else
		buf_printf(&text, "%ld %s ready", g->candidates.ready,
			   g->candidates.ready == 1 ? "client is" : "clients are");
	add_missing(g, &text);
	err_set(err, STATUS_NO, "round '%s' %s: %s", g->name, what, text.data);
	buf_release(&text);
	return -1;
}

/* 1: go on; 0: not yet; -1: it is over. */
static int decide(const struct gather *g, struct err *err)
{
	const double time = clock_wall();
	struct buf text = BUF_INIT;
	char what[96];

	if (g->candidates.ready && holds(g->o, g->candidates.ready, time - g->round->opened))
		return 1;
	if (g->o->deadline.kind == GATHER_NEVER || time < deadline_of(g))
		return 0;
	if (g->o->quorum && g->candidates.ready >= g->o->quorum) {
		add_missing(g, &text);
		notice(g->o->notices,
		       "the deadline of round '%s' is past: going on with %ld clients%s", g->name,
		       g->candidates.ready, text.len ? text.data : "");
		buf_release(&text);
		return 1;
	}
	if (g->o->quorum)
		snprintf(what, sizeof(what), "is past its deadline, without its quorum of %ld",
			 g->o->quorum);
	else
		snprintf(what, sizeof(what), "is past its deadline");
	return say_no(g, what, err);
}

static int await(struct gather *g, struct err *err)
{
	int rc;

	for (;;) {
		if (candidates_look(&g->candidates, err))
			return -1;
		rc = decide(g, err);
		if (rc || !may_wait(g))
			break;
		nap();
	}
	tell(g);
	if (rc)
		return rc < 0 ? -1 : 0;
	return say_no(g, "waits", err);
}

/* ------------------------------------------------------------------ combining */

static int confirm_files(void *ctx, struct err *err)
{
	const struct gather *g = ctx;
	size_t i;

	for (i = 0; i < g->round->nfiles; i++) {
		const struct intake_file *f = &g->round->files[i];
		char *path = path_join(g->o->inbox, f->name);
		struct file_id id = {0};
		struct stat st;

		if (lstat(path, &st) == 0)
			id = file_id_of(&st);
		free(path);
		if (!file_id_same(&id, &f->id))
			return err_set(err, STATUS_INPUT,
				       "cannot use '%s': it was replaced while it was read",
				       f->name);
	}
	return 0;
}

static int combine_files(struct gather *g, enum inbox_kind kind, char **paths, struct err *err)
{
	const struct confirm confirm = {confirm_files, g};
	const int n = (int)g->round->nfiles;

	if (g->o->combine(g->o->ctx, kind, paths, n, &confirm, err)) {
		if (err->status != STATUS_SYSTEM) { /* what a user mends may change the choice */
			struct err other;

			intake_choose(g->round, NULL, NULL, 0);
			intake_write(&g->in, g->record, &other);
		}
		return -1;
	}
	if (digest_file(g->o->output, g->round->digest, err))
		return -1;
	return intake_write(&g->in, g->record, err);
}

static int combine(struct gather *g, struct err *err)
{
	const size_t n = g->round->nfiles;
	char **paths = xcalloc(n + 1, sizeof(*paths));
	enum inbox_kind kind;
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		paths[i] = path_join(g->o->inbox, g->round->files[i].name);
	rc = inbox_kind(paths, (int)n, &kind, err);
	if (!rc)
		rc = combine_files(g, kind, paths, err);
	names_free(paths, n);
	return rc;
}

/* Are the files that were chosen still the same? */
static bool choice_stands(const struct gather *g)
{
	char hex[DIGEST_HEX];
	struct err err;
	size_t i;

	for (i = 0; i < g->round->nfiles; i++) {
		struct intake_file *f = &g->round->files[i];
		char *path = path_join(g->o->inbox, f->name);
		struct stat st;
		const bool same = lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
				  digest_file(path, hex, &err) == 0 && !strcmp(hex, f->digest);

		if (same) /* its times may be others: it was copied back, perhaps */
			f->id = file_id_of(&st);
		free(path);
		if (!same)
			return false;
	}
	return true;
}

static int choose_and_combine(struct gather *g, struct err *err)
{
	if (await(g, err))
		return -1;
	intake_choose(g->round, g->o->output, g->candidates.chosen, g->candidates.nchosen);
	return intake_write(&g->in, g->record, err) || combine(g, err);
}

/* Who came after the files of a done round were chosen; nothing of it is an error. */
static void tell_late(struct gather *g)
{
	struct err err;
	size_t i;

	if (candidates_look(&g->candidates, &err))
		return;
	for (i = 0; i < g->candidates.nchosen; i++) {
		const struct arrival *a = g->candidates.chosen[i];

		if (!intake_taken(&g->in, a->name, &a->id, a->digest))
			notice(g->o->notices, "'%s' is left alone: it came too late for round '%s'",
			       a->label, g->name);
	}
	tell(g);
}

static int again(struct gather *g, struct err *err)
{
	char hex[DIGEST_HEX];

	if (path_exists(g->o->output) && digest_file(g->o->output, hex, err) == 0 &&
	    !strcmp(hex, g->round->digest)) {
		tell_late(g);
		notice(g->o->details, "round '%s' is done already: '%s'", g->name, g->o->output);
		return 0;
	}
	if (!choice_stands(g))
		return err_set(
			err, STATUS_INPUT,
			"cannot make '%s' again: the files of round '%s' are no longer there",
			g->o->output, g->name);
	return combine(g, err);
}

static int go_on(struct gather *g, struct err *err)
{
	const bool known = g->round->output != NULL;

	if (g->round->digest[0])
		return again(g, err);
	if (known && choice_stands(g)) {
		notice(g->o->notices, "round '%s' was begun before: taking the same files",
		       g->name);
		return combine(g, err);
	}
	if (known)
		notice(g->o->notices,
		       "round '%s' was begun before, but its files are others now: choosing anew",
		       g->name);
	return choose_and_combine(g, err);
}

/* ------------------------------------------------------------------ the whole */

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			return false;
	return true;
}

static int check_options(const struct gather *g, struct err *err)
{
	const struct gather_options *o = g->o;
	char *dir = path_dir(o->output);
	struct stat in, out;
	const bool inside = stat(o->inbox, &in) == 0 && stat(dir, &out) == 0 &&
			    in.st_dev == out.st_dev && in.st_ino == out.st_ino;
	size_t i;

	free(dir);
	if (!path_is_dir(o->inbox))
		return err_set(err, STATUS_INPUT, "cannot read '%s': not a folder", o->inbox);
	if (inside)
		return err_set(err, STATUS_USAGE,
			       "the output '%s' lies in the inbox, where it would be taken for a "
			       "client's",
			       o->output);
	if (!is_plain(g->name) || !is_plain(o->output))
		return err_set(err, STATUS_USAGE,
			       "the names of rounds and of their outputs are printable ASCII");
	if (!o->nclients || (o->trigger && stop_uses(o->trigger, STOP_TIME)))
		return 0;
	for (i = 1; i <= o->nclients; i++)
		if (holds(o, (long)i, 0))
			return 0;
	return err_set(err, STATUS_USAGE,
		       "%zu clients are expected: they can never be as many as asked for",
		       o->nclients);
}

static int take_lock(struct gather *g, struct err *err)
{
	char *path = xasprintf("%s.lock", g->record);
	int rc = 0;

	g->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (g->lock < 0)
		rc = err_errno(err, "cannot write '%s'", path);
	free(path);
	while (!rc && flock(g->lock, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			rc = err_errno(err, "cannot lock '%s'", g->o->inbox);
		else if (!may_wait(g))
			rc = err_set(err, STATUS_NO, "'%s' is being aggregated by another run",
				     g->o->inbox);
		else
			nap();
	}
	return rc;
}

static int run(struct gather *g, struct err *err)
{
	size_t rounds;

	if (check_options(g, err) || take_lock(g, err) || intake_read(&g->in, g->record, err))
		return -1;
	rounds = g->in.n;
	g->round = intake_round(&g->in, g->name, clock_wall());
	g->candidates = (struct candidates){.dir = g->o->inbox,
					    .in = &g->in,
					    .round = g->round,
					    .clients = g->o->clients,
					    .nclients = g->o->nclients,
					    .max_staleness = g->o->max_staleness,
					    .allow_seeded = g->o->allow_seeded};
	if (g->in.n != rounds && intake_write(&g->in, g->record, err)) /* when it was opened */
		return -1;
	return go_on(g, err);
}

int gather_run(const struct gather_options *o, struct err *err)
{
	struct gather g = {.o = o, .lock = -1, .began = clock_seconds()};
	int rc;

	g.name = o->round ? o->round : o->output;
	g.record = o->record ? xstrdup(o->record) : path_join(o->inbox, RECORD);
	rc = run(&g, err);
	if (g.lock >= 0)
		close(g.lock);
	candidates_release(&g.candidates);
	intake_release(&g.in);
	free(g.record);
	return rc;
}
