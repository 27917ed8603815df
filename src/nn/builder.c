#include "nn/module.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SCALE  1024
#define MAX_STEPS  100000
#define MAX_FLOATS ((size_t)1 << 31)

static int bad(struct err *err, const char *what)
{
	return err_set(err, STATUS_INPUT, "%s", what);
}

/* ---- parameters ---- */

int builder_param(struct builder *b, enum param_kind kind, const char *prefix, const char *name,
		  int ndim, const int dim[4])
{
	struct graph *g = b->graph;
	struct param *p;
	int i;

	GROW(g->params, g->nparams, b->params_cap);
	p = &g->params[g->nparams];
	*p = (struct param){.kind = kind, .layer = g->nlayers - 1, .ndim = ndim, .count = 1};
	p->name = xasprintf("%s.%s", prefix, name);
	for (i = 0; i < ndim; i++) {
		p->dim[i] = dim[i];
		p->count *= (size_t)dim[i];
	}
	p->offset = g->nfloats;
	if (kind != PARAM_COUNTER)
		g->nfloats += p->count;
	return g->nparams++;
}

static int add_vector(struct builder *b, enum param_kind kind, const char *prefix, const char *name,
		      int c)
{
	return builder_param(b, kind, prefix, name, 1, (const int[4]){c});
}

static int check_floats(const struct builder *b, size_t more, struct err *err)
{
	if (more > MAX_FLOATS || b->graph->nfloats + more > MAX_FLOATS)
		return bad(err, "the model has more than 2^31 parameters");
	return 0;
}

/* Conv: "conv.weight", then batch norm's five. */
int builder_declare_conv(struct builder *b, const char *prefix, const char *name,
			 struct conv_row *r, struct err *err)
{
	char *full = *name ? xasprintf("%s.%s", prefix, name) : xstrdup(prefix);
	const int dim[4] = {r->cout, r->cin / r->g, r->k, r->k};
	int rc = check_floats(b, (size_t)dim[0] * (size_t)dim[1] * (size_t)(r->k * r->k), err);

	if (!rc) {
		r->bias = -1;
		r->weight = builder_param(b, PARAM_WEIGHT, full, "conv.weight", 4, dim);
		r->bn = add_vector(b, PARAM_BN_WEIGHT, full, "bn.weight", r->cout);
		add_vector(b, PARAM_BIAS, full, "bn.bias", r->cout);
		add_vector(b, PARAM_BN_MEAN, full, "bn.running_mean", r->cout);
		add_vector(b, PARAM_BN_VAR, full, "bn.running_var", r->cout);
		builder_param(b, PARAM_COUNTER, full, "bn.num_batches_tracked", 0, NULL);
	}
	free(full);
	return rc;
}

/* A plain convolution (ndim 4) or linear layer (ndim 2) with a bias. */
int builder_declare_plain(struct builder *b, const char *prefix, int ndim, struct conv_row *r,
			  struct err *err)
{
	const int dim[4] = {r->cout, r->cin / r->g, r->k, r->k};

	if (check_floats(b, (size_t)dim[0] * (size_t)dim[1] * (size_t)(r->k * r->k), err))
		return -1;
	r->bn = -1;
	r->weight = builder_param(b, PARAM_WEIGHT, prefix, "weight", ndim, dim);
	r->bias = add_vector(b, PARAM_BIAS, prefix, "bias", r->cout);
	return 0;
}

/* ---- steps and values ---- */

static int add_value(struct builder *b, int c, int step, int scale)
{
	struct graph *g = b->graph;

	GROW(g->values, g->nvalues, b->values_cap);
	GROW(b->scale, g->nvalues, b->scale_cap);
	GROW(b->shapes, g->nvalues, b->shapes_cap);
	g->values[g->nvalues] = (struct value){.c = c, .step = step, .layer = g->nlayers - 1};
	b->scale[g->nvalues] = scale;
	b->shapes[g->nvalues] = (struct shape){c, g->fixed_h, g->fixed_w};
	return g->nvalues++;
}

/* Appends the step, its output of `c` channels; returns the value or -1. */
static int emit(struct builder *b, struct step s, int c, int scale, struct err *err)
{
	struct graph *g = b->graph;
	struct step *at;

	if (c < 1 || (c > MODULE_MAX_CHANNELS && s.kind != STEP_FLATTEN))
		return err_set(err, STATUS_INPUT, "%d channels are out of range 1 to %d", c,
			       MODULE_MAX_CHANNELS);
	if (scale > MAX_SCALE || g->nsteps >= MAX_STEPS)
		return bad(err, "the model is too deep");
	GROW(g->steps, g->nsteps, b->steps_cap);
	at = &g->steps[g->nsteps];
	*at = s;
	at->layer = g->nlayers - 1;
	at->out = add_value(b, c, g->nsteps, scale);
	g->nsteps++;
	if (g->fixed_h && step_shape(g, at, b->shapes, &b->shapes[at->out], err))
		return -1;
	return at->out;
}

int builder_conv(struct builder *b, const struct conv_row *r, int in, int residual, struct err *err)
{
	const struct step s = {.kind = STEP_CONV,
			       .nin = 1,
			       .in = {in},
			       .residual = residual,
			       .k = r->k,
			       .s = r->s,
			       .p = r->p,
			       .g = r->g,
			       .act = r->act,
			       .weight = r->weight,
			       .bias = r->bias,
			       .bn = r->bn};

	return emit(b, s, r->cout, b->scale[in] * r->s, err);
}

/* A step without parameters. */
int builder_plain(struct builder *b, enum step_kind kind, int in, int c, int scale, struct err *err)
{
	const struct step s = {.kind = kind,
			       .nin = 1,
			       .in = {in},
			       .residual = -1,
			       .g = 1,
			       .weight = -1,
			       .bias = -1,
			       .bn = -1};

	return emit(b, s, c, scale, err);
}

int builder_pool(struct builder *b, int in, int k, int s, int p, struct err *err)
{
	const struct step step = {.kind = STEP_MAXPOOL,
				  .nin = 1,
				  .in = {in},
				  .residual = -1,
				  .k = k,
				  .s = s,
				  .p = p,
				  .g = 1,
				  .weight = -1,
				  .bias = -1,
				  .bn = -1};

	return emit(b, step, b->graph->values[in].c, b->scale[in] * s, err);
}

int builder_concat(struct builder *b, const int *in, int nin, struct err *err)
{
	struct step s = {.kind = STEP_CONCAT,
			 .nin = nin,
			 .residual = -1,
			 .g = 1,
			 .weight = -1,
			 .bias = -1,
			 .bn = -1};
	int i, c = 0;

	for (i = 0; i < nin; i++) {
		if (b->scale[in[i]] != b->scale[in[0]])
			return bad(err, "its inputs have different sizes");
		s.in[i] = in[i];
		c += b->graph->values[in[i]].c;
	}
	return emit(b, s, c, b->scale[in[0]], err);
}

/* ---- layers ---- */

int builder_set_act(struct builder *b, const char *name, struct err *err)
{
	if (module_act(name, &b->act))
		return err_set(err, STATUS_INPUT, "unknown activation '%s'", name);
	return 0;
}

void builder_init(struct builder *b, int channels, int fixed_h, int fixed_w)
{
	*b = (struct builder){.width = 1, .act = ACT_SILU};
	b->graph = xcalloc(1, sizeof(*b->graph));
	b->graph->channels = channels;
	b->graph->fixed_h = fixed_h;
	b->graph->fixed_w = fixed_w;
	add_value(b, channels, -1, 1);
}

void builder_release(struct builder *b)
{
	free(b->scale);
	free(b->shapes);
	b->scale = NULL;
	b->shapes = NULL;
}

static void label_arg(struct buf *out, const struct arg *a)
{
	int i;

	switch (a->kind) {
	case ARG_NONE:
		buf_add_str(out, "None");
		break;
	case ARG_NUMBER:
		buf_printf(out, "%g", a->number);
		break;
	case ARG_BOOL:
		buf_add_str(out, a->number != 0 ? "True" : "False");
		break;
	case ARG_STRING:
		buf_add_str(out, a->text);
		break;
	case ARG_LIST:
		buf_add_str(out, "[");
		for (i = 0; i < a->nitems; i++) {
			buf_add_str(out, i ? ", " : "");
			label_arg(out, &a->items[i]);
		}
		buf_add_str(out, "]");
		break;
	}
}

/* "Conv [64, 128, 3, 2]": input and output channels, then the other arguments, as YOLOv5 prints. */
static char *make_label(const struct layer *l, const char *name, const struct arg *args, int nargs)
{
	const bool width = nargs > 0 && l->module != MODULE_UPSAMPLE &&
			   l->module != MODULE_CONCAT && l->module != MODULE_DETECT &&
			   l->module != MODULE_MAXPOOL;
	struct buf out = BUF_INIT;
	int i;

	buf_printf(&out, "%s [", name);
	if (width)
		buf_printf(&out, "%d, %d", l->cin, l->cout);
	for (i = width; i < nargs; i++) {
		buf_add_str(&out, i ? ", " : "");
		label_arg(&out, &args[i]);
	}
	buf_add_str(&out, "]");
	return buf_detach(&out);
}

/* One module, or several in sequence ("model.3.0", "model.3.1", …). */
static int build_layer(struct builder *b, const struct module_row *row, const struct layer *l,
		       const int *in, struct err *err)
{
	const int index = b->graph->nlayers - 1, times = row->repeats ? 1 : l->repeat;
	int i, out = -1, x = in[0];

	if (times > 1 && row->max_from > 1)
		return bad(err, "it cannot be repeated");
	for (i = 0; i < times; i++) {
		char *prefix = times > 1 ? xasprintf("model.%d.%d", index, i)
					 : xasprintf("model.%d", index);

		out = row->build(b, l, prefix, row->max_from > 1 ? in : &x, err);
		free(prefix);
		if (out < 0)
			return -1;
		x = out;
	}
	return out;
}

static int add_layer(struct builder *b, const struct module_row *row, struct layer *l,
		     const struct arg *args, int nargs, struct err *err)
{
	struct graph *g = b->graph;
	int in[GRAPH_MAX_FROM] = {0}, i, out;

	for (i = 0; i < l->nfrom; i++) {
		in[i] = l->from[i] < 0 ? 0 : g->layers[l->from[i]].out;
		if (l->from[i] >= 0 && g->layers[l->from[i]].module == MODULE_DETECT)
			return bad(err, "it reads the detection head");
	}
	l->cin = g->values[in[0]].c;
	if (row->parse(b, l, args, nargs, err))
		return -1;
	GROW(g->layers, g->nlayers, b->layers_cap);
	l->params0 = g->nparams;
	l->steps0 = g->nsteps;
	l->label = make_label(l, row->name, args, nargs);
	g->layers[g->nlayers++] = *l;
	out = build_layer(b, row, l, in, err);
	if (out < 0)
		return -1;
	l = &g->layers[g->nlayers - 1];
	l->out = out;
	l->cout = g->values[out].c;
	l->nparams = g->nparams - l->params0;
	l->nsteps = g->nsteps - l->steps0;
	return 0;
}

int builder_add(struct builder *b, const char *name, const int *from, int nfrom, int repeat,
		const struct arg *args, int nargs, struct err *err)
{
	const struct module_row *row = module_named(name);
	struct layer l = {.nfrom = nfrom, .repeat = repeat, .g = 1};
	int i;

	if (!row)
		return err_set(err, STATUS_INPUT, "unknown module '%s'", name);
	l.module = row->module;
	if (nargs < row->min_args || nargs > row->max_args)
		return err_set(err, STATUS_INPUT, "'%s' takes %d to %d arguments, not %d", name,
			       row->min_args, row->max_args, nargs);
	if (nfrom < 1 || nfrom > row->max_from)
		return err_set(err, STATUS_INPUT, "'%s' takes at most %d inputs, not %d", name,
			       row->max_from, nfrom);
	if (repeat < 1 || repeat > MODULE_MAX_REPEAT)
		return err_set(err, STATUS_INPUT, "'%s' cannot be repeated %d times", name, repeat);
	for (i = 0; i < nfrom; i++) {
		if (from[i] < -1 || from[i] >= b->graph->nlayers)
			return err_set(err, STATUS_INPUT,
				       "'%s' reads layer %d, which is not "
				       "before it",
				       name, from[i]);
		l.from[i] = from[i];
	}
	if (add_layer(b, row, &l, args, nargs, err))
		return err_prefix(err, "'%s'", name);
	return 0;
}

int builder_finish(struct builder *b, struct err *err)
{
	struct graph *g = b->graph;
	int i;

	if (!g->nlayers)
		return bad(err, "the model has no layers");
	if (g->nl && g->layers[g->nlayers - 1].module != MODULE_DETECT)
		return bad(err, "the detection head is not the last layer");
	if (!g->nl) {
		g->outs[0] = g->layers[g->nlayers - 1].out;
		g->nouts = 1;
	}
	g->max_stride = 1;
	if (g->fixed_h)
		return 0;
	for (i = 0; i < g->nvalues; i++)
		if (b->scale[i] > g->max_stride)
			g->max_stride = b->scale[i];
	return 0;
}
