/*
 * evidence.h - what an attacker holds: the samples of a feature stream that belong to the pictures under
 * attack, checked against the known extractor, and how the noise works (thresholds, levels, q).
 */
#ifndef MIST_ATTACK_EVIDENCE_H
#define MIST_ATTACK_EVIDENCE_H

#include "attack/victims.h"
#include "base/err.h"
#include "mist/features.h"
#include "model/model.h"

struct evidence {
	char *path;
	int cut, img, ntensors;
	struct shape shape[FEATURES_MAX_TENSORS];
	enum encoding encoding;
	enum mechanism mechanism;
	double epsilon, q;  /* of the first segment */
	struct gates gates; /* likewise; thresholds and levels are those of all segments */
	int n;
	unsigned char **payload; /* of each picture: its tensors, one after the other */
	double *flip;            /* its flip probability */
	size_t offset[FEATURES_MAX_TENSORS], bytes;
};

/* The image size that a stream was made at; -1 on error. */
int evidence_img(const char *path, struct err *err);
/*
 * One sample for each victim; mirrored copies are left alone. A stream that other weights made, and
 * one that lacks a victim, are errors (and so are values that are not finite: features.h). Releasing is harmless after one.
 */
int evidence_read(struct evidence *e, const char *path, const struct model *m,
		  const struct victims *v, struct err *err);
void evidence_release(struct evidence *e);

/* Tensor t of picture i, as gate_decode takes it. */
static inline const unsigned char *evidence_tensor(const struct evidence *e, int i, int t)
{
	return e->payload[i] + e->offset[t];
}

#endif
