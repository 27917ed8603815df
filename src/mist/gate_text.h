/*
 * gate_text.h - gates in words, for people.
 */
#ifndef MIST_MIST_GATE_TEXT_H
#define MIST_MIST_GATE_TEXT_H

#include "base/mem.h"
#include "mist/gate.h"

/* A line per gate: "gate at cut 4: bit, 64 channels, randomised response with epsilon 2 …". */
void gates_describe(const struct gates *g, struct buf *out);
/* The same from the text of mist.gate; NULL adds nothing. */
int gates_describe_json(const char *json, struct buf *out, struct err *err);

#endif
