#include "data/dataset.h"

#include "base/file.h"
#include "data/sources.h"
#include "io/digest.h"

#include <limits.h>
#include <unistd.h>

/* Leaves room for a suffix in the 100 bytes that a tar header has for a name (POSIX ustar). */
#define MAX_KEY 80

/* --- label paths --- */

/* Where the last folder "images" of the path begins, or NULL. */
static const char *last_images(const char *path)
{
	const char *found = NULL, *p = path;

	if (!strncmp(path, "images/", 7))
		found = path;
	while ((p = strstr(p, "/images/"))) {
		found = p + 1;
		p++;
	}
	return found;
}

static char *swap_folder(const char *path, const char *images)
{
	const char *rest = images ? images + strlen("images") : NULL;
	const char *dot = strrchr(path_base(path), '.');
	int stem = dot ? (int)(dot - path) : (int)strlen(path);

	if (!images)
		return xasprintf("%.*s.txt", stem, path);
	return xasprintf("%.*slabels%.*s.txt", (int)(images - path), path,
			 stem - (int)(rest - path), rest);
}

char *dataset_label_path(const char *image)
{
	const char *images = last_images(image);
	char cwd[PATH_MAX], *full, *path;

	/* We may be standing inside images/. */
	if (images || image[0] == '/' || !getcwd(cwd, sizeof(cwd)))
		return swap_folder(image, images);
	full = path_join(cwd, strncmp(image, "./", 2) ? image : image + 2);
	path = swap_folder(full, last_images(full));
	free(full);
	return path;
}

/* --- keys --- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* `text` with everything but plain characters as %XX; too long: its digest instead of the end. */
static char *escape(const char *text, size_t len)
{
	struct buf out = BUF_INIT;
	char hex[DIGEST_HEX];
	size_t i;

	for (i = 0; i < len; i++)
		if (is_plain(text[i]))
			buf_add(&out, text + i, 1);
		else
			buf_printf(&out, "%%%02X", (unsigned char)text[i]);
	if (out.len > MAX_KEY) {
		digest_bytes(text, len, hex);
		out.len = MAX_KEY - 33; /* a key cut inside %XX is still free of dots and slashes */
		buf_printf(&out, "-%.32s", hex);
	}
	return buf_detach(&out);
}

static char *key_of_name(const char *path)
{
	const char *name = path_base(path), *dot = strrchr(name, '.');

	return escape(name, dot ? (size_t)(dot - name) : strlen(name));
}

/* What tells pictures of the same name apart: the path from images/ on, suffix included. */
static char *key_of_path(const char *path)
{
	const char *images = last_images(path);

	return escape(images ? images + strlen("images/") : path,
		      strlen(images ? images + strlen("images/") : path));
}

static int by_key(const void *pa, const void *pb)
{
	return strcmp((*(struct item *const *)pa)->key, (*(struct item *const *)pb)->key);
}

/* Replaces every key that is not alone by `longer` of its path; returns how many there were. */
static int part_keys(struct item **sorted, int n, char *(*longer)(const char *))
{
	int i, end, parted = 0;

	qsort(sorted, (size_t)n, sizeof(struct item *), by_key);
	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && !strcmp(sorted[i]->key, sorted[end]->key);)
			end++;
		if (end - i == 1)
			continue;
		for (parted += end - i; i < end; i++) {
			free(sorted[i]->key);
			sorted[i]->key = longer(sorted[i]->path);
		}
	}
	return parted;
}

static char *digest_of_path(const char *path)
{
	char hex[DIGEST_HEX];

	digest_bytes(path, strlen(path), hex);
	return xstrdup(hex);
}

static void make_keys(struct dataset *d)
{
	struct item **sorted = xmalloc((size_t)d->nitems * sizeof(*sorted));
	int i;

	for (i = 0; i < d->nitems; i++) {
		sorted[i] = &d->items[i];
		sorted[i]->key = key_of_name(sorted[i]->path);
	}
	part_keys(sorted, d->nitems, key_of_path);
	/* Ends: paths differ, so each turn gives a digest to a key that was none. */
	while (part_keys(sorted, d->nitems, digest_of_path))
		;
	free(sorted);
}

/* --- reading --- */

/* What a scan carries along. */
struct scan {
	struct dataset *d;
	const struct dataset_options *opt;
	int nc; /* 0: any class */
	int polygons;
	struct err *err, first; /* the first reason to leave a picture out */
};

static int read_labels(struct scan *s, struct item *item, struct err *err)
{
	char *path = dataset_label_path(item->path);
	struct labels labels = LABELS_INIT;
	int rc = 0;

	item->has_label_file = access(path, F_OK) == 0;
	if (item->has_label_file)
		rc = labels_read(path, s->nc, &labels, err);
	free(path);
	item->labels = labels.v;
	item->nlabels = labels.n;
	s->d->duplicates += labels.duplicates;
	s->polygons += labels.polygons;
	return rc;
}

/* 1: read; 0: left out; -1: an error. */
static int read_item(struct scan *s, const char *path, struct item *item)
{
	struct err err = ERR_INIT;

	*item = (struct item){0};
	if (image_check(path, &item->w, &item->h, &err) == 0) {
		item->path = xstrdup(path);
		if (read_labels(s, item, &err) == 0)
			return 1;
		free(item->path);
	}
	/* A file that is bad can be left out; a system that fails cannot. */
	if (s->opt->strict || err.status != STATUS_INPUT) {
		*s->err = err;
		return -1;
	}
	if (!s->d->corrupt++)
		s->first = err;
	notice(s->opt->notices, "left out: %s", err.msg);
	return 0;
}

static int read_items(struct scan *s, const struct sources *src)
{
	struct dataset *d = s->d;
	size_t i;
	int rc;

	if (src->n > INT_MAX)
		return err_set(s->err, STATUS_INPUT, "more than %d pictures", INT_MAX);
	d->items = xmalloc(src->n * sizeof(*d->items));
	for (i = 0; i < src->n; i++) {
		struct item *item = &d->items[d->nitems];

		rc = read_item(s, src->paths[i], item);
		if (rc < 0)
			return -1;
		if (rc == 0)
			continue;
		d->nitems++;
		if (item->nlabels)
			d->with_labels++;
		else
			d->backgrounds++;
	}
	if (!d->nitems)
		return err_set(s->err, STATUS_INPUT,
			       "no picture of '%s' can be used; the first: %s", d->path,
			       s->first.msg);
	return 0;
}

static void say_what_was_changed(const struct scan *s)
{
	const struct dataset *d = s->d;

	if (s->polygons)
		notice(s->opt->notices,
		       "%s: %d label file%s polygons; their bounding boxes are used", d->path,
		       s->polygons, s->polygons == 1 ? " holds" : "s hold");
	if (d->duplicates)
		notice(s->opt->notices, "%s: %d duplicate label row%s dropped", d->path,
		       d->duplicates, d->duplicates == 1 ? "" : "s");
}

struct dataset *dataset_open(const char *path, const struct dataset_options *opt, struct err *err)
{
	static const struct dataset_options defaults;
	struct dataset *d;
	struct sources src;
	struct scan s;

	opt = opt ? opt : &defaults;
	if (sources_find(&src, path, opt->split, opt->notices, err))
		return NULL;
	d = xcalloc(1, sizeof(*d));
	d->path = xstrdup(path);
	d->names = src.names;
	d->nnames = src.nnames;
	src.names = NULL;
	src.nnames = 0;
	s = (struct scan){.d = d, .opt = opt, .err = err};
	s.nc = opt->nc > 0 ? opt->nc : opt->any_class ? 0 : d->nnames;
	if (read_items(&s, &src)) {
		dataset_free(d);
		d = NULL;
	} else {
		make_keys(d);
		say_what_was_changed(&s);
	}
	sources_release(&src);
	return d;
}

void dataset_free(struct dataset *d)
{
	int i;

	if (!d)
		return;
	for (i = 0; i < d->nitems; i++) {
		free(d->items[i].path);
		free(d->items[i].key);
		free(d->items[i].labels);
	}
	for (i = 0; i < d->nnames; i++)
		free(d->names[i]);
	free(d->names);
	free(d->items);
	free(d->path);
	free(d);
}

void dataset_summary(const struct dataset *d, struct buf *out)
{
	buf_printf(out, "%d image%s, %d with labels, %d background%s, %d corrupt",
		   d->nitems + d->corrupt, d->nitems + d->corrupt == 1 ? "" : "s", d->with_labels,
		   d->backgrounds, d->backgrounds == 1 ? "" : "s", d->corrupt);
}

int dataset_check_classes(const struct dataset *d, int nc, struct err *err)
{
	int i, k;

	for (i = 0; i < d->nitems; i++)
		for (k = 0; k < d->items[i].nlabels; k++)
			if (d->items[i].labels[k].cls >= nc)
				return err_set(err, STATUS_INPUT,
					       "'%s' has an object of class %d, the weights have "
					       "%d classes",
					       d->items[i].path, d->items[i].labels[k].cls, nc);
	return 0;
}
