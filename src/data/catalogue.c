#include "data/catalogue.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "io/digest.h"
#include "io/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST (1u << 20) /* bytes of a sources file: ours has 6 thousand */

struct parser {
	struct catalogue *to;
	const char *path, *dir;
	size_t first; /* of this file in the list */
	int line;
	struct source *source;    /* the section being read; NULL before the first */
	struct source_file *file; /* its file being described; NULL before the first */
	struct err *err;
};

static int fault(const struct parser *p, const char *what, const char *operand)
{
	return err_set(p->err, STATUS_INPUT, "%s:%d: %s '%.200s'", p->path, p->line, what, operand);
}

/* A name that may become a file or folder of that name, and no other. */
static bool is_plain_name(const char *s)
{
	return s[0] && s[0] != '.' && s[0] != '-' && !strpbrk(s, "/\\ \t");
}

/* A relative path that stays where it is. */
static bool is_inner_path(const char *s)
{
	const char *p;

	if (!*s || *s == '/')
		return false;
	for (p = s; *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (len == 2 && !memcmp(p, "..", 2))
			return false;
		p += len;
	}
	return true;
}

static int begin_source(struct parser *p, char *line)
{
	struct catalogue *s = p->to;
	char *end = strchr(line, ']');
	size_t i;

	if (!end || end[1])
		return fault(p, "not a section heading:", line);
	*end = '\0';
	if (!is_plain_name(line + 1))
		return fault(p, "not a name for a source:", line + 1);
	for (i = p->first; i < s->n; i++)
		if (!strcmp(s->list[i].name, line + 1))
			return fault(p, "this source stands here twice:", line + 1);
	s->list = xreallocarray(s->list, s->n + 1, sizeof(*s->list));
	p->source = &s->list[s->n++];
	*p->source = (struct source){.name = xstrdup(line + 1)};
	p->file = NULL;
	return 0;
}

static int begin_file(struct parser *p, const char *name)
{
	struct source *s = p->source;

	if (!is_plain_name(name))
		return fault(p, "not a name for a file:", name);
	s->files = xreallocarray(s->files, s->nfiles + 1, sizeof(*s->files));
	p->file = &s->files[s->nfiles++];
	*p->file = (struct source_file){.name = xstrdup(name)};
	return 0;
}

static int add_url(struct parser *p, const char *url)
{
	struct source_file *f = p->file;
	char *path = url_local_path(url);

	if (!path && !url_is_http(url))
		return fault(p, "neither an http:, https: nor file: URL:", url);
	f->urls = xreallocarray(f->urls, f->nurls + 1, sizeof(*f->urls));
	if (path) {
		char *full = path_join(p->dir, path);

		f->urls[f->nurls++] = xasprintf("file:%s", full);
		free(full);
	} else {
		f->urls[f->nurls++] = xstrdup(url);
	}
	free(path);
	return 0;
}

static int set_text(struct parser *p, const char *key, char **to, char *value)
{
	if (*to) {
		free(value);
		return fault(p, "given twice:", key);
	}
	*to = value;
	return 0;
}

static int set_inner(struct parser *p, const char *key, char **to, const char *value)
{
	if (!is_inner_path(value))
		return fault(p, "not a path below the folder:", value);
	return set_text(p, key, to, xstrdup(value));
}

/* Keys of a file; 1: no such key. */
static int set_of_file(struct parser *p, const char *key, const char *value)
{
	struct source_file *f = p->file;

	if (!strcmp(key, "url"))
		return add_url(p, value);
	if (!strcmp(key, "size")) {
		if (num_u64("size", value, &f->size, p->err))
			return err_prefix(p->err, "%s:%d", p->path, p->line);
		return 0;
	}
	if (!strcmp(key, "sha256")) {
		if (!digest_is_hex(value))
			return fault(p, "not 64 hexadecimal digits:", value);
		return set_text(p, key, &f->sha256, xstrdup(value));
	}
	if (!strcmp(key, "below"))
		return set_inner(p, key, &f->below, value);
	if (!strcmp(key, "into"))
		return set_inner(p, key, &f->into, value);
	return 1;
}

static int set_of_source(struct parser *p, const char *key, const char *value)
{
	struct source *s = p->source;

	if (!strcmp(key, "about"))
		return set_text(p, key, &s->about, xstrdup(value));
	if (!strcmp(key, "names"))
		return set_text(p, key, &s->names, path_join(p->dir, value));
	if (!strcmp(key, "train"))
		return set_inner(p, key, &s->train, value);
	if (!strcmp(key, "val"))
		return set_inner(p, key, &s->val, value);
	if (!strcmp(key, "file"))
		return begin_file(p, value);
	return 1;
}

static char *trimmed(char *s)
{
	size_t len;

	while (isspace((unsigned char)*s))
		s++;
	for (len = strlen(s); len && isspace((unsigned char)s[len - 1]); len--)
		s[len - 1] = '\0';
	return s;
}

static int parse_line(struct parser *p, char *line)
{
	char *equals, *key, *value;
	int rc;

	line = trimmed(line);
	if (!*line || *line == '#')
		return 0;
	if (*line == '[')
		return begin_source(p, line);
	equals = strchr(line, '=');
	if (!equals)
		return fault(p, "neither a comment, '[NAME]' nor 'KEY = VALUE':", line);
	*equals = '\0';
	key = trimmed(line);
	value = trimmed(equals + 1);
	if (!p->source)
		return fault(p, "before the first '[NAME]':", key);
	rc = set_of_source(p, key, value);
	if (rc == 1 && p->file)
		rc = set_of_file(p, key, value);
	if (rc == 1)
		return fault(p, p->file ? "no such key:" : "no such key, or before 'file':", key);
	return rc;
}

/* What only the whole can tell: every source has a file, every file a URL. */
static int check(struct parser *p)
{
	size_t i, j;

	for (i = p->first; i < p->to->n; i++) {
		const struct source *s = &p->to->list[i];

		if (!s->nfiles)
			return err_set(p->err, STATUS_INPUT, "%s: '%s' has no file", p->path,
				       s->name);
		for (j = 0; j < s->nfiles; j++)
			if (!s->files[j].nurls)
				return err_set(p->err, STATUS_INPUT,
					       "%s: the file '%s' of '%s' has no url", p->path,
					       s->files[j].name, s->name);
	}
	return 0;
}

int catalogue_parse(struct catalogue *s, const char *text, size_t len, const char *path,
		    const char *dir, struct err *err)
{
	struct parser p = {.to = s, .path = path, .dir = dir, .first = s->n, .err = err};
	char *copy = xstrndup(text, len), *line = copy, *end;
	int rc = 0;

	if (strlen(copy) != len)
		rc = err_set(err, STATUS_INPUT, "cannot read '%s': it is not a text file", path);
	while (!rc && line) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		p.line++;
		rc = parse_line(&p, line);
		line = end ? end + 1 : NULL;
	}
	free(copy);
	return rc ? rc : check(&p);
}

int catalogue_read(struct catalogue *s, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	char *dir = path_dir(path);
	int rc = file_read(path, LONGEST, &text, err);

	if (!rc)
		rc = catalogue_parse(s, text.data, text.len, path, dir, err);
	free(dir);
	buf_release(&text);
	return rc;
}

static void release_file(struct source_file *f)
{
	names_free(f->urls, f->nurls);
	free(f->name);
	free(f->sha256);
	free(f->below);
	free(f->into);
}

void catalogue_release(struct catalogue *s)
{
	size_t i, j;

	for (i = 0; i < s->n; i++) {
		struct source *one = &s->list[i];

		for (j = 0; j < one->nfiles; j++)
			release_file(&one->files[j]);
		free(one->files);
		free(one->name);
		free(one->about);
		free(one->names);
		free(one->train);
		free(one->val);
	}
	free(s->list);
	*s = (struct catalogue)CATALOGUE_INIT;
}

const struct source *catalogue_find(const struct catalogue *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (!strcmp(s->list[i].name, name))
			return &s->list[i];
	return NULL;
}
