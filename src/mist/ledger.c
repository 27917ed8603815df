#include "mist/ledger.h"

#include "base/clock.h"
#include "base/file.h"
#include "mist/privacy.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often a lock that another holds is asked for again. */
#define PATIENCE_NS 20000000

struct ledger {
	char *path, *key_path;
	int fd;
	double wait;
	const struct notices *notices;
	off_t end; /* of the whole lines that were read */
	struct book *book;
	struct ledger_key *key;
};

/* ------------------------------------------------------------------ where */

char *ledger_default_path(struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/') /* the specification: a relative one is ignored */
		return path_join(state, "mistutils/ledger");
	if (home && *home)
		return path_join(home, ".local/state/mistutils/ledger");
	err_set(err, STATUS_USAGE,
		"nowhere to keep the ledger: neither XDG_STATE_HOME nor HOME is set");
	return NULL;
}

const char *ledger_path(const struct ledger *l)
{
	return l->path;
}

const struct ledger_key *ledger_key(const struct ledger *l)
{
	return l->key;
}

const struct book *ledger_book(const struct ledger *l)
{
	return l->book;
}

/* ------------------------------------------------------------------ the lock */

static int take_lock(struct ledger *l, struct err *err)
{
	const struct timespec pause = {0, PATIENCE_NS};
	const double until = clock_seconds() + l->wait;

	while (flock(l->fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno(err, "cannot lock the ledger '%s'", l->path);
		if (errno == EWOULDBLOCK && clock_seconds() >= until)
			return err_set(err, STATUS_SYSTEM,
				       "cannot use the ledger '%s': another program has held it "
				       "for %g seconds (--wait)",
				       l->path, l->wait);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void drop_lock(struct ledger *l)
{
	flock(l->fd, LOCK_UN);
}

/* Whoever removed or replaced the file would not see what we append. */
static int check_place(const struct ledger *l, struct err *err)
{
	struct stat here, there;

	if (fstat(l->fd, &here) || stat(l->path, &there))
		return err_errno(err, "cannot use the ledger '%s'", l->path);
	if (here.st_ino != there.st_ino || here.st_dev != there.st_dev)
		return err_set(err, STATUS_SYSTEM,
			       "cannot use the ledger '%s': it was replaced meanwhile", l->path);
	return 0;
}

/* ------------------------------------------------------------------ reading */

/* What was appended since; *torn is the length of an unfinished last line. */
static int catch_up(struct ledger *l, size_t *torn, struct err *err)
{
	struct buf text = BUF_INIT;
	char block[1 << 16];
	size_t used = 0;
	long n;
	int rc = 0;

	if (lseek(l->fd, l->end, SEEK_SET) < 0)
		return err_errno(err, "cannot read '%s'", l->path);
	buf_add(&text, "", 0);
	do {
		n = file_read_some(l->fd, block, sizeof(block), l->path, err);
		if (n > 0)
			buf_add(&text, block, (size_t)n);
	} while (n == (long)sizeof(block));
	if (n < 0)
		rc = -1;
	if (!rc)
		rc = book_read(l->book, l->path, text.data, text.len, &used, err);
	l->end += (off_t)used;
	*torn = text.len - used;
	buf_release(&text);
	return rc;
}

/* ------------------------------------------------------------------ writing */

static int write_all(const struct ledger *l, const char *data, size_t size, struct err *err)
{
	while (size) {
		ssize_t n = write(l->fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, "cannot write the ledger '%s'", l->path);
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_synced(const struct ledger *l, const char *data, size_t size, struct err *err)
{
	if (write_all(l, data, size, err))
		return -1;
	return fsync(l->fd) ? err_errno(err, "cannot write the ledger '%s'", l->path) : 0;
}

/* A line without its newline, which makes it count and is written when the line is on disk. */
static int append(struct ledger *l, const struct buf *text, struct err *err)
{
	int rc = 0;

	if (lseek(l->fd, l->end, SEEK_SET) < 0 || ftruncate(l->fd, l->end))
		rc = err_errno(err, "cannot write the ledger '%s'", l->path);
	if (!rc)
		rc = write_synced(l, text->data, text->len, err);
	if (!rc)
		rc = write_synced(l, "\n", 1, err);
	if (rc)
		(void)!ftruncate(l->fd, l->end); /* or whoever comes next does it */
	else
		l->end += (off_t)text->len + 1;
	return rc;
}

/* A name is on disk when its folder is. */
static int sync_folder(const struct ledger *l, struct err *err)
{
	char *dir = path_dir(l->path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0 || fsync(fd))
		rc = err_errno(err, "cannot write the ledger '%s'", l->path);
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

/* ------------------------------------------------------------------ opening */

/* Nothing, or an unfinished first line: anything else is somebody's file. */
static int check_beginning(const struct ledger *l, struct err *err)
{
	struct buf line = BUF_INIT;
	char there[512];
	ssize_t n = pread(l->fd, there, sizeof(there), 0);
	int rc = 0;

	book_format_header("", &line);
	*strstr(line.data, "\"\"") = '\0'; /* what comes before the key is always the same */
	if (n < 0)
		rc = err_errno(err, "cannot read '%s'", l->path);
	else if (n == (ssize_t)sizeof(there) ||
		 memcmp(there, line.data,
			(size_t)n < strlen(line.data) ? (size_t)n : strlen(line.data)))
		rc = err_set(err, STATUS_INPUT, "cannot use the ledger '%s': not a ledger",
			     l->path);
	buf_release(&line);
	return rc;
}

static int begin(struct ledger *l, struct err *err)
{
	struct buf line = BUF_INIT;
	size_t used;
	int rc;

	if (check_beginning(l, err))
		return -1;
	l->key = ledger_key_open(l->key_path, true, err);
	if (!l->key)
		return -1;
	book_format_header(l->key->fingerprint, &line);
	rc = append(l, &line, err);
	if (!rc)
		rc = sync_folder(l, err);
	if (!rc) {
		buf_add(&line, "\n", 1);
		rc = book_read(l->book, l->path, line.data, line.len, &used, err);
	}
	buf_release(&line);
	return rc;
}

static int find_key(struct ledger *l, struct err *err)
{
	l->key = ledger_key_open(l->key_path, false, err);
	if (!l->key)
		return -1;
	if (strcmp(l->key->fingerprint, book_key(l->book)))
		return err_set(err, STATUS_INPUT,
			       "cannot use the ledger '%s': '%s' is another's key", l->path,
			       l->key_path);
	l->key->first_format = book_major(l->book) == 1;
	return 0;
}

static void tell_torn(const struct notices *to, const char *path, size_t torn)
{
	if (torn)
		notice(to,
		       "the ledger '%s' ends in an unfinished line, which is left out: "
		       "nothing it told of was released",
		       path);
}

static int open_locked(struct ledger *l, bool fresh, struct err *err)
{
	const bool had_key = path_exists(l->key_path);
	size_t torn = 0;
	int rc = check_place(l, err);

	if (!rc)
		rc = catch_up(l, &torn, err);
	if (rc)
		return rc;
	if (*book_key(l->book)) {
		tell_torn(l->notices, l->path, torn);
		return find_key(l, err);
	}
	rc = begin(l, err);
	if (!rc && had_key)
		notice(l->notices,
		       "the ledger '%s' begins anew: there was a key and no account, so what was "
		       "sent before is not counted",
		       l->path);
	if (rc && fresh)
		unlink(l->path);
	if (rc && !had_key)
		unlink(l->key_path);
	return rc;
}

static int open_file(struct ledger *l, bool *fresh, struct err *err)
{
	struct stat st;

	l->fd = open(l->path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
	*fresh = l->fd >= 0;
	if (l->fd < 0 && errno == EEXIST)
		l->fd = open(l->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (l->fd < 0 || fstat(l->fd, &st))
		return err_errno(err, "cannot open the ledger '%s'", l->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, STATUS_INPUT, "cannot open the ledger '%s': not a file",
			       l->path);
	return 0;
}

struct ledger *ledger_open(const char *path, double wait, const struct notices *notices,
			   struct err *err)
{
	struct ledger *l = xcalloc(1, sizeof(*l));
	bool fresh;
	int rc;

	l->path = xstrdup(path);
	l->key_path = xasprintf("%s.key", path);
	l->wait = wait;
	l->notices = notices;
	l->book = book_new();
	rc = open_file(l, &fresh, err);
	if (!rc)
		rc = take_lock(l, err);
	if (!rc) {
		rc = open_locked(l, fresh, err);
		drop_lock(l);
	}
	if (!rc)
		return l;
	ledger_close(l);
	return NULL;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	ledger_key_free(l->key);
	book_free(l->book);
	free(l->path);
	free(l->key_path);
	free(l);
}

/* ------------------------------------------------------------------ spending */

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 2 * LEDGER_ID);
}

/* Sorts the releases and moves those that cost something to the front; returns their number. */
static size_t sift(const struct ledger *l, const struct book_entry *e)
{
	struct book_release *v = e->releases;
	size_t i, n = 0;

	qsort(v, e->n, sizeof(*v), by_bytes);
	for (i = 0; i < e->n; i++)
		if ((!n || by_bytes(&v[i], &v[n - 1])) && !book_has(l->book, e->client, &v[i]))
			v[n++] = v[i];
	return n;
}

static int refuse(const char *whose, double now, double then, double budget, struct err *err)
{
	char from[32], to[32], limit[32];

	privacy_format_up(now, from, sizeof(from));
	privacy_format_up(then, to, sizeof(to));
	privacy_format_up(budget, limit, sizeof(limit));
	return err_set(err, STATUS_PRIVACY,
		       "refused: the account of %s would come from epsilon %s to %s, above the "
		       "budget of %s",
		       whose, from, to, limit);
}

static int check_budget(const struct ledger *l, const struct ledger_spend *s, size_t n,
			struct err *err)
{
	const struct book_client *c = book_client(l->book, s->entry.client);
	const struct book_release *v = s->entry.releases;
	double all = c ? c->epsilon : 0, image = 0, before = 0;
	char *whose;
	size_t i;
	int rc = 0;

	for (i = 0; i < n && !rc; i++) {
		all = privacy_add(all, v[i].epsilon);
		if (!i || memcmp(v[i].image, v[i - 1].image, LEDGER_ID))
			image = before = book_image(l->book, s->entry.client, v[i].image);
		image = privacy_add(image, v[i].epsilon);
		if (image > s->budget_image)
			rc = refuse("a picture", before, image, s->budget_image, err);
	}
	if (!rc && n && all > s->budget) {
		whose = xasprintf("client '%.100s'", s->entry.client);
		rc = refuse(whose, c ? c->epsilon : 0, all, s->budget, err);
		free(whose);
	}
	return rc;
}

/* A line; the book knows it from here on, whatever becomes of the file. */
static int record_line(struct ledger *l, const struct book_entry *e, struct err *err)
{
	struct buf line = BUF_INIT;
	size_t used;
	int rc;

	book_format(l->book, e, &line);
	buf_add(&line, "\n", 1);
	rc = book_read(l->book, l->path, line.data, line.len, &used, err);
	line.len--; /* append writes the newline */
	if (!rc)
		rc = append(l, &line, err);
	buf_release(&line);
	return rc;
}

static int record(struct ledger *l, const struct ledger_spend *s, size_t n, struct err *err)
{
	struct book_entry e = s->entry;
	char date[CLOCK_UTC];
	int rc = 0;

	clock_utc(time(NULL), date);
	e.time = date;
	for (; n && !rc; n -= e.n, e.releases += e.n) {
		e.n = n < BOOK_LINE_RELEASES ? n : BOOK_LINE_RELEASES;
		rc = record_line(l, &e, err);
	}
	return rc;
}

static void tell_account(const struct ledger *l, const char *client, double before, size_t fresh,
			 size_t again, struct ledger_account *out)
{
	const struct book_client *c = book_client(l->book, client);

	if (!out->fresh && !out->again)
		out->before = before;
	out->after = c ? c->epsilon : 0;
	out->image_max = c ? c->image_max : 0;
	out->fresh += (long)fresh;
	out->again += (long)again;
}

static int spend_locked(struct ledger *l, const struct ledger_spend *s, struct ledger_account *out,
			struct err *err)
{
	const struct book_client *c;
	double before;
	size_t torn, n;

	if (check_place(l, err) || catch_up(l, &torn, err))
		return -1;
	c = book_client(l->book, s->entry.client);
	before = c ? c->epsilon : 0;
	n = sift(l, &s->entry);
	if (check_budget(l, s, n, err) || (n && record(l, s, n, err)))
		return -1;
	tell_account(l, s->entry.client, before, n, s->entry.n - n, out);
	return 0;
}

int ledger_spend(struct ledger *l, const struct ledger_spend *spend, struct ledger_account *out,
		 struct err *err)
{
	int rc = take_lock(l, err);

	if (!rc) {
		rc = spend_locked(l, spend, out, err);
		drop_lock(l);
	}
	return rc;
}

/* ------------------------------------------------------------------ looking */

struct book *ledger_load(const char *path, const struct notices *notices, struct err *err)
{
	struct buf text = BUF_INIT;
	struct book *b = book_new();
	size_t used = 0;
	int rc = file_read(path, SIZE_MAX / 2, &text, err);

	if (!rc)
		rc = book_read(b, path, text.data, text.len, &used, err);
	if (!rc && !*book_key(b))
		rc = err_set(err, STATUS_INPUT, "cannot use the ledger '%s': not a ledger", path);
	if (!rc)
		tell_torn(notices, path, text.len - used);
	buf_release(&text);
	if (!rc)
		return b;
	book_free(b);
	return NULL;
}
