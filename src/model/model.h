/*
 * model.h - a weight file in memory: the graph, its parameters, class names, the gate's JSON and
 * the other metadata. Reads and writes safetensors as shared design "formats" says (mist.model,
 * mist.names, mist.cut_layer, mist.gate, mist.samples, mist.round, mist.client, mist.parents).
 */
#ifndef MIST_MODEL_MODEL_H
#define MIST_MODEL_MODEL_H

#include "base/err.h"
#include "base/file.h"
#include "nn/graph.h"

struct meta_entry {
	char *key, *value;
};

struct model {
	struct graph *graph;
	float *params; /* owned; graph->nfloats */
	char *yaml;    /* the model's text (mist.model) */
	char **names;  /* graph->nc class names */
	int nnames;
	struct meta_entry *meta; /* every other metadata entry, kept as it came */
	int nmeta;
	char digest[65]; /* SHA-256 of the file it came from, hex; "" if made here */
};

/* cfg: a YAML for files that carry none, or NULL. A missing, extra or misshapen tensor, a value
 * that is not finite: an error that names it. */
struct model *model_load(const char *path, const char *cfg, struct err *err);
/* A fresh model, initialised as YOLOv5 does (Kaiming uniform a=sqrt(5), Detect biases). */
struct model *model_init(const char *yaml_text, int nc, char **names, uint64_t seed,
			 struct err *err);
int model_save(const struct model *m, const char *path, struct err *err);
void model_free(struct model *m);

/* NULL when absent. */
const char *model_meta(const struct model *m, const char *key);
void model_set_meta(struct model *m, const char *key, const char *value); /* NULL removes */

/* SHA-256 (hex) over the names, shapes and float32 bytes of the layers before `cut`: what two
 * parties compare to know that their features mean the same. */
void model_extractor_digest(const struct model *m, int cut, char hex[65]);

#endif
