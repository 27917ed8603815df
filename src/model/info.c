#include "model/info.h"

#include "io/json.h"

/* What crosses a cut. */
struct crossing {
	int n, layer[GRAPH_MAX_FROM];
	struct shape shape[GRAPH_MAX_FROM];
	double values, packed; /* per image; bytes of packed bits: rows end on a byte */
};

static double count_params(const struct model *m, int layer)
{
	const struct layer *l = &m->graph->layers[layer];
	double sum = 0;
	int i;

	for (i = l->params0; i < l->params0 + l->nparams; i++)
		if (param_trained(&m->graph->params[i]))
			sum += (double)m->graph->params[i].count;
	return sum;
}

static int measure_cut(const struct graph *g, int cut, int img, struct crossing *x, struct err *err)
{
	int i;

	*x = (struct crossing){0};
	x->n = graph_frontier(g, cut, x->layer, GRAPH_MAX_FROM);
	if (x->n > GRAPH_MAX_FROM)
		return err_set(err, STATUS_INPUT, "more than %d tensors cross cut %d",
			       GRAPH_MAX_FROM, cut);
	for (i = 0; i < x->n; i++) {
		struct shape *s = &x->shape[i];

		if (graph_shape(g, x->layer[i], img, img, s, err))
			return -1;
		x->values += (double)s->c * s->h * s->w;
		x->packed += (double)s->c * s->h * ((s->w + 7) / 8);
	}
	return 0;
}

static void add_froms(struct buf *out, const struct layer *l, int layer)
{
	int i;

	for (i = 0; i < l->nfrom; i++)
		buf_printf(out, "%s%d", i ? "," : "", l->from[i] == layer - 1 ? -1 : l->from[i]);
}

static int add_layer_row(const struct model *m, int layer, int img, struct buf *out,
			 struct err *err)
{
	const struct layer *l = &m->graph->layers[layer];
	struct buf from = BUF_INIT;
	char shape[48];
	struct shape s;

	if (graph_shape(m->graph, layer, img, img, &s, err))
		return -1;
	add_froms(&from, l, layer);
	snprintf(shape, sizeof(shape), "%dx%dx%d", s.c, s.h, s.w);
	buf_printf(out, "%5d %9s %3d  %-34.34s %14s %12.0f %9.4f\n", layer, from.data, l->repeat,
		   l->label, shape, count_params(m, layer),
		   graph_layer_flops(m->graph, layer, img, img) / 1e9);
	buf_release(&from);
	return 0;
}

static int add_cut_row(const struct model *m, int cut, int img, struct buf *out, struct err *err)
{
	struct buf shapes = BUF_INIT;
	struct crossing x;
	int i;

	if (measure_cut(m->graph, cut, img, &x, err))
		return -1;
	for (i = 0; i < x.n; i++)
		buf_printf(&shapes, "%s%d:%dx%dx%d", i ? " " : "", x.layer[i], x.shape[i].c,
			   x.shape[i].h, x.shape[i].w);
	buf_printf(out, "%5d %12.0f %12.0f %12.0f %12.0f  %s\n", cut, x.values, x.values, x.packed,
		   4 * x.values, shapes.data ? shapes.data : "");
	buf_release(&shapes);
	return 0;
}

static void add_totals(const struct model *m, int img, struct buf *out)
{
	double params = 0, flops = 0;
	int i;

	for (i = 0; i < m->graph->nlayers; i++) {
		params += count_params(m, i);
		flops += graph_layer_flops(m->graph, i, img, img);
	}
	buf_printf(out, "\n%d layers, %d classes, %.0f parameters, %.3g GFLOPs at %dx%d\n",
		   m->graph->nlayers, m->graph->nc, params, flops / 1e9, img, img);
}

int info_text(const struct model *m, int img, struct buf *out, struct err *err)
{
	int i;

	buf_printf(out, "%5s %9s %3s  %-34s %14s %12s %9s\n", "layer", "from", "n", "module",
		   "output", "parameters", "GFLOPs");
	for (i = 0; i < m->graph->nlayers; i++)
		if (add_layer_row(m, i, img, out, err))
			return -1;
	buf_printf(out, "\n%5s %12s %12s %12s %12s  %s\n", "cut", "values", "bits", "bytes (bit)",
		   "bytes (f32)", "tensors (layer:shape)");
	for (i = 1; i < m->graph->nlayers; i++)
		if (add_cut_row(m, i, img, out, err))
			return -1;
	add_totals(m, img, out);
	return 0;
}

static json_t *shape_json(const struct shape *s)
{
	return json_pack("[i,i,i]", s->c, s->h, s->w);
}

static json_t *layer_json(const struct model *m, int layer, int img, struct err *err)
{
	const struct layer *l = &m->graph->layers[layer];
	json_t *from;
	struct shape s;
	int i;

	if (graph_shape(m->graph, layer, img, img, &s, err))
		return NULL;
	from = json_array();
	for (i = 0; i < l->nfrom; i++)
		json_array_append_new(from, json_integer(l->from[i]));
	return json_pack("{s:i,s:o,s:i,s:s,s:o,s:I,s:I}", "layer", layer, "from", from, "repeat",
			 l->repeat, "module", l->label, "shape", shape_json(&s), "parameters",
			 (json_int_t)count_params(m, layer), "flops",
			 (json_int_t)graph_layer_flops(m->graph, layer, img, img));
}

static json_t *cut_json(const struct model *m, int cut, int img, struct err *err)
{
	json_t *layers, *shapes;
	struct crossing x;
	json_int_t values;
	int i;

	if (measure_cut(m->graph, cut, img, &x, err))
		return NULL;
	layers = json_array();
	shapes = json_array();
	for (i = 0; i < x.n; i++) {
		json_array_append_new(layers, json_integer(x.layer[i]));
		json_array_append_new(shapes, shape_json(&x.shape[i]));
	}
	values = (json_int_t)x.values;
	return json_pack("{s:i,s:o,s:o,s:I,s:I,s:{s:I,s:I,s:I,s:I}}", "cut", cut, "layers", layers,
			 "shapes", shapes, "values", values, "bits", values, "bytes", "bit",
			 (json_int_t)x.packed, "u8", values, "f16", 2 * values, "f32", 4 * values);
}

static json_t *meta_json(const struct model *m)
{
	json_t *meta = json_object();
	int i;

	for (i = 0; i < m->nmeta; i++)
		json_object_set_new(meta, m->meta[i].key, json_string(m->meta[i].value));
	return meta;
}

static int add_rows(json_t *array, const struct model *m, int from, int img,
		    json_t *(*row)(const struct model *, int, int, struct err *), struct err *err)
{
	int i;

	for (i = from; i < m->graph->nlayers; i++) {
		json_t *v = row(m, i, img, err);

		if (!v)
			return -1;
		json_array_append_new(array, v);
	}
	return 0;
}

int info_json(const struct model *m, int img, struct buf *out, struct err *err)
{
	json_t *layers = json_array(), *cuts = json_array(), *strides = json_array(), *all;
	double params = 0, flops = 0;
	char *text;
	int i, rc;

	for (i = 0; i < m->graph->nlayers; i++) {
		params += count_params(m, i);
		flops += graph_layer_flops(m->graph, i, img, img);
	}
	for (i = 0; i < m->graph->nl; i++)
		json_array_append_new(strides, json_integer(m->graph->strides[i]));
	rc = add_rows(layers, m, 0, img, layer_json, err);
	if (!rc)
		rc = add_rows(cuts, m, 1, img, cut_json, err);
	all = json_pack("{s:o,s:o,s:o,s:i,s:i,s:I,s:I,s:o}", "layers", layers, "cuts", cuts,
			"strides", strides, "classes", m->graph->nc, "img", img, "parameters",
			(json_int_t)params, "flops", (json_int_t)flops, "metadata", meta_json(m));
	text = json_text(all);
	if (!rc)
		buf_printf(out, "%s\n", text);
	free(text);
	json_decref(all);
	return rc;
}
