/*
 * gate_json.h - a cut's gates as a value of a larger JSON document (mist.json of a feature stream).
 * gates_parse and gates_json of gate.h are the same for a text.
 */
#ifndef MIST_MIST_GATE_JSON_H
#define MIST_MIST_GATE_JSON_H

#include "io/json.h"
#include "mist/gate.h"

/* The caller's: json_decref, or hand over. */
json_t *gates_to_json(const struct gates *g);
/* `name` begins the sentence. On error nothing is left to release. */
int gates_from_json(const char *name, const json_t *value, struct gates *out, struct err *err);

#endif
