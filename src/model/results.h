/*
 * results.h - results.csv, YOLOv5's table of epochs: 14 columns, each "%20s" in the head and
 * "%20.5g" below, separated by commas (Ultralytics YOLOv5 v7.0, utils/loggers).
 */
#ifndef MIST_MODEL_RESULTS_H
#define MIST_MODEL_RESULTS_H

#include "base/err.h"
#include "base/mem.h"

enum results_column {
	RESULTS_EPOCH,
	RESULTS_TRAIN_BOX,
	RESULTS_TRAIN_OBJ,
	RESULTS_TRAIN_CLS,
	RESULTS_PRECISION,
	RESULTS_RECALL,
	RESULTS_MAP50,
	RESULTS_MAP,
	RESULTS_VAL_BOX,
	RESULTS_VAL_OBJ,
	RESULTS_VAL_CLS,
	RESULTS_LR0,
	RESULTS_LR1,
	RESULTS_LR2,
	RESULTS_COLUMNS
};
/* As they stand in the head: "train/box_loss". */
extern const char *const results_names[RESULTS_COLUMNS];

struct results_row {
	double value[RESULTS_COLUMNS];
};

struct results {
	struct results_row *row; /* owned */
	int n, cap;
};
#define RESULTS_INIT                                                                               \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void results_release(struct results *r);
void results_add(struct results *r, const struct results_row *row);

/* The whole table as text. */
void results_format(const struct results *r, struct buf *out);
/* Replaces the file at once: a reader sees all rows of an epoch or none. */
int results_write(const struct results *r, const char *path, struct err *err);

/*
 * Appends the rows of a table: columns are found by name, in any order; unknown ones are skipped. A
 * missing column, a row of another length or a value that is no finite number is an error with its
 * line. A last line without a newline is being written: it is left out.
 */
int results_parse(struct results *r, const char *name, const char *text, size_t len,
		  struct err *err);
int results_read(struct results *r, const char *path, struct err *err);

#endif
