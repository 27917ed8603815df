#include "data/shards.h"

#include "base/file.h"
#include "io/digest.h"
#include "io/json.h"
#include "io/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#define CHUNK        64 /* pictures between two reports of progress */
#define MANIFEST     "partition.json"
#define MAX_MANIFEST (1u << 30)

/* A partition while it is made. */
struct shards_job {
	const struct dataset *d;
	const struct shards_options *opt;
	const char *dir;
	char *temp; /* the hidden folder; NULL until it is made */
	int *owner;
	char (*sha256)[DIGEST_HEX];
	char **names; /* of every picture below images/ */
	char *manifest;
	struct shard *shards;
};

/* --- digests --- */

struct digesting {
	const struct dataset *d;
	char (*sha256)[DIGEST_HEX];
	int first;
	int rcs[CHUNK];
	struct err errs[CHUNK];
};

static void digest_job(void *ctx, int job, int worker)
{
	struct digesting *g = ctx;
	int i = g->first + job;

	(void)worker;
	g->rcs[job] = digest_file(g->d->items[i].path, g->sha256[i], &g->errs[job]);
}

static int digest_pictures(struct shards_job *j, struct pool *pool, struct err *err)
{
	struct digesting g = {.d = j->d, .sha256 = j->sha256};
	int n, i;

	for (; g.first < j->d->nitems; g.first += n) {
		n = j->d->nitems - g.first < CHUNK ? j->d->nitems - g.first : CHUNK;
		pool_run(pool, n, digest_job, &g);
		for (i = 0; i < n; i++)
			if (g.rcs[i]) {
				*err = g.errs[i];
				return -1;
			}
		if (j->opt->step)
			j->opt->step(j->opt->ctx, g.first + n);
	}
	return 0;
}

struct known {
	const char *sha256;
	int item;
};

static int by_digest(const void *pa, const void *pb)
{
	const struct known *a = pa, *b = pb;
	int c = strcmp(a->sha256, b->sha256);

	return c ? c : (a->item > b->item) - (a->item < b->item);
}

/* Copies of a picture go to the client of the first of them. */
static int unite_copies(struct shards_job *j, struct err *err)
{
	int n = j->d->nitems, i, copies = 0;
	struct known *all = xmalloc((size_t)n * sizeof(*all));

	for (i = 0; i < n; i++)
		all[i] = (struct known){j->sha256[i], i};
	qsort(all, (size_t)n, sizeof(*all), by_digest);
	for (i = 1; i < n; i++)
		if (!strcmp(all[i].sha256, all[i - 1].sha256)) {
			j->owner[all[i].item] = j->owner[all[i - 1].item];
			copies++;
		}
	free(all);
	if (!copies)
		return 0;
	notice(j->opt->notices, "%s: %d picture%s a copy of another; copies stay together",
	       j->d->path, copies, copies == 1 ? " is" : "s are each");
	return partition_check(j->owner, n, j->opt->partition.clients, err);
}

/* --- names inside a shard --- */

/* The path from images/ on, when it leads nowhere else; else NULL. */
static const char *below_images(const char *path)
{
	const char *p = path, *found = NULL;

	while ((p = strstr(p, "/images/"))) {
		found = p + strlen("/images/");
		p++;
	}
	if (!found && !strncmp(path, "images/", 7))
		found = path + 7;
	return found && !strstr(found, "..") && found[0] != '/' ? found : NULL;
}

struct named {
	const char *name;
	int item;
};

static int by_label_name(const void *pa, const void *pb)
{
	return strcmp(((const struct named *)pa)->name, ((const struct named *)pb)->name);
}

static char *without_suffix(const char *name)
{
	const char *dot = strrchr(path_base(name), '.');

	return dot ? xstrndup(name, (size_t)(dot - name)) : xstrdup(name);
}

/* Are all names, without their suffixes, different? (x.jpg and x.png share x.txt.) */
static bool all_different(char **names, int n)
{
	struct named *all = xmalloc((size_t)n * sizeof(*all));
	bool different = true;
	int i;

	for (i = 0; i < n; i++)
		all[i].name = without_suffix(names[i]);
	qsort(all, (size_t)n, sizeof(*all), by_label_name);
	for (i = 1; i < n; i++)
		different &= strcmp(all[i].name, all[i - 1].name) != 0;
	for (i = 0; i < n; i++)
		free((char *)all[i].name);
	free(all);
	return different;
}

static void name_by_key(struct shards_job *j)
{
	int i;

	for (i = 0; i < j->d->nitems; i++) {
		const char *dot = strrchr(path_base(j->d->items[i].path), '.');

		free(j->names[i]);
		j->names[i] = xasprintf("%s%s", j->d->items[i].key, dot ? dot : "");
	}
}

/* As below the source's images/; keys where that is not possible or would put two in one place. */
static void choose_names(struct shards_job *j)
{
	int i, n = j->d->nitems;
	bool possible = true;
	json_t *utf8;

	j->names = xcalloc((size_t)n, sizeof(*j->names));
	for (i = 0; i < n; i++) {
		const char *below = below_images(j->d->items[i].path);

		/* JSON is UTF-8; keys are ASCII */
		utf8 = below ? json_string(below) : NULL;
		possible &= utf8 != NULL;
		json_decref(utf8);
		j->names[i] = xstrdup(below ? below : "");
	}
	if (!possible || !all_different(j->names, n))
		name_by_key(j);
}

/* --- the manifest --- */

static void count_label(json_t *counts, int cls)
{
	char key[16];
	json_t *old;

	snprintf(key, sizeof(key), "%d", cls);
	old = json_object_get(counts, key);
	json_object_set_new(counts, key, json_integer(old ? json_integer_value(old) + 1 : 1));
}

static json_t *label_counts(const struct item *item)
{
	json_t *counts = json_object();
	int k;

	for (k = 0; k < item->nlabels; k++)
		count_label(counts, item->labels[k].cls);
	return counts;
}

static json_t *client_entry(const struct shards_job *j, int client)
{
	json_t *files = json_array(), *labels = json_object();
	struct shard *shard = &j->shards[client];
	int i, k;

	*shard = (struct shard){0};
	for (i = 0; i < j->d->nitems; i++) {
		const struct item *item = &j->d->items[i];
		char *name;

		if (j->owner[i] != client)
			continue;
		name = xasprintf("%d/images/%s", client + 1, j->names[i]);
		json_array_append_new(files, json_pack("{s:s%,s:s,s:o}", "image", name,
						       strlen(name), "sha256", j->sha256[i],
						       "labels", label_counts(item)));
		free(name);
		for (k = 0; k < item->nlabels; k++)
			count_label(labels, item->labels[k].cls);
		shard->pictures++;
		shard->boxes += item->nlabels;
	}
	shard->classes = (int)json_object_size(labels);
	return json_pack("{s:i,s:i,s:i,s:o,s:o}", "client", client + 1, "images", shard->pictures,
			 "boxes", shard->boxes, "labels", labels, "files", files);
}

static void make_manifest(struct shards_job *j)
{
	const struct partition_options *p = &j->opt->partition;
	json_t *clients = json_array(), *top;
	char seed[24];
	struct buf text = BUF_INIT;
	int k;

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)p->seed);
	for (k = 0; k < p->clients; k++)
		json_array_append_new(clients, client_entry(j, k));
	/* A seed has 64 bits, more than many readers' numbers: text. */
	top = json_pack("{s:i,s:s,s:s,s:i,s:i,s:o}", "version", 1, "scheme",
			partition_schemes[p->scheme], "seed", seed, "images", j->d->nitems,
			"left_out", j->d->corrupt, "clients", clients);
	BUG_IF(!top);
	if (p->scheme == PARTITION_DIRICHLET || p->scheme == PARTITION_QUANTITY)
		json_object_set_new(top, "alpha", json_real(p->alpha));
	if (p->scheme == PARTITION_CLASSES)
		json_object_set_new(top, "classes_per_client", json_integer(p->classes));
	json_add_value(&text, top, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	j->manifest = buf_detach(&text);
}

/* --- files --- */

static int copy_file(const char *from, const char *to, struct err *err)
{
	struct buf data = BUF_INIT;
	int rc = file_read(from, SIZE_MAX - 1, &data, err);

	if (!rc)
		rc = file_write(to, data.data, data.len, err);
	buf_release(&data);
	return rc;
}

static int link_symbolic(const char *from, const char *to, struct err *err)
{
	char full[PATH_MAX];

	if (!realpath(from, full))
		return err_errno(err, "cannot find '%s'", from);
	if (symlink(full, to))
		return err_errno(err, "cannot link '%s'", to);
	return 0;
}

static int link_hard(const char *from, const char *to, bool or_copy, struct err *err)
{
	if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	/* other file systems, none with links, too many links, files of others (protected_hardlinks) */
	if (or_copy && (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP))
		return copy_file(from, to, err);
	return err_errno(err, "cannot link '%s' (try --link copy)", from);
}

/* `from` as ROOT/KIND/NAME. */
static int put_file(const struct shards_job *j, const char *from, const char *root,
		    const char *kind, const char *name, struct err *err)
{
	char *to = xasprintf("%s/%s/%s", root, kind, name), *parent = path_dir(to);
	int rc = dir_make(parent, err);

	if (!rc && j->opt->link == SHARDS_COPY)
		rc = copy_file(from, to, err);
	else if (!rc && j->opt->link == SHARDS_SYMBOLIC)
		rc = link_symbolic(from, to, err);
	else if (!rc)
		rc = link_hard(from, to, j->opt->link == SHARDS_AUTO, err);
	free(parent);
	free(to);
	return rc;
}

static int put_item(const struct shards_job *j, int i, struct err *err)
{
	const struct item *item = &j->d->items[i];
	char *root = xasprintf("%s/%d", j->temp, j->owner[i] + 1);
	char *stem = without_suffix(j->names[i]), *txt = xasprintf("%s.txt", stem);
	char *labels = dataset_label_path(item->path);
	int rc = put_file(j, item->path, root, "images", j->names[i], err);

	if (!rc && item->has_label_file)
		rc = put_file(j, labels, root, "labels", txt, err);
	free(labels);
	free(txt);
	free(stem);
	free(root);
	return rc;
}

static int write_yaml(const struct shards_job *j, int client, struct err *err)
{
	char *path = xasprintf("%s/%d/dataset.yaml", j->temp, client + 1);
	struct buf text = BUF_INIT;
	int i, rc;

	buf_printf(&text,
		   "# Shard %d of %d by coco-partition. Paths are relative to this file.\n"
		   "train: images\nval: images\n",
		   client + 1, j->opt->partition.clients);
	if (j->d->nnames)
		buf_printf(&text, "\nnc: %d\nnames:\n", j->d->nnames);
	for (i = 0; i < j->d->nnames; i++) {
		buf_printf(&text, "  %d: ", i);
		yaml_add_string(&text, j->d->names[i]);
		buf_add_str(&text, "\n");
	}
	rc = file_write(path, text.data, text.len, err);
	buf_release(&text);
	free(path);
	return rc;
}

static int fill(struct shards_job *j, struct err *err)
{
	char *path = path_join(j->temp, MANIFEST), *labels;
	int i, rc = 0;

	for (i = 0; i < j->d->nitems && !rc; i++)
		rc = put_item(j, i, err);
	for (i = 0; i < j->opt->partition.clients && !rc; i++) {
		/* a shard of backgrounds has a labels folder too */
		labels = xasprintf("%s/%d/labels", j->temp, i + 1);
		rc = dir_make(labels, err) || write_yaml(j, i, err) ? -1 : 0;
		free(labels);
	}
	if (!rc)
		rc = file_write(path, j->manifest, strlen(j->manifest), err);
	free(path);
	return rc;
}

/* --- checking --- */

/* Opens what was written as any reader would: every picture is there once, and nothing else. */
static int check_shard(const struct shards_job *j, int client, struct err *err)
{
	struct dataset_options opt = {.strict = true, .any_class = true};
	char *root = xasprintf("%s/%d", j->temp, client + 1);
	struct dataset *shard = dataset_open(root, &opt, err);
	int i, want = j->shards[client].pictures, boxes = 0, rc = 0;

	free(root);
	if (!shard)
		return -1;
	for (i = 0; i < shard->nitems; i++)
		boxes += shard->items[i].nlabels;
	if (shard->nitems != want || boxes != j->shards[client].boxes)
		rc = err_set(
			err, STATUS_SYSTEM,
			"shard %d holds %d pictures and %d boxes where %d and %d were put: did "
			"something change the files meanwhile?",
			client + 1, shard->nitems, boxes, want, j->shards[client].boxes);
	dataset_free(shard);
	return rc;
}

static int check_shards(const struct shards_job *j, struct err *err)
{
	int k, sum = 0;

	for (k = 0; k < j->opt->partition.clients; k++) {
		if (check_shard(j, k, err))
			return -1;
		sum += j->shards[k].pictures;
	}
	BUG_IF(sum != j->d->nitems);
	return 0;
}

/* --- installing --- */

/* How many shards an earlier partition in the folder has: 0 when there is none. */
static int earlier_clients(const char *dir)
{
	char *path = path_join(dir, MANIFEST);
	struct err ignored;
	json_t *top = path_exists(path) ? json_read(path, MAX_MANIFEST, &ignored) : NULL;
	json_t *clients = json_object_get(top, "clients");
	int n = (int)json_array_size(clients);

	json_decref(top);
	free(path);
	return n;
}

static bool holds_same(const struct shards_job *j)
{
	char *path = path_join(j->dir, MANIFEST);
	struct buf text = BUF_INIT;
	struct err ignored;
	bool same = path_exists(path) && file_read(path, MAX_MANIFEST, &text, &ignored) == 0 &&
		    text.len == strlen(j->manifest) && !memcmp(text.data, j->manifest, text.len);
	int i;

	for (i = 0; same && i < j->d->nitems; i++) {
		char *image = xasprintf("%s/%d/images/%s", j->dir, j->owner[i] + 1, j->names[i]);

		same = access(image, R_OK) == 0;
		free(image);
	}
	buf_release(&text);
	free(path);
	return same;
}

/* Is anything in the way that may not be replaced? `earlier` shards and their manifest may. */
static int check_way(const struct shards_job *j, int earlier, struct err *err)
{
	int k, rc = 0;

	if (earlier && !j->opt->replace)
		return err_set(
			err, STATUS_INPUT,
			"'%s' holds another partition, of %d clients; --force replaces it, or "
			"give another folder with -o",
			j->dir, earlier);
	for (k = earlier + 1; k <= j->opt->partition.clients && !rc; k++) {
		char *path = xasprintf("%s/%d", j->dir, k);

		if (path_exists(path))
			rc = err_set(err, STATUS_INPUT,
				     "'%s' exists already and is not of a partition", path);
		free(path);
	}
	return rc;
}

static int move(const char *from_dir, const char *to_dir, const char *name, struct err *err)
{
	char *from = path_join(from_dir, name), *to = path_join(to_dir, name);
	int rc = path_exists(from) && rename(from, to)
			 ? err_errno(err, "cannot move '%s' to '%s'", from, to)
			 : 0;

	free(from);
	free(to);
	return rc;
}

/* Moves shards 1 … n; *done counts those that were moved. */
static int move_shards(const char *from, const char *to, int n, int *done, struct err *err)
{
	for (*done = 0; *done < n; ++*done) {
		char name[16];

		snprintf(name, sizeof(name), "%d", *done + 1);
		if (move(from, to, name, err))
			return -1;
	}
	return 0;
}

/* The manifest is the last to come and the first to go: where it is, its shards are. */
static int install(const struct shards_job *j, int earlier, struct err *err)
{
	char *old = path_join(j->temp, "old");
	int gone = 0, come = 0, rc;
	struct err ignored;

	rc = dir_make(old, err) || move(j->dir, old, MANIFEST, err) ||
			     move_shards(j->dir, old, earlier, &gone, err) ||
			     move_shards(j->temp, j->dir, j->opt->partition.clients, &come, err) ||
			     move(j->temp, j->dir, MANIFEST, err)
		     ? -1
		     : 0;
	if (rc) { /* back as it was, as far as the system lets us */
		(void)move_shards(j->dir, j->temp, come, &come, &ignored);
		(void)move_shards(old, j->dir, gone, &gone, &ignored);
		(void)move(old, j->dir, MANIFEST, &ignored);
	}
	free(old);
	return rc;
}

static int write_and_install(struct shards_job *j, struct err *err)
{
	bool existed = path_is_dir(j->dir);
	int earlier = earlier_clients(j->dir), rc;
	struct err ignored;

	if (check_way(j, earlier, err) || dir_make(j->dir, err))
		return -1;
	j->temp = xasprintf("%s/.partition.XXXXXX", j->dir);
	if (!mkdtemp(j->temp)) {
		rc = err_errno(err, "cannot make a folder in '%s'", j->dir);
	} else {
		rc = fill(j, err) || check_shards(j, err) || install(j, earlier, err) ? -1 : 0;
		(void)dir_remove(j->temp, &ignored);
	}
	if (rc && !existed)
		rmdir(j->dir);
	free(j->temp);
	return rc;
}

int shards_write(const struct dataset *d, const struct shards_options *opt, const char *dir,
		 struct pool *pool, struct shard *shards, bool *same, struct err *err)
{
	struct shards_job j = {.d = d, .opt = opt, .dir = dir, .shards = shards};
	int rc;

	*same = false;
	j.owner = xmalloc((size_t)d->nitems * sizeof(*j.owner));
	j.sha256 = xmalloc((size_t)d->nitems * sizeof(*j.sha256));
	rc = partition_assign(d, &opt->partition, j.owner, err) || digest_pictures(&j, pool, err) ||
			     unite_copies(&j, err)
		     ? -1
		     : 0;
	if (!rc) {
		choose_names(&j);
		make_manifest(&j);
		*same = holds_same(&j);
		if (!*same)
			rc = write_and_install(&j, err);
		names_free(j.names, (size_t)d->nitems);
	}
	free(j.manifest);
	free(j.sha256);
	free(j.owner);
	return rc;
}
