#include "io/yaml.h"

#include "base/file.h"
#include "base/num.h"
#include "io/json.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define YAML_MAX_SIZE  (16u << 20)
#define YAML_MAX_DEPTH 64
/* After aliases are expanded: what stops "a billion laughs". */
#define YAML_MAX_NODES (1u << 21)
#define YAML_MAX_DOCS  10000

int yaml_err(const struct yaml_node *at, struct err *err, const char *fmt, ...)
{
	char sentence[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return err_set(err, STATUS_INPUT, "%s:%d:%d: %s", at->file, at->line, at->column, sentence);
}

/* One document on its way from libyaml's node table to ours. */
struct loading {
	yaml_document_t *doc;
	struct yaml_node *nodes; /* node i of ours is node i+1 of libyaml's */
	size_t *weight;          /* nodes below and with it, aliases expanded; 0: not yet counted */
	bool *open;              /* on the path from the root */
};

static const struct yaml_node **children_of(const struct loading *l, const yaml_node_t *from,
					    struct yaml_node *to)
{
	bool map = from->type == YAML_MAPPING_NODE;
	const yaml_node_pair_t *pair = from->data.mapping.pairs.start;
	const yaml_node_item_t *item = from->data.sequence.items.start;
	size_t n = map ? (size_t)(from->data.mapping.pairs.top - pair)
		       : (size_t)(from->data.sequence.items.top - item);
	const struct yaml_node **out = xcalloc(n ? 2 * n : 1, sizeof(struct yaml_node *));
	size_t i;

	to->n = (int)n;
	to->kind = map ? YAML_MAP : YAML_LIST;
	for (i = 0; i < n && map; i++) {
		out[2 * i] = &l->nodes[pair[i].key - 1];
		out[2 * i + 1] = &l->nodes[pair[i].value - 1];
	}
	for (i = 0; i < n && !map; i++)
		out[i] = &l->nodes[item[i] - 1];
	return out;
}

static int copy_scalar(const yaml_node_t *from, struct yaml_node *to, struct err *err)
{
	const char *text = (const char *)from->data.scalar.value;

	if (memchr(text, '\0', from->data.scalar.length))
		return yaml_err(to, err, "a NUL character in a text");
	to->kind = YAML_SCALAR;
	to->plain = from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	to->text = xstrdup(text);
	return 0;
}

static int copy_node(const struct loading *l, const char *file, size_t i, struct err *err)
{
	const yaml_node_t *from = &l->doc->nodes.start[i];
	struct yaml_node *to = &l->nodes[i];

	to->file = file;
	to->line = (int)from->start_mark.line + 1;
	to->column = (int)from->start_mark.column + 1;
	if (from->type == YAML_SCALAR_NODE)
		return copy_scalar(from, to, err);
	to->item = children_of(l, from, to);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp((*(const struct yaml_node *const *)a)->text,
		      (*(const struct yaml_node *const *)b)->text);
}

static int check_keys(const struct yaml_node *map, struct err *err)
{
	const struct yaml_node **keys = xcalloc((size_t)map->n + 1, sizeof(*keys));
	int i, rc = 0;

	for (i = 0; i < map->n && !rc; i++) {
		keys[i] = map->item[2 * (size_t)i];
		if (keys[i]->kind != YAML_SCALAR)
			rc = yaml_err(keys[i], err, "a key that is not a scalar");
	}
	if (!rc)
		qsort(keys, (size_t)map->n, sizeof(*keys), by_text);
	for (i = 1; i < map->n && !rc; i++)
		if (!strcmp(keys[i - 1]->text, keys[i]->text))
			rc = yaml_err(keys[i], err, "the key '%s' is there twice", keys[i]->text);
	free(keys);
	return rc;
}

/* Walks what hangs below node i: bounds depth and expanded size, refuses cycles. */
static int check_node(struct loading *l, size_t i, int depth, struct err *err)
{
	const struct yaml_node *node = &l->nodes[i];
	size_t n = (size_t)node->n * (node->kind == YAML_MAP ? 2 : 1);
	size_t k, sum = 1;

	if (l->open[i])
		return yaml_err(node, err, "an alias inside its own anchor");
	if (depth > YAML_MAX_DEPTH)
		return yaml_err(node, err, "nested deeper than %d", YAML_MAX_DEPTH);
	if (l->weight[i])
		return 0;
	l->open[i] = true;
	for (k = 0; k < n; k++) {
		size_t child = (size_t)(node->item[k] - l->nodes);

		if (check_node(l, child, depth + 1, err))
			return -1;
		sum += l->weight[child];
		if (sum > YAML_MAX_NODES)
			return yaml_err(node, err, "more than %u nodes", YAML_MAX_NODES);
	}
	l->open[i] = false;
	l->weight[i] = sum;
	return node->kind == YAML_MAP ? check_keys(node, err) : 0;
}

static void add_chunk(struct yaml *y, struct yaml_node *nodes, size_t n)
{
	y->chunk = xreallocarray(y->chunk, y->nchunks + 1, sizeof(*y->chunk));
	y->chunk_nodes = xreallocarray(y->chunk_nodes, y->nchunks + 1, sizeof(*y->chunk_nodes));
	y->chunk[y->nchunks] = nodes;
	y->chunk_nodes[y->nchunks++] = n;
}

static int take_document(struct yaml *y, yaml_document_t *doc, struct err *err)
{
	struct loading l = {.doc = doc};
	size_t n = (size_t)(doc->nodes.top - doc->nodes.start), i;
	int rc = 0;

	l.nodes = xcalloc(n, sizeof(*l.nodes));
	l.weight = xcalloc(n, sizeof(*l.weight));
	l.open = xcalloc(n, sizeof(*l.open));
	add_chunk(y, l.nodes, n);
	for (i = 0; i < n && !rc; i++)
		rc = copy_node(&l, y->file, i, err);
	if (!rc)
		rc = check_node(&l, 0, 0, err);
	free(l.weight);
	free(l.open);
	y->doc = xreallocarray(y->doc, (size_t)y->ndocs + 1, sizeof(struct yaml_node *));
	y->doc[y->ndocs++] = l.nodes;
	return rc;
}

/* For an empty stream. */
static void add_null(struct yaml *y)
{
	struct yaml_node *node = xcalloc(1, sizeof(*node));

	*node = (struct yaml_node){.plain = true, .line = 1, .column = 1, .file = y->file};
	node->text = xstrdup("");
	add_chunk(y, node, 1);
	y->doc = xcalloc(1, sizeof(struct yaml_node *));
	y->doc[y->ndocs++] = node;
}

static int parser_err(const struct yaml *y, const yaml_parser_t *p, struct err *err)
{
	if (p->error == YAML_READER_ERROR)
		return err_set(err, STATUS_INPUT, "%s: byte %zu: %s", y->file, p->problem_offset,
			       p->problem);
	return err_set(err, STATUS_INPUT, "%s:%zu:%zu: %s%s%s", y->file, p->problem_mark.line + 1,
		       p->problem_mark.column + 1, p->problem ? p->problem : "not YAML",
		       p->context ? " " : "", p->context ? p->context : "");
}

static int load_all(struct yaml *y, yaml_parser_t *parser, struct err *err)
{
	yaml_document_t doc;
	bool end = false;
	int rc = 0;

	while (!rc && !end) {
		if (!yaml_parser_load(parser, &doc))
			return parser_err(y, parser, err);
		end = !yaml_document_get_root_node(&doc);
		if (!end && y->ndocs == YAML_MAX_DOCS)
			rc = err_set(err, STATUS_INPUT, "%s: more than %d documents", y->file,
				     YAML_MAX_DOCS);
		if (!end && !rc)
			rc = take_document(y, &doc, err);
		yaml_document_delete(&doc);
	}
	if (!rc && !y->ndocs)
		add_null(y);
	return rc;
}

struct yaml *yaml_parse(const char *name, const char *text, size_t len, struct err *err)
{
	struct yaml *y = xcalloc(1, sizeof(*y));
	yaml_parser_t parser;
	int rc;

	y->file = xstrdup(name);
	BUG_IF(!yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	rc = load_all(y, &parser, err);
	yaml_parser_delete(&parser);
	if (rc) {
		yaml_tree_free(y);
		return NULL;
	}
	return y;
}

struct yaml *yaml_read(const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	struct yaml *y = NULL;

	if (!file_read(path, YAML_MAX_SIZE, &text, err))
		y = yaml_parse(path, text.data, text.len, err);
	buf_release(&text);
	return y;
}

void yaml_tree_free(struct yaml *y)
{
	size_t c, i;

	if (!y)
		return;
	for (c = 0; c < y->nchunks; c++) {
		for (i = 0; i < y->chunk_nodes[c]; i++) {
			free((char *)y->chunk[c][i].text);
			free(y->chunk[c][i].item);
		}
		free(y->chunk[c]);
	}
	free(y->chunk);
	free(y->chunk_nodes);
	free(y->doc);
	free(y->file);
	free(y);
}

bool yaml_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->plain &&
	       (!*node->text || !strcmp(node->text, "~") || !strcmp(node->text, "null") ||
		!strcmp(node->text, "Null") || !strcmp(node->text, "NULL"));
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	int i;

	for (i = 0; map->kind == YAML_MAP && i < map->n; i++)
		if (!strcmp(map->item[2 * i]->text, key))
			return map->item[2 * i + 1];
	return NULL;
}

const struct yaml_node *yaml_need(const struct yaml_node *map, const char *key, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (map->kind != YAML_MAP)
		yaml_err(map, err, "not a map, so it has no '%s'", key);
	else if (!node)
		yaml_err(map, err, "'%s' is missing", key);
	else if (yaml_is_null(node))
		yaml_err(node, err, "'%s' is empty", key);
	else
		return node;
	return NULL;
}

int yaml_want(const struct yaml_node *node, enum yaml_kind kind, const char *what, struct err *err)
{
	static const char *const names[] = {"a single value", "a list", "a map"};

	if (node->kind == kind)
		return 0;
	return yaml_err(node, err, "'%s' is not %s", what, names[kind]);
}

#define QUOTED 128 /* bytes of a name between quotes; a longer one is cut */

static const char *quote(char quoted[QUOTED], const char *what)
{
	snprintf(quoted, QUOTED, "'%.*s'", QUOTED - 3, what);
	return quoted;
}

/* What num.h said of `what`, told with the node's place; it names the value itself. */
static int number_at(const struct yaml_node *node, int rc, const struct err *cause, struct err *err)
{
	return rc ? yaml_err(node, err, "%s", cause->msg) : 0;
}

int yaml_long(const struct yaml_node *node, const char *what, long min, long max, long *out,
	      struct err *err)
{
	char quoted[QUOTED];
	struct err cause;

	if (yaml_want(node, YAML_SCALAR, what, err))
		return -1;
	return number_at(node, num_long(quote(quoted, what), node->text, min, max, out, &cause),
			 &cause, err);
}

int yaml_double(const struct yaml_node *node, const char *what, double min, double max, double *out,
		struct err *err)
{
	char quoted[QUOTED];
	struct err cause;

	if (yaml_want(node, YAML_SCALAR, what, err))
		return -1;
	return number_at(node, num_double(quote(quoted, what), node->text, min, max, out, &cause),
			 &cause, err);
}

/* YAML 1.1's words, in any of their three capitalisations; 1 true, 0 false, -1 neither. */
static int bool_word(const char *text)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++)
		if (!strcasecmp(text, words[i]))
			return i & 1;
	return -1;
}

int yaml_bool(const struct yaml_node *node, const char *what, bool *out, struct err *err)
{
	int word;

	if (yaml_want(node, YAML_SCALAR, what, err))
		return -1;
	word = node->plain ? bool_word(node->text) : -1;
	if (word < 0)
		return yaml_err(node, err, "'%s' is '%s', neither true nor false", what,
				node->text);
	*out = word;
	return 0;
}

int yaml_string(const struct yaml_node *node, const char *what, const char **out, struct err *err)
{
	if (yaml_want(node, YAML_SCALAR, what, err))
		return -1;
	if (yaml_is_null(node))
		return yaml_err(node, err, "'%s' is empty", what);
	*out = node->text;
	return 0;
}

/* An optional key: NULL when it is absent or null. */
static const struct yaml_node *given(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node = yaml_get(map, key);

	return node && !yaml_is_null(node) ? node : NULL;
}

int yaml_get_long(const struct yaml_node *map, const char *key, long min, long max, long *out,
		  struct err *err)
{
	const struct yaml_node *node = given(map, key);

	return node ? yaml_long(node, key, min, max, out, err) : 0;
}

int yaml_get_double(const struct yaml_node *map, const char *key, double min, double max,
		    double *out, struct err *err)
{
	const struct yaml_node *node = given(map, key);

	return node ? yaml_double(node, key, min, max, out, err) : 0;
}

int yaml_get_bool(const struct yaml_node *map, const char *key, bool *out, struct err *err)
{
	const struct yaml_node *node = given(map, key);

	return node ? yaml_bool(node, key, out, err) : 0;
}

int yaml_get_string(const struct yaml_node *map, const char *key, const char **out, struct err *err)
{
	const struct yaml_node *node = given(map, key);

	return node ? yaml_string(node, key, out, err) : 0;
}

/* Letters, digits and inner spaces that no reader takes for a null, a boolean or a number. */
static bool is_safe_plain(const char *text)
{
	static const char *const nulls[] = {"null", "y", "n"};
	size_t len = strlen(text), i;

	if (!len || !((text[0] | 32) >= 'a' && (text[0] | 32) <= 'z') || text[len - 1] == ' ')
		return false;
	if (bool_word(text) >= 0)
		return false;
	for (i = 0; i < ARRAY_LEN(nulls); i++)
		if (!strcasecmp(text, nulls[i]))
			return false;
	return strspn(text,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. /") == len;
}

void yaml_add_string(struct buf *out, const char *text)
{
	if (is_safe_plain(text))
		buf_add_str(out, text);
	else
		json_add_string(out, text); /* a JSON string is a double-quoted YAML scalar */
}
