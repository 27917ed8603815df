/*
 * dataset.h - YOLO-format data sets, found and checked. Nothing of the user's is rewritten and
 * nothing is cached on disk.
 *
 * A data set is named by
 *  - a folder with a dataset.yaml (or data.yaml), which then counts;
 *  - a folder with images/: all pictures below it, or below its subfolders whose names begin with
 * the split ("train", "train2017") where there are such;
 *  - any other folder: all pictures below it;
 *  - a dataset.yaml as Ultralytics reads it: path, train/val/test (a folder, a list file, or a list
 * of them), names (a list or a map), nc. A relative path is relative to the YAML, else to the
 * current folder. `download` is mentioned, never run;
 *  - a list file (.txt) of pictures, one a line, "./" relative to the list; or one picture.
 * Labels lie where the last /images/ of the path is replaced by /labels/, suffix .txt (labels.h).
 *
 * Pictures that cannot be read and label files with errors are noticed, counted and left out; with
 * `strict` the first is an error. So every item has a sound header and sound labels.
 */
#ifndef MIST_DATA_DATASET_H
#define MIST_DATA_DATASET_H

#include "base/err.h"
#include "data/labels.h"
#include "io/image.h"

struct item {
	char *path; /* of the image */
	/* The basename without suffix, bytes other than A-Z a-z 0-9 _ - as %XX: unique in the set,
	 * free of dots, short enough for a tar member. Where two basenames are alike, more of the
	 * path. */
	char *key;
	int w, h; /* of the upright image */
	struct label *labels;
	int nlabels;
	bool has_label_file;
};

struct dataset {
	char *path;         /* as it was asked for */
	struct item *items; /* sorted by path */
	int nitems;
	char **names; /* class names; NULL if the set has none */
	int nnames;
	int with_labels, backgrounds; /* items with and without boxes */
	int corrupt;                  /* pictures left out */
	int duplicates;               /* label rows dropped */
};

struct dataset_options {
	const char *split; /* "train" (when NULL), "val", "test" */
	bool strict;       /* the first bad label file or image is an error, not a skip */
	int nc;            /* > 0: classes must be below it; else below the number of names */
	bool any_class;    /* classes are not compared with the names either */
	const struct notices *notices;
};
/* NULL on error; a set without a usable picture is one. opt may be NULL. */
struct dataset *dataset_open(const char *path, const struct dataset_options *opt, struct err *err);
void dataset_free(struct dataset *d);

/* "128 images, 126 with labels, 2 backgrounds, 0 corrupt". */
void dataset_summary(const struct dataset *d, struct buf *out);

/* 0, or -1 and a sentence of the first object whose class a model of `nc` classes does not have. */
int dataset_check_classes(const struct dataset *d, int nc, struct err *err);
/* The path of an image's label file; the caller frees. */
char *dataset_label_path(const char *image);
/* Is this the name of a picture, by its suffix? */
bool dataset_is_picture(const char *path);

#endif
