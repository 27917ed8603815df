/*
 * quantity.h - the quantities of Kubernetes manifests: "2Gi", "512M", "1.5Gi", "500m", "2e9".
 * (kubernetes.io, "Resource Management for Pods and Containers": suffixes k M G T P of 1000, Ki Mi
 * Gi Ti Pi of 1024, m of a thousandth.)
 */
#ifndef MIST_JOB_QUANTITY_H
#define MIST_JOB_QUANTITY_H

#include "base/err.h"

#include <stdint.h>

/* Bytes, rounded up; at least 1 MiB, at most 2^50: less is a missing suffix, more a typing error. */
int quantity_bytes(const char *what, const char *text, uint64_t *out, struct err *err);
/* Processors, rounded up: "2", "500m". 1 to 1024. */
int quantity_cpus(const char *what, const char *text, int *out, struct err *err);

#endif
