#include "data/fetch.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "io/digest.h"
#include "io/http.h"
#include "io/unpack.h"
#include "io/url.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_LONGEST (1u << 20) /* bytes of a list of class names */

struct fetcher {
	const struct fetch_options *opt;
	const struct source *source;
	const char *dir;
	const char *doing, *what; /* for progress */
	struct err *err;
};

static const char *const packed_suffixes[] = {".tar.gz", ".tar.xz", ".tar.zst", ".zip",
					      ".tar",    ".tgz",    ".txz",     ".tzst",
					      ".gz",     ".xz",     ".zst"};

/* The length of the name without an archive's suffix; the whole length: it is no archive. */
static size_t stem_length(const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < ARRAY_LEN(packed_suffixes); i++) {
		size_t n = strlen(packed_suffixes[i]);

		if (len > n && !strcasecmp(name + len - n, packed_suffixes[i]))
			return len - n;
	}
	return len;
}

static bool is_packed(const char *name)
{
	return name[stem_length(name)] != '\0';
}

static int on_progress(void *ctx, uint64_t done, uint64_t total)
{
	const struct fetcher *f = ctx;

	return f->opt->progress ? f->opt->progress(f->opt->ctx, f->doing, f->what, done, total) : 0;
}

/* Compares size and digest of a local file with what is expected of it. */
static int verify(struct fetcher *f, const struct source_file *file, const char *path)
{
	char hex[DIGEST_HEX];
	struct stat st;

	if (file->size && stat(path, &st) == 0 && (uint64_t)st.st_size != file->size)
		return err_set(f->err, STATUS_INPUT,
			       "cannot use '%s': it has %lld bytes, %llu were expected", path,
			       (long long)st.st_size, (unsigned long long)file->size);
	if (digest_file(path, hex, f->err))
		return -1;
	if (file->sha256 && strcasecmp(hex, file->sha256))
		return err_set(f->err, STATUS_INPUT,
			       "cannot use '%s': its SHA-256 is %s, %s was expected", path, hex,
			       file->sha256);
	if (!file->sha256)
		notice(f->opt->notices,
		       "'%s' was not verified, for its digest is not known: its SHA-256 is %s",
		       path_base(path), hex);
	return 0;
}

static int fetch_url(struct fetcher *f, const struct source_file *file, const char *const *urls,
		     size_t n, const char *path)
{
	char hex[DIGEST_HEX];
	struct http_request rq = {
		.urls = urls,
		.nurls = n,
		.retries = f->opt->retries,
		.pause = f->opt->pause,
		.stall_seconds = f->opt->stall_seconds,
		.size = file->size,
		.sha256 = file->sha256,
		.notices = f->opt->notices,
		.progress = on_progress,
		.ctx = f,
	};

	f->doing = "fetching";
	f->what = file->name;
	if (http_get(&rq, path, hex, f->err))
		return -1;
	if (!file->sha256)
		notice(f->opt->notices,
		       "'%s' was not verified, for its digest is not known: its SHA-256 is %s",
		       file->name, hex);
	return 0;
}

static int copy_to(struct fetcher *f, const char *from, const char *to)
{
	char block[1 << 16];
	struct outfile out;
	int fd = file_open(from, f->err);
	long n = 0;

	if (fd < 0)
		return -1;
	if (outfile_open(&out, to, false, f->err)) {
		file_close(fd);
		return -1;
	}
	do {
		n = file_read_some(fd, block, sizeof(block), from, f->err);
		if (n > 0 && outfile_write(&out, block, (size_t)n, f->err))
			n = -1;
	} while (n == (long)sizeof(block));
	file_close(fd);
	if (n < 0) {
		outfile_abort(&out);
		return -1;
	}
	return outfile_commit(&out, f->err);
}

/*
 * Makes the file's bytes available, verified. Mirrors on this machine are used where they lie:
 * *local is their path. Otherwise *local is NULL and the bytes are at `path`. The caller frees
 * *local.
 */
static int obtain(struct fetcher *f, const struct source_file *file, const char *path, char **local)
{
	size_t i, n;

	*local = NULL;
	for (i = 0; i < file->nurls; i += n) {
		char *here = url_local_path(file->urls[i]);
		int rc;

		n = 1;
		if (here) {
			rc = verify(f, file, here);
		} else {
			while (i + n < file->nurls && url_is_http(file->urls[i + n]))
				n++;
			rc = fetch_url(f, file, (const char *const *)file->urls + i, n, path);
		}
		if (rc == 0) {
			*local = here;
			return 0;
		}
		free(here);
		if (f->err->status == STATUS_SYSTEM || i + n == file->nurls)
			return -1;
		notice(f->opt->notices, "%s; trying the next mirror", f->err->msg);
	}
	return -1;
}

/* One file as it is: weights, or an archive that is to stay packed. */
static int fetch_plain(struct fetcher *f, const struct source_file *file, const char *path)
{
	char *local;
	int rc = obtain(f, file, path, &local);

	if (!rc && local)
		rc = copy_to(f, local, path);
	free(local);
	return rc;
}

static int unpack_file(struct fetcher *f, const struct source_file *file, const char *archive,
		       const char *stage)
{
	char *lone = xstrndup(file->name, stem_length(file->name));
	struct unpack_options opt = {
		.below = file->below, .lone = lone, .progress = on_progress, .ctx = f};
	char *into = file->into ? path_join(stage, file->into) : xstrdup(stage);
	int rc = dir_make(into, f->err);

	f->doing = "unpacking";
	f->what = file->name;
	if (!rc)
		rc = unpack(archive, into, &opt, f->err);
	free(into);
	free(lone);
	return rc;
}

static int fetch_packed(struct fetcher *f, const struct source_file *file, const char *stage)
{
	/* Beside the folder, so that a broken transfer outlives the staged folder. */
	char *hidden = xasprintf(".%s", file->name), *local;
	char *archive = path_join(f->dir, hidden);
	int rc = obtain(f, file, archive, &local);

	if (!rc)
		rc = unpack_file(f, file, local ? local : archive, stage);
	if (!local)
		unlink(archive);
	free(local);
	free(hidden);
	free(archive);
	return rc;
}

/* A list of class names, one a line, as the elements of a YAML list. */
static int add_names(const char *path, struct buf *yaml, struct err *err)
{
	struct buf text = BUF_INIT;
	struct buf list = BUF_INIT;
	int n = 0;
	char *line, *end;

	if (file_read(path, NAMES_LONGEST, &text, err)) {
		buf_release(&text);
		return -1;
	}
	for (line = text.data; *line; line = end + (*end != '\0')) {
		end = line + strcspn(line, "\n");
		if (end == line || *line == '#')
			continue;
		buf_printf(&list, "  %d: \"%.*s\"\n", n++, (int)(end - line), line);
	}
	buf_printf(yaml, "nc: %d\nnames:\n", n);
	buf_add(yaml, list.data ? list.data : "", list.len);
	buf_release(&list);
	buf_release(&text);
	return 0;
}

static bool has_folder(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	bool yes = path_is_dir(path);

	free(path);
	return yes;
}

/* Gives a set whose names we know, and that has none itself, its dataset.yaml. */
static int describe(struct fetcher *f, const char *dir)
{
	const struct source *s = f->source;
	const char *train = s->train ? s->train : s->val;
	const char *val = s->val ? s->val : s->train;
	char *path = path_join(dir, "dataset.yaml");
	struct buf yaml = BUF_INIT;
	int rc = 0;

	if (s->names && train && !path_exists(path) && has_folder(dir, train) &&
	    has_folder(dir, val)) {
		buf_printf(&yaml, "# %s\n", s->about ? s->about : s->name);
		buf_printf(&yaml, "train: %s\nval: %s\n", train, val);
		rc = add_names(s->names, &yaml, f->err);
		if (!rc)
			rc = file_write(path, yaml.data, yaml.len, f->err);
	}
	buf_release(&yaml);
	free(path);
	return rc;
}

/* The lone folder at the top of `stage`, when that is the data set itself; otherwise `stage`. */
static char *find_top(const char *stage)
{
	char **names, *top = NULL;
	struct err ignored;
	size_t n;

	if (dir_list(stage, &names, &n, &ignored))
		return xstrdup(stage);
	if (n == 1 && strcmp(names[0], "images") && strcmp(names[0], "labels"))
		top = path_join(stage, names[0]);
	names_free(names, n);
	if (top && path_is_dir(top))
		return top;
	free(top);
	return xstrdup(stage);
}

static int fetch_folder(struct fetcher *f, const char *path)
{
	const struct source *s = f->source;
	char *stage, *top = NULL, *file;
	struct err ignored;
	size_t i;
	int rc = 0;

	if (dir_stage(path, &stage, f->err))
		return -1;
	for (i = 0; i < s->nfiles && !rc; i++) {
		if (!f->opt->keep_packed && is_packed(s->files[i].name)) {
			rc = fetch_packed(f, &s->files[i], stage);
		} else {
			file = path_join(stage, s->files[i].name);
			rc = fetch_plain(f, &s->files[i], file);
			free(file);
		}
	}
	if (!rc) {
		bool whole = s->nfiles == 1 && !s->files[0].below && !s->files[0].into;

		top = whole ? find_top(stage) : xstrdup(stage);
		rc = describe(f, top);
	}
	if (!rc)
		rc = dir_install(top, path, f->err);
	dir_remove(stage, &ignored); /* after a success only an empty shell, or nothing */
	free(top);
	free(stage);
	return rc;
}

/* Is it here already? 1: yes; 0: no; -1: something else is in the way. */
static int is_here(struct fetcher *f, const char *path, bool folder)
{
	if (!path_exists(path))
		return 0;
	if (folder != path_is_dir(path))
		return err_set(f->err, STATUS_INPUT, "cannot make '%s': a %s of that name is there",
			       path, folder ? "file" : "folder");
	if (!folder && (f->source->files[0].sha256 || f->source->files[0].size) &&
	    verify(f, &f->source->files[0], path))
		return -1;
	notice(f->opt->notices, "'%s' is there already: nothing was fetched", path);
	return 1;
}

/* Fetches into f->dir, which is made for it, and unmade when nothing came of it. */
static int fetch_into(struct fetcher *f, const char *path, bool folder)
{
	bool made = *f->dir && !path_exists(f->dir);
	int rc = *f->dir ? dir_make(f->dir, f->err) : 0;

	if (!rc)
		rc = folder ? fetch_folder(f, path) : fetch_plain(f, &f->source->files[0], path);
	if (rc && made)
		rmdir(f->dir); /* which keeps it when a part of a file is kept in it */
	return rc;
}

static int fetch_source(struct fetcher *f, char **path)
{
	const struct source *s = f->source;
	bool folder = s->nfiles > 1 || (!f->opt->keep_packed && is_packed(s->files[0].name));
	int rc;

	*path = path_join(f->dir, folder ? s->name : s->files[0].name);
	rc = is_here(f, *path, folder);
	if (rc == 0)
		rc = fetch_into(f, *path, folder);
	if (rc >= 0)
		return 0;
	free(*path);
	*path = NULL;
	return -1;
}

static int unknown(const struct catalogue *known, const char *operand, struct err *err)
{
	const char **names;
	const char *near;
	size_t i;

	if (strstr(operand, "://"))
		return err_set(err, STATUS_INPUT,
			       "cannot fetch '%s': only http:, https: and file: are supported",
			       operand);
	names = xcalloc(known->n, sizeof(*names));
	for (i = 0; i < known->n; i++)
		names[i] = known->list[i].name;
	near = nearest_word(operand, names, known->n);
	free(names);
	return err_set(err, STATUS_INPUT,
		       "cannot fetch '%s': neither a known name%s%s%s nor a file that is here",
		       operand, near ? " (is '" : " (see --list)", near ? near : "",
		       near ? "' meant?)" : "");
}

/* A source made of a URL or local file alone; what is known of a set of that name is borrowed. */
static int fetch_alone(struct fetcher *f, const struct catalogue *known, char *name, char *url,
		       char **path)
{
	struct source_file file = {.name = name, .urls = &url, .nurls = 1};
	char *stem = xstrndup(name, stem_length(name));
	const struct source *like = catalogue_find(known, stem);
	struct source s = {.name = stem, .files = &file, .nfiles = 1};
	int rc;

	file.sha256 = (char *)f->opt->sha256;
	if (like) {
		s.about = like->about;
		s.names = like->names;
		s.train = like->train;
		s.val = like->val;
	}
	f->source = &s;
	rc = fetch_source(f, path);
	free(stem);
	return rc;
}

/* A known source, with the user's digest in place of ours when one was given. */
static int fetch_known(struct fetcher *f, const struct source *s, char **path)
{
	struct source_file file;
	struct source one = *s;

	f->source = s;
	if (f->opt->sha256) {
		if (s->nfiles != 1)
			return err_set(f->err, STATUS_USAGE,
				       "'%s' has %zu files: --sha256 does not say which is meant",
				       s->name, s->nfiles);
		file = s->files[0];
		file.sha256 = (char *)f->opt->sha256;
		one.files = &file;
		f->source = &one;
	}
	return fetch_source(f, path);
}

int fetch(const struct catalogue *known, const char *operand, const struct fetch_options *opt,
	  char **path, struct err *err)
{
	struct fetcher f = {.opt = opt, .dir = opt->dir ? opt->dir : "", .err = err};
	const struct source *s = catalogue_find(known, operand);
	char *local, *url, *name;
	int rc;

	*path = NULL;
	if (s)
		return fetch_known(&f, s, path);
	local = url_local_path(operand);
	if (!local && !url_is_http(operand)) {
		if (!path_exists(operand))
			return unknown(known, operand, err);
		local = xstrdup(operand);
	}
	if (local && path_is_dir(local)) {
		rc = err_set(err, STATUS_INPUT, "cannot fetch '%s': it is a folder", operand);
		free(local);
		return rc;
	}
	name = local ? xstrdup(path_base(local)) : url_file_name(operand);
	url = local ? xasprintf("file:%s", local) : xstrdup(operand);
	if (!name)
		rc = err_set(err, STATUS_INPUT, "cannot fetch '%s': it names no file", operand);
	else
		rc = fetch_alone(&f, known, name, url, path);
	free(local);
	free(name);
	free(url);
	return rc;
}
