/*
 * labels.h - YOLO label files: one box a line, "class xc yc w h", normalised to the image.
 *
 * Exactly five columns. A file of polygons ("class x1 y1 x2 y2 x3 y3 …") becomes the bounding boxes
 * of them; a file that mixes both is refused, since YOLOv5 misreads it. Coordinates lie in 0 … 1 (a
 * box may stick out of the image, its centre and size may not). Identical rows are dropped and
 * counted. Sentences begin with FILE:LINE and name the column: "labels/x.txt:3: x centre 1.02 is
 * greater than 1".
 */
#ifndef MIST_DATA_LABELS_H
#define MIST_DATA_LABELS_H

#include "base/err.h"
#include "base/mem.h"

struct label {
	int cls;
	float xc, yc, w, h; /* normalised to the image */
};

/* The largest class number taken where the number of classes is not known. */
#define LABELS_MAX_CLASS 65535

struct labels {
	struct label *v; /* owned */
	int n;
	int duplicates; /* rows dropped */
	bool polygons;  /* v holds the bounding boxes of polygons */
};

#define LABELS_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0, false                                                                  \
	}

/* nc > 0: classes must be below it. `name` begins the sentences. After an error `out` is empty. */
int labels_parse(const char *name, const char *text, size_t len, int nc, struct labels *out,
		 struct err *err);
int labels_read(const char *path, int nc, struct labels *out, struct err *err);
void labels_release(struct labels *l);

/* Label lines as YOLOv5 writes them: six significant digits. Appends to `out`. */
void labels_format(const struct label *v, int n, struct buf *out);

#endif
