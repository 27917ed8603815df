/*
 * gate.h - what stands between the layers before the cut and those after it: per channel a
 * threshold, one bit per value, noise, and two levels to decode a bit to. The identity gate sends
 * floats. It belongs to the weight file (mist.gate), so that training, evaluation and detection
 * agree. One `struct gate` per crossing tensor.
 */
#ifndef MIST_MIST_GATE_H
#define MIST_MIST_GATE_H

#include "base/err.h"
#include "base/pool.h"
#include "nn/tensor.h"

enum encoding { ENCODING_BIT, ENCODING_U8, ENCODING_F16, ENCODING_F32 };
enum mechanism { MECHANISM_NONE, MECHANISM_RR, MECHANISM_SUE };

struct gate {
	enum encoding encoding;
	enum mechanism mechanism;
	double epsilon;    /* requested; per bit */
	double q;          /* flip probability, effective; 0 for none */
	int c;             /* channels */
	float *threshold;  /* c; NULL: 0 everywhere */
	float *low, *high; /* c levels that a 0 (1) decodes to; NULL: 0 and 1 */
	bool debias;       /* b' = (b - q) / (1 - 2q) before the levels */
};

/* A cut's gates as the JSON of mist.gate, and back. */
struct gates {
	int cut, n;
	struct gate *gate;
};
int gates_parse(const char *json, struct gates *out, struct err *err);
char *gates_json(const struct gates *g);
void gates_release(struct gates *g);

/* x (H, W, C view of one image) to bits (C, H, ceil(W/8)), numpy.packbits order. */
size_t gate_packed_bytes(int c, int h, int w);
void gate_encode_bits(const struct gate *g, const struct view *x, int image, unsigned char *bits);
/* And back to floats in a view (clears the pads). */
void gate_decode_bits(const struct gate *g, const unsigned char *bits, const struct view *x,
		      int image);
/* Both at once in place: what the layers behind the cut see in evaluation (--gate clean). */
void gate_apply(const struct gate *g, struct pool *pool, const struct view *x);

#endif
