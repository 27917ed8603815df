/*
 * extract.h - the edge: images through the layers before the cut and the gate into a feature stream.
 *
 * Every worker takes a whole image through decoding, letterbox, layers, gate and noise with a small
 * network of its own, so decoding and computing overlap and nothing waits but the writer: samples
 * are written in the data set's order. The noise of a sample depends on the key and its clean bits
 * alone, so the bytes do not depend on the number of threads.
 */
#ifndef MIST_MIST_EXTRACT_H
#define MIST_MIST_EXTRACT_H

#include "base/err.h"
#include "data/dataset.h"
#include "mist/features.h"
#include "mist/certificate.h"
#include "mist/ledger.h"
#include "mist/noise.h"
#include "mist/thin.h"
#include "model/model.h"
#include "nn/conv.h"

struct extract_options {
	struct thinning thin; /* which bits are sent (ration.h) */
	double epsilon_image; /* what an image may cost, for the header; 0: no such budget */
	int cut;              /* 0: the weight file's mist.cut_layer, or 4 */
	int img;
	enum encoding encoding;
	const char *client, *program; /* names for the header */
	bool hflip;                   /* every image a second time, mirrored, as KEY~flip */
	bool labels;                  /* send them */
	double label_epsilon;         /* for their classes (labelnoise.h); 0: as they are */
	const uint64_t
		*seed; /* of the classes' noise; NULL: the kernel's entropy, or the ledger's */
	bool strict;   /* an image that cannot be decoded is an error, not a skip */
	struct ledger *ledger;       /* borrowed; NULL: none is kept */
	double budget, budget_image; /* with a ledger; infinite: none */
	enum conv_path path;         /* resolved */
	int threads;                 /* at most; 0: all processors */
	const struct notices *notices;
	/* called in order with the number of images done; NULL: nobody wants to know */
	void (*progress)(void *ctx, long done);
	void *progress_ctx;
};

/* *cut, where it is 0, becomes the weight file's mist.cut_layer, or 4 (where Sedna's and Plato's examples
 * cut YOLOv5); a cut that the model does not have, or whose edge it lacks, is an error. */
int extract_cut(const struct model *m, int *cut, struct err *err);

/* "shards/1/" and "shards/1.yaml" are client "1". The caller frees. */
char *extract_client(const char *dataset);

/* Noise that is the same again for the same image: its key becomes the ledger's, unless seeded. */
void extract_key(struct noise *noise, const struct ledger *ledger);

struct extract;
/*
 * Borrows everything; `noise` is of mechanism none for encodings other than bits, and with a ledger
 * and no seed its key is to be the ledger's (extract_key). A cut or an image
 * size that the model does not have is an error. NULL on error.
 */
struct extract *extract_new(const struct model *m, const struct dataset *d,
			    const struct noise *noise, const struct extract_options *opt,
			    struct err *err);
void extract_free(struct extract *x);
/* What the stream will begin with; borrowed. */
const struct features_header *extract_header(const struct extract *x);
/*
 * Writes the stream to `path` ("-": standard output); *out is what was given away. Nothing can be
 * seen of a release that the ledger does not know.
 */
int extract_run(struct extract *x, const char *path, struct certificate *out, struct err *err);
/* Images that could not be decoded. */
long extract_skipped(const struct extract *x);
/* Bytes of features that one image makes, mirrored copy included. */
size_t extract_image_bytes(const struct extract *x);

#endif
