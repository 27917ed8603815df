#include "mist/extract_gate.h"

#include "base/mem.h"
#include "mist/features.h"

#include <math.h>
#include <stdlib.h>

/* The minimum of x * sigmoid(x). */
#define SILU_MIN (-0.27846455F)
/* Without a batch norm to learn the range from: covers what YOLOv5's layers give. */
#define BYTE_MAX 8.0F

/*
 * The batch norm behind which a layer's output lies: that of a Conv, or of the last convolution of
 * a C3 or SPPF. NULL: none of these.
 */
static const struct param *last_norm(const struct graph *g, int layer, const char *what, int c)
{
	static const char *const inside[] = {"", "cv3.", "cv2."};
	const struct param *p;
	size_t i;

	for (i = 0; i < ARRAY_LEN(inside); i++) {
		char *name = xasprintf("model.%d.%sbn.%s", layer, inside[i], what);

		p = graph_param(g, name);
		free(name);
		if (p)
			return p->count == (size_t)c ? p : NULL;
	}
	return NULL;
}

/*
 * A byte's range per channel: what batch norm makes normal with mean beta and deviation gamma,
 * SiLU squashes from below and hardly changes above; four deviations leave one value in 30000 out.
 */
static void set_byte_range(const struct model *m, int layer, struct gate *g)
{
	const struct param *gamma = last_norm(m->graph, layer, "weight", g->c);
	const struct param *beta = last_norm(m->graph, layer, "bias", g->c);
	int i;

	g->low = xcalloc((size_t)g->c, sizeof(*g->low));
	g->high = xcalloc((size_t)g->c, sizeof(*g->high));
	for (i = 0; i < g->c; i++) {
		float top = BYTE_MAX;

		if (gamma && beta)
			top = m->params[beta->offset + (size_t)i] +
			      4 * fabsf(m->params[gamma->offset + (size_t)i]);
		g->low[i] = SILU_MIN;
		g->high[i] = fmaxf(top, 0.125F);
	}
}

/* The weight file's gates, when they are bits of this cut; 1, 0: none, -1. Of another cut: told. */
static int own_gates(const struct model *m, int cut, const struct notices *notices,
		     struct gates *out, struct err *err)
{
	const char *json = model_meta(m, "mist.gate");

	*out = (struct gates){0};
	if (!json)
		return 0;
	if (gates_parse(json, out, err))
		return err_prefix(err, "the weights");
	if (out->cut == cut && out->gate[0].encoding == ENCODING_BIT)
		return 1;
	if (out->cut != cut)
		notice(notices,
		       "the gate of the weights is for cut %d, not %d: every threshold is 0",
		       out->cut, cut);
	gates_release(out);
	return 0;
}

static int check_channels(const struct model *m, const struct gates *g, const int *layers, int n,
			  struct err *err)
{
	int i;

	if (g->n != n)
		return err_set(err, STATUS_INPUT,
			       "mist.gate of the weights has %d gates for %d tensors", g->n, n);
	for (i = 0; i < n; i++)
		if (g->gate[i].c != m->graph->layers[layers[i]].cout)
			return err_set(
				err, STATUS_INPUT,
				"mist.gate of the weights has %d channels for a tensor of %d",
				g->gate[i].c, m->graph->layers[layers[i]].cout);
	return 0;
}

int extract_gates(const struct model *m, int cut, enum encoding encoding, const struct noise *noise,
		  const struct thinning *thin, const struct notices *notices, struct gates *out,
		  struct err *err)
{
	int layers[FEATURES_MAX_TENSORS], n, i, own;
	bool other = false;

	n = graph_frontier(m->graph, cut, layers, FEATURES_MAX_TENSORS);
	own = encoding == ENCODING_BIT ? own_gates(m, cut, notices, out, err) : 0;
	if (own < 0)
		return -1;
	if (own && check_channels(m, out, layers, n, err)) {
		gates_release(out);
		return -1;
	}
	if (!own)
		*out = (struct gates){cut, n, xcalloc((size_t)n, sizeof(*out->gate))};
	for (i = 0; i < n; i++) {
		struct gate *g = &out->gate[i];

		if (!own)
			gate_init(g, encoding, m->graph->layers[layers[i]].cout);
		if (encoding == ENCODING_U8)
			set_byte_range(m, layers[i], g);
		other = other || (g->filter && !gate_expects(g, noise->q));
		gate_drop_filter(g); /* the cloud's business */
		gate_set_noise(g, noise);
		/* training is noisy, inference clean: the mean must not move (privacy: post-processing) */
		g->debias = noise->mechanism != MECHANISM_NONE && noise->q < 0.5;
	}
	if (encoding == ENCODING_BIT)
		thin_set(out->gate, n, thin);
	if (other)
		notice(notices, "the gate of the weights was calibrated for other noise than these "
				"bits get (see mist-model info): it will decode them badly");
	return 0;
}
