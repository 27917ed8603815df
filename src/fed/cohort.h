/*
 * cohort.h - the weight files of one round, checked against each other, and read side by side.
 *
 * Of a file its path, digest and a few numbers are kept, and the list of tensors only where it differs
 * from the first file's; at most one is open. Values that are not finite are an error with status
 * not finite that names file, tensor and value.
 */
#ifndef MIST_FED_COHORT_H
#define MIST_FED_COHORT_H

#include "base/err.h"
#include "fed/inbox.h"
#include "io/safetensors.h"

/* What a tensor is, by its name and type. */
enum cohort_role {
	COHORT_TRAINED,   /* weights, biases, a batch norm's gamma and beta */
	COHORT_STATISTIC, /* a batch norm's running mean and variance; anchors */
	COHORT_COUNTER,   /* integers, and num_batches_tracked of an integer type */
};

struct cohort_file {
	const char *path; /* borrowed */
	char *client;     /* mist.client, or the file's name */
	char digest[DIGEST_HEX];
	long samples, round; /* -1: the file does not tell */
	/* open, and parked, where it lists its tensors as the first file does; else it is opened
	 * for each read, so that its list is not kept */
	struct safetensors file;
	bool resident;
};

struct cohort {
	struct cohort_file *files;
	int n;
	long samples, round;       /* the sum, the largest; -1: untold */
	struct safetensors global; /* what the clients started from; fd -1: not given */
	char global_digest[DIGEST_HEX];
	const char *global_path; /* borrowed; NULL: not given */
	struct seen digests;
};

/* paths, and `global` (which may be NULL), are borrowed. Release it after an error too. */
int cohort_open(struct cohort *c, char *const *paths, int n, const char *global,
		const struct notices *details, struct err *err);
void cohort_release(struct cohort *c);

enum cohort_role cohort_role(const struct safetensors_tensor *t);
/* `count` values from number `first` on of the tensor of that name. */
int cohort_read(struct cohort *c, int file, const char *name, size_t first, size_t count,
		float *out, struct err *err);
int cohort_read_global(struct cohort *c, const char *name, size_t first, size_t count, float *out,
		       struct err *err);
/* All `count` values of a counter. */
int cohort_read_ints(struct cohort *c, int file, const char *name, size_t count, int64_t *out,
		     struct err *err);

#endif
