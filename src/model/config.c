#include "model/config.h"

#include "io/yaml.h"
#include "nn/builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LAYERS 1000
#define MAX_ITEMS  64 /* of any list among the arguments */
#define MAX_DEPTH  4

struct config {
	struct builder b;
	struct arg nc, anchors; /* what the words mean */
	double depth;
};

static void arg_release(struct arg *a)
{
	int i;

	for (i = 0; i < a->nitems; i++)
		arg_release(&a->items[i]);
	free(a->items);
	*a = (struct arg){0};
}

static void arg_copy(struct arg *to, const struct arg *from)
{
	int i;

	*to = *from;
	to->items = xcalloc((size_t)from->nitems, sizeof(*to->items));
	for (i = 0; i < from->nitems; i++)
		arg_copy(&to->items[i], &from->items[i]);
}

/* YAML leaves Python's words as text: parse_model evaluates them, quoted or not. */
static void arg_from_word(const struct config *c, const char *text, struct arg *out)
{
	out->kind = ARG_STRING;
	out->text = text;
	if (!strcmp(text, "nc"))
		*out = c->nc;
	else if (!strcmp(text, "anchors"))
		arg_copy(out, &c->anchors);
	else if (!strcmp(text, "None"))
		*out = (struct arg){.kind = ARG_NONE};
	else if (!strcmp(text, "True") || !strcmp(text, "False"))
		*out = (struct arg){.kind = ARG_BOOL, .number = text[0] == 'T'};
}

static void arg_from_scalar(const struct config *c, const struct yaml_node *node, struct arg *out)
{
	struct err ignored;
	bool flag;

	if (yaml_is_null(node))
		*out = (struct arg){.kind = ARG_NONE};
	else if (node->plain && !yaml_bool(node, "", &flag, &ignored))
		*out = (struct arg){.kind = ARG_BOOL, .number = flag};
	else if (node->plain && !yaml_double(node, "", -1e9, 1e9, &out->number, &ignored))
		out->kind = ARG_NUMBER;
	else
		arg_from_word(c, node->text, out);
}

/* On error what was made is in *out, for arg_release. */
static int arg_from_node(const struct config *c, const struct yaml_node *node, int depth,
			 struct arg *out, struct err *err)
{
	int i;

	*out = (struct arg){.kind = ARG_LIST};
	if (node->kind == YAML_SCALAR) {
		arg_from_scalar(c, node, out);
		return 0;
	}
	if (node->kind != YAML_LIST || node->n > MAX_ITEMS || depth >= MAX_DEPTH)
		return yaml_err(node, err, "the argument is not a value or a short list");
	out->items = xcalloc((size_t)node->n, sizeof(*out->items));
	for (i = 0; i < node->n; i++) {
		out->nitems = i + 1;
		if (arg_from_node(c, node->item[i], depth + 1, &out->items[i], err))
			return -1;
	}
	return 0;
}

/* One index or a list; negative ones count back from this layer. */
static int read_from(const struct config *c, const struct yaml_node *node, int *from, int *n,
		     struct err *err)
{
	const int index = c->b.graph->nlayers;
	const struct yaml_node *const *item = node->kind == YAML_LIST ? node->item : &node;
	long v;
	int i;

	*n = node->kind == YAML_LIST ? node->n : 1;
	if (node->kind == YAML_MAP || *n < 1 || *n > GRAPH_MAX_FROM)
		return yaml_err(node, err, "'from' is not 1 to %d layers", GRAPH_MAX_FROM);
	for (i = 0; i < *n; i++) {
		if (yaml_long(item[i], "from", -MAX_LAYERS, MAX_LAYERS, &v, err))
			return -1;
		from[i] = (int)(v < 0 ? index + v : v);
		/* -1 of the first layer is the image; no other layer can name it. */
		if (from[i] >= index || from[i] < (index ? 0 : -1))
			return yaml_err(item[i], err, "layer %ld is not before layer %d", v, index);
	}
	return 0;
}

/* [from, number, module, args] */
static int read_row(struct config *c, const struct yaml_node *row, struct err *err)
{
	int from[GRAPH_MAX_FROM], nfrom, rc;
	const char *module;
	struct arg args;
	long number;

	if (row->kind != YAML_LIST || row->n != 4)
		return yaml_err(row, err, "a layer is [from, number, module, args]");
	if (read_from(c, row->item[0], from, &nfrom, err) ||
	    yaml_long(row->item[1], "number", 1, 1000, &number, err) ||
	    yaml_string(row->item[2], "module", &module, err))
		return -1;
	if (row->item[3]->kind != YAML_LIST)
		return yaml_err(row->item[3], err, "the arguments are not a list");
	/* Half to even, as Python rounds. */
	if (number > 1)
		number = lrint(fmax(nearbyint((double)number * c->depth), 1));
	rc = arg_from_node(c, row->item[3], 0, &args, err);
	if (!rc &&
	    builder_add(&c->b, module, from, nfrom, (int)number, args.items, args.nitems, err)) {
		struct err cause = *err;

		rc = yaml_err(row, err, "%s", cause.msg);
	}
	arg_release(&args);
	return rc;
}

static int read_rows(struct config *c, const struct yaml_node *top, const char *key,
		     struct err *err)
{
	const struct yaml_node *rows = yaml_need(top, key, err);
	int i;

	if (!rows || yaml_want(rows, YAML_LIST, key, err))
		return -1;
	if (rows->n + c->b.graph->nlayers > MAX_LAYERS)
		return yaml_err(rows, err, "the model has more than %d layers", MAX_LAYERS);
	for (i = 0; i < rows->n; i++)
		if (read_row(c, rows->item[i], err))
			return -1;
	return 0;
}

static int read_activation(struct config *c, const struct yaml_node *top, struct err *err)
{
	const struct yaml_node *node = yaml_get(top, "activation");
	struct err cause;

	if (!node || yaml_is_null(node))
		return 0;
	if (yaml_want(node, YAML_SCALAR, "activation", err))
		return -1;
	if (builder_set_act(&c->b, node->text, &cause))
		return yaml_err(node, err, "%s", cause.msg);
	return 0;
}

static int read_model(struct config *c, const struct yaml_node *top, struct err *err)
{
	const struct yaml_node *anchors = yaml_get(top, "anchors");
	struct graph *g = c->b.graph;
	long nc = 0;

	c->depth = 1;
	if (yaml_get_long(top, "nc", 1, 10000, &nc, err) ||
	    yaml_get_double(top, "depth_multiple", 1e-3, 100, &c->depth, err) ||
	    yaml_get_double(top, "width_multiple", 1e-3, 100, &c->b.width, err) ||
	    read_activation(c, top, err))
		return -1;
	c->nc = (struct arg){.kind = nc ? ARG_NUMBER : ARG_NONE, .number = (double)nc};
	g->nc = (int)nc;
	if (anchors) {
		/* Aside, or the word "anchors" among them would mean the list that is being made. */
		struct arg list = {0};
		int rc = arg_from_node(c, anchors, 0, &list, err);

		c->anchors = list;
		if (rc)
			return -1;
	}
	/* parse_model leaves layers as wide as the head's output unscaled: it must know them. */
	if (c->anchors.nitems && c->anchors.items[0].kind == ARG_LIST)
		g->na = c->anchors.items[0].nitems / 2;
	if (read_rows(c, top, "backbone", err))
		return -1;
	if (yaml_get(top, "head") && read_rows(c, top, "head", err))
		return -1;
	if (builder_finish(&c->b, err)) {
		struct err cause = *err;

		return yaml_err(top, err, "%s", cause.msg);
	}
	if (!g->nl)
		g->na = 0;
	return 0;
}

static struct graph *build(const struct yaml_node *top, struct err *err)
{
	struct config c = {0};
	long channels = 3, img = 0;
	int rc;

	if (yaml_want(top, YAML_MAP, "the model", err) ||
	    yaml_get_long(top, "ch", 1, 64, &channels, err) ||
	    yaml_get_long(top, "img", 1, 4096, &img, err))
		return NULL;
	builder_init(&c.b, (int)channels, (int)img, (int)img);
	rc = read_model(&c, top, err);
	arg_release(&c.anchors);
	builder_release(&c.b);
	if (!rc)
		return c.b.graph;
	graph_free(c.b.graph);
	return NULL;
}

struct graph *config_parse(const char *name, const char *text, struct err *err)
{
	struct yaml *y = yaml_parse(name, text, strlen(text), err);
	struct graph *g;

	if (!y)
		return NULL;
	g = build(y->doc[0], err);
	yaml_tree_free(y);
	return g;
}

char *config_set_classes(const char *text, int nc)
{
	const char *line = text, *end;

	while (*line && strncmp(line, "nc:", 3)) {
		line = strchr(line, '\n');
		if (!line)
			return xasprintf("nc: %d\n%s", nc, text);
		line++;
	}
	if (!*line)
		return xasprintf("nc: %d\n%s", nc, text);
	for (end = line + 3; *end && *end != '\n' && *end != '#'; end++)
		;
	while (end > line + 3 && end[-1] == ' ' && *end == '#')
		end--;
	return xasprintf("%.*snc: %d%s", (int)(line - text), text, nc, end);
}
