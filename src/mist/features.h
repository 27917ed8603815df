/*
 * features.h - feature streams: what crosses the cut, as a tar that webdataset reads.
 *
 *	mist.json	begins a segment: who extracted what, and how (struct features_header)
 *	KEY.feat.npy	a gate's payload (gate.h, thin.h); with several crossing tensors KEY.feat0.npy, …
 *	KEY.txt		YOLO label lines in letterboxed coordinates; absent where labels are "none"
 *	KEY.json	original size, ratio and padding of the letterbox
 *	mist.end.json	ends a segment: "samples", and "sha256" over all its members before, for
 *			each NAME NUL SIZE-in-decimal NUL CONTENT
 *
 * A stream is one segment or several of the same kind: `cat a.tar b.tar` is a stream. Memory does
 * not grow with it. Keys have no dots, since webdataset cuts a name at its first; "mist" is spelt
 * "%6Dist", for its files would be the stream's own.
 * Every error of the reader is "cannot read 'FILE': …" with status input.
 */
#ifndef MIST_MIST_FEATURES_H
#define MIST_MIST_FEATURES_H

#include "base/err.h"
#include "base/file.h"
#include "data/labels.h"
#include "mist/gate.h"
#include "mist/privacy.h"

#define FEATURES_MAX_TENSORS 8

struct tarstream_writer;

struct features_header { /* mist.json */
	char *client;
	int cut, img, ntensors;
	char extractor[65]; /* model_extractor_digest */
	struct {
		int c, h, w;
	} shape[FEATURES_MAX_TENSORS];
	enum encoding encoding;
	enum mechanism mechanism;
	double epsilon, epsilon_effective, q; /* per bit; 0, infinite and 0 for none */
	double epsilon_image; /* what an image may cost with all its releases; 0: no such budget */
	bool seeded;
	int releases;         /* samples made of one image: 2 with a mirrored copy */
	char *labels;         /* "clear", "none", "rr" */
	double label_epsilon; /* of "rr": requested, for the class of one object */
	char **names;
	int nnames;
	struct gates gates; /* one per tensor: what decodes them */
	char *program;      /* "mist-extract 0.1.0" */
	char *certificate;  /* what was known of it at the beginning, a JSON object; may be NULL */
	char *json;         /* the whole object as read or written */
};

/* Releases what is inside; zeroed, it may be released again. */
void features_header_release(struct features_header *h);
/* Bits (values) that one sample carries; looks at every position of a subset (thin.h). */
size_t features_values(const struct features_header *h);
/* What the header says of privacy, for no images yet; `labels` is borrowed from it. */
struct privacy features_privacy(const struct features_header *h);
/*
 * Do two segments hold features of one kind: the same extractor, cut, encoding, mechanism, shapes,
 * image size, class names, thresholds, levels and the same bits? Epsilon may differ. -1 and a sentence that names the
 * difference.
 */
int features_fit(const struct features_header *a, const struct features_header *b, struct err *err);

struct features_sample {
	const char *key;
	const unsigned char *data[FEATURES_MAX_TENSORS]; /* payloads, as gate_decode takes them */
	size_t size[FEATURES_MAX_TENSORS];
	const struct label *labels; /* letterboxed coordinates */
	int nlabels;
	const char *json; /* KEY.json */
};

struct features_reader;
/* "-": standard input. Reads as far as the first segment's header. */
struct features_reader *features_open(const char *path, struct err *err);
/*
 * 1: a sample, borrowed until the next call; 0: the end; -1: an error (truncated, damaged, segments
 * that do not fit together, …). A truncated stream gives its whole samples first.
 */
int features_next(struct features_reader *r, struct features_sample *out, struct err *err);
/* The header of the segment that the last sample came from (before the first: of the first). */
const struct features_header *features_header(const struct features_reader *r);
/* Segments begun so far, and samples given. */
long features_segments(const struct features_reader *r);
long features_count(const struct features_reader *r);
/* The end member of the segment that ended last, as JSON; NULL before. Borrowed. */
const char *features_end(const struct features_reader *r);
/* Take what is whole of a truncated stream, with a notice, instead of failing. */
void features_keep_going(struct features_reader *r, const struct notices *notices);
/*
 * Copies every member, byte for byte, to `to`: a sample's when features_next is called again, a
 * segment's last when it has proved whole. So what is not asked for again is not copied.
 */
void features_tee(struct features_reader *r, struct tarstream_writer *to);
/* The sample given last is not copied; the copy's end member gets the number and digest of what is. */
void features_drop(struct features_reader *r);
void features_close(struct features_reader *r);

struct features_writer;
/* "-": standard output. h->json and h->epsilon_effective are made here; h is not kept. */
struct features_writer *features_create(const char *path, const struct features_header *h,
					struct err *err);
/* The same, but where the output is seen as it is written, everything waits until it is let go
 * (tarstream_hold). */
struct features_writer *features_create_held(const char *path, const struct features_header *h,
					     struct err *err);
int features_write(struct features_writer *w, const struct features_sample *s, struct err *err);
/* Adds a member to the end member, such as the privacy spent. */
void features_end_number(struct features_writer *w, const char *key, double value);
void features_end_object(struct features_writer *w, const char *key, const char *json);
int features_let_go(struct features_writer *w, struct err *err);
bool features_in_place(const struct features_writer *w);
int features_finish(struct features_writer *w, struct err *err); /* end member, commit; frees */
void features_discard(struct features_writer *w);

/* Used by both sides; private to features_*.c. */
char *features_header_json(const struct features_header *h);
int features_header_parse(const char *name, const char *text, size_t size,
			  struct features_header *out, struct err *err);

#endif
