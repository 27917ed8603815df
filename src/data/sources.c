#include "data/sources.h"

#include "base/file.h"
#include "data/dataset.h"
#include "io/yaml.h"

#include <strings.h>

#define MAX_DEPTH   16 /* of folders: stops links that lead in circles */
#define MAX_LIST    (256u << 20)
#define MAX_CLASSES (LABELS_MAX_CLASS + 1)

static bool has_suffix(const char *path, const char *suffix)
{
	const char *dot = strrchr(path_base(path), '.');

	return dot && !strcasecmp(dot + 1, suffix);
}

bool dataset_is_picture(const char *path)
{
	/* YOLOv5's IMG_FORMATS; those we do not decode are reported rather than overlooked. */
	static const char *const suffixes[] = {"jpg", "jpeg", "png",  "bmp", "dng",
					       "mpo", "tif",  "tiff", "webp"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(suffixes); i++)
		if (has_suffix(path, suffixes[i]))
			return true;
	return false;
}

static void add_take(struct sources *s, char *path)
{
	GROW(s->paths, s->n, s->cap);
	s->paths[s->n++] = path;
}

static int add_folder(struct sources *s, const char *dir, int depth, struct err *err)
{
	char **names;
	size_t n, i;
	int rc = 0;

	if (depth > MAX_DEPTH)
		return err_set(err, STATUS_INPUT, "cannot read '%s': folders nested deeper than %d",
			       dir, MAX_DEPTH);
	if (dir_list(dir, &names, &n, err))
		return -1;
	for (i = 0; i < n && !rc; i++) {
		char *path = path_join(dir, names[i]);

		if (names[i][0] == '.') /* hidden: leftovers of other programs */
			free(path);
		else if (path_is_dir(path)) {
			rc = add_folder(s, path, depth + 1, err);
			free(path);
		} else if (dataset_is_picture(path))
			add_take(s, path);
		else
			free(path);
	}
	names_free(names, n);
	return rc;
}

/* One line of a list file. "./x" is relative to the list, other relative paths to where we are. */
static void add_line(struct sources *s, const char *dir, const char *line, size_t len)
{
	char *name;

	while (len && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (!len)
		return;
	name = xstrndup(line, len);
	if (!strncmp(name, "./", 2)) {
		add_take(s, path_join(dir, name + 2));
	} else if (name[0] != '/' && !path_exists(name)) {
		/* not where we are: beside the list is what was meant */
		add_take(s, path_join(dir, name));
	} else {
		add_take(s, name);
		return;
	}
	free(name);
}

static int add_list(struct sources *s, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	char *dir = path_dir(path);
	int rc = file_read(path, MAX_LIST, &text, err);
	const char *p = text.data, *end = text.data + text.len;

	if (!rc && text.len && memchr(p, '\0', text.len))
		rc = err_set(err, STATUS_INPUT,
			     "cannot read '%s': a list of pictures is text, and "
			     "this is not",
			     path);
	while (!rc && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		eol = eol ? eol : end;
		add_line(s, dir, p, (size_t)(eol - p));
		p = eol < end ? eol + 1 : end;
	}
	free(dir);
	buf_release(&text);
	return rc;
}

/* A folder, a list, or a picture. */
static int add_any(struct sources *s, const char *path, struct err *err)
{
	if (path_is_dir(path))
		return add_folder(s, path, 0, err);
	if (!path_exists(path))
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': there is no such file or folder", path);
	if (dataset_is_picture(path)) {
		add_take(s, xstrdup(path));
		return 0;
	}
	return add_list(s, path, err);
}

/* --- folders without a YAML --- */

/* Subfolders of images/ that belong to the split, if there are any; else all of images/. */
static int add_split(struct sources *s, const char *images, const char *split, struct err *err)
{
	size_t n, i, len = strlen(split);
	bool found = false;
	char **names;
	int rc = 0;

	if (dir_list(images, &names, &n, err))
		return -1;
	for (i = 0; i < n && !rc; i++) {
		char *path = path_join(images, names[i]);

		if (!strncmp(names[i], split, len) && path_is_dir(path)) {
			found = true;
			rc = add_folder(s, path, 1, err);
		}
		free(path);
	}
	names_free(names, n);
	return rc || found ? rc : add_folder(s, images, 0, err);
}

static int add_data_folder(struct sources *s, const char *path, const char *split, struct err *err)
{
	char *images = path_join(path, "images");
	int rc = path_is_dir(images) ? add_split(s, images, split, err)
				     : add_folder(s, path, 0, err);

	free(images);
	return rc;
}

/* --- dataset.yaml --- */

static int name_from_list(struct sources *s, const struct yaml_node *names, int i, struct err *err)
{
	const char *text;

	if (yaml_string(names->item[i], "a class name", &text, err))
		return -1;
	s->names[i] = xstrdup(text);
	return 0;
}

/* {0: person, 1: bicycle}: every number from 0 once, in any order. */
static int name_from_map(struct sources *s, const struct yaml_node *names, int i, struct err *err)
{
	const char *text;
	long at;

	if (yaml_long(names->item[2 * i], "a class number", 0, names->n - 1, &at, err) ||
	    yaml_string(names->item[2 * i + 1], "a class name", &text, err))
		return -1;
	if (s->names[at])
		return yaml_err(names->item[2 * i], err, "class %ld is named twice", at);
	s->names[at] = xstrdup(text);
	return 0;
}

static int read_names(struct sources *s, const struct yaml_node *root, struct err *err)
{
	const struct yaml_node *names = yaml_get(root, "names");
	long nc = -1;
	int i;

	if (yaml_get_long(root, "nc", 1, MAX_CLASSES, &nc, err))
		return -1;
	if (!names || yaml_is_null(names))
		return 0;
	if (names->kind == YAML_SCALAR)
		return yaml_err(names, err, "'names' is neither a list nor a map");
	if (names->n == 0 || names->n > MAX_CLASSES)
		return yaml_err(names, err, "'names' holds %d names; 1 to %d are taken", names->n,
				MAX_CLASSES);
	if (nc >= 0 && nc != names->n)
		return yaml_err(names, err, "%d class names, but 'nc' says %ld", names->n, nc);
	s->nnames = names->n;
	s->names = xcalloc((size_t)names->n, sizeof(*s->names));
	for (i = 0; i < names->n; i++)
		if (names->kind == YAML_LIST ? name_from_list(s, names, i, err)
					     : name_from_map(s, names, i, err))
			return -1;
	return 0;
}

/* The folder that the splits are relative to. The caller frees. */
static char *yaml_base(const char *file, const struct yaml_node *root, struct err *err)
{
	const char *path = NULL;
	char *dir, *base;

	if (yaml_get_string(root, "path", &path, err))
		return NULL;
	dir = path_dir(file);
	if (!path || !*path)
		return dir;
	base = path_join(dir, path);
	free(dir);
	if (path_is_dir(base))
		return base;
	free(base);
	if (path_is_dir(path))
		return xstrdup(path);
	yaml_err(yaml_get(root, "path"), err,
		 "the folder '%s' is neither beside this file nor in the current folder", path);
	return NULL;
}

/* One entry of a split. As Ultralytics: a "../x" that is not there may mean "x". */
static int add_entry(struct sources *s, const char *base, const struct yaml_node *node,
		     struct err *err)
{
	const char *text;
	char *path;
	int rc;

	if (yaml_string(node, "a folder or list of pictures", &text, err))
		return -1;
	path = path_join(base, text);
	if (!path_exists(path) && !strncmp(text, "../", 3)) {
		free(path);
		path = path_join(base, text + 3);
	}
	rc = path_exists(path) ? add_any(s, path, err)
			       : yaml_err(node, err, "there is no '%s'", path);
	free(path);
	return rc;
}

static int read_split(struct sources *s, const char *file, const struct yaml_node *root,
		      const char *split, struct err *err)
{
	const struct yaml_node *node = yaml_get(root, split);
	char *base;
	int i, rc = 0;

	if (!node || yaml_is_null(node))
		return yaml_err(root, err, "there is no entry '%s'", split);
	if (node->kind == YAML_MAP)
		return yaml_err(node, err, "'%s' is neither a path nor a list of paths", split);
	base = yaml_base(file, root, err);
	if (!base)
		return -1;
	if (node->kind == YAML_SCALAR)
		rc = add_entry(s, base, node, err);
	else
		for (i = 0; i < node->n && !rc; i++)
			rc = add_entry(s, base, node->item[i], err);
	free(base);
	return rc;
}

static int add_yaml(struct sources *s, const char *file, const char *split,
		    const struct notices *notices, struct err *err)
{
	struct yaml *y = yaml_read(file, err);
	const struct yaml_node *root, *download;
	int rc;

	if (!y)
		return -1;
	root = y->doc[0];
	rc = yaml_want(root, YAML_MAP, "a data set's YAML", err);
	if (!rc)
		rc = read_names(s, root, err) || read_split(s, file, root, split, err) ? -1 : 0;
	download = rc ? NULL : yaml_get(root, "download");
	if (download && download->kind == YAML_SCALAR && !yaml_is_null(download))
		notice(notices, "%s:%d: not run: download: %.200s", file, download->line,
		       download->text);
	yaml_tree_free(y);
	return rc;
}

/* --- all together --- */

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_and_unite(struct sources *s)
{
	size_t i, n = 0;

	if (s->n)
		qsort(s->paths, s->n, sizeof(*s->paths), by_path);
	for (i = 0; i < s->n; i++)
		if (n && !strcmp(s->paths[n - 1], s->paths[i])) {
			free(s->paths[i]);
			s->repeated++;
		} else {
			s->paths[n++] = s->paths[i];
		}
	s->n = n;
}

static int add_folder_or_its_yaml(struct sources *s, const char *path, const char *split,
				  const struct notices *notices, struct err *err)
{
	static const char *const names[] = {"dataset.yaml", "data.yaml"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		char *file = path_join(path, names[i]);
		bool there = path_exists(file);
		int rc = there ? add_yaml(s, file, split, notices, err) : 0;

		free(file);
		if (there)
			return rc;
	}
	return add_data_folder(s, path, split, err);
}

int sources_find(struct sources *s, const char *path, const char *split,
		 const struct notices *notices, struct err *err)
{
	int rc;

	*s = (struct sources){0};
	split = split ? split : "train";
	if (path_is_dir(path))
		rc = add_folder_or_its_yaml(s, path, split, notices, err);
	else if (has_suffix(path, "yaml") || has_suffix(path, "yml"))
		rc = add_yaml(s, path, split, notices, err);
	else
		rc = add_any(s, path, err);
	if (!rc) {
		sort_and_unite(s);
		if (s->repeated)
			notice(notices, "%s: %d picture%s listed more than once; each is used once",
			       path, s->repeated, s->repeated == 1 ? " is" : "s are");
		if (!s->n)
			rc = err_set(err, STATUS_INPUT, "no pictures in '%s'", path);
	}
	if (rc)
		sources_release(s);
	return rc;
}

void sources_release(struct sources *s)
{
	int i;

	names_free(s->paths, s->n);
	for (i = 0; i < s->nnames; i++)
		free(s->names[i]);
	free(s->names);
	*s = (struct sources){0};
}
