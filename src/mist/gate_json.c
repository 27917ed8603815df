#include "mist/gate_json.h"

#include "base/mem.h"

#include <endian.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of what a hostile text can make us allocate; YOLOv5x crosses with at most 1280 channels.
 */
#define MAX_CHANNELS 65536
#define MAX_GATES    64

#define VARIANT sodium_base64_VARIANT_ORIGINAL

static json_t *list_to_json(const float *values, int n)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, json_real(values[i]));
	return list;
}

/* Tens of thousands of floats: as text they would be four times as long. */
static json_t *blob_to_json(const char *key, int side, const float *values, size_t n)
{
	const size_t size = sodium_base64_ENCODED_LEN(n * sizeof(uint32_t), VARIANT);
	uint32_t *words = xreallocarray(NULL, n, sizeof(*words));
	char *text = xmalloc(size);
	json_t *o;
	size_t i;

	memcpy(words, values, n * sizeof(*words));
	for (i = 0; i < n; i++)
		words[i] = htole32(words[i]);
	sodium_bin2base64(text, size, (unsigned char *)words, n * sizeof(*words), VARIANT);
	o = json_pack("{siss}", key, side, "f32", text);
	free(words);
	free(text);
	return o;
}

static json_t *gate_to_json(const struct gate *g)
{
	json_t *o = json_object();

	json_object_set_new(o, "encoding", json_string(encoding_names[g->encoding]));
	json_object_set_new(o, "channels", json_integer(g->c));
	json_object_set_new(o, "mechanism", json_string(mechanism_names[g->mechanism]));
	json_object_set_new(o, "epsilon", json_real(g->epsilon));
	json_object_set_new(o, "q", json_real(g->q));
	json_object_set_new(o, "debias", json_boolean(g->debias));
	if (g->threshold)
		json_object_set_new(o, "threshold", list_to_json(g->threshold, g->c));
	if (g->low)
		json_object_set_new(o, "low", list_to_json(g->low, g->c));
	if (g->high)
		json_object_set_new(o, "high", list_to_json(g->high, g->c));
	if (g->mean)
		json_object_set_new(o, "mean", list_to_json(g->mean, g->c));
	if (g->filter)
		json_object_set_new(
			o, "filter",
			blob_to_json("size", g->filter_size, g->filter, gate_filter_floats(g)));
	if (g->net)
		json_object_set_new(
			o, "net", blob_to_json("width", g->net_width, g->net, gate_net_floats(g)));
	if (g->pool > 1)
		json_object_set_new(o, "pool", json_integer(g->pool));
	if (g->keep) {
		json_object_set_new(o, "keep", json_integer(g->keep));
		json_object_set_new(o, "subset", json_integer((json_int_t)g->subset));
	}
	return o;
}

json_t *gates_to_json(const struct gates *g)
{
	json_t *o = json_object(), *list = json_array();
	int i;

	for (i = 0; i < g->n; i++)
		json_array_append_new(list, gate_to_json(&g->gate[i]));
	json_object_set_new(o, "cut", json_integer(g->cut));
	json_object_set_new(o, "gates", list);
	return o;
}

char *gates_json(const struct gates *g)
{
	json_t *o = gates_to_json(g);
	char *text = json_text(o);

	json_decref(o);
	return text;
}

static int get_choice(const char *name, const json_t *o, const char *key, const char *const *names,
		      int *out, struct err *err)
{
	const char *text;

	if (json_get_string(name, o, key, &text, err))
		return -1;
	for (*out = 0; names[*out]; ++*out)
		if (!strcmp(names[*out], text))
			return 0;
	return err_set(err, STATUS_INPUT, "%s: unknown %s '%.40s'", name, key, text);
}

/* An absent list stays NULL. */
static int get_floats(const char *name, const json_t *o, const char *key, int n, float **out,
		      struct err *err)
{
	const json_t *list;
	int i;

	if (!json_object_get(o, key))
		return 0;
	list = json_get_array(name, o, key, err);
	if (!list)
		return -1;
	if (json_array_size(list) != (size_t)n)
		return err_set(err, STATUS_INPUT, "%s: '%s' has %zu values for %d channels", name,
			       key, json_array_size(list), n);
	*out = xreallocarray(NULL, (size_t)n, sizeof(**out));
	for (i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, (size_t)i);

		if (!json_is_number(v) || fabs(json_number_value(v)) > FLT_MAX)
			return err_set(err, STATUS_INPUT, "%s: '%s' holds what is not a number",
				       name, key);
		(*out)[i] = (float)json_number_value(v);
	}
	return 0;
}

/* A q that its epsilon does not give would decode every bit wrongly, or hide how little it hides.
 */
static int check_noise(const char *name, const struct gate *g, struct err *err)
{
	double q = ldexp((double)noise_threshold(g->mechanism, g->epsilon), -64);

	if (g->mechanism == MECHANISM_NONE && (g->epsilon != 0 || g->q != 0))
		return err_set(err, STATUS_INPUT, "%s: mechanism 'none' has no epsilon", name);
	if (g->mechanism != MECHANISM_NONE && g->encoding != ENCODING_BIT)
		return err_set(err, STATUS_INPUT, "%s: mechanism '%s' is for bits, not for '%s'",
			       name, mechanism_names[g->mechanism], encoding_names[g->encoding]);
	if (g->mechanism != MECHANISM_NONE && !(g->epsilon > 0))
		return err_set(err, STATUS_INPUT, "%s: mechanism '%s' needs an epsilon", name,
			       mechanism_names[g->mechanism]);
	if (fabs(g->q - q) > 1e-9)
		return err_set(err, STATUS_INPUT,
			       "%s: flip probability %g does not belong to epsilon %g", name, g->q,
			       g->epsilon);
	if (g->debias && !(g->q < 0.5))
		return err_set(err, STATUS_INPUT, "%s: pure noise cannot be de-biased", name);
	return 0;
}

/* Equal levels are a bit that tells nothing (calibrate.h); a byte's steps must have a size. */
static int check_levels(const char *name, const struct gate *g, struct err *err)
{
	int i;

	for (i = 0; i < g->c; i++) {
		const float low = g->low ? g->low[i] : 0, high = g->high ? g->high[i] : 1;

		if (g->encoding == ENCODING_BIT ? low > high : low >= high)
			return err_set(err, STATUS_INPUT,
				       "%s: channel %d's low level is not below its high one", name,
				       i);
	}
	return 0;
}

static int decode_floats(const char *name, const char *key, const char *text, size_t n, float *out,
			 struct err *err)
{
	unsigned char *bytes = (unsigned char *)out;
	size_t got, i;
	uint32_t word;

	if (sodium_base642bin(bytes, n * sizeof(word), text, strlen(text), NULL, &got, NULL,
			      VARIANT) ||
	    got != n * sizeof(word))
		return err_set(err, STATUS_INPUT, "%s: '%s' is not %zu floats in base64", name, key,
			       n);
	for (i = 0; i < n; i++) {
		memcpy(&word, bytes + i * sizeof(word), sizeof(word));
		word = le32toh(word);
		memcpy(&out[i], &word, sizeof(word));
		if (!isfinite(out[i]))
			return err_set(err, STATUS_INPUT, "%s: '%s' is not finite", name, key);
	}
	return 0;
}

/* The n floats of object `key`. */
static int get_blob(const char *name, const json_t *o, const char *key, size_t n, float **out,
		    struct err *err)
{
	const char *text;

	if (json_get_string(name, json_object_get(o, key), "f32", &text, err))
		return -1;
	/* its size is known from the text before anything is allocated by it */
	if (strlen(text) / 4 * 3 / sizeof(float) + 1 < n)
		return err_set(err, STATUS_INPUT, "%s: '%s' is too short", name, key);
	*out = xreallocarray(NULL, n, sizeof(**out));
	return decode_floats(name, key, text, n, *out, err);
}

static int get_filter(const char *name, const json_t *o, struct gate *g, struct err *err)
{
	const json_t *filter;
	long size;

	if (!json_object_get(o, "filter"))
		return 0;
	filter = json_get_object(name, o, "filter", err);
	if (!filter || json_get_long(name, filter, "size", 1, GATE_MAX_FILTER, &size, err))
		return -1;
	if (g->encoding != ENCODING_BIT || size % 2 == 0 || !g->mean)
		return err_set(err, STATUS_INPUT,
			       "%s: a filter is of an odd size, and for bits with a mean", name);
	g->filter_size = (int)size;
	return get_blob(name, o, "filter", gate_filter_floats(g), &g->filter, err);
}

static int get_net(const char *name, const json_t *o, struct gate *g, struct err *err)
{
	const json_t *net;
	long width;

	if (!json_object_get(o, "net"))
		return 0;
	net = json_get_object(name, o, "net", err);
	if (!net || json_get_long(name, net, "width", 1, GATE_MAX_NET, &width, err))
		return -1;
	if (!g->filter)
		return err_set(err, STATUS_INPUT, "%s: a network needs a filter", name);
	g->net_width = (int)width;
	return get_blob(name, o, "net", gate_net_floats(g), &g->net, err);
}

static int get_optional(const char *name, const json_t *o, const char *key, long min, long max,
			long *out, struct err *err)
{
	return json_object_get(o, key) ? json_get_long(name, o, key, min, max, out, err) : 0;
}

static int get_thinning(const char *name, const json_t *o, struct gate *g, struct err *err)
{
	long pool = 0, keep = 0, subset = 0;

	if (get_optional(name, o, "pool", 1, GATE_MAX_POOL, &pool, err) ||
	    get_optional(name, o, "keep", 1, UINT32_MAX, &keep, err) ||
	    get_optional(name, o, "subset", 0, LONG_MAX, &subset, err))
		return -1;
	g->pool = pool > 1 ? (int)pool : 0;
	g->keep = (uint32_t)keep;
	g->subset = (uint64_t)subset;
	if ((g->pool || g->keep) && (g->encoding != ENCODING_BIT || g->filter))
		return err_set(err, STATUS_INPUT,
			       "%s: pooling and a subset are for bits, and without a filter", name);
	return 0;
}

static int gate_from_json(const char *name, const json_t *o, struct gate *g, struct err *err)
{
	int encoding, mechanism;
	long channels;

	if (get_choice(name, o, "encoding", encoding_names, &encoding, err) ||
	    get_choice(name, o, "mechanism", mechanism_names, &mechanism, err) ||
	    json_get_long(name, o, "channels", 1, MAX_CHANNELS, &channels, err))
		return -1;
	gate_init(g, (enum encoding)encoding, (int)channels);
	g->mechanism = (enum mechanism)mechanism;
	if (json_get_double(name, o, "epsilon", 0, DBL_MAX, &g->epsilon, err) ||
	    json_get_double(name, o, "q", 0, 0.5, &g->q, err) ||
	    json_get_bool(name, o, "debias", &g->debias, err) ||
	    get_floats(name, o, "threshold", g->c, &g->threshold, err) ||
	    get_floats(name, o, "low", g->c, &g->low, err) ||
	    get_floats(name, o, "high", g->c, &g->high, err) ||
	    get_floats(name, o, "mean", g->c, &g->mean, err) || get_filter(name, o, g, err) ||
	    get_thinning(name, o, g, err) || get_net(name, o, g, err))
		return -1;
	return check_noise(name, g, err) || check_levels(name, g, err) ? -1 : 0;
}

int gates_from_json(const char *name, const json_t *value, struct gates *out, struct err *err)
{
	const json_t *list = json_get_array(name, value, "gates", err);
	long cut;
	size_t i;

	*out = (struct gates){0};
	if (!list || json_get_long(name, value, "cut", 0, 100000, &cut, err))
		return -1;
	if (json_array_size(list) < 1 || json_array_size(list) > MAX_GATES)
		return err_set(err, STATUS_INPUT, "%s: %zu gates", name, json_array_size(list));
	out->cut = (int)cut;
	out->gate = xcalloc(json_array_size(list), sizeof(*out->gate));
	for (i = 0; i < json_array_size(list); i++) {
		out->n++;
		if (gate_from_json(name, json_array_get(list, i), &out->gate[i], err)) {
			gates_release(out);
			return -1;
		}
	}
	return 0;
}

int gates_parse(const char *json, struct gates *out, struct err *err)
{
	json_t *value = json_parse("mist.gate", json, strlen(json), err);
	int rc;

	*out = (struct gates){0};
	if (!value)
		return -1;
	rc = gates_from_json("mist.gate", value, out, err);
	json_decref(value);
	return rc;
}

void gates_release(struct gates *g)
{
	int i;

	for (i = 0; i < g->n; i++)
		gate_release(&g->gate[i]);
	free(g->gate);
	*g = (struct gates){0};
}
