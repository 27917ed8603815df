/*
 * features_read.c - a feature stream, sample by sample, everything checked.
 *
 * The members of one sample end where another key begins, so the reader is always one member ahead;
 * a sample is copied out of the tar's buffer, the member ahead stays there.
 */
#include "base/mem.h"
#include "io/digest.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/tarstream.h"
#include "mist/features.h"
#include "mist/thin.h"

#include <stdlib.h>
#include <string.h>

/* The largest float payload that a header may announce (2^28 values), and room for its header. */
#define MAX_MEMBER ((size_t)4 * (1 << 28) + 4096)
/* More members than any sample of ours has: eight tensors, labels, JSON; the rest is a user's. */
#define MAX_SAMPLE_MEMBERS 64

struct member {
	struct buf name, content;
};

struct features_reader {
	char *path;
	struct tarstream *tar;
	struct tarstream_writer *tee; /* borrowed; NULL: none */
	const struct notices *notices;
	bool keep_going;

	struct features_header header;
	size_t bytes[FEATURES_MAX_TENSORS]; /* of the header's payloads */
	struct digest digest;
	bool inside; /* a segment that has not ended */
	long segments, segment_samples, samples;
	int sample_at;        /* where the last sample's members begin in `pending` */
	long dropped;         /* samples of this segment that are not copied */
	struct digest copied; /* of the members of this segment that are */
	struct buf last;      /* key of the last sample given */
	struct buf end;       /* the last end member */

	struct tarstream_member ahead;
	bool have_ahead;
	int ahead_rc;         /* what reading ahead said */
	struct err ahead_err; /* why, when it failed */

	struct member *pending; /* members since the last call, in order; the first n are in use */
	int n, cap;
	struct labels labels;
	float *floats; /* of one tensor, to look for NaNs */
};

/* ------------------------------------------------------------------ members */

static int fail(const struct features_reader *r, struct err *err)
{
	return err_prefix(err, "cannot read '%s'", r->path);
}

static int truncated(const struct features_reader *r, struct err *err)
{
	if (r->samples)
		return err_set(err, STATUS_INPUT, "cannot read '%s': truncated after sample %s",
			       r->path, r->last.data);
	return err_set(err, STATUS_INPUT, "cannot read '%s': truncated before its first sample",
		       r->path);
}

/* Makes sure that r->ahead is the next member: 1, 0 at the end, -1. */
static int look_ahead(struct features_reader *r, struct err *err)
{
	if (!r->have_ahead) {
		r->ahead_rc = tarstream_next(r->tar, &r->ahead, &r->ahead_err);
		r->have_ahead = true;
	}
	if (r->ahead_rc < 0)
		*err = r->ahead_err;
	return r->ahead_rc;
}

static void add_member(struct digest *d, const struct member *m)
{
	char decimal[24];
	const int n = snprintf(decimal, sizeof(decimal), "%zu", m->content.len);

	digest_add(d, m->name.data, m->name.len + 1);
	digest_add(d, decimal, (size_t)n + 1);
	digest_add(d, m->content.data, m->content.len);
}

/* The member ahead joins the pending ones and the segment's digest. */
static struct member *accept_ahead(struct features_reader *r)
{
	struct member *m;

	if (r->n == r->cap) {
		GROW(r->pending, r->n, r->cap);
		memset(r->pending + r->n, 0, (size_t)(r->cap - r->n) * sizeof(*r->pending));
	}
	m = &r->pending[r->n++];
	buf_clear(&m->name);
	buf_add_str(&m->name, r->ahead.name);
	buf_clear(&m->content);
	buf_add(&m->content, r->ahead.data, r->ahead.size);
	add_member(&r->digest, m);
	r->have_ahead = false;
	return m;
}

static int flush_pending(struct features_reader *r, struct err *err)
{
	int i;

	for (i = 0; r->tee && i < r->n; i++) {
		add_member(&r->copied, &r->pending[i]);
		if (tarstream_add(r->tee, r->pending[i].name.data, r->pending[i].content.data,
				  r->pending[i].content.len, err))
			return -1;
	}
	r->n = 0;
	return 0;
}

/* ------------------------------------------------------------------ segments */

static int begin_segment(struct features_reader *r, struct err *err)
{
	struct features_header h;
	struct member *m;
	int i;

	if (r->inside)
		return truncated(r, err);
	digest_init(&r->digest);
	digest_init(&r->copied);
	r->dropped = 0;
	m = accept_ahead(r);
	if (features_header_parse("mist.json", m->content.data, m->content.len, &h, err))
		return fail(r, err);
	if (r->header.json && features_fit(&r->header, &h, err)) {
		features_header_release(&h);
		return fail(r, err);
	}
	features_header_release(&r->header);
	r->header = h;
	for (i = 0; i < h.ntensors; i++)
		r->bytes[i] = gate_bytes(&h.gates.gate[i], h.shape[i].h, h.shape[i].w);
	r->inside = true;
	r->segments++;
	r->segment_samples = 0;
	return 0;
}

static int check_end(const struct features_reader *r, const json_t *end, const char *hex,
		     struct err *err)
{
	const char *sha256;
	long samples;

	if (json_get_long("mist.end.json", end, "samples", 0, LONG_MAX, &samples, err) ||
	    json_get_string("mist.end.json", end, "sha256", &sha256, err))
		return fail(r, err);
	if (samples != r->segment_samples)
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': %ld samples of client '%s', not the %ld that its "
			       "end tells of",
			       r->path, r->segment_samples, r->header.client, samples);
	if (strcmp(sha256, hex))
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': wrong digest: what client '%s' wrote was damaged "
			       "or changed",
			       r->path, r->header.client);
	return 0;
}

/* The end of a segment that is copied without some of its samples. */
static void end_copy(struct features_reader *r, struct member *m, json_t *end)
{
	char hex[DIGEST_HEX], *text;

	digest_hex(&r->copied, hex);
	json_object_set_new(end, "samples", json_integer(r->segment_samples - r->dropped));
	json_object_set_new(end, "sha256", json_string(hex));
	text = json_text(end);
	buf_clear(&m->content);
	buf_add_str(&m->content, text);
	free(text);
}

static int end_segment(struct features_reader *r, struct err *err)
{
	char hex[DIGEST_HEX];
	struct member *m;
	json_t *end;
	int rc;

	if (!r->inside)
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': 'mist.end.json' ends no segment", r->path);
	if (flush_pending(r, err))
		return -1;
	digest_hex(&r->digest, hex);
	digest_init(&r->digest); /* accept_ahead adds the end member to a digest nobody reads */
	m = accept_ahead(r);
	end = json_parse("mist.end.json", m->content.data, m->content.len, err);
	if (!end)
		return fail(r, err);
	rc = check_end(r, end, hex, err);
	if (!rc && r->dropped)
		end_copy(r, m, end);
	json_decref(end);
	buf_clear(&r->end);
	buf_add(&r->end, m->content.data, m->content.len);
	r->inside = false;
	return rc ? rc : flush_pending(r, err);
}

/* ------------------------------------------------------------------ samples */

/* The part of a member's name that is its sample's key: up to the basename's first dot. */
static size_t key_length(const char *name)
{
	const char *base = path_base(name), *dot = strchr(base, '.');

	return dot ? (size_t)(dot - name) : strlen(name);
}

static int take_tensor(struct features_reader *r, const struct member *m, int i,
		       struct features_sample *out, struct err *err)
{
	static const enum npy_type types[] = {NPY_U1, NPY_U1, NPY_F2, NPY_F4};
	const struct features_header *h = &r->header;
	const size_t width = (size_t)h->shape[i].w;
	const size_t dim[3] = {(size_t)h->shape[i].c, (size_t)h->shape[i].h,
			       h->encoding == ENCODING_BIT ? (width + 7) / 8 : width};
	const bool thin = thin_has(&h->gates.gate[i]);
	struct npy npy;

	if (npy_parse(m->name.data, m->content.data, m->content.len, &npy, err) ||
	    npy_expect(m->name.data, &npy, types[h->encoding], thin ? 1 : 3,
		       thin ? &r->bytes[i] : dim, err))
		return fail(r, err);
	if (h->encoding == ENCODING_F16 || h->encoding == ENCODING_F32) {
		size_t bad;

		r->floats = xreallocarray(r->floats, npy.count, sizeof(*r->floats));
		npy_floats(&npy, r->floats);
		bad = safetensors_finite(r->floats, npy.count);
		if (bad < npy.count)
			return err_set(err, STATUS_NONFINITE,
				       "cannot read '%s': %s: value %zu is not finite", r->path,
				       m->name.data, bad);
	}
	out->data[i] = npy.data;
	out->size[i] = npy.bytes;
	return 0;
}

static int take_labels(struct features_reader *r, const struct member *m,
		       struct features_sample *out, struct err *err)
{
	labels_release(&r->labels);
	if (labels_parse(m->name.data, m->content.data ? m->content.data : "", m->content.len,
			 r->header.nnames, &r->labels, err))
		return fail(r, err);
	out->labels = r->labels.v;
	out->nlabels = r->labels.n;
	return 0;
}

static int take_json(struct features_reader *r, const struct member *m, struct features_sample *out,
		     struct err *err)
{
	json_t *o = json_parse(m->name.data, m->content.data, m->content.len, err);

	if (!o)
		return fail(r, err);
	json_decref(o);
	out->json = m->content.data;
	return 0;
}

/* Which tensor a suffix names, or -1. */
static int tensor_of(const struct features_header *h, const char *suffix)
{
	char want[24];
	int i;

	for (i = 0; i < h->ntensors; i++) {
		if (h->ntensors == 1)
			snprintf(want, sizeof(want), ".feat.npy");
		else
			snprintf(want, sizeof(want), ".feat%d.npy", i);
		if (!strcmp(suffix, want))
			return i;
	}
	return -1;
}

static int take_member(struct features_reader *r, const struct member *m, const char *suffix,
		       unsigned *seen, struct features_sample *out, struct err *err)
{
	enum { LABELS = FEATURES_MAX_TENSORS, JSON };
	int what = tensor_of(&r->header, suffix);

	if (!strcmp(suffix, ".txt"))
		what = LABELS;
	else if (!strcmp(suffix, ".json"))
		what = JSON;
	if (what < 0) /* a user's own */
		return 0;
	if (*seen & 1u << what)
		return err_set(err, STATUS_INPUT, "cannot read '%s': '%s' is there twice", r->path,
			       m->name.data);
	*seen |= 1u << what;
	if (what == LABELS)
		return take_labels(r, m, out, err);
	return what == JSON ? take_json(r, m, out, err) : take_tensor(r, m, what, out, err);
}

/* What a whole sample has, as take_member's bits. */
static unsigned wanted(const struct features_header *h)
{
	unsigned bits = (1u << h->ntensors) - 1;

	if (strcmp(h->labels, "none"))
		bits |= 1u << FEATURES_MAX_TENSORS;
	return bits | 1u << (FEATURES_MAX_TENSORS + 1);
}

/* The members `first` … n-1 as a sample; 1, 0 when some that it needs are missing, -1. */
static int take_sample(struct features_reader *r, int first, size_t key,
		       struct features_sample *out, struct err *err)
{
	unsigned seen = 0;
	int i;

	*out = (struct features_sample){0};
	for (i = first; i < r->n; i++)
		if (take_member(r, &r->pending[i], r->pending[i].name.data + key, &seen, out, err))
			return -1;
	return (seen & wanted(&r->header)) == wanted(&r->header);
}

/* The member ahead and those behind it with the same key. 1, or -1. */
static int next_sample(struct features_reader *r, struct features_sample *out, struct err *err)
{
	const size_t len = key_length(r->ahead.name);
	char *key = xstrndup(r->ahead.name, len);
	const int first = r->n;
	struct err ahead_err;
	int rc, got = 0;

	r->sample_at = first;
	do {
		accept_ahead(r);
		rc = look_ahead(r, &ahead_err);
	} while (rc == 1 && r->n - first < MAX_SAMPLE_MEMBERS && key_length(r->ahead.name) == len &&
		 !memcmp(r->ahead.name, key, len));
	if (r->n - first == MAX_SAMPLE_MEMBERS)
		got = err_set(err, STATUS_INPUT, "cannot read '%s': sample %s has too many members",
			      r->path, key);
	else
		got = take_sample(r, first, len, out, err);
	if (got == 1) {
		buf_clear(&r->last);
		buf_add_str(&r->last, key);
		out->key = r->last.data;
		r->samples++;
		r->segment_samples++;
	} else if (got == 0 && rc < 1 && tarstream_truncated(r->tar)) {
		got = 0; /* the caller meets the truncation next */
	} else if (got == 0) {
		got = err_set(err, STATUS_INPUT,
			      "cannot read '%s': sample %s lacks features, labels or '%s.json'",
			      r->path, key, key);
	}
	free(key);
	return got;
}

/* The stream stops before its end. */
static int meet_truncation(struct features_reader *r, struct err *err)
{
	struct err why;

	truncated(r, &why);
	if (!r->keep_going) {
		*err = why;
		return -1;
	}
	notice(r->notices, "%s; what was whole is used", why.msg);
	r->inside = false;
	r->ahead_rc = 0;
	return 0;
}

/* One step: 1 a sample, 0 the end, -1 an error, 2 go on. */
static int step(struct features_reader *r, struct features_sample *out, struct err *err)
{
	int rc = look_ahead(r, err);

	if (rc < 0 && tarstream_truncated(r->tar))
		return meet_truncation(r, err);
	if (rc == 0 && r->inside)
		return meet_truncation(r, err);
	if (rc <= 0)
		return rc;
	if (!strcmp(r->ahead.name, "mist.json"))
		return begin_segment(r, err) ? -1 : 2;
	if (!strcmp(r->ahead.name, "mist.end.json"))
		return end_segment(r, err) ? -1 : 2;
	if (!r->inside)
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': '%s' lies outside a segment, which 'mist.json' "
			       "begins",
			       r->path, r->ahead.name);
	rc = next_sample(r, out, err);
	return rc == 0 ? 2 : rc;
}

int features_next(struct features_reader *r, struct features_sample *out, struct err *err)
{
	int rc;

	if (flush_pending(r, err))
		return -1;
	do
		rc = step(r, out, err);
	while (rc == 2);
	return rc == 0 && flush_pending(r, err) ? -1 : rc;
}

/* ------------------------------------------------------------------ the whole */

static int read_first_header(struct features_reader *r, struct err *err)
{
	int rc = look_ahead(r, err);

	if (rc < 0)
		return tarstream_truncated(r->tar) ? truncated(r, err) : -1;
	if (rc == 0 || strcmp(r->ahead.name, "mist.json"))
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': not a feature stream: 'mist.json' does not come "
			       "first",
			       r->path);
	return begin_segment(r, err);
}

struct features_reader *features_open(const char *path, struct err *err)
{
	struct tarstream *tar = tarstream_open(path, MAX_MEMBER, err);
	struct features_reader *r;

	if (!tar)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->tar = tar;
	r->path = xstrdup(path);
	if (read_first_header(r, err)) {
		features_close(r);
		return NULL;
	}
	return r;
}

const struct features_header *features_header(const struct features_reader *r)
{
	return &r->header;
}

long features_segments(const struct features_reader *r)
{
	return r->segments;
}

long features_count(const struct features_reader *r)
{
	return r->samples;
}

const char *features_end(const struct features_reader *r)
{
	return r->end.data;
}

void features_keep_going(struct features_reader *r, const struct notices *notices)
{
	r->keep_going = true;
	r->notices = notices;
}

void features_tee(struct features_reader *r, struct tarstream_writer *to)
{
	r->tee = to;
}

void features_drop(struct features_reader *r)
{
	r->n = r->sample_at;
	r->dropped++;
}

void features_close(struct features_reader *r)
{
	int i;

	if (!r)
		return;
	for (i = 0; i < r->cap; i++) {
		buf_release(&r->pending[i].name);
		buf_release(&r->pending[i].content);
	}
	free(r->pending);
	tarstream_close(r->tar);
	features_header_release(&r->header);
	labels_release(&r->labels);
	buf_release(&r->last);
	buf_release(&r->end);
	free(r->floats);
	free(r->path);
	free(r);
}
