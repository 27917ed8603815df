/*
 * extract_gate.h - the gates with which an edge sends: the weight file's own where it has them for
 * this cut (thresholds and levels from public images), else threshold 0 and levels 0 and 1, or for
 * bytes a range from the extractor's batch norms. Nothing here looks at a private image.
 */
#ifndef MIST_MIST_EXTRACT_GATE_H
#define MIST_MIST_EXTRACT_GATE_H

#include "mist/thin.h"
#include "model/model.h"

/* One gate per tensor that crosses `cut`, with the noise's mechanism and thinned as asked. Noise for which
 * the weight file's gates were not calibrated is noticed. */
int extract_gates(const struct model *m, int cut, enum encoding encoding, const struct noise *noise,
		  const struct thinning *thin, const struct notices *notices, struct gates *out,
		  struct err *err);

#endif
