/*
 * dataset.h - YOLO-format data sets: a folder, a dataset.yaml, a list file, or an IDX pair. Nothing
 * of the user's is rewritten and nothing is cached on disk.
 */
#ifndef MIST_DATA_DATASET_H
#define MIST_DATA_DATASET_H

#include "base/err.h"
#include "io/image.h"

struct label {
	int cls;
	float xc, yc, w, h;
}; /* normalised to the original image */

struct item {
	char *path; /* of the image */
	char *key;  /* basename without suffix: unique in the set */
	struct label *labels;
	int nlabels;
	bool has_label_file;
};

struct dataset {
	char *root;
	struct item *items; /* sorted by path */
	int nitems;
	char **names; /* class names; NULL if the set has none */
	int nnames;
	int with_labels, backgrounds, corrupt, duplicates; /* "128 images, 126 with labels, …" */
};

struct dataset_options {
	const char *split; /* "train" (default), "val", "test": the key in dataset.yaml */
	bool strict;       /* the first bad label file or image is an error, not a skip */
	int nc;            /* > 0: classes must be below it */
	const struct notices *notices;
};
struct dataset *dataset_open(const char *path, const struct dataset_options *opt, struct err *err);
void dataset_free(struct dataset *d);
/* Counts in one line, as YOLOv5 says it. */
void dataset_summary(const struct dataset *d, struct buf *out);

/* Labels of one file; diagnostics are "FILE:LINE: …". */
int labels_read(const char *path, int nc, struct label **labels, int *n, int *duplicates,
		const struct notices *notices, struct err *err);

#endif
