/*
 * yaml.h - YAML 1.1 (libyaml) as a small tree that knows where it came from: every node has a line
 * and a column, every getter makes a sentence "x.yaml:3:7: …".
 *
 * Hostile documents: the size of the text, the depth, and the number of nodes after aliases are
 * expanded are bounded; an alias inside its own anchor, duplicate keys, keys that are not scalars
 * are refused. Tags are not obeyed: nothing is ever constructed.
 *
 * A plain (unquoted) scalar is what PyYAML takes it for: null (nothing, ~, null), a boolean (true,
 * yes, on, …), a number, or text. Nodes and texts belong to the `struct yaml`.
 */
#ifndef MIST_IO_YAML_H
#define MIST_IO_YAML_H

#include "base/err.h"
#include "base/mem.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	bool plain;       /* a scalar without quotes */
	int line, column; /* from 1 */
	const char *file; /* for sentences */
	const char *text; /* scalars */
	int n;            /* elements of a list, pairs of a map */
	/* list: item[0 … n-1]; map: key item[2*i], value item[2*i+1] */
	const struct yaml_node **item;
};

struct yaml {
	char *file;
	const struct yaml_node **doc; /* the roots; a document of nothing is a null scalar */
	int ndocs;
	/* private */
	struct yaml_node **chunk;
	size_t *chunk_nodes;
	size_t nchunks;
};

/* `name` begins the sentences. At least one document; NULL on error. */
struct yaml *yaml_parse(const char *name, const char *text, size_t len, struct err *err);
/* A file ("-": standard input) of at most 16 MiB. */
struct yaml *yaml_read(const char *path, struct err *err);
/* Not yaml_free: libyaml exports a function of that name, and calls ours. */
void yaml_tree_free(struct yaml *y);

/* "FILE:LINE:COLUMN: SENTENCE", status input; returns -1. */
int yaml_err(const struct yaml_node *at, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

bool yaml_is_null(const struct yaml_node *node);
/* The value of a key of a map; NULL when absent or when `map` is not a map. A null value is found.
 */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* The same, but absence, a null and a parent that is not a map are errors. */
const struct yaml_node *yaml_need(const struct yaml_node *map, const char *key, struct err *err);
/* -1 unless the node is of that kind; `what` names it: "'anchors' is not a list". */
int yaml_want(const struct yaml_node *node, enum yaml_kind kind, const char *what, struct err *err);

/* What a scalar says. `what` names it in the sentence. */
int yaml_long(const struct yaml_node *node, const char *what, long min, long max, long *out,
	      struct err *err);
/* Finite; also "1e-3", which YAML 1.1 would take for text. */
int yaml_double(const struct yaml_node *node, const char *what, double min, double max, double *out,
		struct err *err);
int yaml_bool(const struct yaml_node *node, const char *what, bool *out, struct err *err);
/* Borrowed. Numbers and booleans are given as they are written; a null is an error. */
int yaml_string(const struct yaml_node *node, const char *what, const char **out, struct err *err);

/* The same for an optional key of a map: 0 with *out untouched when it is absent or null. */
int yaml_get_long(const struct yaml_node *map, const char *key, long min, long max, long *out,
		  struct err *err);
int yaml_get_double(const struct yaml_node *map, const char *key, double min, double max,
		    double *out, struct err *err);
int yaml_get_bool(const struct yaml_node *map, const char *key, bool *out, struct err *err);
int yaml_get_string(const struct yaml_node *map, const char *key, const char **out,
		    struct err *err);

/* Appends `text` as a scalar that reads back as this very text: plain where that is safe, quoted
 * otherwise. */
void yaml_add_string(struct buf *out, const char *text);

#endif
