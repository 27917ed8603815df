/*
 * fields.h - the shape of a manifest: which fields have a meaning here, which are Kubernetes' or
 * Sedna's own and mean nothing without a cluster, and that there are no others.
 *
 * Source: KubeEdge Sedna, pkg/apis/sedna/v1alpha1 (Dataset, Model, FederatedLearningJob), its
 * published examples (stopCondition, aggregationTrigger), and Kubernetes' PodTemplateSpec.
 */
#ifndef MIST_JOB_FIELDS_H
#define MIST_JOB_FIELDS_H

#include "io/yaml.h"

enum field_use {
	FIELD_USED,    /* read by us */
	FIELD_IGNORED, /* known, means nothing here, and nothing below it is looked at */
};

enum field_shape { FIELD_SCALAR, FIELD_MAP, FIELD_LIST /* of maps */ };

struct field {
	const char *name; /* NULL ends a list */
	enum field_use use;
	enum field_shape shape;
	const struct field *below; /* of a map, or of each map of a list */
};

/* By kind; NULL for a kind that is not ours. */
const struct field *fields_of(const char *kind);
/* The nearest kind to a misspelt one, or NULL. */
const char *fields_nearest_kind(const char *kind);

/*
 * Checks a document against its fields. A field of another shape is an error, and so is one that is
 * unknown, with the nearest that is known. `ignored` is called once for each field that is there
 * and means nothing, with its path: "spec.aggregationWorker.template.spec.containers.image".
 */
int fields_check(const struct yaml_node *doc, const struct field *fields,
		 void (*ignored)(void *ctx, const char *path), void *ctx, struct err *err);

#endif
