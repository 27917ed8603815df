/*
 * features.h - feature streams: a tar that webdataset reads, member by member (formats: mist.json,
 * KEY.feat.npy, KEY.txt, KEY.json, mist.end.json). `cat a.tar b.tar` is a stream. Constant memory.
 */
#ifndef MIST_MIST_FEATURES_H
#define MIST_MIST_FEATURES_H

#include "base/err.h"
#include "base/file.h"
#include "data/dataset.h"
#include "mist/gate.h"

struct features_header { /* mist.json */
	char *client;
	int cut, img, ntensors;
	char extractor[65]; /* model_extractor_digest */
	struct {
		int c, h, w;
	} shape[8];
	enum encoding encoding;
	enum mechanism mechanism;
	double epsilon, epsilon_effective, q;
	bool seeded;
	char *labels; /* "clear", "none", "rr" */
	char **names;
	int nnames;
	char *program; /* "mist-extract 0.1.0" */
	char *json;    /* the whole object as read */
};

struct features_sample {
	char *key;
	const unsigned char *data[8]; /* raw npy payload of each tensor */
	size_t size[8];
	struct label *labels; /* letterboxed coordinates */
	int nlabels;
	const char *json; /* KEY.json */
};

struct features_reader;
struct features_reader *features_open(const char *path, struct err *err); /* "-": standard input */
/* 1: a sample, borrowed until the next call; 0: the end; -1: an error (truncated, mixed, …). */
int features_next(struct features_reader *r, struct features_sample *out, struct err *err);
/* The header of the segment that the last sample came from (before the first: of the first). */
const struct features_header *features_header(const struct features_reader *r);
void features_close(struct features_reader *r);

struct features_writer;
struct features_writer *features_create(const char *path, const struct features_header *h,
					struct err *err);
int features_write(struct features_writer *w, const struct features_sample *s, struct err *err);
int features_finish(struct features_writer *w, struct err *err); /* end member, commit; frees */
void features_discard(struct features_writer *w);

#endif
