/*
 * condition.h - a manifest's conditions: when to stop, and when to combine what clients sent.
 */
#ifndef MIST_JOB_CONDITION_H
#define MIST_JOB_CONDITION_H

#include "io/yaml.h"

/* {operator: or|and, conditions: [{metric, operator, threshold}]} as an expression of fed/stop; the
 * caller frees. NULL on error. */
char *condition_stop(const struct yaml_node *node, struct err *err);

/*
 * {metric: num_of_ready_clients, operator, threshold} as the least number of clients that meets it.
 * A condition that `clients`, which `are` "declared" for example, can never meet, or that none at all
 * would meet, is an error.
 */
int condition_trigger(const struct yaml_node *node, int clients, const char *are, int *least,
		      struct err *err);

#endif
