/*
 * features_write.c - one segment of a feature stream, sample by sample.
 */
#include "base/mem.h"
#include "io/digest.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/tarstream.h"
#include "mist/features.h"
#include "mist/thin.h"

#include <stdlib.h>
#include <string.h>

struct features_writer {
	struct tarstream_writer tar;
	struct digest digest;
	struct features_header shape; /* only what describes the tensors; nothing to release */
	size_t bytes[FEATURES_MAX_TENSORS];
	bool thin[FEATURES_MAX_TENSORS]; /* a payload without rows (thin.h) */
	bool labels;
	long samples;
	json_t *end;
	struct buf name, content;
};

static int add_member(struct features_writer *w, const void *data, size_t size, struct err *err)
{
	char decimal[24];
	int n = snprintf(decimal, sizeof(decimal), "%zu", size);

	digest_add(&w->digest, w->name.data, w->name.len + 1);
	digest_add(&w->digest, decimal, (size_t)n + 1);
	digest_add(&w->digest, data, size);
	return tarstream_add(&w->tar, w->name.data, data, size, err);
}

/* A client's name that JSON cannot hold, or that nobody would accept, is seen here and not there. */
static int check_readable(const char *json, struct err *err)
{
	struct features_header back;

	if (features_header_parse("the stream's header", json, strlen(json), &back, err))
		return -1;
	features_header_release(&back);
	return 0;
}

static struct features_writer *create(const char *path, const struct features_header *h, bool held,
				      struct err *err)
{
	struct features_writer *w = xcalloc(1, sizeof(*w));
	char *json = features_header_json(h);
	int rc = check_readable(json, err), i;

	if (!rc)
		rc = tarstream_create(&w->tar, path, err);
	if (rc) {
		free(json);
		free(w);
		return NULL;
	}
	if (held && tarstream_in_place(&w->tar))
		rc = tarstream_hold(&w->tar, err);
	digest_init(&w->digest);
	w->shape.ntensors = h->ntensors;
	memcpy(w->shape.shape, h->shape, sizeof(h->shape));
	w->shape.encoding = h->encoding;
	for (i = 0; i < h->ntensors; i++) {
		w->bytes[i] = gate_bytes(&h->gates.gate[i], h->shape[i].h, h->shape[i].w);
		w->thin[i] = thin_has(&h->gates.gate[i]);
	}
	w->labels = strcmp(h->labels, "none") != 0;
	w->end = json_object();
	buf_add_str(&w->name, "mist.json");
	if (!rc)
		rc = add_member(w, json, strlen(json), err);
	free(json);
	if (rc) {
		features_discard(w);
		return NULL;
	}
	return w;
}

struct features_writer *features_create(const char *path, const struct features_header *h,
					struct err *err)
{
	return create(path, h, false, err);
}

struct features_writer *features_create_held(const char *path, const struct features_header *h,
					     struct err *err)
{
	return create(path, h, true, err);
}

static void set_name(struct features_writer *w, const char *key, const char *suffix)
{
	BUG_IF(!*key || strchr(key, '.') || strchr(key, '/'));
	buf_clear(&w->name);
	buf_printf(&w->name, "%s.%s", strcmp(key, "mist") ? key : "%6Dist", suffix);
}

static int add_tensor(struct features_writer *w, const struct features_sample *s, int i,
		      struct err *err)
{
	static const enum npy_type types[] = {NPY_U1, NPY_U1, NPY_F2, NPY_F4};
	const struct features_header *h = &w->shape;
	const size_t width = (size_t)h->shape[i].w;
	const size_t dim[3] = {(size_t)h->shape[i].c, (size_t)h->shape[i].h,
			       h->encoding == ENCODING_BIT ? (width + 7) / 8 : width};
	char suffix[24];

	BUG_IF(s->size[i] != w->bytes[i]);
	if (h->ntensors == 1)
		snprintf(suffix, sizeof(suffix), "feat.npy");
	else
		snprintf(suffix, sizeof(suffix), "feat%d.npy", i);
	set_name(w, s->key, suffix);
	buf_clear(&w->content);
	if (w->thin[i])
		npy_add_header(&w->content, NPY_U1, 1, &w->bytes[i]);
	else
		npy_add_header(&w->content, types[h->encoding], 3, dim);
	buf_add(&w->content, s->data[i], s->size[i]);
	return add_member(w, w->content.data, w->content.len, err);
}

int features_write(struct features_writer *w, const struct features_sample *s, struct err *err)
{
	int i;

	for (i = 0; i < w->shape.ntensors; i++)
		if (add_tensor(w, s, i, err))
			return -1;
	if (w->labels) {
		set_name(w, s->key, "txt");
		buf_clear(&w->content);
		buf_add(&w->content, "", 0);
		labels_format(s->labels, s->nlabels, &w->content);
		if (add_member(w, w->content.data, w->content.len, err))
			return -1;
	}
	set_name(w, s->key, "json");
	if (add_member(w, s->json, strlen(s->json), err))
		return -1;
	w->samples++;
	return 0;
}

void features_end_number(struct features_writer *w, const char *key, double value)
{
	json_object_set_new(w->end, key,
			    value == (double)(json_int_t)value ? json_integer((json_int_t)value)
							       : json_real(value));
}

void features_end_object(struct features_writer *w, const char *key, const char *json)
{
	json_object_set_new(w->end, key, json_loads(json, 0, NULL));
}

int features_let_go(struct features_writer *w, struct err *err)
{
	return tarstream_let_go(&w->tar, err);
}

bool features_in_place(const struct features_writer *w)
{
	return tarstream_in_place(&w->tar);
}

static void release(struct features_writer *w)
{
	json_decref(w->end);
	buf_release(&w->name);
	buf_release(&w->content);
	free(w);
}

int features_finish(struct features_writer *w, struct err *err)
{
	char hex[DIGEST_HEX], *text;
	int rc;

	digest_hex(&w->digest, hex);
	json_object_set_new(w->end, "samples", json_integer(w->samples));
	json_object_set_new(w->end, "sha256", json_string(hex));
	text = json_text(w->end);
	rc = tarstream_add(&w->tar, "mist.end.json", text, strlen(text), err);
	free(text);
	if (rc)
		tarstream_discard(&w->tar);
	else
		rc = tarstream_finish(&w->tar, err);
	release(w);
	return rc;
}

void features_discard(struct features_writer *w)
{
	if (!w)
		return;
	tarstream_discard(&w->tar);
	release(w);
}
