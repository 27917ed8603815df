/*
 * model.h - a weight file in memory: the graph, its parameters, class names, the gate's JSON and
 * the other metadata. Reads and writes safetensors (metadata mist.model, mist.names,
 * mist.cut_layer, mist.gate, mist.samples, mist.round, mist.client, mist.parents).
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
	char **names;  /* class names, graph->nc of them */
	int nnames;
	struct meta_entry *meta; /* every other metadata entry, kept as it came */
	int nmeta;
	char digest[65]; /* SHA-256 of the file it came from, hex; "" if made here */
	int from, to;    /* the layers whose parameters are there: all of them, or a part */
};

/*
 * Reads a safetensors file. cfg: the path of a YAML, for files that carry none (and preferred to
 * what they carry), or NULL. A missing, extra or misshapen tensor, a value that is not finite: an
 * error that names it. A checkpoint (mist.train) has tensors "ema.…" and "optim.…" beside, which
 * are left alone; the older graphs' "….anchor_grid" is derived from the anchors, and dropped.
 * The graph's anchors become those of the file's tensor.
 */
struct model *model_load(const char *path, const char *cfg, struct err *err);
/*
 * The same for a part of a weight file too (mist.part, "edge" or "cloud": the layers before, or
 * from, mist.cut_layer on), which model_load refuses; parameters that are not in the part are zero.
 */
struct model *model_load_part(const char *path, const char *cfg, struct err *err);

/* A model of this YAML with all parameters zero, classes named "0", "1", …; `name` begins the
 * sentences. nc > 0 replaces the YAML's number of classes. */
struct model *model_new(const char *name, const char *yaml_text, int nc, struct err *err);
/* The same, initialised as YOLOv5 does (PyTorch's Kaiming uniform with a = sqrt(5), batch norms 1
 * and 0, Detect's biases from 8 objects per 640 pixel image). names: nc of them (copied), or NULL.
 */
struct model *model_init(const char *yaml_text, int nc, char **names, uint64_t seed,
			 struct err *err);
/* Replaces the class names (copies). */
void model_set_names(struct model *m, char *const *names, int n);
/* The graph's anchors from the tensor "….anchors", in units of strides; after filling params. */
int model_sync_anchors(struct model *m, struct err *err);

/* float32, or half: float16; of the layers from, …, to-1, which the caller may have narrowed. */
int model_save(const struct model *m, const char *path, struct err *err);
int model_save_half(const struct model *m, const char *path, struct err *err);
void model_free(struct model *m);

/* NULL when absent. */
const char *model_meta(const struct model *m, const char *key);
void model_set_meta(struct model *m, const char *key, const char *value); /* NULL removes */

/* SHA-256 (hex) over the names, shapes and float32 bytes of the layers before `cut`: what two
 * parties compare to know that their features mean the same. */
void model_extractor_digest(const struct model *m, int cut, char hex[65]);

#endif
