#include "train/source.h"

#include "base/mem.h"
#include "base/rng.h"
#include "mist/features_model.h"
#include "mist/filter.h"
#include "train/move.h"

#include <stdlib.h>
#include <string.h>

/* Images filtered at a time: enough work for every thread at YOLOv5n's cut 4, 10 MiB at 640 pixels. */
#define FILTERED 4

struct sample {
	unsigned char *data; /* the payloads of all tensors, one after the other */
	struct label *labels;
	int nlabels;
	int gates; /* index of the segment's gates */
};

struct features_source {
	struct source source; /* first */
	const struct notices *notices;
	struct gates *gates; /* one set per header: clients may differ in epsilon */
	int ngates;
	struct gates own; /* of the weights: they have the filters, which streams do not carry */
	struct filter *filter[FEATURES_MAX_TENSORS]; /* for FILTERED images; made when first used */
	bool warned;                          /* of noise that the weights' gates are not for */
	char *header;                         /* the JSON that the last set was made from */
	int ntensors, cells;                  /* cells: side of the coarsest tensor */
	size_t payload[FEATURES_MAX_TENSORS]; /* bytes of each tensor's payload, before which
						 `offset` lie */
	size_t offset[FEATURES_MAX_TENSORS], size;
	struct sample *samples;
	int cap;
};

static void features_free(struct source *s)
{
	struct features_source *f = (struct features_source *)s;
	int i;

	for (i = 0; i < s->n; i++) {
		free(f->samples[i].data);
		free(f->samples[i].labels);
	}
	free(f->samples);
	for (i = 0; i < f->ngates; i++)
		gates_release(&f->gates[i]);
	free(f->gates);
	gates_release(&f->own);
	for (i = 0; i < FEATURES_MAX_TENSORS; i++)
		filter_free(f->filter[i]);
	free(f->header);
	free(f);
}

static void features_stamp(const struct source *s, struct model *m)
{
	const struct features_source *f = (const struct features_source *)s;
	char *cut = xasprintf("%d", s->from), *json = gates_json(&f->gates[0]);

	model_set_meta(m, "mist.cut_layer", cut);
	model_set_meta(m, "mist.gate", json);
	free(cut);
	free(json);
}

struct fill_job {
	struct features_source *f;
	struct net *net;
	const int *index;
	int n;
	const struct move *move;
};

static void fill_image(void *ctx, int job, int worker)
{
	struct fill_job *j = ctx;
	const struct sample *sample = &j->f->samples[j->index[job]];
	const struct gates *gates = &j->f->gates[sample->gates];
	int i;

	(void)worker;
	for (i = 0; i < j->f->ntensors; i++) {
		struct view v = net_input(j->net, i, j->n);

		gate_decode(&gates->gate[i], sample->data + j->f->offset[i], &v, job);
	}
}

static void move_image(void *ctx, int job, int worker)
{
	const struct fill_job *j = ctx;
	int i;

	(void)worker;
	for (i = 0; i < j->f->ntensors; i++) {
		struct view v = net_input(j->net, i, j->n);

		move_features(&j->move[job], &v, job);
	}
}

static int make_filters(struct features_source *f, struct pool *pool, struct net *net,
			struct err *err)
{
	enum conv_path path;
	int i;

	if (conv_resolve(f->source.kernel, &path, err))
		return -1;
	for (i = 0; i < f->ntensors; i++) {
		const struct view v = net_input(net, i, 1);

		if (!f->filter[i])
			f->filter[i] = filter_new(&f->gates[0].gate[i], FILTERED, v.h, v.w, path,
						  pool, false);
	}
	return 0;
}

/* FILTERED images at a time, so that the memory is known before the batch is. */
static void filter_images(struct features_source *f, struct pool *pool, struct net *net, int n)
{
	int i, from;

	for (i = 0; i < f->ntensors; i++)
		for (from = 0; f->filter[i] && from < n; from += FILTERED) {
			struct view v = net_input(net, i, n);

			v.p = view_at(&v, from, 0, 0);
			v.n = n - from < FILTERED ? n - from : FILTERED;
			filter_run(f->filter[i], pool, &v);
		}
}

static void add_boxes(const struct sample *s, const struct move *m, int image, int img,
		      struct target_list *out)
{
	int i;

	for (i = 0; i < s->nlabels; i++) {
		const struct label *l = &s->labels[i];
		struct target t = {image, l->cls, l->xc, l->yc, l->w, l->h};

		if (move_box(m, &t, img))
			target_list_add(out, &t);
	}
}

static int features_fill(struct source *s, struct pool *pool, struct net *net, long epoch,
			 const int *index, int *count, struct target_list *out, struct err *err)
{
	struct features_source *f = (struct features_source *)s;
	const int n = *count;
	struct move *move = xcalloc((size_t)n, sizeof(*move));
	struct fill_job j = {f, net, index, n, move};
	struct rng r;
	int i;

	if (make_filters(f, pool, net, err)) {
		free(move);
		return -1;
	}
	for (i = 0; i < n; i++) {
		rng_init(&r, s->seed, "features",
			 (uint64_t)epoch * (uint64_t)s->n + (uint64_t)index[i]);
		move_draw(&move[i], &r, s->hyp->fliplr, s->hyp->translate, f->cells, f->cells);
		add_boxes(&f->samples[index[i]], &move[i], i, s->img, out);
	}
	pool_run(pool, n, fill_image, &j);
	filter_images(f, pool, net, n);
	pool_run(pool, n, move_image, &j);
	free(move);
	return 0;
}

static const struct source_class features_class = {
	.fill = features_fill, .stamp = features_stamp, .free = features_free};

static void plan_payload(struct features_source *f, const struct features_header *h)
{
	int i;

	f->ntensors = h->ntensors;
	f->cells = h->shape[0].w;
	for (i = 0; i < h->ntensors; i++) {
		f->offset[i] = f->size;
		f->payload[i] = gate_bytes(&h->gates.gate[i], h->shape[i].h, h->shape[i].w);
		f->size += f->payload[i];
		if (h->shape[i].w < f->cells)
			f->cells = h->shape[i].w;
	}
}

static int add_sample(struct features_source *f, const struct features_sample *in, int nc,
		      const char *path, struct digest *digest, struct err *err)
{
	struct sample s = {NULL, NULL, in->nlabels, f->ngates - 1};
	int i;

	for (i = 0; i < f->ntensors; i++)
		if (in->size[i] != f->payload[i])
			return err_set(err, STATUS_INPUT,
				       "cannot read '%s': sample %s has %zu bytes of features "
				       "instead of %zu",
				       path, in->key, in->size[i], f->payload[i]);
	for (i = 0; i < in->nlabels; i++)
		if (in->labels[i].cls < 0 || in->labels[i].cls >= nc)
			return err_set(err, STATUS_INPUT,
				       "cannot use '%s': sample %s has an object of class %d, the "
				       "weights have %d classes",
				       path, in->key, in->labels[i].cls, nc);
	s.data = xmalloc(f->size);
	for (i = 0; i < f->ntensors; i++)
		memcpy(s.data + f->offset[i], in->data[i], f->payload[i]);
	s.labels = xcalloc((size_t)in->nlabels, sizeof(*s.labels));
	if (in->nlabels) /* an empty list may be NULL */
		memcpy(s.labels, in->labels, (size_t)in->nlabels * sizeof(*s.labels));
	digest_add(digest, in->key, strlen(in->key) + 1);
	digest_add(digest, s.data, f->size);
	digest_add(digest, s.labels, (size_t)in->nlabels * sizeof(*s.labels));
	GROW(f->samples, f->source.n, f->cap);
	f->samples[f->source.n++] = s;
	f->source.bytes += f->size + (size_t)in->nlabels * sizeof(*s.labels) + sizeof(s);
	return 0;
}

static void copy_gates(struct gates *to, const struct gates *from)
{
	int i;

	*to = (struct gates){from->cut, from->n, xcalloc((size_t)from->n, sizeof(*to->gate))};
	for (i = 0; i < from->n; i++)
		gate_copy(&to->gate[i], &from->gate[i]);
}

/* What the weights know of decoding serves bits of their own thresholds and levels, and of their own
 * noise best: clients may differ in it, so another is no error. */
static void lend_filters(struct features_source *f, struct gates *g, const char *path)
{
	bool other = false;
	int i;

	for (i = 0; f->own.cut == g->cut && i < f->own.n && i < g->n; i++) {
		gate_lend_filter(&g->gate[i], &f->own.gate[i]);
		other |= g->gate[i].filter && !gate_expects(&f->own.gate[i], g->gate[i].q);
	}
	if (other && !f->warned)
		notice(f->notices,
		       "'%s' has noise of epsilon %g, the gate of the weights was calibrated for "
		       "epsilon %g: it decodes these bits badly",
		       path, g->gate[0].epsilon, f->own.gate[0].epsilon);
	f->warned |= other;
}

/* A new header: the first one says what every sample looks like, later ones must agree. */
static int take_header(struct features_source *f, const struct features_header *h,
		       const struct model *m, const char *path, struct err *err)
{
	if (features_fit_model(h, m, path, err) || features_check_labels(h, path, f->notices, err))
		return -1;
	if (!f->ngates) {
		f->source.from = h->cut;
		f->source.img = h->img;
		plan_payload(f, h);
	} else if (h->cut != f->source.from || h->img != f->source.img ||
		   h->encoding != f->gates[0].gate[0].encoding) {
		return err_set(
			err, STATUS_INPUT,
			"cannot use '%s': its segments differ in cut, image size or encoding",
			path);
	}
	f->gates = xreallocarray(f->gates, (size_t)f->ngates + 1, sizeof(*f->gates));
	copy_gates(&f->gates[f->ngates], &h->gates);
	lend_filters(f, &f->gates[f->ngates++], path);
	free(f->header);
	f->header = xstrdup(h->json);
	return 0;
}

static int read_all(struct features_source *f, struct features_reader *r, const struct model *m,
		    const char *path, struct err *err)
{
	struct features_sample sample;
	struct digest digest;
	int rc;

	digest_init(&digest);
	while ((rc = features_next(r, &sample, err)) > 0) {
		const struct features_header *h = features_header(r);

		if (!f->header || strcmp(f->header, h->json)) {
			digest_add(&digest, h->json, strlen(h->json) + 1);
			if (take_header(f, h, m, path, err))
				return -1;
		}
		if (add_sample(f, &sample, m->graph->nc, path, &digest, err))
			return -1;
	}
	digest_hex(&digest, f->source.digest);
	if (rc == 0 && f->source.n == 0)
		return err_set(err, STATUS_INPUT, "cannot use '%s': it has no samples", path);
	return rc;
}

struct source *source_features(const char *path, struct model **m, const struct hyp *hyp,
			       uint64_t seed, const struct notices *notices, struct err *err)
{
	struct features_reader *r = features_open(path, err);
	const struct features_header *h;
	struct features_source *f;
	int rc = 0;

	if (!r)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->source = (struct source){.class = &features_class, .hyp = hyp, .seed = seed};
	f->notices = notices;
	h = features_header(r);
	if (h->nnames)
		rc = source_adapt(m, h->nnames, h->names, seed, notices, err);
	if (!rc && model_meta(*m, "mist.gate"))
		rc = gates_parse(model_meta(*m, "mist.gate"), &f->own, err)
			     ? err_prefix(err, "the weights")
			     : 0;
	if (!rc)
		rc = read_all(f, r, *m, strcmp(path, "-") ? path : "standard input", err);
	features_close(r);
	if (rc) {
		features_free(&f->source);
		return NULL;
	}
	return &f->source;
}
