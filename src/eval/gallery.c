#include "eval/gallery.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int gallery_open(struct gallery *g, const char *path, struct err *err)
{
	memset(g, 0, sizeof(*g));
	if (path_exists(path) && !path_is_dir(path))
		return err_set(err, STATUS_INPUT, "'%s' is no folder", path);
	if (dir_stage(path, &g->temp, err))
		return -1;
	g->path = xstrdup(path);
	g->names = json_object();
	return 0;
}

/* json's keys are UTF-8 and file names need not be: what is not ASCII is compared as %XX. */
static bool take(struct gallery *g, const char *name)
{
	struct buf key = BUF_INIT;
	bool taken;

	for (; *name; name++) {
		if ((unsigned char)*name < 0x80)
			buf_add(&key, name, 1);
		else
			buf_printf(&key, "%%%02X", (unsigned char)*name);
	}
	buf_add_zeros(&key, 0);
	taken = json_object_get(g->names, key.data) != NULL;
	if (!taken)
		json_object_set_new(g->names, key.data, json_true());
	buf_release(&key);
	return !taken;
}

char *gallery_name(struct gallery *g, const char *input)
{
	const char *base = path_base(input), *dot = strrchr(base, '.');
	size_t stem = dot && dot > base ? (size_t)(dot - base) : strlen(base);
	char *name = xstrndup(base, stem);
	int i;

	for (i = 2; !take(g, name); i++) {
		free(name);
		name = xasprintf("%.*s-%d", (int)stem, base, i);
	}
	return name;
}

int gallery_add(struct gallery *g, const char *name, const char *input, const struct image *picture,
		struct err *err)
{
	const char *dot = strrchr(path_base(input), '.');
	bool png = dot && !strcasecmp(dot, ".png");
	char *path = xasprintf("%s/%s%s", g->temp, name, png ? ".png" : ".jpg");
	int rc = image_write(path, picture, err);

	free(path);
	return rc;
}

int gallery_add_labels(struct gallery *g, const char *name, const struct det *dets, int n, int w,
		       int h, bool scores, struct err *err)
{
	char *path = xasprintf("%s/labels/%s.txt", g->temp, name), *dir = path_dir(path);
	struct buf text = BUF_INIT;
	int rc = 0, i;

	if (!g->labels)
		rc = dir_make(dir, err);
	g->labels = true;
	for (i = 0; i < n; i++) {
		const struct det *d = &dets[i];

		buf_printf(&text, "%d %.6f %.6f %.6f %.6f", d->cls, (d->x1 + d->x2) / 2.0 / w,
			   (d->y1 + d->y2) / 2.0 / h, (d->x2 - d->x1) / (double)w,
			   (d->y2 - d->y1) / (double)h);
		if (scores)
			buf_printf(&text, " %.5f", (double)d->score);
		buf_add_str(&text, "\n");
	}
	if (!rc)
		rc = file_write(path, text.data ? text.data : "", text.len, err);
	buf_release(&text);
	free(path);
	free(dir);
	return rc;
}

static int move_files(const char *from, const char *to, struct err *err);

static int move(const char *from, const char *to, struct err *err)
{
	if (path_is_dir(from))
		return dir_make(to, err) || move_files(from, to, err) ? -1 : 0;
	return rename(from, to) ? err_errno(err, "cannot move '%s' to '%s'", from, to) : 0;
}

/* labels/ is the only folder within, so this goes one level down. */
static int move_files(const char *from, const char *to, struct err *err)
{
	char **names;
	size_t n, i;
	int rc;

	if (dir_list(from, &names, &n, err))
		return -1;
	for (i = 0, rc = 0; !rc && i < n; i++) {
		char *a = path_join(from, names[i]), *b = path_join(to, names[i]);

		rc = move(a, b, err);
		free(a);
		free(b);
	}
	names_free(names, n);
	return rc;
}

int gallery_close(struct gallery *g, struct err *err)
{
	int rc = path_exists(g->path) ? move_files(g->temp, g->path, err)
				      : dir_install(g->temp, g->path, err);

	gallery_discard(g);
	return rc;
}

void gallery_discard(struct gallery *g)
{
	struct err ignored;

	if (g->temp)
		dir_remove(g->temp, &ignored);
	json_decref(g->names);
	free(g->temp);
	free(g->path);
	memset(g, 0, sizeof(*g));
}
