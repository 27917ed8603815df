/*
 * config.h - a model's YAML in Ultralytics' syntax to a graph.
 *
 * Top level: nc, depth_multiple, width_multiple, anchors, activation (optional), backbone and head,
 * lists of [from, number, module, args]; and, of our own, ch (channels of the image, 3) and img
 * (the only image size, for models that flatten). Repeats are max(round(number * depth_multiple),
 * 1), channels rounded up to a multiple of 8 after the width multiple (models/yolo.py,
 * parse_model). Whatever is wrong is an error with the line it is on.
 */
#ifndef MIST_MODEL_CONFIG_H
#define MIST_MODEL_CONFIG_H

#include "base/err.h"
#include "nn/graph.h"

/* `name` begins the sentences; the caller frees the graph (graph_free). NULL on error. */
struct graph *config_parse(const char *name, const char *text, struct err *err);

/* The text with another number of classes; the caller frees. */
char *config_set_classes(const char *text, int nc);

#endif
