/*
 * features_header.c - mist.json, the first member of a segment.
 */
#include "base/mem.h"
#include "mist/features.h"
#include "mist/gate_json.h"
#include "mist/labelnoise.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT       "mist-features"
#define FORMAT_MAJOR 1
#define FORMAT_MINOR                                                                               \
	2 /* 1.1: label_epsilon, and the gate's means; 1.2: epsilon_image, thinned gates */
/* A side of 65536 pixels at the image; no crossing tensor is larger or has more channels. */
#define MAX_DIM    65536
#define MAX_VALUES ((size_t)1 << 28)
/* YOLOv5x at 1280 pixels crosses its first cut with 2^25; three seconds' worth would be 2^31. */
#define MAX_SUBSET   ((size_t)1 << 26)
#define MAX_IMG      65536
#define MAX_RELEASES 1024

static const char *const label_policies[] = {"clear", "none", "rr", NULL};

void features_header_release(struct features_header *h)
{
	free(h->client);
	free(h->labels);
	free(h->program);
	free(h->certificate);
	free(h->json);
	names_free(h->names, (size_t)h->nnames);
	gates_release(&h->gates);
	*h = (struct features_header){0};
}

size_t features_values(const struct features_header *h)
{
	size_t sum = 0;
	int i;

	for (i = 0; i < h->ntensors; i++)
		sum += gate_sent(&h->gates.gate[i], h->shape[i].h, h->shape[i].w);
	return sum;
}

struct privacy features_privacy(const struct features_header *h)
{
	return (struct privacy){.encoding = h->encoding,
				.mechanism = h->mechanism,
				.seeded = h->seeded,
				.q = h->q,
				.per_bit = h->epsilon_effective,
				.values = features_values(h),
				.releases = h->releases,
				.labels = h->labels,
				.label_epsilon =
					h->label_epsilon > 0
						? labelnoise_effective(h->label_epsilon, h->nnames)
						: 0};
}

/* ------------------------------------------------------------------ writing */

/* Null is infinite; nothing but noise costs 0. */
static json_t *epsilon_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *number_or_null(double v)
{
	return isfinite(v) && v > 0 ? json_real(v) : json_null();
}

static json_t *shapes_to_json(const struct features_header *h)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < h->ntensors; i++)
		json_array_append_new(
			list, json_pack("[iii]", h->shape[i].c, h->shape[i].h, h->shape[i].w));
	return list;
}

static json_t *names_to_json(const struct features_header *h)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < h->nnames; i++)
		json_array_append_new(list, json_string(h->names[i]));
	return list;
}

/* The three figures that are never given one without the others (privacy: honest numbers). */
static json_t *privacy_to_json(const struct features_header *h)
{
	const struct privacy p = features_privacy(h);
	json_t *o = json_object();

	json_object_set_new(o, "bits_per_release", json_integer((json_int_t)p.values));
	json_object_set_new(o, "releases_per_image", json_integer(h->releases));
	json_object_set_new(o, "epsilon_per_bit", epsilon_or_null(p.per_bit));
	json_object_set_new(o, "epsilon_per_image", epsilon_or_null(privacy_per_image(&p)));
	return o;
}

char *features_header_json(const struct features_header *h)
{
	json_t *o = json_object();
	char *text, version[16];

	snprintf(version, sizeof(version), "%d.%d", FORMAT_MAJOR, FORMAT_MINOR);
	json_object_set_new(o, "format", json_string(FORMAT));
	json_object_set_new(o, "version", json_string(version));
	json_object_set_new(o, "client", json_string(h->client));
	json_object_set_new(o, "cut_layer", json_integer(h->cut));
	json_object_set_new(o, "extractor", json_string(h->extractor));
	json_object_set_new(o, "img", json_integer(h->img));
	json_object_set_new(o, "shapes", shapes_to_json(h));
	json_object_set_new(o, "encoding", json_string(encoding_names[h->encoding]));
	if (h->encoding == ENCODING_BIT)
		json_object_set_new(o, "bit_order", json_string("big"));
	json_object_set_new(o, "mechanism", json_string(mechanism_names[h->mechanism]));
	json_object_set_new(o, "epsilon", number_or_null(h->epsilon));
	json_object_set_new(o, "epsilon_effective", epsilon_or_null(h->epsilon_effective));
	if (h->epsilon_image > 0)
		json_object_set_new(o, "epsilon_image", json_real(h->epsilon_image));
	json_object_set_new(o, "flip_probability", json_real(h->q));
	json_object_set_new(o, "seeded", json_boolean(h->seeded));
	json_object_set_new(o, "labels", json_string(h->labels));
	if (h->label_epsilon > 0) {
		json_object_set_new(o, "label_epsilon", json_real(h->label_epsilon));
		json_object_set_new(o, "label_epsilon_effective",
				    json_real(labelnoise_effective(h->label_epsilon, h->nnames)));
	}
	json_object_set_new(o, "names", names_to_json(h));
	json_object_set_new(o, "gate", gates_to_json(&h->gates));
	json_object_set_new(o, "privacy", privacy_to_json(h));
	if (h->certificate)
		json_object_set_new(o, "certificate", json_loads(h->certificate, 0, NULL));
	json_object_set_new(o, "program", json_string(h->program));
	text = json_text(o);
	json_decref(o);
	return text;
}

/* ------------------------------------------------------------------ reading */

static int check_version(const char *name, const json_t *o, struct err *err)
{
	const char *format = json_string_value(json_object_get(o, "format")), *version;
	char *end;
	long major;

	if (!format || strcmp(format, FORMAT))
		return err_set(err, STATUS_INPUT, "%s: not the header of a feature stream", name);
	if (json_get_string(name, o, "version", &version, err))
		return -1;
	major = strtol(version, &end, 10);
	if (end == version || *end != '.' || major < 1)
		return err_set(err, STATUS_INPUT, "%s: '%.20s' is not a version", name, version);
	if (major > FORMAT_MAJOR)
		return err_set(
			err, STATUS_INPUT,
			"%s: format version %.20s is newer than this program, which reads %d", name,
			version, FORMAT_MAJOR);
	return 0;
}

static int get_text(const char *name, const json_t *o, const char *key, char **out, struct err *err)
{
	const char *text, *p;

	if (json_get_string(name, o, key, &text, err))
		return -1;
	if (strlen(text) > 255)
		return err_set(err, STATUS_INPUT, "%s: '%s' is longer than 255 bytes", name, key);
	for (p = text; *p; p++) /* it will be shown on a terminal */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, STATUS_INPUT, "%s: control characters in '%s'", name,
				       key);
	*out = xstrdup(text);
	return 0;
}

static int get_extractor(const char *name, const json_t *o, char out[65], struct err *err)
{
	const char *text;

	if (json_get_string(name, o, "extractor", &text, err))
		return -1;
	if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
		return err_set(err, STATUS_INPUT, "%s: 'extractor' is not a SHA-256", name);
	memcpy(out, text, 65);
	return 0;
}

static int get_shape(const char *name, const json_t *list, int i, struct features_header *h,
		     struct err *err)
{
	int *const to[3] = {&h->shape[i].c, &h->shape[i].h, &h->shape[i].w};
	const json_t *dims = json_array_get(list, (size_t)i);
	int k;

	for (k = 0; k < 3; k++) {
		const json_t *v = json_array_get(dims, (size_t)k);
		json_int_t n = json_integer_value(v);

		if (json_array_size(dims) != 3 || !json_is_integer(v) || n < 1 || n > MAX_DIM)
			return err_set(err, STATUS_INPUT, "%s: a shape is not [C, H, W]", name);
		*to[k] = (int)n;
	}
	return 0;
}

static size_t shape_values(const struct features_header *h)
{
	size_t sum = 0;
	int i;

	for (i = 0; i < h->ntensors; i++)
		sum += gate_values(h->shape[i].c, h->shape[i].h, h->shape[i].w);
	return sum;
}

static int get_shapes(const char *name, const json_t *o, struct features_header *h, struct err *err)
{
	const json_t *list = json_get_array(name, o, "shapes", err);
	size_t n = json_array_size(list);

	if (!list)
		return -1;
	if (n < 1 || n > FEATURES_MAX_TENSORS)
		return err_set(err, STATUS_INPUT, "%s: %zu tensors, not 1 to %d", name, n,
			       FEATURES_MAX_TENSORS);
	for (h->ntensors = 0; h->ntensors < (int)n; h->ntensors++)
		if (get_shape(name, list, h->ntensors, h, err))
			return -1;
	if (shape_values(h) > MAX_VALUES)
		return err_set(err, STATUS_INPUT, "%s: more than %zu values in a sample", name,
			       MAX_VALUES);
	return 0;
}

static int get_names(const char *name, const json_t *o, struct features_header *h, struct err *err)
{
	const json_t *list = json_get_array(name, o, "names", err);
	size_t n;

	if (!list || json_get_strings(name, list, &h->names, &n, err))
		return -1;
	h->nnames = (int)n;
	return 0;
}

/* Positions are counted one by one, so they are bounded before. */
static int check_thinning(const char *name, const struct features_header *h, struct err *err)
{
	int i;

	for (i = 0; i < h->gates.n; i++) {
		const struct gate *g = &h->gates.gate[i];

		if (g->keep && shape_values(h) > MAX_SUBSET)
			return err_set(err, STATUS_INPUT, "%s: a subset of more than %zu values",
				       name, MAX_SUBSET);
		if (!gate_sent(g, h->shape[i].h, h->shape[i].w))
			return err_set(err, STATUS_INPUT, "%s: a tensor of which no bit is sent",
				       name);
	}
	return 0;
}

/* Encoding, mechanism and epsilon are those of the gates; what stands beside them must agree. */
static int get_gates(const char *name, const json_t *o, struct features_header *h, struct err *err)
{
	const json_t *gate = json_get_object(name, o, "gate", err);
	const char *encoding, *mechanism;
	int i;

	if (!gate || gates_from_json(name, gate, &h->gates, err) ||
	    json_get_string(name, o, "encoding", &encoding, err) ||
	    json_get_string(name, o, "mechanism", &mechanism, err))
		return -1;
	h->encoding = h->gates.gate[0].encoding;
	h->mechanism = h->gates.gate[0].mechanism;
	h->epsilon = h->gates.gate[0].epsilon;
	h->q = h->gates.gate[0].q;
	h->epsilon_effective = noise_effective(h->mechanism, h->epsilon);
	if (h->gates.n != h->ntensors || h->gates.cut != h->cut)
		return err_set(err, STATUS_INPUT, "%s: the gate is not of this cut", name);
	for (i = 0; i < h->gates.n; i++) {
		const struct gate *g = &h->gates.gate[i];

		if (g->c != h->shape[i].c || g->mechanism != h->mechanism ||
		    g->encoding != h->encoding || g->epsilon != h->epsilon ||
		    strcmp(encoding, encoding_names[g->encoding]) ||
		    strcmp(mechanism, mechanism_names[g->mechanism]))
			return err_set(err, STATUS_INPUT, "%s: the gate contradicts the header",
				       name);
	}
	return check_thinning(name, h, err);
}

static int get_labels(const char *name, const json_t *o, struct features_header *h, struct err *err)
{
	int i;

	if (get_text(name, o, "labels", &h->labels, err))
		return -1;
	for (i = 0; label_policies[i] && strcmp(label_policies[i], h->labels); i++)
		;
	if (!label_policies[i])
		return err_set(err, STATUS_INPUT, "%s: unknown label policy '%s'", name, h->labels);
	if (strcmp(h->labels, "rr"))
		return 0;
	if (json_get_double(name, o, "label_epsilon", 0, DBL_MAX, &h->label_epsilon, err))
		return -1;
	if (!(h->label_epsilon > 0) || h->nnames < 2)
		return err_set(err, STATUS_INPUT,
			       "%s: labels 'rr' need a label_epsilon above 0 and several classes",
			       name);
	return 0;
}

static int get_privacy(const char *name, const json_t *o, struct features_header *h,
		       struct err *err)
{
	const json_t *privacy = json_get_object(name, o, "privacy", err);
	long releases;

	if (!privacy ||
	    json_get_long(name, privacy, "releases_per_image", 1, MAX_RELEASES, &releases, err))
		return -1;
	h->releases = (int)releases;
	return json_get_bool(name, o, "seeded", &h->seeded, err);
}

/* What an image may cost must cover what it does. */
static int get_epsilon_image(const char *name, const json_t *o, struct features_header *h,
			     struct err *err)
{
	const struct privacy p = features_privacy(h);

	if (!json_object_get(o, "epsilon_image"))
		return 0;
	if (json_get_double(name, o, "epsilon_image", 0, DBL_MAX, &h->epsilon_image, err))
		return -1;
	if (!(privacy_per_image(&p) <= h->epsilon_image))
		return err_set(err, STATUS_INPUT,
			       "%s: epsilon_image is %g, and an image costs more", name,
			       h->epsilon_image);
	return 0;
}

int features_header_parse(const char *name, const char *text, size_t size,
			  struct features_header *h, struct err *err)
{
	json_t *o = json_parse(name, text, size, err);
	long cut, img;
	int rc = -1;

	*h = (struct features_header){0};
	if (!o)
		return -1;
	if (!check_version(name, o, err) && !get_text(name, o, "client", &h->client, err) &&
	    !json_get_long(name, o, "cut_layer", 1, 100000, &cut, err) &&
	    !json_get_long(name, o, "img", 1, MAX_IMG, &img, err) &&
	    !get_extractor(name, o, h->extractor, err) && !get_shapes(name, o, h, err) &&
	    !get_names(name, o, h, err) && !get_labels(name, o, h, err) &&
	    !get_privacy(name, o, h, err) && !get_text(name, o, "program", &h->program, err)) {
		h->cut = (int)cut;
		h->img = (int)img;
		rc = get_gates(name, o, h, err) || get_epsilon_image(name, o, h, err) ? -1 : 0;
	}
	json_decref(o);
	h->json = xstrndup(text, size);
	if (rc)
		features_header_release(h);
	return rc;
}

/* ------------------------------------------------------------------ comparing */

/* Does what a bit decodes to have the clean bit's mean? */
static bool unbiased(const struct gate *g)
{
	return g->debias || g->q == 0;
}

static bool same_gate(const struct gate *a, const struct gate *b)
{
	return gate_same_levels(a, b) && (a->q == b->q || unbiased(a) == unbiased(b));
}

static bool same_shapes(const struct features_header *a, const struct features_header *b)
{
	int i;

	for (i = 0; i < a->ntensors; i++)
		if (a->shape[i].c != b->shape[i].c || a->shape[i].h != b->shape[i].h ||
		    a->shape[i].w != b->shape[i].w)
			return false;
	return a->ntensors == b->ntensors;
}

static bool same_names(const struct features_header *a, const struct features_header *b)
{
	int i;

	for (i = 0; i < a->nnames && i < b->nnames; i++)
		if (strcmp(a->names[i], b->names[i]))
			return false;
	return a->nnames == b->nnames;
}

static void describe_bits(const struct gate *g, char *out, size_t size)
{
	char part[64] = "all positions";

	if (g->keep)
		snprintf(part, sizeof(part), "%.4g %% of the positions (subset %" PRIu64 ")",
			 ldexp(100.0 * g->keep, -32), g->subset);
	if (g->pool > 1)
		snprintf(out, size, "%dx%d squares, %s", g->pool, g->pool,
			 g->keep ? part : "all of them");
	else
		snprintf(out, size, "%s", part);
}

static int fail_bits(const struct gate *a, const struct gate *b, struct err *err)
{
	char one[128], two[128];

	describe_bits(a, one, sizeof(one));
	describe_bits(b, two, sizeof(two));
	return err_set(err, STATUS_INPUT, "bits of %s and of %s do not mix", one, two);
}

int features_fit(const struct features_header *a, const struct features_header *b, struct err *err)
{
	int i;

	if (a->cut != b->cut)
		return err_set(err, STATUS_INPUT, "cut layers %d and %d do not mix", a->cut,
			       b->cut);
	if (strcmp(a->extractor, b->extractor))
		return err_set(err, STATUS_INPUT,
			       "features of different extractors (%.12s and %.12s) do not mix",
			       a->extractor, b->extractor);
	if (a->img != b->img)
		return err_set(err, STATUS_INPUT, "image sizes %d and %d do not mix", a->img,
			       b->img);
	if (a->encoding != b->encoding)
		return err_set(err, STATUS_INPUT, "encodings '%s' and '%s' do not mix",
			       encoding_names[a->encoding], encoding_names[b->encoding]);
	if (a->mechanism != b->mechanism)
		return err_set(err, STATUS_INPUT, "mechanisms '%s' and '%s' do not mix",
			       mechanism_names[a->mechanism], mechanism_names[b->mechanism]);
	if (!same_shapes(a, b))
		return err_set(err, STATUS_INPUT, "the shapes of the features differ");
	if (!same_names(a, b))
		return err_set(err, STATUS_INPUT, "the class names differ");
	if (strcmp(a->labels, b->labels))
		return err_set(err, STATUS_INPUT, "label policies '%s' and '%s' do not mix",
			       a->labels, b->labels);
	for (i = 0; i < a->gates.n; i++) {
		if (!gate_same_bits(&a->gates.gate[i], &b->gates.gate[i]))
			return fail_bits(&a->gates.gate[i], &b->gates.gate[i], err);
		if (!same_gate(&a->gates.gate[i], &b->gates.gate[i]))
			return err_set(err, STATUS_INPUT, "the gates differ");
	}
	return 0;
}
