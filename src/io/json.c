#include "io/json.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

/*
 * A value costs jansson about a hundred bytes however short it is, so a small file could take much
 * memory. 2^22 values leave 35 for each of the 118,287 images of COCO's train2017 in a manifest;
 * larger files are read piece by piece (io/jsonpull.h).
 */
#define JSON_MAX_VALUES (1u << 22)

/* An upper bound of the number of values: each but the first follows one of these. */
static size_t count_values(const char *text, size_t len)
{
	size_t i, n = 1;

	for (i = 0; i < len; i++)
		n += text[i] == ',' || text[i] == ':' || text[i] == '[' || text[i] == '{';
	return n;
}

json_t *json_parse(const char *name, const char *text, size_t len, struct err *err)
{
	json_error_t e;
	json_t *value;

	if (count_values(text, len) > JSON_MAX_VALUES) {
		err_set(err, STATUS_INPUT, "%s: more than %u values", name, JSON_MAX_VALUES);
		return NULL;
	}
	value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!value)
		err_set(err, STATUS_INPUT, "%s:%d:%d: %s", name, e.line, e.column, e.text);
	return value;
}

json_t *json_read(const char *path, size_t max, struct err *err)
{
	struct buf text = BUF_INIT;
	json_t *value = NULL;

	if (!file_read(path, max, &text, err))
		value = json_parse(path, text.data, text.len, err);
	buf_release(&text);
	return value;
}

char *json_text(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	BUG_IF(!text);
	return text;
}

void json_add_value(struct buf *out, json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags);

	BUG_IF(!text);
	buf_add_str(out, text);
	buf_add_str(out, "\n");
	free(text);
	json_decref(value);
}

/* The code point at p and, in *n, its length in UTF-8; 0 and 1 if it is none (overlong forms and
 * surrogates too). */
static uint32_t utf8_decode(const unsigned char *p, int *n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	int len = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t code = len > 1 ? *p & (0xffu >> (len + 1)) : *p;
	int i;

	*n = 1;
	for (i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		code = code << 6 | (p[i] & 63);
	}
	if (!len || code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*n = len;
	return code;
}

/* Controls and what YAML takes for ends of lines or marks of byte order: the same text is both. */
static bool must_escape(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
	       code == 0xfeff || code == 0xfffe || code == 0xffff;
}

void json_add_string(struct buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	int n;

	buf_add(out, "\"", 1);
	for (; *p; p += n) {
		uint32_t code = utf8_decode(p, &n);

		if (!code)
			buf_add_str(out, "\xef\xbf\xbd");
		else if (code == '"' || code == '\\')
			buf_printf(out, "\\%c", (int)code);
		else if (must_escape(code))
			buf_printf(out, "\\u%04x", (unsigned)code);
		else
			buf_add(out, p, (size_t)n);
	}
	buf_add(out, "\"", 1);
}

static const json_t *member(const char *name, const json_t *object, const char *key,
			    struct err *err)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		err_set(err, STATUS_INPUT, "%s: '%s' is missing", name, key);
	return value;
}

int json_get_long(const char *name, const json_t *object, const char *key, long min, long max,
		  long *out, struct err *err)
{
	const json_t *value = member(name, object, key, err);
	json_int_t v;

	if (!value)
		return -1;
	if (!json_is_integer(value))
		return err_set(err, STATUS_INPUT, "%s: '%s' is not a whole number", name, key);
	v = json_integer_value(value);
	if (v < min || v > max)
		return err_set(err, STATUS_INPUT,
			       "%s: '%s' is %" JSON_INTEGER_FORMAT ", not from %ld to %ld", name,
			       key, v, min, max);
	*out = (long)v;
	return 0;
}

int json_get_double(const char *name, const json_t *object, const char *key, double min, double max,
		    double *out, struct err *err)
{
	const json_t *value = member(name, object, key, err);
	double v;

	if (!value)
		return -1;
	if (!json_is_number(value))
		return err_set(err, STATUS_INPUT, "%s: '%s' is not a number", name, key);
	v = json_number_value(value);
	if (!isfinite(v) || v < min || v > max)
		return err_set(err, STATUS_INPUT, "%s: '%s' is %g, not from %g to %g", name, key, v,
			       min, max);
	*out = v;
	return 0;
}

int json_get_bool(const char *name, const json_t *object, const char *key, bool *out,
		  struct err *err)
{
	const json_t *value = member(name, object, key, err);

	if (!value)
		return -1;
	if (!json_is_boolean(value))
		return err_set(err, STATUS_INPUT, "%s: '%s' is neither true nor false", name, key);
	*out = json_is_true(value);
	return 0;
}

int json_get_string(const char *name, const json_t *object, const char *key, const char **out,
		    struct err *err)
{
	const json_t *value = member(name, object, key, err);

	if (!value)
		return -1;
	if (!json_is_string(value))
		return err_set(err, STATUS_INPUT, "%s: '%s' is not a string", name, key);
	*out = json_string_value(value);
	return 0;
}

const json_t *json_get_array(const char *name, const json_t *object, const char *key,
			     struct err *err)
{
	const json_t *value = member(name, object, key, err);

	if (value && !json_is_array(value)) {
		err_set(err, STATUS_INPUT, "%s: '%s' is not an array", name, key);
		value = NULL;
	}
	return value;
}

const json_t *json_get_object(const char *name, const json_t *object, const char *key,
			      struct err *err)
{
	const json_t *value = member(name, object, key, err);

	if (value && !json_is_object(value)) {
		err_set(err, STATUS_INPUT, "%s: '%s' is not an object", name, key);
		value = NULL;
	}
	return value;
}

int json_get_strings(const char *name, const json_t *array, char ***out, size_t *n, struct err *err)
{
	size_t i, count = json_array_size(array);

	*n = 0;
	*out = NULL;
	if (!json_is_array(array))
		return err_set(err, STATUS_INPUT, "%s: not an array of strings", name);
	*out = xcalloc(count ? count : 1, sizeof(**out));
	for (i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (!text) {
			names_free(*out, *n);
			*out = NULL;
			*n = 0;
			return err_set(err, STATUS_INPUT, "%s: element %zu is not a string", name,
				       i);
		}
		(*out)[(*n)++] = xstrdup(text);
	}
	return 0;
}
