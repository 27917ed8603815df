#include "io/store.h"

#include "base/file.h"
#include "io/credentials.h"
#include "io/digest.h"
#include "io/http.h"
#include "io/upload.h"
#include "io/url.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RETRIES 3
/* How temporary folders are called; one that is younger may not be locked yet (seconds). */
#define FOLDER "mist-store."
#define FRESH  60

/* What an option's value is. */
enum use { USE_READ, USE_WRITTEN, USE_REFUSED };

/* Options of the programs that name what is written, and those whose folders and files that live on
 * cannot lie elsewhere; all others name what is read. */
static const struct {
	const char *name;
	enum use use;
} options[] = {
	{"--output", USE_WRITTEN},    {"--json", USE_WRITTEN},   {"--report", USE_WRITTEN},
	{"--save-json", USE_WRITTEN}, {"--sheet", USE_WRITTEN},  {"--state-out", USE_WRITTEN},
	{"--tsv", USE_WRITTEN},       {"--inbox", USE_REFUSED},  {"--ledger", USE_REFUSED},
	{"--project", USE_REFUSED},   {"--record", USE_REFUSED}, {"--recovered", USE_REFUSED},
};

/* Something elsewhere that the program takes for a file. */
struct remote {
	const char *text; /* as the user wrote it, borrowed from argv */
	char *local;
	enum use use;
};

struct store {
	char *dir; /* temporary; NULL: nothing is elsewhere */
	int lock;  /* of the folder: it is in use */
	struct remote *list;
	int n, cap;
	char **argv; /* ours, with local names in it */
	char **made; /* arguments that were made, to be freed */
	int nmade;
};

bool store_is_remote(const char *text)
{
	return !strncmp(text, "s3://", 5) || url_is_http(text);
}

/* ------------------------------------------------------------------ names */

static void add_encoded(struct buf *out, const char *text)
{
	for (; *text; text++)
		if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
		    (*text >= '0' && *text <= '9') || strchr("-._~/", *text))
			buf_add(out, text, 1);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
}

char *store_s3_url(const char *text, const char *endpoint, const char *region, struct err *err)
{
	const char *bucket = text + 5, *key = strchr(bucket, '/');
	const int len = key ? (int)(key - bucket) : 0;
	struct buf url = BUF_INIT;

	if (len < 1 || !key[1] || key[strlen(key) - 1] == '/' ||
	    strspn(bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") <
		    (size_t)len) {
		err_set(err, STATUS_USAGE, "'%s' is not s3://BUCKET/KEY", text);
		return NULL;
	}
	if (endpoint)
		buf_printf(&url, "%.*s/%.*s",
			   (int)(strlen(endpoint) - (endpoint[strlen(endpoint) - 1] == '/')),
			   endpoint, len, bucket);
	else if (memchr(bucket, '.', (size_t)len))
		buf_printf(&url, "https://s3.%s.amazonaws.com/%.*s", region, len, bucket);
	else
		buf_printf(&url, "https://%.*s.s3.%s.amazonaws.com", len, bucket, region);
	add_encoded(&url, key);
	return buf_detach(&url);
}

/* `profile` is for s3:. */
static int find(const char *text, const char *profile, struct credentials *c, char **url,
		struct err *err)
{
	*url = NULL;
	if (url_is_http(text)) {
		*url = xstrdup(text);
		return credentials_http(c, text, err);
	}
	if (credentials_s3(c, text, profile, err))
		return -1;
	*url = store_s3_url(text, c->endpoint, c->region, err);
	return *url ? 0 : -1;
}

/* ------------------------------------------------------------------ the command line */

/* What the file is called in a folder of its own, which suffixes and clients' names depend on. */
static char *local_name(const struct store *s, int i, const char *text)
{
	char *name = url_file_name(text), *path;

	if (!name)
		name = xstrdup("file");
	path = xasprintf("%s/%d/%s", s->dir, i, name);
	free(name);
	return path;
}

/* The argument with what begins at `from` replaced by a local name. */
static char *replace(struct store *s, const char *arg, const char *from, enum use use)
{
	struct remote *r;

	GROW(s->list, s->n, s->cap);
	r = &s->list[s->n];
	*r = (struct remote){from, local_name(s, s->n, from), use};
	s->n++;
	return xasprintf("%.*s%s", (int)(from - arg), arg, r->local);
}

/* By an option's name, which may be abbreviated; what two could mean argp refuses. */
static enum use use_of(const char *arg, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(options); i++)
		if (len > 2 && len <= strlen(options[i].name) &&
		    !strncmp(arg, options[i].name, len))
			return options[i].use;
	return USE_READ;
}

/* Where in an argument a remote name begins; NULL: nowhere. `before` is the argument before it. */
static const char *remote_in(const char *before, const char *arg, enum use *use)
{
	const char *equals = strchr(arg, '=');

	*use = USE_READ;
	if (store_is_remote(arg)) {
		if (!strcmp(before, "-o"))
			*use = USE_WRITTEN;
		else if (!strncmp(before, "--", 2) && !strchr(before, '='))
			*use = use_of(before, strlen(before));
		return arg;
	}
	if (!strncmp(arg, "--", 2) && equals && store_is_remote(equals + 1)) {
		*use = use_of(arg, (size_t)(equals - arg));
		return equals + 1;
	}
	if (arg[0] == '-' && arg[1] != '-' && arg[1] && store_is_remote(arg + 2)) {
		*use = arg[1] == 'o' ? USE_WRITTEN : USE_READ;
		return arg + 2;
	}
	return NULL;
}

static bool any_remote(int argc, char **argv)
{
	enum use use;
	int i;

	for (i = 1; i < argc; i++)
		if (remote_in("", argv[i], &use))
			return true;
	return false;
}

static char *temporary_root(void)
{
	const char *base = getenv("TMPDIR");

	return xstrdup(base && *base ? base : "/tmp");
}

/* Only its name: a command line that is wrong leaves nothing behind. */
static void name_folder(struct store *s)
{
	unsigned char random[8];
	char hex[2 * sizeof(random) + 1];
	char *root = temporary_root();

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	s->dir = xasprintf("%s/" FOLDER "%s", root, hex);
	free(root);
}

static void rewrite(struct store *s, int argc, char **argv)
{
	enum use use;
	int i;

	s->argv = xcalloc((size_t)argc + 1, sizeof(*s->argv));
	s->made = xcalloc((size_t)argc, sizeof(*s->made));
	for (i = 0; i < argc; i++) {
		const char *from = i ? remote_in(argv[i - 1], argv[i], &use) : NULL;

		s->argv[i] = argv[i];
		if (from)
			s->argv[i] = s->made[s->nmade++] = replace(s, argv[i], from, use);
	}
}

/* ------------------------------------------------------------------ the folder */

/* A folder that a killed run left: ours, not locked, and not just being made. */
static void sweep_one(const char *path)
{
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err ignored;
	struct stat st;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_uid == geteuid() && time(NULL) - st.st_mtime > FRESH &&
	    !flock(fd, LOCK_EX | LOCK_NB))
		dir_remove(path, &ignored);
	close(fd);
}

static void sweep(void)
{
	char *root = temporary_root(), **names, *path;
	struct err ignored;
	size_t n, i;

	if (!dir_list(root, &names, &n, &ignored)) {
		for (i = 0; i < n; i++) {
			if (strncmp(names[i], FOLDER, strlen(FOLDER)) != 0)
				continue;
			path = path_join(root, names[i]);
			sweep_one(path);
			free(path);
		}
		names_free(names, n);
	}
	free(root);
}

static int make_folder(struct store *s, struct err *err)
{
	sweep();
	if (mkdir(s->dir, 0700))
		return err_errno(err, "cannot make the temporary folder '%s'", s->dir);
	s->lock = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock < 0 || flock(s->lock, LOCK_EX))
		return err_errno(err, "cannot lock the temporary folder '%s'", s->dir);
	return 0;
}

/* ------------------------------------------------------------------ around the run */

/* Sentences name what the user named, not `what`, which stands for it. */
static void rename_in(struct err *err, const char *user, const char *what)
{
	char *at = strstr(err->msg, what), *shown, *text;

	if (!at)
		return;
	shown = url_shown(user);
	text = xasprintf("%.*s%s%s", (int)(at - err->msg), err->msg, shown, at + strlen(what));
	snprintf(err->msg, sizeof(err->msg), "%s", text);
	free(shown);
	free(text);
}

int store_fetch(const char *text, const char *profile, const char *sha256, const char *path,
		struct err *err)
{
	struct credentials c = {.bearer = NULL};
	char found[DIGEST_HEX], *url = NULL;
	const char *urls[1];
	int rc = find(text, profile, &c, &url, err);

	if (!rc) {
		const struct http_request rq = {.urls = urls,
						.nurls = 1,
						.retries = RETRIES,
						.sha256 = sha256,
						.auth = &c.auth};

		urls[0] = url;
		rc = http_get(&rq, path, found, err);
		if (rc)
			rename_in(err, text, url);
	}
	free(url);
	credentials_release(&c);
	return rc;
}

int store_send(const char *text, const char *profile, const char *path, struct err *err)
{
	struct credentials c = {.bearer = NULL};
	char *url = NULL, *shown = url_shown(text);
	int rc = find(text, profile, &c, &url, err);

	if (!rc && path_is_dir(path))
		rc = err_set(err, STATUS_USAGE, "cannot write '%s': it would be a folder", shown);
	if (!rc) {
		const struct upload u = {.url = url,
					 .shown = shown,
					 .auth = &c.auth,
					 .parts = !strncmp(text, "s3://", 5),
					 .retries = RETRIES};

		rc = upload_file(&u, path, err);
	}
	free(url);
	free(shown);
	credentials_release(&c);
	return rc;
}

/* What outputs need, credentials and libcurl, is looked for before the work, not after it. */
static int before(void *ctx, struct err *err)
{
	struct store *s = ctx;
	struct libcurl lib;
	int i, rc = 0;

	for (i = 0; i < s->n; i++)
		if (s->list[i].use == USE_REFUSED)
			return err_set(err, STATUS_USAGE,
				       "'%s' lies elsewhere: that option takes what is here",
				       s->list[i].text);
	rc = libcurl_load(&lib, err) || make_folder(s, err) ? -1 : 0;
	for (i = 0; i < s->n && !rc; i++) {
		struct credentials c = {.bearer = NULL};
		char *dir = path_dir(s->list[i].local), *url = NULL;

		rc = dir_make(dir, err);
		if (!rc)
			rc = find(s->list[i].text, NULL, &c, &url, err);
		credentials_release(&c);
		free(url);
		free(dir);
	}
	for (i = 0; i < s->n && !rc; i++)
		if (s->list[i].use == USE_READ)
			rc = store_fetch(s->list[i].text, NULL, NULL, s->list[i].local, err);
	return rc;
}

static int after(void *ctx, int rc, struct err *err)
{
	const struct store *s = ctx;
	int i;

	for (i = 0; i < s->n && rc; i++)
		rename_in(err, s->list[i].text, s->list[i].local);
	for (i = 0; i < s->n && !rc; i++)
		if (s->list[i].use == USE_WRITTEN && path_exists(s->list[i].local))
			rc = store_send(s->list[i].text, NULL, s->list[i].local, err);
	return rc;
}

static void release(struct store *s)
{
	struct err ignored;
	int i;

	if (s->dir)
		dir_remove(s->dir, &ignored);
	if (s->lock >= 0)
		close(s->lock);
	for (i = 0; i < s->n; i++)
		free(s->list[i].local);
	names_free(s->made, (size_t)s->nmade);
	free(s->list);
	free(s->argv);
	free(s->dir);
}

int store_main(int argc, char **argv, const struct argp *argp, void *opts,
	       int (*run)(void *opts, struct err *err))
{
	struct store s = {.lock = -1};
	const struct cli_around around = {before, after, &s};
	int rc;

	if (!any_remote(argc, argv))
		return cli_main(argc, argv, argp, opts, run);
	name_folder(&s);
	rewrite(&s, argc, argv);
	rc = cli_main_around(argc, s.argv, argp, opts, run, &around);
	release(&s);
	return rc;
}
