/*
 * json.h - JSON through jansson, with our manners: sizes and numbers of values are bounded before
 * anything is built, duplicate keys are refused, sentences carry line and column.
 *
 * Values are jansson's json_t; what json_parse and json_read return is the caller's (json_decref).
 * Strings and members got from a value are borrowed from it.
 */
#ifndef MIST_IO_JSON_H
#define MIST_IO_JSON_H

#include "base/err.h"
#include "base/mem.h"

#include <jansson.h>

/* `name` begins the sentence: "x.json:3:7: …". NULL on error. Any kind of value may be the top. */
json_t *json_parse(const char *name, const char *text, size_t len, struct err *err);
/* The whole of a file ("-": standard input) of at most `max` bytes. */
json_t *json_read(const char *path, size_t max, struct err *err);
/* One line, keys sorted, floats with 17 digits: the same value gives the same bytes. The caller
 * frees. */
char *json_text(const json_t *value);
/* Appends a value for people, by jansson's `flags`, and the end of its line; the value is released. */
void json_add_value(struct buf *out, json_t *value, size_t flags);
/* Appends `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void json_add_string(struct buf *out, const char *text);

/*
 * Members of an object, typed. `name` begins the sentence; a missing member, another type or a
 * value out of range is an error.
 */
int json_get_long(const char *name, const json_t *object, const char *key, long min, long max,
		  long *out, struct err *err);
/* Integers are taken too. Finite, min <= value <= max. */
int json_get_double(const char *name, const json_t *object, const char *key, double min, double max,
		    double *out, struct err *err);
int json_get_bool(const char *name, const json_t *object, const char *key, bool *out,
		  struct err *err);
int json_get_string(const char *name, const json_t *object, const char *key, const char **out,
		    struct err *err);
/* NULL and a sentence unless the member is there and of that kind. */
const json_t *json_get_array(const char *name, const json_t *object, const char *key,
			     struct err *err);
const json_t *json_get_object(const char *name, const json_t *object, const char *key,
			      struct err *err);
/* An array of strings as a list of copies; free with names_free (base/file.h). */
int json_get_strings(const char *name, const json_t *array, char ***out, size_t *n,
		     struct err *err);

#endif
