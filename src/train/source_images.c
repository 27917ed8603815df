#include "train/source.h"

#include "base/mem.h"
#include "data/augment.h"
#include "data/letterbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct images_source {
	struct source source; /* first */
	const struct dataset *dataset;
	bool strict;
	struct notices notices;
	bool *skipped; /* one per picture: each is noticed once */
};

static void images_free(struct source *s)
{
	struct images_source *f = (struct images_source *)s;

	free(f->skipped);
	free(f);
}

struct draw_job {
	const struct images_source *f;
	int epoch;
	const int *index;
	struct sample *sample;
	struct err *err;
	bool *bad;
};

static void draw_one(void *ctx, int job, int worker)
{
	struct draw_job *j = ctx;
	const struct source *s = &j->f->source;

	(void)worker;
	j->bad[job] = augment_sample(j->f->dataset, s->hyp, s->img, s->seed, j->epoch,
				     j->index[job], &j->sample[job], &j->err[job]) != 0;
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

/* Moves the good samples together; the first bad one is an error when strict. */
static int drop_bad(struct images_source *f, struct draw_job *j, int *n, struct err *err)
{
	int i, kept = 0, rc = 0;

	for (i = 0; i < *n; i++) {
		if (!j->bad[i]) {
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

static int images_fill(struct source *s, struct pool *pool, struct net *net, long epoch,
		       const int *index, int *n, struct target_list *out, struct err *err)
{
	struct images_source *f = (struct images_source *)s;
	const size_t count = (size_t)*n;
	struct draw_job j = {.f = f,
			     .epoch = (int)epoch,
			     .index = index,
			     .sample = xcalloc(count, sizeof(*j.sample)),
			     .err = xcalloc(count, sizeof(*j.err)),
			     .bad = xcalloc(count, sizeof(*j.bad))};
	struct store_job store = {j.sample, net_input(net, 0, *n)};
	int i, rc;

	pool_run(pool, *n, draw_one, &j);
	rc = drop_bad(f, &j, n, err);
	if (!rc)
		pool_run(pool, *n, store_one, &store);
	for (i = 0; i < *n; i++) {
		add_boxes(&j.sample[i], i, out);
		sample_release(&j.sample[i]);
	}
	free(j.sample);
	free(j.err);
	free(j.bad);
	return rc;
}

static const struct source_class images_class = {images_fill, NULL, images_free};

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

static int check_classes(const struct dataset *d, int nc, struct err *err)
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

static int check_model(const struct dataset *d, struct model **m, uint64_t seed,
		       const struct notices *notices, struct err *err)
{
	int i;

	if (model_meta(*m, "mist.gate"))
		return err_set(err, STATUS_INPUT,
			       "the weights have a gate at layer %s: train them from features",
			       model_meta(*m, "mist.cut_layer"));
	if (!d->names)
		return check_classes(d, (*m)->graph->nc, err);
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

struct source *source_images(const struct dataset *d, struct model **m, const struct hyp *hyp,
			     int img, uint64_t seed, bool strict, const struct notices *notices,
			     struct err *err)
{
	struct images_source *f;
	struct shape shape;

	if (check_model(d, m, seed, notices, err) || augment_check(hyp, err) ||
	    graph_shape((*m)->graph, 0, img, img, &shape, err))
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->source = (struct source){
		.class = &images_class, .n = d->nitems, .img = img, .hyp = hyp, .seed = seed};
	f->dataset = d;
	f->strict = strict;
	if (notices)
		f->notices = *notices;
	f->skipped = xcalloc((size_t)d->nitems, sizeof(*f->skipped));
	identify(d, f->source.digest);
	return &f->source;
}
