#include "fed/arrival.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "mist/features.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No round is later: the number is a client's claim. */
#define MAX_ROUND 1000000000L
/* Floats that are looked at in one piece. */
#define PIECE ((size_t)1 << 16)

struct file_id file_id_of(const struct stat *st)
{
	return (struct file_id){(uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size,
				st->st_mtim.tv_sec * 1000000000L + st->st_mtim.tv_nsec,
				st->st_ctim.tv_sec * 1000000000L + st->st_ctim.tv_nsec};
}

bool file_id_same(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime == b->mtime &&
	       a->ctime == b->ctime;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return true;
	return false;
}

/* Can it be written into a JSON string and a line of text? */
static bool is_plain(const char *text)
{
	json_t *s = json_string(text); /* NULL unless UTF-8 */
	const bool plain = s && !has_control(text);

	json_decref(s);
	return plain;
}

static char *make_label(const char *name)
{
	char *label = xstrdup(name), *p;

	for (p = label; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	return label;
}

/* Not ready for a reason that another function's sentence gives: its cause, without the file. */
static int unready(struct arrival *a, const char *sentence)
{
	const char *cause = strstr(sentence, "': ");

	snprintf(a->why, sizeof(a->why), "%s", cause ? cause + 3 : sentence);
	return 0;
}

/* An error of the system ends everything, any other is the file's: whoever may drop a file may also
 * take it away, or its permission, at any time. */
static int fail(struct arrival *a, const char *path, const struct err *err)
{
	return err->status == STATUS_SYSTEM && access(path, R_OK) == 0 ? -1 : unready(a, err->msg);
}

static int add_client(struct arrival *a, const char *name)
{
	size_t i;

	if (!*name || !is_plain(name))
		return -1;
	for (i = 0; i < a->nclients; i++)
		if (!strcmp(a->clients[i], name))
			return 0;
	a->clients = xreallocarray(a->clients, a->nclients + 1, sizeof(*a->clients));
	a->clients[a->nclients++] = xstrdup(name);
	return 0;
}

/* ------------------------------------------------------------------ feature streams */

static int take_header(struct arrival *a, const struct features_header *h, bool allow_seeded)
{
	if (h->seeded && !allow_seeded)
		return unready(a, "its noise was made with --seed, so it can be removed "
				  "(--allow-seeded)");
	if (add_client(a, h->client))
		return unready(a, "the name of its client is not plain text");
	if (!a->fit)
		a->fit = xstrdup(h->json);
	return 0;
}

static int inspect_features(struct arrival *a, const char *path, bool allow_seeded, struct err *err)
{
	struct features_reader *r = features_open(path, err);
	struct features_sample s;
	long segments = 0;
	int rc = r ? 1 : -1;

	while (rc == 1 && !a->why[0]) {
		rc = features_next(r, &s, err);
		if (rc >= 0 && features_segments(r) != segments) {
			segments = features_segments(r);
			take_header(a, features_header(r), allow_seeded);
		}
	}
	features_close(r);
	return rc < 0 ? fail(a, path, err) : 0;
}

/* ------------------------------------------------------------------ weight files */

/* What strategy.h compares, as text: metadata, names and shapes. */
static char *fit_of_weights(const struct safetensors *s)
{
	static const char *const keys[] = {"mist.model", "mist.names", "mist.cut_layer",
					   "mist.gate"};
	struct digest d;
	char *hex = xmalloc(DIGEST_HEX), shape[96];
	size_t i;
	int k;

	digest_init(&d);
	for (i = 0; i < ARRAY_LEN(keys); i++) {
		const char *text = safetensors_meta(s, keys[i]);

		digest_add(&d, text ? text : "", text ? strlen(text) + 1 : 0);
		digest_add(&d, "\n", 1);
	}
	for (k = 0; k < s->ntensors; k++) { /* by_name: whatever their order in the file */
		const struct safetensors_tensor *t = s->by_name[k];

		digest_add(&d, t->name, strlen(t->name) + 1);
		safetensors_shape(t, shape, sizeof(shape));
		digest_add(&d, shape, strlen(shape) + 1);
	}
	digest_hex(&d, hex);
	return hex;
}

static int check_finite(struct arrival *a, struct safetensors *s, struct err *err)
{
	float *values = xreallocarray(NULL, PIECE, sizeof(*values));
	int i, rc = 0;

	for (i = 0; i < s->ntensors && !rc && !a->why[0]; i++) {
		const struct safetensors_tensor *t = &s->tensors[i];
		size_t at, n, bad;

		for (at = 0; at < t->count && !rc && !a->why[0]; at += n) {
			n = t->count - at < PIECE ? t->count - at : PIECE;
			rc = safetensors_read_range(s, t, at, n, values, err);
			bad = rc ? n : safetensors_finite(values, n);
			if (bad < n)
				snprintf(a->why, sizeof(a->why), "value %zu of '%s' is not finite",
					 at + bad, t->name);
		}
	}
	free(values);
	return rc;
}

/* NAME of "dir/NAME.round3.safetensors": whose file it is where the file does not tell. */
static char *client_of_name(const char *name)
{
	return xstrndup(name, strcspn(name, "."));
}

static void take_meta(struct arrival *a, const struct safetensors *s)
{
	const char *client = safetensors_meta(s, "mist.client"),
		   *round = safetensors_meta(s, "mist.round");
	char *from_name = client_of_name(a->name);
	struct err err;

	if (add_client(a, client ? client : from_name))
		unready(a, "the name of its client is not plain text");
	else if (safetensors_meta(s, "mist.train"))
		unready(a, "it is a checkpoint of an unfinished run");
	else if (round && num_long("mist.round", round, 0, MAX_ROUND, &a->round, &err))
		unready(a, err.msg);
	free(from_name);
}

static int inspect_weights(struct arrival *a, const char *path, struct err *err)
{
	struct safetensors s;
	int rc;

	if (safetensors_open(&s, path, err))
		return fail(a, path, err);
	a->fit = fit_of_weights(&s);
	take_meta(a, &s);
	rc = check_finite(a, &s, err);
	safetensors_close(&s);
	return rc ? fail(a, path, err) : 0;
}

/* ------------------------------------------------------------------ any file */

static int inspect_content(struct arrival *a, char *path, bool allow_seeded, struct err *err)
{
	int rc;

	if (inbox_kind(&path, 1, &a->kind, err))
		return fail(a, path, err);
	rc = a->kind == INBOX_WEIGHTS ? inspect_weights(a, path, err)
				      : inspect_features(a, path, allow_seeded, err);
	if (rc || a->why[0])
		return rc;
	return digest_file(path, a->digest, err) ? fail(a, path, err) : 0;
}

/* A file that changed while it was looked at is not finished, whatever it looked like. */
static int confirm(struct arrival *a, const char *path)
{
	struct stat st;
	struct file_id now;

	if (lstat(path, &st))
		return unready(a, "it is gone again");
	now = file_id_of(&st);
	if (!file_id_same(&a->id, &now))
		return unready(a, "it is still being written");
	a->ready = true;
	return 0;
}

int arrival_inspect(struct arrival *a, const char *dir, const char *name, bool allow_seeded,
		    struct err *err)
{
	char *path = path_join(dir, name);
	struct stat st;
	int rc = 0;

	*a = (struct arrival){.name = xstrdup(name), .label = make_label(name), .round = -1};
	if (lstat(path, &st)) {
		unready(a, "it is gone again");
	} else {
		a->id = file_id_of(&st);
		if (!S_ISREG(st.st_mode))
			unready(a, "it is not a regular file");
		else if (!is_plain(name))
			unready(a, "its name is not plain text");
		else
			rc = inspect_content(a, path, allow_seeded, err);
		if (!rc && !a->why[0])
			rc = confirm(a, path);
	}
	free(path);
	return rc;
}

/* The header that a stream was found to have is well-formed. */
static int fit_features(const struct arrival *a, const struct arrival *b, struct err *err)
{
	struct features_header x = {0}, y = {0};
	int rc = features_header_parse("mist.json", a->fit, strlen(a->fit), &x, err) ||
				 features_header_parse("mist.json", b->fit, strlen(b->fit), &y, err)
			 ? -1
			 : features_fit(&x, &y, err);

	features_header_release(&x);
	features_header_release(&y);
	return rc;
}

int arrival_fit(const struct arrival *a, const struct arrival *b, struct err *err)
{
	if (a->kind != b->kind)
		return err_set(err, STATUS_INPUT, "one is of features, one of weights");
	if (!strcmp(a->fit, b->fit))
		return 0;
	if (a->kind == INBOX_FEATURES)
		return fit_features(a, b, err);
	return err_set(err, STATUS_INPUT, "their models, class names, cuts or gates differ");
}

void arrival_release(struct arrival *a)
{
	free(a->name);
	free(a->label);
	names_free(a->clients, a->nclients);
	free(a->fit);
	*a = (struct arrival){0};
}
