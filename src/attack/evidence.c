#include "attack/evidence.h"

#include "mist/features_model.h"

#include <stdlib.h>
#include <string.h>

int evidence_img(const char *path, struct err *err)
{
	struct features_reader *r = features_open(path, err);
	int img;

	if (!r)
		return -1;
	img = features_header(r)->img;
	features_close(r);
	return img;
}

void evidence_release(struct evidence *e)
{
	int i;

	for (i = 0; i < e->n; i++)
		free(e->payload[i]);
	free(e->payload);
	free(e->flip);
	free(e->path);
	gates_release(&e->gates);
	*e = (struct evidence){0};
}

static void take_header(struct evidence *e, const struct features_header *h)
{
	int i;

	e->cut = h->cut;
	e->img = h->img;
	e->ntensors = h->ntensors;
	e->encoding = h->encoding;
	e->mechanism = h->mechanism;
	e->epsilon = h->epsilon;
	e->q = h->q;
	e->gates = (struct gates){h->gates.cut, h->gates.n,
				  xcalloc((size_t)h->gates.n, sizeof(*e->gates.gate))};
	for (i = 0; i < h->gates.n; i++)
		gate_copy(&e->gates.gate[i], &h->gates.gate[i]);
	for (i = 0; i < h->ntensors; i++) {
		e->shape[i] = (struct shape){h->shape[i].c, h->shape[i].h, h->shape[i].w};
		e->offset[i] = e->bytes;
		e->bytes += gate_bytes(&h->gates.gate[i], h->shape[i].h, h->shape[i].w);
	}
}

/* Streams keep the data set's order, so the next victim is the best guess. -1: none of them. */
static int find(const struct victims *v, const char *key, int guess)
{
	int i;

	for (i = 0; i < v->n; i++) {
		const int at = (guess + i) % v->n;

		if (!strcmp(v->set->items[at].key, key))
			return at;
	}
	return -1;
}

static int take_sample(struct evidence *e, const struct features_sample *s, int at, double q,
		       struct err *err)
{
	int i;

	if (e->payload[at])
		return err_set(err, STATUS_INPUT, "cannot use '%s': picture %s is there twice",
			       e->path, s->key);
	e->payload[at] = xmalloc(e->bytes);
	e->flip[at] = q;
	for (i = 0; i < e->ntensors; i++) {
		const size_t want =
			(i + 1 < e->ntensors ? e->offset[i + 1] : e->bytes) - e->offset[i];

		if (s->size[i] != want)
			return err_set(err, STATUS_INPUT,
				       "cannot read '%s': sample %s has %zu bytes of features "
				       "instead of %zu",
				       e->path, s->key, s->size[i], want);
		memcpy(e->payload[at] + e->offset[i], s->data[i], want);
	}
	return 0;
}

static int read_samples(struct evidence *e, struct features_reader *r, const struct victims *v,
			struct err *err)
{
	struct features_sample s;
	int rc, at = -1, i;

	while ((rc = features_next(r, &s, err)) > 0) {
		at = find(v, s.key, at + 1);
		if (at >= 0 && take_sample(e, &s, at, features_header(r)->q, err))
			return -1;
	}
	for (i = 0; !rc && i < v->n; i++)
		if (!e->payload[i])
			return err_set(err, STATUS_INPUT,
				       "cannot use '%s': it has no sample of picture '%s'", e->path,
				       v->set->items[i].path);
	return rc;
}

int evidence_read(struct evidence *e, const char *path, const struct model *m,
		  const struct victims *v, struct err *err)
{
	struct features_reader *r = features_open(path, err);
	int rc = -1;

	*e = (struct evidence){0};
	if (!r)
		return -1;
	e->path = xstrdup(strcmp(path, "-") ? path : "standard input");
	if (features_header(r)->img != v->img)
		err_set(err, STATUS_INPUT, "'%s' is of images of %d pixels, not %d", e->path,
			features_header(r)->img, v->img);
	else if (!features_fit_model(features_header(r), m, e->path, err)) {
		take_header(e, features_header(r));
		e->n = v->n;
		e->payload = xcalloc((size_t)v->n, sizeof(*e->payload));
		e->flip = xcalloc((size_t)v->n, sizeof(*e->flip));
		rc = read_samples(e, r, v, err);
	}
	features_close(r);
	return rc;
}
