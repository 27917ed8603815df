#include "train/source.h"

#include "base/mem.h"
#include "base/num.h"
#include "data/augment.h"
#include "data/letterbox.h"
#include "mist/features.h"
#include "train/gateway.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct images_source {
	struct source source; /* first */
	const struct dataset *dataset;
	bool strict;
	struct pool *pool;
	struct notices notices;
	bool *skipped;           /* one per picture: each is noticed once */
	struct gateway *gateway; /* NULL: pictures go to the net as they are */
	/* With a gradient to come: what was filled last. */
	struct sample *held;
	int nheld;
};

static void drop_held(struct images_source *f)
{
	int i;

	for (i = 0; i < f->nheld; i++)
		sample_release(&f->held[i]);
	free(f->held);
	f->held = NULL;
	f->nheld = 0;
}

static void images_free(struct source *s)
{
	struct images_source *f = (struct images_source *)s;

	drop_held(f);
	gateway_free(f->gateway);
	free(f->skipped);
	free(f);
}

/* Images from … from+n-1 of the net's input i (or of its gradient), as a view. */
static struct view part_of(struct view v, int from, int n)
{
	v.p = view_at(&v, from, 0, 0);
	v.n = n;
	return v;
}

struct draw_job {
	const struct images_source *f;
	int epoch;
	int *index; /* owned: bad ones are dropped */
	struct sample *sample;
	struct view to; /* without a gateway: where pictures go, which do not stay in the samples */
	struct err *err;
	bool *bad;
};

static void draw_one(void *ctx, int job, int worker)
{
	struct draw_job *j = ctx;
	const struct source *s = &j->f->source;
	struct sample *drawn = &j->sample[job];

	(void)worker;
	j->bad[job] = augment_sample(j->f->dataset, s->hyp, s->img, s->seed, j->epoch,
				     j->index[job], drawn, &j->err[job]) != 0;
	if (j->bad[job] || j->f->gateway)
		return;
	letterbox_to_view(&drawn->img, &j->to, job);
	free(drawn->img.rgb); /* a batch of them is 20 MB; boxes go by the sides, which stay */
	drawn->img.rgb = NULL;
}

struct store_job {
	const struct sample *sample;
	struct view view;
};

static void store_one(void *ctx, int job, int worker)
{
	struct store_job *j = ctx;

	(void)worker;
	letterbox_to_view(&j->sample[job].img, &j->view, job);
}

static void add_boxes(const struct sample *s, int image, struct target_list *out)
{
	struct label *labels = xcalloc((size_t)s->nboxes, sizeof(*labels));
	int i;

	sample_labels(s, labels);
	for (i = 0; i < s->nboxes; i++) {
		struct target t = {image,        labels[i].cls, labels[i].xc,
				   labels[i].yc, labels[i].w,   labels[i].h};

		target_list_add(out, &t);
	}
	free(labels);
}

static void move_image(const struct view *v, int from, int to)
{
	const struct view a = part_of(*v, from, 1), b = part_of(*v, to, 1);

	view_copy(NULL, &a, &b);
}

/* Moves the good samples together; the first bad one is an error when strict. */
static int drop_bad(struct images_source *f, struct draw_job *j, int *n, struct err *err)
{
	int i, kept = 0, rc = 0;

	for (i = 0; i < *n; i++) {
		if (!j->bad[i]) {
			if (!f->gateway && kept != i)
				move_image(&j->to, i, kept);
			j->index[kept] = j->index[i]; /* the noise stays a picture's own */
			j->sample[kept++] = j->sample[i];
			continue;
		}
		if (f->strict && !rc) {
			*err = j->err[i];
			rc = -1;
		}
		if (!f->skipped[j->index[i]])
			notice(&f->notices, "%s; the picture is left out", j->err[i].msg);
		f->skipped[j->index[i]] = true;
	}
	*n = kept;
	return rc;
}

static void store(struct pool *pool, const struct sample *samples, struct view to)
{
	struct store_job job = {samples, to};

	pool_run(pool, to.n, store_one, &job);
}

static int part_size(int from, int n)
{
	return n - from < GATEWAY_IMAGES ? n - from : GATEWAY_IMAGES;
}

static void pass_gate(struct images_source *f, struct pool *pool, struct net *net,
		      const struct draw_job *j, int n)
{
	struct view to[FEATURES_MAX_TENSORS];
	uint64_t number[GATEWAY_IMAGES];
	int from, size, i;

	for (from = 0; from < n; from += size) {
		size = part_size(from, n);
		for (i = 0; i < size; i++)
			number[i] = (uint64_t)j->epoch * (uint64_t)f->source.n +
				    (uint64_t)j->index[from + i];
		for (i = 0; i < gateway_tensors(f->gateway); i++)
			to[i] = part_of(net_input(net, i, n), from, size);
		store(pool, j->sample + from, gateway_input(f->gateway, size));
		gateway_forward(f->gateway, size, number, to);
	}
}

static void images_backward(struct source *s, struct net *net, int first, int n, float *grads)
{
	struct images_source *f = (struct images_source *)s;
	struct view d[FEATURES_MAX_TENSORS];
	int from, size, i;

	if (!s->gradient)
		return;
	BUG_IF(first + n > f->nheld);
	for (from = 0; from < n; from += size) {
		size = part_size(from, n);
		for (i = 0; i < gateway_tensors(f->gateway); i++)
			d[i] = part_of(net_input_grad(net, i, n), from, size);
		store(f->pool, f->held + first + from, gateway_input(f->gateway, size));
		gateway_backward(f->gateway, size, d, grads);
	}
}

static void images_load(struct source *s)
{
	struct images_source *f = (struct images_source *)s;

	if (f->gateway)
		gateway_load(f->gateway);
}

/* The pictures drawn go to the net, their boxes to `out`; those that will be asked for again stay. */
static void take_samples(struct images_source *f, struct pool *pool, struct net *net,
			 struct draw_job *j, int n, struct target_list *out)
{
	int i;

	if (f->gateway)
		pass_gate(f, pool, net, j, n);
	for (i = 0; i < n; i++)
		add_boxes(&j->sample[i], i, out);
	if (!f->source.gradient)
		return;
	drop_held(f);
	f->held = j->sample;
	f->nheld = n;
	j->sample = NULL;
}

static int images_fill(struct source *s, struct pool *pool, struct net *net, long epoch,
		       const int *index, int *n, struct target_list *out, struct err *err)
{
	struct images_source *f = (struct images_source *)s;
	const size_t count = (size_t)*n;
	struct draw_job j = {.f = f,
			     .epoch = (int)epoch,
			     .index = xreallocarray(NULL, count, sizeof(int)),
			     .sample = xcalloc(count, sizeof(*j.sample)),
			     .err = xcalloc(count, sizeof(*j.err)),
			     .bad = xcalloc(count, sizeof(*j.bad))};
	int i, rc;

	if (!f->gateway)
		j.to = net_input(net, 0, *n);
	memcpy(j.index, index, count * sizeof(int));
	pool_run(pool, *n, draw_one, &j);
	rc = drop_bad(f, &j, n, err);
	if (!rc && *n)
		take_samples(f, pool, net, &j, *n, out);
	for (i = 0; j.sample && i < *n; i++)
		sample_release(&j.sample[i]);
	free(j.sample);
	free(j.index);
	free(j.err);
	free(j.bad);
	return rc;
}

static const struct source_class images_class = {
	.fill = images_fill, .backward = images_backward, .load = images_load, .free = images_free};

/* Names, boxes and file sizes: what tells two data sets apart without reading every picture. */
static void identify(const struct dataset *d, char hex[DIGEST_HEX])
{
	struct digest digest;
	struct stat st;
	long long size;
	int i;

	digest_init(&digest);
	for (i = 0; i < d->nitems; i++) {
		const struct item *it = &d->items[i];

		size = stat(it->path, &st) == 0 ? (long long)st.st_size : -1;
		digest_add(&digest, it->key, strlen(it->key) + 1);
		digest_add(&digest, &size, sizeof(size));
		digest_add(&digest, it->labels, (size_t)it->nlabels * sizeof(*it->labels));
	}
	digest_hex(&digest, hex);
}

static int check_model(const struct dataset *d, struct model **m, uint64_t seed,
		       const struct notices *notices, struct err *err)
{
	int i;

	if (!d->names)
		return dataset_check_classes(d, (*m)->graph->nc, err);
	for (i = 0; i < d->nnames && d->nnames == (*m)->nnames; i++)
		if (strcmp(d->names[i], (*m)->names[i])) {
			notice(notices,
			       "class %d is '%s' in '%s', '%s' in the weights: its name becomes "
			       "the former",
			       i, d->names[i], d->path, (*m)->names[i]);
			break;
		}
	if (source_adapt(m, d->nnames, d->names, seed, notices, err))
		return -1;
	model_set_names(*m, d->names, d->nnames);
	return 0;
}

static int open_gateway(struct images_source *f, const struct model *m,
			const struct images_options *opt, struct err *err)
{
	struct gateway_options o = {
		.img = opt->img, .path = opt->path, .seed = opt->seed, .freeze = opt->freeze};
	long cut;

	if (!model_meta(m, "mist.gate"))
		return 0;
	if (num_long("mist.cut_layer of the weights", model_meta(m, "mist.cut_layer"), 1, INT_MAX,
		     &cut, err))
		return -1;
	o.gradient = opt->extractor && opt->freeze < cut;
	f->gateway = gateway_new(m, &o, opt->pool, err);
	if (!f->gateway)
		return -1;
	f->source.from = gateway_cut(f->gateway);
	f->source.gradient = o.gradient;
	f->source.bytes = gateway_bytes(f->gateway);
	return 0;
}

struct source *source_images(const struct dataset *d, struct model **m, const struct hyp *hyp,
			     const struct images_options *opt, struct err *err)
{
	struct images_source *f;
	struct shape shape;

	if (check_model(d, m, opt->seed, opt->notices, err) || augment_check(hyp, err) ||
	    graph_shape((*m)->graph, 0, opt->img, opt->img, &shape, err))
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->source = (struct source){.class = &images_class,
				    .n = d->nitems,
				    .img = opt->img,
				    .hyp = hyp,
				    .seed = opt->seed};
	f->dataset = d;
	f->strict = opt->strict;
	f->pool = opt->pool;
	if (opt->notices)
		f->notices = *opt->notices;
	f->skipped = xcalloc((size_t)d->nitems, sizeof(*f->skipped));
	identify(d, f->source.digest);
	if (open_gateway(f, *m, opt, err)) {
		images_free(&f->source);
		return NULL;
	}
	return &f->source;
}
