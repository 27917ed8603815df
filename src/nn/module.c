#include "nn/module.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KERNEL 63
#define MAX_POOL   15 /* maxpool.h: a position in the window is a byte */

static int bad(struct err *err, const char *what)
{
	return err_set(err, STATUS_INPUT, "%s", what);
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

	if (arg_need(args, nargs, 0, 1, MODULE_MAX_CHANNELS, &c, err))
		return -1;
	/* What is as wide as the head's output is not scaled. */
	if (g->na > 0 && c == g->na * (g->nc + 5))
		*out = c;
	else
		*out = (int)(ceil(c * b->width / 8) * 8);
	if (*out < 1 || *out > MODULE_MAX_CHANNELS)
		return err_set(err, STATUS_INPUT,
			       "%d channels times the width multiple are out of "
			       "range",
			       c);
	return 0;
}

int module_act(const char *name, enum act *out)
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
	if (args[i].kind != ARG_STRING || module_act(args[i].text, out))
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
	    arg_int(args, nargs, 4, 1, 1, MODULE_MAX_CHANNELS, &l->g, err) ||
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

	if (builder_declare_conv(b, prefix, "", &r, err))
		return -1;
	return builder_conv(b, &r, in[0], -1, err);
}

/* ---- Focus(c2, k=1, s=1, p=None, g=1, act=True): v5's stem ---- */

static int build_focus(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		       struct err *err)
{
	struct conv_row r = row_of(l, 4 * b->graph->values[in[0]].c);
	int x;

	if (builder_declare_conv(b, prefix, "conv", &r, err))
		return -1;
	x = builder_plain(b, STEP_FOCUS, in[0], r.cin, 2 * b->scale[in[0]], err);
	return x < 0 ? -1 : builder_conv(b, &r, x, -1, err);
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
	    arg_int(args, nargs, 2, 1, 1, MODULE_MAX_CHANNELS, &l->g, err))
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
	if (builder_declare_conv(b, prefix, "cv1", &n->cv1, err) ||
	    builder_declare_conv(b, prefix, "cv2", &n->cv2, err))
		return -1;
	return 0;
}

static int emit_bottleneck(struct builder *b, const struct bottleneck *n, int in, struct err *err)
{
	int x = builder_conv(b, &n->cv1, in, -1, err);

	return x < 0 ? -1 : builder_conv(b, &n->cv2, x, n->add ? in : -1, err);
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

	cat[0] = builder_conv(b, &cv[0], in, -1, err);
	for (i = 0; i < n && cat[0] >= 0; i++)
		cat[0] = emit_bottleneck(b, &m[i], cat[0], err);
	if (cat[0] < 0)
		return -1;
	cat[1] = builder_conv(b, &cv[1], in, -1, err);
	if (cat[1] < 0)
		return -1;
	x = builder_concat(b, cat, 2, err);
	return x < 0 ? -1 : builder_conv(b, &cv[2], x, -1, err);
}

static int build_c3(struct builder *b, const struct layer *l, const char *prefix, const int *in,
		    struct err *err)
{
	const int cin = b->graph->values[in[0]].c, hidden = (int)(l->cout * l->expansion);
	struct conv_row cv[3] = {row_1x1(b, cin, hidden), row_1x1(b, cin, hidden),
				 row_1x1(b, 2 * hidden, l->cout)};
	struct bottleneck m[MODULE_MAX_REPEAT];
	int i, rc;

	rc = hidden < 1 ? bad(err, "its hidden layers have no channels") : 0;
	if (!rc)
		rc = builder_declare_conv(b, prefix, "cv1", &cv[0], err) ||
		     builder_declare_conv(b, prefix, "cv2", &cv[1], err) ||
		     builder_declare_conv(b, prefix, "cv3", &cv[2], err);
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
	if (builder_declare_conv(b, prefix, "cv1", &cv1, err) ||
	    builder_declare_conv(b, prefix, "cv2", &cv2, err))
		return -1;
	cat[0] = builder_conv(b, &cv1, in[0], -1, err);
	if (cat[0] < 0)
		return -1;
	for (i = 1; i < slices; i++) {
		const int k = fast ? l->pool[0] : l->pool[i - 1];

		cat[i] = builder_pool(b, fast ? cat[i - 1] : cat[0], k, 1, k / 2, err);
		if (cat[i] < 0)
			return -1;
	}
	x = builder_concat(b, cat, slices, err);
	return x < 0 ? -1 : builder_conv(b, &cv2, x, -1, err);
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
	return builder_plain(b, STEP_UPSAMPLE, in[0], l->cout, b->scale[in[0]] / 2, err);
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
	return builder_concat(b, in, l->nfrom, err);
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
	return builder_pool(b, in[0], l->k, l->s, l->p, err);
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
	return builder_plain(b, STEP_FLATTEN, in[0], (int)c, b->scale[in[0]], err);
}

static int parse_linear(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			struct err *err)
{
	l->k = l->s = l->g = 1;
	l->act = ACT_NONE;
	if (arg_need(args, nargs, 0, 1, MODULE_MAX_CHANNELS, &l->cout, err))
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
	if (builder_declare_plain(b, prefix, 2, &r, err))
		return -1;
	return builder_conv(b, &r, in[0], -1, err);
}

/* ---- nn.Conv2d(c2, k=1, s=1, p=None, g=1): a bias, no batch norm, no activation; as wide as said ----
 */

static int parse_conv2d(struct builder *b, struct layer *l, const struct arg *args, int nargs,
			struct err *err)
{
	(void)b;
	l->act = ACT_NONE;
	if (arg_need(args, nargs, 0, 1, MODULE_MAX_CHANNELS, &l->cout, err) ||
	    arg_int(args, nargs, 1, 1, 1, MAX_KERNEL, &l->k, err) ||
	    arg_int(args, nargs, 2, 1, 1, 8, &l->s, err) ||
	    arg_int(args, nargs, 3, l->k / 2, 0, l->k / 2, &l->p, err) ||
	    arg_int(args, nargs, 4, 1, 1, MODULE_MAX_CHANNELS, &l->g, err))
		return -1;
	if (l->cin % l->g || l->cout % l->g)
		return err_set(err, STATUS_INPUT, "%d groups do not divide %d and %d channels",
			       l->g, l->cin, l->cout);
	return 0;
}

static int build_conv2d(struct builder *b, const struct layer *l, const char *prefix, const int *in,
			struct err *err)
{
	struct conv_row r = row_of(l, b->graph->values[in[0]].c);

	if (builder_declare_plain(b, prefix, 4, &r, err))
		return -1;
	return builder_conv(b, &r, in[0], -1, err);
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

	builder_param(b, PARAM_CONST, prefix, "anchors", 3, (const int[4]){g->nl, g->na, 2});
	for (i = 0; i < g->nl; i++) {
		struct conv_row r = row_of(l, g->values[in[i]].c);
		char *name = xasprintf("%s.m.%d", prefix, i);
		int rc = builder_declare_plain(b, name, 4, &r, err);

		free(name);
		g->strides[i] = b->scale[in[i]];
		g->outs[i] = rc ? -1 : builder_conv(b, &r, in[i], -1, err);
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
	{MODULE_CONV2D, "nn.Conv2d", 1, 5, 1, false, parse_conv2d, build_conv2d},
};

const struct module_row *module_named(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(registry); i++)
		if (!strcmp(registry[i].name, name))
			return &registry[i];
	return NULL;
}
