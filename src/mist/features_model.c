#include "mist/features_model.h"

#include "io/digest.h"

#include <math.h>
#include <string.h>

static int check_extractor(const struct features_header *h, const struct model *m, const char *path,
			   struct err *err)
{
	char digest[DIGEST_HEX];

	if (h->cut < 1 || h->cut >= m->graph->nlayers)
		return err_set(err, STATUS_INPUT,
			       "'%s' was cut at layer %d of another model: this one has %d layers",
			       path, h->cut, m->graph->nlayers);
	model_extractor_digest(m, h->cut, digest);
	if (strcmp(digest, h->extractor))
		return err_set(err, STATUS_INPUT,
			       "'%s' was made by other layers: its extractor is %.12s, the layers "
			       "before cut %d of the weights are %.12s",
			       path, h->extractor, h->cut, digest);
	return 0;
}

static int check_shapes(const struct features_header *h, const struct model *m, const char *path,
			struct err *err)
{
	int layers[FEATURES_MAX_TENSORS], i;
	int n = graph_frontier(m->graph, h->cut, layers, FEATURES_MAX_TENSORS);
	struct shape want;

	if (n != h->ntensors)
		return err_set(err, STATUS_INPUT, "'%s' carries %d tensors, %d cross cut %d", path,
			       h->ntensors, n, h->cut);
	for (i = 0; i < n; i++) {
		if (graph_shape(m->graph, layers[i], h->img, h->img, &want, err))
			return -1;
		if (want.c != h->shape[i].c || want.h != h->shape[i].h || want.w != h->shape[i].w)
			return err_set(
				err, STATUS_INPUT,
				"'%s' carries a tensor of %dx%dx%d where %dx%dx%d crosses cut %d",
				path, h->shape[i].c, h->shape[i].h, h->shape[i].w, want.c, want.h,
				want.w, h->cut);
	}
	return 0;
}

static int check_names(const struct features_header *h, const struct model *m, const char *path,
		       struct err *err)
{
	int i;

	for (i = 0; i < m->nnames && i < h->nnames; i++)
		if (strcmp(h->names[i], m->names[i]))
			return err_set(err, STATUS_INPUT,
				       "class %d is '%s' in '%s', '%s' in the weights", i,
				       h->names[i], path, m->names[i]);
	return 0;
}

int features_fit_model(const struct features_header *h, const struct model *m, const char *path,
		       struct err *err)
{
	if (check_extractor(h, m, path, err) || check_shapes(h, m, path, err))
		return -1;
	return check_names(h, m, path, err);
}

int features_check_labels(const struct features_header *h, const char *path,
			  const struct notices *notices, struct err *err)
{
	const int k = h->nnames;

	if (!strcmp(h->labels, "none"))
		return err_set(err, STATUS_INPUT,
			       "cannot learn from '%s': its labels stayed on the edge", path);
	if (!strcmp(h->labels, "rr"))
		notice(notices,
		       "classes of client '%s' are randomised with epsilon %g: %.3g %% of %d are "
		       "not "
		       "what they were",
		       h->client, h->label_epsilon, 100 * (k - 1) / (exp(h->label_epsilon) + k - 1),
		       k);
	return 0;
}
