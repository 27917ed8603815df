#include "fed/intake.h"

#include "base/file.h"
#include "base/mem.h"
#include "io/json.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_FORMAT  "mist-intake"
#define RECORD_VERSION 1
/* A thousand clients every night for two years. */
#define MAX_BYTES ((size_t)256 << 20)
/* The year 5138: no clock says more. */
#define MAX_TIME 1e11

static void release_files(struct intake_round *r)
{
	size_t i;

	for (i = 0; i < r->nfiles; i++) {
		free(r->files[i].name);
		names_free(r->files[i].clients, r->files[i].nclients);
	}
	free(r->files);
	free(r->output);
	r->files = NULL;
	r->output = NULL;
	r->nfiles = 0;
	r->digest[0] = '\0';
}

void intake_release(struct intake *in)
{
	size_t i;

	for (i = 0; i < in->n; i++) {
		release_files(&in->rounds[i]);
		free(in->rounds[i].name);
	}
	free(in->rounds);
	*in = (struct intake){0};
}

/* ------------------------------------------------------------------ reading */

static int parse_id(const char *name, const json_t *object, struct file_id *id, struct err *err)
{
	const json_t *list = json_get_array(name, object, "id", err);
	json_int_t v[5];
	size_t i;

	if (!list)
		return -1;
	if (json_array_size(list) != ARRAY_LEN(v))
		return err_set(err, STATUS_INPUT, "%s: an id is five numbers", name);
	for (i = 0; i < ARRAY_LEN(v); i++) {
		if (!json_is_integer(json_array_get(list, i)))
			return err_set(err, STATUS_INPUT, "%s: an id is five numbers", name);
		v[i] = json_integer_value(json_array_get(list, i));
	}
	*id = (struct file_id){(uint64_t)v[0], (uint64_t)v[1], (uint64_t)v[2], v[3], v[4]};
	return 0;
}

static int parse_digest(const char *name, const json_t *object, char out[DIGEST_HEX],
			struct err *err)
{
	const char *hex;

	if (json_get_string(name, object, "sha256", &hex, err))
		return -1;
	if (!digest_is_hex(hex))
		return err_set(err, STATUS_INPUT, "%s: '%.80s' is no SHA-256", name, hex);
	memcpy(out, hex, DIGEST_HEX);
	return 0;
}

static int parse_file(const char *name, const json_t *object, struct intake_file *f,
		      struct err *err)
{
	const json_t *clients;
	const char *text;

	if (json_get_string(name, object, "name", &text, err))
		return -1;
	if (!*text || strchr(text, '/'))
		return err_set(err, STATUS_INPUT, "%s: '%.80s' is no name of a file", name, text);
	f->name = xstrdup(text);
	clients = json_get_array(name, object, "clients", err);
	if (!clients || json_get_strings(name, clients, &f->clients, &f->nclients, err))
		return -1;
	return parse_digest(name, object, f->digest, err) || parse_id(name, object, &f->id, err);
}

static int parse_choice(const char *name, const json_t *object, struct intake_round *r,
			struct err *err)
{
	const json_t *files = json_get_array(name, object, "files", err);
	const char *output;
	size_t i;

	if (!files)
		return -1;
	if (json_is_null(json_object_get(object, "output")))
		return 0;
	if (json_get_string(name, object, "output", &output, err))
		return -1;
	r->output = xstrdup(output);
	r->files = xcalloc(json_array_size(files), sizeof(*r->files));
	for (i = 0; i < json_array_size(files); i++) {
		r->nfiles++; /* what is there of it is released */
		if (parse_file(name, json_array_get(files, i), &r->files[i], err))
			return -1;
	}
	if (json_is_null(json_object_get(object, "sha256")))
		return 0;
	return parse_digest(name, object, r->digest, err);
}

static int parse_round(const char *name, const json_t *object, struct intake *in, struct err *err)
{
	struct intake_round *r = &in->rounds[in->n];
	const char *text;
	size_t i;

	if (json_get_string(name, object, "round", &text, err))
		return -1;
	for (i = 0; i < in->n; i++)
		if (!strcmp(in->rounds[i].name, text))
			return err_set(err, STATUS_INPUT, "%s: round '%.80s' is there twice", name,
				       text);
	r->name = xstrdup(text);
	in->n++;
	if (json_get_double(name, object, "opened", 0, MAX_TIME, &r->opened, err))
		return -1;
	return parse_choice(name, object, r, err);
}

static int parse_rounds(const char *name, const json_t *top, struct intake *in, struct err *err)
{
	const json_t *rounds;
	const char *format;
	long version;
	size_t i;

	if (json_get_string(name, top, "format", &format, err))
		return -1;
	if (strcmp(format, RECORD_FORMAT))
		return err_set(err, STATUS_INPUT, "%s: not the record of an inbox", name);
	if (json_get_long(name, top, "version", 1, RECORD_VERSION, &version, err))
		return -1;
	rounds = json_get_array(name, top, "rounds", err);
	if (!rounds)
		return -1;
	in->rounds = xcalloc(json_array_size(rounds), sizeof(*in->rounds));
	for (i = 0; i < json_array_size(rounds); i++)
		if (parse_round(name, json_array_get(rounds, i), in, err))
			return -1;
	return 0;
}

int intake_parse(struct intake *in, const char *name, const char *text, size_t len, struct err *err)
{
	json_t *top = json_parse(name, text, len, err);
	int rc;

	*in = (struct intake){0};
	if (!top)
		return -1;
	rc = parse_rounds(name, top, in, err);
	json_decref(top);
	if (rc)
		intake_release(in);
	return rc;
}

int intake_read(struct intake *in, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc;

	*in = (struct intake){0};
	if (!path_exists(path))
		return 0;
	rc = file_read(path, MAX_BYTES, &text, err);
	if (!rc)
		rc = intake_parse(in, path, text.data, text.len, err);
	buf_release(&text);
	return rc;
}

/* ------------------------------------------------------------------ writing */

static json_t *file_json(const struct intake_file *f)
{
	json_t *o = json_object(), *clients = json_array();
	size_t i;

	for (i = 0; i < f->nclients; i++)
		json_array_append_new(clients, json_string(f->clients[i]));
	json_object_set_new(o, "name", json_string(f->name));
	json_object_set_new(o, "clients", clients);
	json_object_set_new(o, "sha256", json_string(f->digest));
	json_object_set_new(o, "id",
			    json_pack("[IIIII]", (json_int_t)f->id.dev, (json_int_t)f->id.ino,
				      (json_int_t)f->id.size, (json_int_t)f->id.mtime,
				      (json_int_t)f->id.ctime));
	return o;
}

static json_t *round_json(const struct intake_round *r)
{
	json_t *o = json_object(), *files = json_array();
	size_t i;

	for (i = 0; i < r->nfiles; i++)
		json_array_append_new(files, file_json(&r->files[i]));
	json_object_set_new(o, "round", json_string(r->name));
	json_object_set_new(o, "opened", json_real(r->opened));
	json_object_set_new(o, "output", r->output ? json_string(r->output) : json_null());
	json_object_set_new(o, "sha256", r->digest[0] ? json_string(r->digest) : json_null());
	json_object_set_new(o, "files", files);
	return o;
}

char *intake_text(const struct intake *in)
{
	json_t *top = json_object(), *rounds = json_array();
	char *text;
	size_t i;

	for (i = 0; i < in->n; i++)
		json_array_append_new(rounds, round_json(&in->rounds[i]));
	json_object_set_new(top, "format", json_string(RECORD_FORMAT));
	json_object_set_new(top, "version", json_integer(RECORD_VERSION));
	json_object_set_new(top, "rounds", rounds);
	text = json_text(top);
	json_decref(top);
	return text;
}

int intake_write(const struct intake *in, const char *path, struct err *err)
{
	char *text = intake_text(in), *line = xasprintf("%s\n", text);
	int rc = file_write(path, line, strlen(line), err);

	free(line);
	free(text);
	return rc;
}

/* ------------------------------------------------------------------ rounds */

struct intake_round *intake_round(struct intake *in, const char *name, double now)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		if (!strcmp(in->rounds[i].name, name))
			return &in->rounds[i];
	in->rounds = xreallocarray(in->rounds, in->n + 1, sizeof(*in->rounds));
	in->rounds[in->n] = (struct intake_round){.name = xstrdup(name), .opened = now};
	return &in->rounds[in->n++];
}

void intake_choose(struct intake_round *r, const char *output, const struct arrival *const *files,
		   size_t n)
{
	size_t i, k;

	release_files(r);
	if (!n)
		return;
	r->output = xstrdup(output);
	r->files = xcalloc(n, sizeof(*r->files));
	for (i = 0; i < n; i++) {
		struct intake_file *f = &r->files[r->nfiles++];
		const struct arrival *a = files[i];

		f->name = xstrdup(a->name);
		f->id = a->id;
		memcpy(f->digest, a->digest, DIGEST_HEX);
		f->clients = xcalloc(a->nclients, sizeof(*f->clients));
		for (k = 0; k < a->nclients; k++)
			f->clients[f->nclients++] = xstrdup(a->clients[k]);
	}
}

static bool is_file(const struct intake_file *f, const char *name, const struct file_id *id,
		    const char *digest)
{
	if (digest[0] && !strcmp(f->digest, digest))
		return true;
	return !strcmp(f->name, name) && file_id_same(&f->id, id);
}

const struct intake_round *intake_taken(const struct intake *in, const char *name,
					const struct file_id *id, const char *digest)
{
	size_t i, k;

	for (i = 0; i < in->n; i++)
		for (k = 0; k < in->rounds[i].nfiles; k++)
			if (is_file(&in->rounds[i].files[k], name, id, digest))
				return &in->rounds[i];
	return NULL;
}
