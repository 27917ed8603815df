#include "io/store.h"

#include "base/file.h"
#include "io/credentials.h"
#include "io/http.h"
#include "io/upload.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RETRIES 3

/* Something elsewhere that the program takes for a file. */
struct remote {
	const char *text; /* as the user wrote it, borrowed from argv */
	char *local;
	bool output;
};

struct store {
	char *dir; /* temporary; NULL: nothing is elsewhere */
	struct remote *list;
	int n, cap;
	char **argv; /* ours, with local names in it */
	char **made; /* arguments that were made, to be freed */
	int nmade;
};

bool store_is_remote(const char *text)
{
	return !strncmp(text, "s3://", 5) || http_is_url(text);
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

static int find(const char *text, struct credentials *c, char **url, struct err *err)
{
	const char *endpoint = getenv("AWS_ENDPOINT_URL_S3");

	*url = NULL;
	if (http_is_url(text)) {
		*url = xstrdup(text);
		return credentials_http(c, text, err);
	}
	if (!endpoint || !*endpoint)
		endpoint = getenv("AWS_ENDPOINT_URL");
	if (credentials_s3(c, text, err))
		return -1;
	*url = store_s3_url(text, endpoint && *endpoint ? endpoint : NULL, c->region, err);
	return *url ? 0 : -1;
}

/* ------------------------------------------------------------------ the command line */

/* What the file is called in a folder of its own, which suffixes and clients' names depend on. */
static char *local_name(const struct store *s, int i, const char *text)
{
	char *name = http_file_name(text), *path;

	if (!name)
		name = xstrdup("file");
	path = xasprintf("%s/%d/%s", s->dir, i, name);
	free(name);
	return path;
}

/* The argument with what begins at `from` replaced by a local name. */
static char *replace(struct store *s, const char *arg, const char *from, bool output)
{
	struct remote *r;

	GROW(s->list, s->n, s->cap);
	r = &s->list[s->n];
	*r = (struct remote){from, local_name(s, s->n, from), output};
	s->n++;
	return xasprintf("%.*s%s", (int)(from - arg), arg, r->local);
}

/* Does a long option's name, which may be abbreviated, mean --output? */
static bool is_output(const char *arg, size_t len)
{
	static const char output[] = "--output";

	return len > 3 && len < sizeof(output) && !strncmp(arg, output, len);
}

/* Where in an argument a remote name begins; NULL: nowhere. *output: is it one that is written? */
static const char *remote_in(const char *arg, bool after_output, bool *output)
{
	const char *equals = strchr(arg, '=');

	*output = after_output;
	if (store_is_remote(arg))
		return arg;
	if (!strncmp(arg, "--", 2) && equals && store_is_remote(equals + 1)) {
		*output = is_output(arg, (size_t)(equals - arg));
		return equals + 1;
	}
	if (arg[0] == '-' && arg[1] != '-' && arg[1] && store_is_remote(arg + 2)) {
		*output = arg[1] == 'o';
		return arg + 2;
	}
	return NULL;
}

static bool any_remote(int argc, char **argv)
{
	bool output;
	int i;

	for (i = 1; i < argc; i++)
		if (remote_in(argv[i], false, &output))
			return true;
	return false;
}

/* Only its name: a command line that is wrong leaves nothing behind. */
static void name_folder(struct store *s)
{
	const char *base = getenv("TMPDIR");
	unsigned char random[8];
	char hex[2 * sizeof(random) + 1];

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	s->dir = xasprintf("%s/mist-store.%s", base && *base ? base : "/tmp", hex);
}

static void rewrite(struct store *s, int argc, char **argv)
{
	bool output, after = false;
	int i;

	s->argv = xcalloc((size_t)argc + 1, sizeof(*s->argv));
	s->made = xcalloc((size_t)argc, sizeof(*s->made));
	for (i = 0; i < argc; i++) {
		const char *from = i ? remote_in(argv[i], after, &output) : NULL;

		s->argv[i] = argv[i];
		if (from)
			s->argv[i] = s->made[s->nmade++] = replace(s, argv[i], from, output);
		after = !strcmp(argv[i], "-o") ||
			(is_output(argv[i], strlen(argv[i])) && !strchr(argv[i], '='));
	}
}

/* ------------------------------------------------------------------ around the run */

/* Sentences name what the user named, not `what`, which stands for it. */
static void rename_in(struct err *err, const struct remote *r, const char *what)
{
	char *at = strstr(err->msg, what), *shown, *text;

	if (!at)
		return;
	shown = http_shown(r->text);
	text = xasprintf("%.*s%s%s", (int)(at - err->msg), err->msg, shown, at + strlen(what));
	snprintf(err->msg, sizeof(err->msg), "%s", text);
	free(shown);
	free(text);
}

static int bring(const struct remote *r, struct err *err)
{
	struct credentials c = {.bearer = NULL};
	char sha256[65], *url = NULL;
	const char *urls[1];
	int rc = find(r->text, &c, &url, err);

	if (!rc) {
		const struct http_request rq = {
			.urls = urls, .nurls = 1, .retries = RETRIES, .auth = &c.auth};

		urls[0] = url;
		rc = http_get(&rq, r->local, sha256, err);
		if (rc)
			rename_in(err, r, url);
	}
	free(url);
	credentials_release(&c);
	return rc;
}

static int send_one(const struct remote *r, struct err *err)
{
	struct credentials c = {.bearer = NULL};
	char *url = NULL, *shown = http_shown(r->text);
	int rc = find(r->text, &c, &url, err);

	if (!rc && path_is_dir(r->local))
		rc = err_set(err, STATUS_USAGE, "cannot write '%s': it would be a folder", shown);
	if (!rc && path_exists(r->local)) {
		const struct upload u = {.url = url,
					 .shown = shown,
					 .auth = &c.auth,
					 .parts = !strncmp(r->text, "s3://", 5),
					 .retries = RETRIES};

		rc = upload_file(&u, r->local, err);
	}
	free(url);
	free(shown);
	credentials_release(&c);
	return rc;
}

/* Credentials of outputs too are looked for before the work, not after it. */
static int before(void *ctx, struct err *err)
{
	const struct store *s = ctx;
	int i, rc = 0;

	if (mkdir(s->dir, 0700))
		return err_errno(err, "cannot make the temporary folder '%s'", s->dir);
	for (i = 0; i < s->n && !rc; i++) {
		struct credentials c = {.bearer = NULL};
		char *dir = path_dir(s->list[i].local), *url = NULL;

		rc = dir_make(dir, err);
		if (!rc)
			rc = find(s->list[i].text, &c, &url, err);
		credentials_release(&c);
		free(url);
		free(dir);
	}
	for (i = 0; i < s->n && !rc; i++)
		if (!s->list[i].output)
			rc = bring(&s->list[i], err);
	return rc;
}

static int after(void *ctx, int rc, struct err *err)
{
	const struct store *s = ctx;
	int i;

	for (i = 0; i < s->n && rc; i++)
		rename_in(err, &s->list[i], s->list[i].local);
	for (i = 0; i < s->n && !rc; i++)
		if (s->list[i].output)
			rc = send_one(&s->list[i], err);
	return rc;
}

static void release(struct store *s)
{
	struct err ignored;
	int i;

	if (s->dir)
		dir_remove(s->dir, &ignored);
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
	struct store s = {.dir = NULL};
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
