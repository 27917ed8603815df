/*
 * manifest.h - a federated job as Sedna's users write it: one YAML of several documents, `Dataset`,
 * `Model` and one `FederatedLearningJob`. mist-job(5) is its manual.
 *
 * What is read has been checked: fields and env names are known ones, names point at documents that
 * are there, numbers are in range, and the trigger can be met by the clients that are declared.
 * Errors begin with FILE:LINE:COLUMN. Nothing is looked up on disk.
 */
#ifndef MIST_JOB_MANIFEST_H
#define MIST_JOB_MANIFEST_H

#include "io/yaml.h"
#include "job/settings.h"

#include <stdint.h>

enum algorithm { ALGORITHM_MISTNET, ALGORITHM_FEDAVG };
extern const char *const algorithm_names[];

struct dataset_ref {
	const char *name, *url, *node; /* node: NULL where it is not said */
	const struct yaml_node *at;
};

struct model_ref {
	const char *name, *url, *format;
	const struct yaml_node *at;
};

struct env_value {
	const struct setting *setting;
	const char *value;
	const struct yaml_node *at;
};

struct worker {
	char *id;         /* its name in files and messages: the node's, or the data set's */
	const char *node; /* NULL where it is not said */
	const struct dataset_ref *dataset; /* NULL: the aggregation worker */
	uint64_t memory;                   /* bytes; 0: no limit */
	int cpus;                          /* 0: no limit */
	struct env_value *env;             /* owned */
	int nenv;
	const struct yaml_node *at;
};

struct manifest {
	struct yaml *yaml; /* owned: the texts are in it */
	const char *name;
	enum algorithm algorithm;
	char *stop;             /* an expression for fed/stop; NULL: after one round */
	int min_clients;        /* that must be ready before their files are combined */
	char *transmit;         /* the store's prefix, by way of which edges' files come; NULL */
	const char *credential; /* for it: a profile's name; NULL */
	const struct model_ref *pretrained; /* NULL: a model is initialised */
	const struct model_ref *model;      /* where the result is delivered */
	struct worker cloud;
	struct worker *edges; /* owned */
	int nedges;
	struct dataset_ref *datasets; /* owned */
	struct model_ref *models;     /* owned */
	int ndatasets, nmodels;
	struct words ignored; /* fields and env names that mean nothing here, each once */
};

/* NULL on error. `name` begins the sentences. */
struct manifest *manifest_parse(const char *name, const char *text, size_t len, struct err *err);
/* A file ("-": standard input). */
struct manifest *manifest_read(const char *path, struct err *err);
void manifest_free(struct manifest *m);

/*
 * What a worker's env says of a setting: its own word, or else the other side's (the cloud's for an
 * edge; for the cloud that of the edges, where they agree), so that a value need stand only once.
 * NULL where nobody says anything, or the setting is one of one side alone.
 */
const char *manifest_value(const struct manifest *m, const struct worker *w, const char *env);
/* Adds the options for one program that are said for that worker. */
void manifest_options(const struct manifest *m, const struct worker *w, enum setting_to program,
		      struct words *to);
/* -1 where edges disagree in what only they say and the cloud needs. Called by manifest_parse. */
int manifest_check_agreement(const struct manifest *m, struct err *err);

#endif
