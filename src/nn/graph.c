#include "nn/graph.h"

#include "nn/conv.h"

#include <stdlib.h>
#include <string.h>

void graph_free(struct graph *g)
{
	int i;

	if (!g)
		return;
	for (i = 0; i < g->nlayers; i++)
		free(g->layers[i].label);
	for (i = 0; i < g->nparams; i++)
		free(g->params[i].name);
	free(g->layers);
	free(g->steps);
	free(g->values);
	free(g->params);
	free(g);
}

const struct param *graph_param(const struct graph *g, const char *name)
{
	int i;

	for (i = 0; i < g->nparams; i++)
		if (!strcmp(g->params[i].name, name))
			return &g->params[i];
	return NULL;
}

static int no_fit(const struct graph *g, const struct step *s, const char *why, struct err *err)
{
	return err_set(err, STATUS_INPUT, "layer %d (%s): %s", s->layer, g->layers[s->layer].label,
		       why);
}

/* Kernel k, stride s, padding p over one side; 0 when nothing fits. */
static int window(int side, int k, int s, int p)
{
	int over = side + 2 * p - k;

	return over < 0 ? 0 : over / s + 1;
}

static int shape_concat(const struct graph *g, const struct step *s, const struct shape *shapes,
			struct shape *out, struct err *err)
{
	int i;

	out->c = 0;
	for (i = 0; i < s->nin; i++) {
		const struct shape *x = &shapes[s->in[i]];

		if (x->h != out->h || x->w != out->w) {
			char why[96];

			snprintf(why, sizeof(why), "cannot join %dx%d with %dx%d", out->w, out->h,
				 x->w, x->h);
			return no_fit(g, s, why, err);
		}
		out->c += x->c;
	}
	return 0;
}

int step_shape(const struct graph *g, const struct step *s, const struct shape *shapes,
	       struct shape *out, struct err *err)
{
	const struct shape *x = &shapes[s->in[0]];

	*out = *x;
	switch (s->kind) {
	case STEP_CONV:
	case STEP_MAXPOOL:
		out->h = window(x->h, s->k, s->s, s->p);
		out->w = window(x->w, s->k, s->s, s->p);
		if (s->kind == STEP_CONV)
			out->c = g->values[s->out].c;
		break;
	case STEP_UPSAMPLE:
		out->h = 2 * x->h;
		out->w = 2 * x->w;
		break;
	case STEP_CONCAT:
		return shape_concat(g, s, shapes, out, err);
	case STEP_FOCUS:
		if (x->h % 2 || x->w % 2)
			return no_fit(g, s, "a side of its input is odd", err);
		*out = (struct shape){4 * x->c, x->h / 2, x->w / 2};
		break;
	case STEP_FLATTEN:
		*out = (struct shape){x->c * x->h * x->w, 1, 1};
		break;
	}
	if (out->h < 1 || out->w < 1)
		return no_fit(g, s, "its input is too small", err);
	if (s->residual >= 0 &&
	    (shapes[s->residual].h != out->h || shapes[s->residual].w != out->w))
		return no_fit(g, s, "the shortcut has another size", err);
	return 0;
}

static int check_size(const struct graph *g, int h, int w, struct err *err)
{
	/* A side of 2^15 keeps every product of this room within an int. */
	if (h < 1 || w < 1 || h > 32768 || w > 32768)
		return err_set(err, STATUS_INPUT, "an image size of %dx%d is out of range", w, h);
	if (g->fixed_h && (h != g->fixed_h || w != g->fixed_w))
		return err_set(err, STATUS_INPUT, "the model takes images of %dx%d, not %dx%d",
			       g->fixed_w, g->fixed_h, w, h);
	if (h % g->max_stride || w % g->max_stride)
		return err_set(err, STATUS_INPUT,
			       "an image size of %dx%d is not a multiple of %d, the model's stride",
			       w, h, g->max_stride);
	return 0;
}

int graph_shapes(const struct graph *g, int h, int w, struct shape *shapes, struct err *err)
{
	int i;

	if (check_size(g, h, w, err))
		return -1;
	shapes[0] = (struct shape){g->channels, h, w};
	for (i = 0; i < g->nsteps; i++)
		if (step_shape(g, &g->steps[i], shapes, &shapes[g->steps[i].out], err))
			return -1;
	return 0;
}

int graph_shape(const struct graph *g, int layer, int h, int w, struct shape *out, struct err *err)
{
	struct shape *shapes = xcalloc((size_t)g->nvalues, sizeof(*shapes));
	int rc = graph_shapes(g, h, w, shapes, err);

	if (!rc)
		*out = shapes[g->layers[layer].out];
	free(shapes);
	return rc;
}

static double step_flops(const struct graph *g, const struct step *s, const struct shape *shapes)
{
	const struct shape *in = &shapes[s->in[0]], *out = &shapes[s->out];

	(void)g;
	if (s->kind != STEP_CONV)
		return 0;
	return 2.0 * s->k * s->k * (in->c / s->g) * out->c * out->h * out->w;
}

double graph_layer_flops(const struct graph *g, int layer, int h, int w)
{
	struct shape *shapes = xcalloc((size_t)g->nvalues, sizeof(*shapes));
	const struct layer *l = &g->layers[layer];
	struct err err;
	double sum = 0;
	int i;

	if (!graph_shapes(g, h, w, shapes, &err))
		for (i = l->steps0; i < l->steps0 + l->nsteps; i++)
			sum += step_flops(g, &g->steps[i], shapes);
	free(shapes);
	return sum;
}

static bool reads(const struct layer *l, int from)
{
	int i;

	for (i = 0; i < l->nfrom; i++)
		if (l->from[i] == from)
			return true;
	return false;
}

int graph_frontier(const struct graph *g, int cut, int *layers, int max)
{
	int i, j, n = 0;

	for (i = 0; i < cut; i++) {
		for (j = cut; j < g->nlayers && !reads(&g->layers[j], i); j++)
			;
		if (j < g->nlayers && n < max)
			layers[n++] = i;
	}
	return n;
}
