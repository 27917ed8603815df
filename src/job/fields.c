#include "job/fields.h"

#include "base/nearest.h"

#include <stdlib.h>
#include <string.h>

#define SCALAR(name)                                                                               \
	{                                                                                          \
		name, FIELD_USED, FIELD_SCALAR, NULL                                               \
	}
#define MAP(name, below)                                                                           \
	{                                                                                          \
		name, FIELD_USED, FIELD_MAP, below                                                 \
	}
#define LIST(name, below)                                                                          \
	{                                                                                          \
		name, FIELD_USED, FIELD_LIST, below                                                \
	}
#define IGNORED(name)                                                                              \
	{                                                                                          \
		name, FIELD_IGNORED, FIELD_SCALAR, NULL                                            \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, FIELD_USED, FIELD_SCALAR, NULL                                               \
	}

static const struct field metadata[] = {
	SCALAR("name"),
	IGNORED("namespace"),
	IGNORED("labels"),
	IGNORED("annotations"),
	IGNORED("creationTimestamp"),
	IGNORED("generation"),
	IGNORED("generateName"),
	IGNORED("resourceVersion"),
	IGNORED("uid"),
	IGNORED("ownerReferences"),
	IGNORED("finalizers"),
	IGNORED("managedFields"),
	END,
};
static const struct field named[] = {SCALAR("name"), END};

#define DOCUMENT(spec)                                                                             \
	SCALAR("apiVersion"), SCALAR("kind"), MAP("metadata", metadata), MAP("spec", spec),        \
		IGNORED("status"), END

static const struct field dataset_spec[] = {
	SCALAR("url"), SCALAR("format"), SCALAR("nodeName"), IGNORED("credentialName"), END,
};
static const struct field dataset[] = {DOCUMENT(dataset_spec)};

static const struct field model_spec[] = {
	SCALAR("url"), SCALAR("format"), IGNORED("credentialName"), IGNORED("device_soc_versions"),
	END,
};
static const struct field model[] = {DOCUMENT(model_spec)};

static const struct field env[] = {SCALAR("name"), SCALAR("value"), END};
static const struct field limits[] = {
	SCALAR("memory"),
	SCALAR("cpu"),
	IGNORED("ephemeral-storage"),
	IGNORED("nvidia.com/gpu"),
	IGNORED("huawei.com/Ascend310"),
	END,
};
static const struct field resources[] = {MAP("limits", limits), IGNORED("requests"), END};
static const struct field containers[] = {
	LIST("env", env),
	MAP("resources", resources),
	IGNORED("name"),
	IGNORED("image"),
	IGNORED("imagePullPolicy"),
	IGNORED("args"),
	IGNORED("command"),
	IGNORED("envFrom"),
	IGNORED("lifecycle"),
	IGNORED("livenessProbe"),
	IGNORED("ports"),
	IGNORED("readinessProbe"),
	IGNORED("securityContext"),
	IGNORED("startupProbe"),
	IGNORED("stdin"),
	IGNORED("terminationMessagePath"),
	IGNORED("terminationMessagePolicy"),
	IGNORED("tty"),
	IGNORED("volumeDevices"),
	IGNORED("volumeMounts"),
	IGNORED("workingDir"),
	END,
};
static const struct field pod_spec[] = {
	SCALAR("nodeName"),
	LIST("containers", containers),
	IGNORED("activeDeadlineSeconds"),
	IGNORED("affinity"),
	IGNORED("automountServiceAccountToken"),
	IGNORED("dnsConfig"),
	IGNORED("dnsPolicy"),
	IGNORED("enableServiceLinks"),
	IGNORED("hostAliases"),
	IGNORED("hostIPC"),
	IGNORED("hostNetwork"),
	IGNORED("hostPID"),
	IGNORED("hostname"),
	IGNORED("imagePullSecrets"),
	IGNORED("initContainers"),
	IGNORED("nodeSelector"),
	IGNORED("priority"),
	IGNORED("priorityClassName"),
	IGNORED("restartPolicy"),
	IGNORED("runtimeClassName"),
	IGNORED("schedulerName"),
	IGNORED("securityContext"),
	IGNORED("serviceAccount"),
	IGNORED("serviceAccountName"),
	IGNORED("terminationGracePeriodSeconds"),
	IGNORED("tolerations"),
	IGNORED("topologySpreadConstraints"),
	IGNORED("volumes"),
	END,
};
static const struct field pod_template[] = {MAP("spec", pod_spec), IGNORED("metadata"), END};

static const struct field condition[] = {
	SCALAR("metric"),
	SCALAR("operator"),
	SCALAR("threshold"),
	END,
};
static const struct field stop_condition[] = {
	SCALAR("operator"),
	LIST("conditions", condition),
	END,
};
static const struct field trigger[] = {MAP("condition", condition), END};
static const struct field aggregation_worker[] = {
	MAP("model", named),
	MAP("template", pod_template),
	END,
};
static const struct field training_worker[] = {
	MAP("dataset", named),
	MAP("template", pod_template),
	IGNORED("model"),
	END,
};
static const struct field s3[] = {SCALAR("aggDataPath"), SCALAR("credentialName"), END};
static const struct field transmitter[] = {IGNORED("ws"), MAP("s3", s3), END};
static const struct field job_spec[] = {
	MAP("stopCondition", stop_condition),
	MAP("aggregationTrigger", trigger),
	MAP("pretrainedModel", named),
	MAP("aggregationWorker", aggregation_worker),
	LIST("trainingWorkers", training_worker),
	MAP("transmitter", transmitter),
	END,
};
static const struct field job[] = {DOCUMENT(job_spec)};

/* Credentials have no place in a manifest here; one that is there is not looked at. */
static const struct field secret[] = {
	SCALAR("apiVersion"), SCALAR("kind"),  MAP("metadata", metadata), IGNORED("stringData"),
	IGNORED("data"),      IGNORED("type"), IGNORED("immutable"),      END,
};

static const struct kind {
	const char *name;
	const struct field *fields;
} kinds[] = {
	{"FederatedLearningJob", job},
	{"Dataset", dataset},
	{"Model", model},
	{"Secret", secret},
};

const struct field *fields_of(const char *kind)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, kind))
			return kinds[i].fields;
	return NULL;
}

const char *fields_nearest_kind(const char *kind)
{
	const char *known[ARRAY_LEN(kinds)];
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		known[i] = kinds[i].name;
	return nearest_word(kind, known, ARRAY_LEN(kinds));
}

static const struct field *find(const struct field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (!strcmp(fields->name, name))
			return fields;
	return NULL;
}

static int unknown(const struct yaml_node *key, const struct field *fields, const char *path,
		   struct err *err)
{
	const char *known[64], *near;
	size_t n = 0;

	for (; fields[n].name && n < ARRAY_LEN(known); n++)
		known[n] = fields[n].name;
	near = nearest_word(key->text, known, n);
	if (near)
		return yaml_err(key, err, "unknown field '%s%s%s'; did you mean '%s'?", path,
				*path ? "." : "", key->text, near);
	return yaml_err(key, err, "unknown field '%s%s%s'", path, *path ? "." : "", key->text);
}

/* Texts become words of scripts and names of files: a line break has no place in them. */
static int check_text(const struct yaml_node *value, const char *path, struct err *err)
{
	const char *p;

	for (p = value->text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return yaml_err(value, err, "'%s' has a control character in it", path);
	return 0;
}

struct check {
	void (*ignored)(void *ctx, const char *path);
	void *ctx;
};

static int check_map(const struct check *c, const struct yaml_node *map, const struct field *fields,
		     const char *path, struct err *err);

static int check_field(const struct check *c, const struct field *f, const struct yaml_node *value,
		       const char *path, struct err *err)
{
	static const char *const shapes[] = {"a single value", "a map", "a list"};
	static const enum yaml_kind kind_of[] = {YAML_SCALAR, YAML_MAP, YAML_LIST};
	int i, rc = 0;

	if (yaml_is_null(value))
		return 0;
	if (value->kind != kind_of[f->shape])
		return yaml_err(value, err, "'%s' is not %s", path, shapes[f->shape]);
	if (f->shape == FIELD_MAP)
		return check_map(c, value, f->below, path, err);
	if (f->shape == FIELD_SCALAR)
		return check_text(value, path, err);
	for (i = 0; i < value->n && !rc; i++) {
		if (value->item[i]->kind != YAML_MAP)
			rc = yaml_err(value->item[i], err, "'%s' is a list of maps", path);
		else
			rc = check_map(c, value->item[i], f->below, path, err);
	}
	return rc;
}

static int check_map(const struct check *c, const struct yaml_node *map, const struct field *fields,
		     const char *path, struct err *err)
{
	int i, rc = 0;

	for (i = 0; i < map->n && !rc; i++) {
		const struct yaml_node *key = map->item[2 * (size_t)i];
		const struct field *f = find(fields, key->text);
		char *below;

		if (!f)
			return unknown(key, fields, path, err);
		below = xasprintf("%s%s%s", path, *path ? "." : "", f->name);
		if (f->use == FIELD_IGNORED)
			c->ignored(c->ctx, below);
		else
			rc = check_field(c, f, map->item[2 * (size_t)i + 1], below, err);
		free(below);
	}
	return rc;
}

int fields_check(const struct yaml_node *doc, const struct field *fields,
		 void (*ignored)(void *ctx, const char *path), void *ctx, struct err *err)
{
	const struct check c = {ignored, ctx};

	return check_map(&c, doc, fields, "", err);
}
