#include "nn/module.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bounds that keep a hostile YAML from exhausting memory; YOLOv5x has 1280 channels, 24 layers. */
#define MAX_CHANNELS 16384
#define MAX_KERNEL   63
#define MAX_POOL     15 /* maxpool.h: a position in the window is a byte */
#define MAX_REPEAT   256
#define MAX_SCALE    1024
#define MAX_STEPS    100000
#define MAX_FLOATS   ((size_t)1 << 31)

struct module_row {
	enum module module;
	const char *name;
	int min_args, max_args;
	int max_from;
	bool repeats; /* takes `repeat` itself, as C3 does; else it is repeated in sequence */
	int (*parse)(struct builder *b, struct layer *l, const struct arg *args, int nargs,
		     struct err *err);
	int (*build)(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		     struct err *err);
};

/* One convolution of a module: its parameters are declared in state_dict order, its step is emitted
 * in the order of computation. */
struct conv_row {
	int cin, cout, k, s, p, g;
	enum act act;
	int weight, bias, bn;
};

static int bad(struct err *err, const char *what)
{
	return err_set(err, STATUS_INPUT, "%s", what);
}

/* ---- parameters ---- */

static int add_param(struct builder *b, enum param_kind kind, const char *prefix, const char *name,
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
	return add_param(b, kind, prefix, name, 1, (const int[4]){c});
}

static int check_floats(const struct builder *b, size_t more, struct err *err)
{
	if (more > MAX_FLOATS || b->graph->nfloats + more > MAX_FLOATS)
		return bad(err, "the model has more than 2^31 parameters");
	return 0;
}

/* Conv: "conv.weight", then batch norm's five. */
static int declare_conv(struct builder *b, const char *prefix, const char *name, struct conv_row *r,
			struct err *err)
{
	char *full = *name ? xasprintf("%s.%s", prefix, name) : xstrdup(prefix);
	const int dim[4] = {r->cout, r->cin / r->g, r->k, r->k};
	int rc = check_floats(b, (size_t)dim[0] * (size_t)dim[1] * (size_t)(r->k * r->k), err);

	if (!rc) {
		r->bias = -1;
		r->weight = add_param(b, PARAM_WEIGHT, full, "conv.weight", 4, dim);
		r->bn = add_vector(b, PARAM_BN_WEIGHT, full, "bn.weight", r->cout);
		add_vector(b, PARAM_BIAS, full, "bn.bias", r->cout);
		add_vector(b, PARAM_BN_MEAN, full, "bn.running_mean", r->cout);
		add_vector(b, PARAM_BN_VAR, full, "bn.running_var", r->cout);
		add_param(b, PARAM_COUNTER, full, "bn.num_batches_tracked", 0, NULL);
	}
	free(full);
	return rc;
}

/* A plain convolution (ndim 4) or linear layer (ndim 2) with a bias. */
static int declare_plain(struct builder *b, const char *prefix, int ndim, struct conv_row *r,
			 struct err *err)
{
	const int dim[4] = {r->cout, r->cin / r->g, r->k, r->k};

	if (check_floats(b, (size_t)dim[0] * (size_t)dim[1] * (size_t)(r->k * r->k), err))
		return -1;
	r->bn = -1;
	r->weight = add_param(b, PARAM_WEIGHT, prefix, "weight", ndim, dim);
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

	if (c < 1 || (c > MAX_CHANNELS && s.kind != STEP_FLATTEN))
		return err_set(err, STATUS_INPUT, "%d channels are out of range 1 to %d", c,
			       MAX_CHANNELS);
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

static int emit_conv(struct builder *b, const struct conv_row *r, int in, int residual,
		     struct err *err)
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
static int emit_plain(struct builder *b, enum step_kind kind, int in, int c, int scale,
		      struct err *err)
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

static int emit_pool(struct builder *b, int in, int k, int s, int p, struct err *err)
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

static int emit_concat(struct builder *b, const int *in, int nin, struct err *err)
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

/* ---- arguments ---- */

/* Argument i as a whole number, or `absent` when it is not there or None. */
static int arg_int(const struct arg *args, int nargs, int i, int absent, int min, int max, int *out,
		   struct err *err)
{
	const struct arg *a = &args[i];

	*out = absent;
	if (i >= nargs || a->kind == ARG_NONE)
		return 0;
	if (a->kind != ARG_NUMBER || !(a->number >= min && a->number <= max) ||
	    a->number != floor(a->number))
		return err_set(err, STATUS_INPUT, "argument %d is not a whole number from %d to %d",
			       i + 1, min, max);
	*out = (int)a->number;
	return 0;
}

/* The same, required. */
static int arg_need(const struct arg *args, int nargs, int i, int min, int max, int *out,
		    struct err *err)
{
	if (i >= nargs || args[i].kind == ARG_NONE)
		return err_set(err, STATUS_INPUT, "argument %d is missing", i + 1);
	return arg_int(args, nargs, i, 0, min, max, out, err);
}

static int arg_bool(const struct arg *args, int nargs, int i, bool absent, bool *out,
		    struct err *err)
{
	*out = absent;
	if (i >= nargs || args[i].kind == ARG_NONE)
		return 0;
	if (args[i].kind != ARG_BOOL)
		return err_set(err, STATUS_INPUT, "argument %d is not True or False", i + 1);
	*out = args[i].number != 0;
	return 0;
}

/* Output channels times the width multiple, rounded up to a multiple of 8, as parse_model does. */
static int arg_channels(const struct builder *b, const struct arg *args, int nargs, int *out,
			struct err *err)
{
	const struct graph *g = b->graph;
	int c;

	if (arg_need(args, nargs, 0, 1, MAX_CHANNELS, &c, err))
		return -1;
	/* What is as wide as the head's output is not scaled. */
	if (g->na > 0 && c == g->na * (g->nc + 5))
		*out = c;
	else
		*out = (int)(ceil(c * b->width / 8) * 8);
	if (*out < 1 || *out > MAX_CHANNELS)
		return err_set(err, STATUS_INPUT,
			       "%d channels times the width multiple are out of "
			       "range",
			       c);
	return 0;
}

static int parse_act(const char *name, enum act *out)
{
	static const struct {
		const char *name;
		enum act act;
	} rows[] = {{"nn.SiLU()", ACT_SILU},
		    {"nn.ReLU()", ACT_RELU},
		    {"nn.Hardswish()", ACT_HARDSWISH},
		    {"nn.LeakyReLU(0.1)", ACT_LEAKY},
		    {"nn.Identity()", ACT_NONE}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].name, name)) {
			*out = rows[i].act;
			return 0;
		}
	return -1;
}

int builder_set_act(struct builder *b, const char *name, struct err *err)
{
	if (parse_act(name, &b->act))
		return err_set(err, STATUS_INPUT, "unknown activation '%s'", name);
	return 0;
}

/* True: the default; False: none; a string: by name. */
static int arg_act(const struct builder *b, const struct arg *args, int nargs, int i, enum act *out,
		   struct err *err)
{
	*out = b->act;
	if (i >= nargs || args[i].kind == ARG_NONE)
		return 0;
	if (args[i].kind == ARG_BOOL) {
		*out = args[i].number != 0 ? b->act : ACT_NONE;
		return 0;
	}
	if (args[i].kind != ARG_STRING || parse_act(args[i].text, out))
		return err_set(err, STATUS_INPUT, "argument %d is not an activation", i + 1);
	return 0;
}

/* ---- Conv(c2, k=1, s=1, p=None, g=1[, d=1], act=True) ---- */

static int parse_conv(struct builder *b, struct layer *l, const struct arg *args, int nargs,
		      struct err *err)
{
	/* Version 7 has a dilation before the activation; version 6 has not. */
	const bool dilated = nargs > 5 && args[5].kind == ARG_NUMBER;
	int d = 1;

	if (arg_channels(b, args, nargs, &l->cout, err) ||
	    arg_int(args, nargs, 1, 1, 1, MAX_KERNEL, &l->k, err) ||
	    arg_int(args, nargs, 2, 1, 1, 8, &l->s, err) ||
	    arg_int(args, nargs, 3, l->k / 2, 0, l->k / 2, &l->p, err) ||
	    arg_int(args, nargs, 4, 1, 1, MAX_CHANNELS, &l->g, err) ||
	    (dilated && arg_int(args, nargs, 5, 1, 1, MAX_KERNEL, &d, err)) ||
	    arg_act(b, args, nargs, dilated ? 6 : 5, &l->act, err))
		return -1;
	if (d != 1)
		return bad(err, "dilation is not supported");
	if (l->cin % l->g || l->cout % l->g)
		return err_set(err, STATUS_INPUT, "%d groups do not divide %d and %d channels",
			       l->g, l->cin, l->cout);
	return 0;
}

static struct conv_row row_of(const struct layer *l, int cin)
{
	return (struct conv_row){cin, l->cout, l->k, l->s, l->p, l->g, l->act, -1, -1, -1};
}

static struct conv_row row_1x1(const struct builder *b, int cin, int cout)
{
	return (struct conv_row){cin, cout, 1, 1, 0, 1, b->act, -1, -1, -1};
}

static int build_conv(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		      struct err *err)
{
	struct conv_row r = row_of(l, b->graph->values[in[0]].c);

	if (declare_conv(b, prefix, "", &r, err))
		return -1;
	return emit_conv(b, &r, in[0], -1, err);
}

/* ---- Focus(c2, k=1, s=1, p=None, g=1, act=True): v5's stem ---- */

static int build_focus(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		       struct err *err)
{
	struct conv_row r = row_of(l, 4 * b->graph->values[in[0]].c);
	int x;

	if (declare_conv(b, prefix, "conv", &r, err))
		return -1;
	x = emit_plain(b, STEP_FOCUS, in[0], r.cin, 2 * b->scale[in[0]], err);
	return x < 0 ? -1 : emit_conv(b, &r, x, -1, err);
}

/* ---- Bottleneck(c2, shortcut=True, g=1, e=0.5) and C3(c2, shortcut=True, g=1, e=0.5) ---- */

static int parse_bottleneck(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			    struct err *err)
{
	l->k = 3;
	l->s = l->p = 1;
	l->act = b->act;
	if (arg_channels(b, args, nargs, &l->cout, err) ||
	    arg_bool(args, nargs, 1, true, &l->shortcut, err) ||
	    arg_int(args, nargs, 2, 1, 1, MAX_CHANNELS, &l->g, err))
		return -1;
	l->expansion = 0.5;
	if (nargs > 3) {
		l->expansion = args[3].kind == ARG_NUMBER ? args[3].number : 0;
		if (!(l->expansion > 0 && l->expansion <= 4))
			return bad(err, "argument 4 is not an expansion from 0 to 4");
	}
	return 0;
}

struct bottleneck {
	struct conv_row cv1, cv2;
	bool add;
};

static int declare_bottleneck(struct builder *b, const char *prefix, struct bottleneck *n, int cin,
			      int cout, int hidden, bool shortcut, int groups, struct err *err)
{
	if (hidden < 1 || hidden % groups || cout % groups)
		return err_set(err, STATUS_INPUT, "%d groups do not divide %d and %d channels",
			       groups, hidden, cout);
	n->cv1 = row_1x1(b, cin, hidden);
	n->cv2 = (struct conv_row){hidden, cout, 3, 1, 1, groups, b->act, -1, -1, -1};
	n->add = shortcut && cin == cout;
	if (declare_conv(b, prefix, "cv1", &n->cv1, err) ||
	    declare_conv(b, prefix, "cv2", &n->cv2, err))
		return -1;
	return 0;
}

static int emit_bottleneck(struct builder *b, const struct bottleneck *n, int in, struct err *err)
{
	int x = emit_conv(b, &n->cv1, in, -1, err);

	return x < 0 ? -1 : emit_conv(b, &n->cv2, x, n->add ? in : -1, err);
}

static int build_bottleneck(struct builder *b, const struct layer *l, const char *prefix,
			    const int *in, struct err *err)
{
	struct bottleneck n;

	if (declare_bottleneck(b, prefix, &n, b->graph->values[in[0]].c, l->cout,
			       (int)(l->cout * l->expansion), l->shortcut, l->g, err))
		return -1;
	return emit_bottleneck(b, &n, in[0], err);
}

/* y = cv3(cat(m(cv1(x)), cv2(x))); the bottlenecks inside keep their width (e = 1). */
static int emit_c3(struct builder *b, const struct conv_row cv[3], const struct bottleneck *m,
		   int n, int in, struct err *err)
{
	int cat[2], i, x;

	cat[0] = emit_conv(b, &cv[0], in, -1, err);
	for (i = 0; i < n && cat[0] >= 0; i++)
		cat[0] = emit_bottleneck(b, &m[i], cat[0], err);
	if (cat[0] < 0)
		return -1;
	cat[1] = emit_conv(b, &cv[1], in, -1, err);
	if (cat[1] < 0)
		return -1;
	x = emit_concat(b, cat, 2, err);
	return x < 0 ? -1 : emit_conv(b, &cv[2], x, -1, err);
}

static int build_c3(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		    struct err *err)
{
	const int cin = b->graph->values[in[0]].c, hidden = (int)(l->cout * l->expansion);
	struct conv_row cv[3] = {row_1x1(b, cin, hidden), row_1x1(b, cin, hidden),
				 row_1x1(b, 2 * hidden, l->cout)};
	struct bottleneck m[MAX_REPEAT];
	int i, rc;

	rc = hidden < 1 ? bad(err, "its hidden layers have no channels") : 0;
	if (!rc)
		rc = declare_conv(b, prefix, "cv1", &cv[0], err) ||
		     declare_conv(b, prefix, "cv2", &cv[1], err) ||
		     declare_conv(b, prefix, "cv3", &cv[2], err);
	for (i = 0; i < l->repeat && !rc; i++) {
		char *name = xasprintf("%s.m.%d", prefix, i);

		rc = declare_bottleneck(b, name, &m[i], hidden, hidden, hidden, l->shortcut, l->g,
					err);
		free(name);
	}
	return rc ? -1 : emit_c3(b, cv, m, l->repeat, in[0], err);
}

/* ---- SPP(c2, k=(5, 9, 13)) and SPPF(c2, k=5) ---- */

static int parse_spp(struct builder *b, struct layer *l, const struct arg *args, int nargs,
		     struct err *err)
{
	static const int usual[] = {5, 9, 13};
	int i;

	if (arg_channels(b, args, nargs, &l->cout, err))
		return -1;
	l->npools = 3;
	for (i = 0; i < 3; i++)
		l->pool[i] = usual[i];
	if (nargs < 2)
		return 0;
	if (args[1].kind != ARG_LIST || args[1].nitems < 1 || args[1].nitems > GRAPH_MAX_POOLS)
		return err_set(err, STATUS_INPUT, "argument 2 is not a list of 1 to %d kernels",
			       GRAPH_MAX_POOLS);
	l->npools = args[1].nitems;
	for (i = 0; i < l->npools; i++) {
		if (arg_need(args[1].items, l->npools, i, 1, MAX_POOL, &l->pool[i], err))
			return -1;
		if (l->pool[i] % 2 == 0)
			return bad(err, "a pool's kernel is even");
	}
	return 0;
}

static int parse_sppf(struct builder *b, struct layer *l, const struct arg *args, int nargs,
		      struct err *err)
{
	l->npools = 1;
	if (arg_channels(b, args, nargs, &l->cout, err) ||
	    arg_int(args, nargs, 1, 5, 1, MAX_POOL, &l->pool[0], err))
		return -1;
	return l->pool[0] % 2 ? 0 : bad(err, "a pool's kernel is even");
}

static int build_spp(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		     struct err *err)
{
	const bool fast = l->module == MODULE_SPPF;
	const int slices = fast ? 4 : l->npools + 1, cin = b->graph->values[in[0]].c;
	struct conv_row cv1 = row_1x1(b, cin, cin / 2);
	struct conv_row cv2 = row_1x1(b, slices * (cin / 2), l->cout);
	int cat[GRAPH_MAX_FROM], i, x;

	if (cin < 2)
		return bad(err, "its hidden layer has no channels");
	if (declare_conv(b, prefix, "cv1", &cv1, err) || declare_conv(b, prefix, "cv2", &cv2, err))
		return -1;
	cat[0] = emit_conv(b, &cv1, in[0], -1, err);
	if (cat[0] < 0)
		return -1;
	for (i = 1; i < slices; i++) {
		const int k = fast ? l->pool[0] : l->pool[i - 1];

		cat[i] = emit_pool(b, fast ? cat[i - 1] : cat[0], k, 1, k / 2, err);
		if (cat[i] < 0)
			return -1;
	}
	x = emit_concat(b, cat, slices, err);
	return x < 0 ? -1 : emit_conv(b, &cv2, x, -1, err);
}

/* ---- nn.Upsample(None, 2, 'nearest') ---- */

static int parse_upsample(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			  struct err *err)
{
	(void)b;
	if (args[0].kind != ARG_NONE || args[1].kind != ARG_NUMBER || args[1].number != 2 ||
	    (nargs > 2 && (args[2].kind != ARG_STRING || strcmp(args[2].text, "nearest"))))
		return bad(err, "only [None, 2, 'nearest'] is supported");
	l->cout = l->cin;
	return 0;
}

static int build_upsample(struct builder *b, const struct layer *l, const char *prefix,
			  const int *in, struct err *err)
{
	(void)prefix;
	if (b->scale[in[0]] % 2)
		return bad(err, "its output would be larger than the image");
	return emit_plain(b, STEP_UPSAMPLE, in[0], l->cout, b->scale[in[0]] / 2, err);
}

/* ---- Concat(1) ---- */

static int parse_concat(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			struct err *err)
{
	int dim;

	(void)b;
	if (arg_int(args, nargs, 0, 1, 0, 3, &dim, err))
		return -1;
	if (dim != 1)
		return bad(err, "only the channels (1) can be joined");
	l->cout = 0;
	return 0;
}

static int build_concat(struct builder *b, const struct layer *l, const char *prefix, const int *in,
			struct err *err)
{
	(void)prefix;
	return emit_concat(b, in, l->nfrom, err);
}

/* ---- MaxPool(k, s=k, p=0), nn.MaxPool2d ---- */

static int parse_maxpool(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			 struct err *err)
{
	(void)b;
	if (arg_need(args, nargs, 0, 1, MAX_POOL, &l->k, err) ||
	    arg_int(args, nargs, 1, l->k, 1, 8, &l->s, err) ||
	    arg_int(args, nargs, 2, 0, 0, l->k / 2, &l->p, err))
		return -1;
	l->cout = l->cin;
	return 0;
}

static int build_maxpool(struct builder *b, const struct layer *l, const char *prefix,
			 const int *in, struct err *err)
{
	(void)prefix;
	return emit_pool(b, in[0], l->k, l->s, l->p, err);
}

/* ---- Flatten(), Linear(c2, act=None) ---- */

static int parse_flatten(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			 struct err *err)
{
	(void)args;
	(void)nargs;
	if (!b->graph->fixed_h)
		return bad(err, "a model that flattens needs 'img: SIZE' at its top level");
	l->cout = l->cin;
	return 0;
}

static int build_flatten(struct builder *b, const struct layer *l, const char *prefix,
			 const int *in, struct err *err)
{
	const struct shape *x = &b->shapes[in[0]];
	const double c = (double)x->c * x->h * x->w;

	(void)l;
	(void)prefix;
	if (c > 1 << 24)
		return bad(err, "its output has more than 2^24 values");
	return emit_plain(b, STEP_FLATTEN, in[0], (int)c, b->scale[in[0]], err);
}

static int parse_linear(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			struct err *err)
{
	l->k = l->s = l->g = 1;
	l->act = ACT_NONE;
	if (arg_need(args, nargs, 0, 1, MAX_CHANNELS, &l->cout, err))
		return -1;
	return nargs > 1 ? arg_act(b, args, nargs, 1, &l->act, err) : 0;
}

static int build_linear(struct builder *b, const struct layer *l, const char *prefix, const int *in,
			struct err *err)
{
	const struct shape *x = &b->shapes[in[0]];
	struct conv_row r = row_of(l, b->graph->values[in[0]].c);

	if (x->h != 1 || x->w != 1)
		return bad(err, "its input is not flat");
	if (declare_plain(b, prefix, 2, &r, err))
		return -1;
	return emit_conv(b, &r, in[0], -1, err);
}

/* ---- Detect(nc, anchors), version 6: buffer `anchors` in units of strides, 1x1 convolutions ----
 */

static int parse_detect(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			struct err *err)
{
	struct graph *g = b->graph;
	const struct arg *levels = &args[1];
	int i, j, nc;

	if (arg_need(args, nargs, 0, 1, 10000, &nc, err))
		return -1;
	if (g->nl)
		return bad(err, "the model has a head already");
	if (levels->kind != ARG_LIST || levels->nitems != l->nfrom ||
	    levels->nitems > GRAPH_MAX_LEVELS)
		return err_set(err, STATUS_INPUT, "the anchors are not a list of %d levels",
			       l->nfrom);
	g->nc = nc;
	g->nl = levels->nitems;
	for (i = 0; i < g->nl; i++) {
		const struct arg *row = &levels->items[i];

		if (row->kind != ARG_LIST || row->nitems < 2 || row->nitems % 2 ||
		    row->nitems > 2 * GRAPH_MAX_ANCHORS || row->nitems != levels->items[0].nitems)
			return err_set(err, STATUS_INPUT,
				       "the anchors of level %d are not 1 to %d "
				       "pairs, as many as the others",
				       i, GRAPH_MAX_ANCHORS);
		for (j = 0; j < row->nitems; j++) {
			const struct arg *a = &row->items[j];

			if (a->kind != ARG_NUMBER || !(a->number > 0 && a->number < 1e5))
				return err_set(err, STATUS_INPUT,
					       "anchor %d of level %d is not a size", j / 2, i);
			g->anchors[i][j / 2][j % 2] = (float)a->number;
		}
		g->na = row->nitems / 2;
	}
	l->cout = g->na * (nc + 5);
	l->k = l->s = l->g = 1;
	l->act = ACT_NONE;
	return 0;
}

static int build_detect(struct builder *b, const struct layer *l, const char *prefix, const int *in,
			struct err *err)
{
	struct graph *g = b->graph;
	int i;

	add_param(b, PARAM_CONST, prefix, "anchors", 3, (const int[4]){g->nl, g->na, 2});
	for (i = 0; i < g->nl; i++) {
		struct conv_row r = row_of(l, g->values[in[i]].c);
		char *name = xasprintf("%s.m.%d", prefix, i);
		int rc = declare_plain(b, name, 4, &r, err);

		free(name);
		g->strides[i] = b->scale[in[i]];
		g->outs[i] = rc ? -1 : emit_conv(b, &r, in[i], -1, err);
		if (g->outs[i] < 0)
			return -1;
	}
	g->nouts = g->nl;
	return g->outs[0];
}

/* ---- the registry ---- */

static const struct module_row registry[] = {
	{MODULE_CONV, "Conv", 1, 7, 1, false, parse_conv, build_conv},
	{MODULE_BOTTLENECK, "Bottleneck", 1, 4, 1, false, parse_bottleneck, build_bottleneck},
	{MODULE_C3, "C3", 1, 4, 1, true, parse_bottleneck, build_c3},
	{MODULE_SPP, "SPP", 1, 2, 1, false, parse_spp, build_spp},
	{MODULE_SPPF, "SPPF", 1, 2, 1, false, parse_sppf, build_spp},
	{MODULE_FOCUS, "Focus", 1, 7, 1, false, parse_conv, build_focus},
	{MODULE_UPSAMPLE, "nn.Upsample", 2, 3, 1, false, parse_upsample, build_upsample},
	{MODULE_CONCAT, "Concat", 0, 1, GRAPH_MAX_FROM, false, parse_concat, build_concat},
	{MODULE_DETECT, "Detect", 2, 2, GRAPH_MAX_LEVELS, false, parse_detect, build_detect},
	{MODULE_MAXPOOL, "MaxPool", 1, 3, 1, false, parse_maxpool, build_maxpool},
	{MODULE_MAXPOOL, "nn.MaxPool2d", 1, 3, 1, false, parse_maxpool, build_maxpool},
	{MODULE_FLATTEN, "Flatten", 0, 0, 1, false, parse_flatten, build_flatten},
	{MODULE_LINEAR, "Linear", 1, 2, 1, false, parse_linear, build_linear},
};

static const struct module_row *row_named(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(registry); i++)
		if (!strcmp(registry[i].name, name))
			return &registry[i];
	return NULL;
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
	int in[GRAPH_MAX_FROM], i, out;

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
	const struct module_row *row = row_named(name);
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
	if (repeat < 1 || repeat > MAX_REPEAT)
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
