/*
 * gate.h - what stands between the layers before the cut and those after it: per channel a
 * threshold, one bit per value, noise, and two levels to decode a bit to. The identity gate sends
 * floats. It belongs to the weight file (mist.gate), so that training, evaluation and detection
 * agree. One `struct gate` per crossing tensor.
 *
 * Payloads (what crosses; the data of a feature's .npy), C planes of H rows:
 *	bit	ceil(W/8) bytes a row, numpy.packbits order: bit 7 of byte 0 is column 0; pads are 0.
 *		B = 1 iff value > threshold[c]. Decodes to level b' of [low[c], high[c]], where
 *		b' = B, or with debias (B - q) / (1 - 2q), whose mean over the noise is the bit
 *		before it.
 *	u8	one byte a value: low[c] … high[c] in 255 equal steps, clamped.
 *	f16/f32	IEEE 754, little-endian.
 */
#ifndef MIST_MIST_GATE_H
#define MIST_MIST_GATE_H

#include "base/err.h"
#include "base/pool.h"
#include "mist/noise.h"
#include "nn/tensor.h"

enum encoding { ENCODING_BIT, ENCODING_U8, ENCODING_F16, ENCODING_F32 };

/* "bit", "u8", "f16", "f32", NULL: indexed by enum encoding. */
extern const char *const encoding_names[];

/* Hidden channels of a network (denoise.h) at most. */
#define GATE_MAX_NET 512
/* Largest side of a filter (filter.h): more would not be worth its time. */
#define GATE_MAX_FILTER 7

/* Largest side of a square that is pooled: one of 16 leaves nothing of a picture of 640 at cut 4. */
#define GATE_MAX_POOL 16

struct gate {
	enum encoding encoding;
	enum mechanism mechanism;
	double epsilon;    /* requested; per bit; 0 for none */
	double q;          /* flip probability, effective; 0 for none */
	int c;             /* channels */
	float *threshold;  /* c; NULL: 0 everywhere */
	float *low, *high; /* c levels that a 0 (1) decodes to; NULL: 0 and 1 */
	bool debias;
	/*
	 * Post-processing of what was decoded (filter.h): a convolution over the decoded levels less
	 * their public means. A gate that has one decodes to level - mean, and filter_run adds the
	 * mean again. The edge does not need it, so streams do not carry it.
	 */
	int filter_size; /* odd side of the kernel; 0: no filter */
	float *filter;   /* c x c x filter_size x filter_size, OIHW */
	float *mean;     /* c: of public values, and so of their levels; there with a filter */
	int net_width;   /* channels inside the network that adds to the filter; 0: none */
	float *net;      /* gate_net_floats, as denoise.h lays them out; there with a filter only */
	/* What a budget per image leaves of a tensor (thin.h); only bits are thinned. */
	int pool;        /* side of the squares that are averaged; 0 or 1: none are */
	uint32_t keep;   /* bits that are sent, of 2^32; 0: all */
	uint64_t subset; /* the public number that chooses them */
};

void gate_init(struct gate *g, enum encoding encoding, int c);
void gate_copy(struct gate *to, const struct gate *from);
void gate_release(struct gate *g);
/* Leaves the gate without its filter and network: what the edge knows of it. */
void gate_drop_filter(struct gate *g);
size_t gate_filter_floats(const struct gate *g);
size_t gate_net_floats(const struct gate *g);
/* And thresholds, and the bits that are sent. */
bool gate_same_levels(const struct gate *a, const struct gate *b);
bool gate_same_bits(const struct gate *a, const struct gate *b); /* these alone */
/* `to` gets from's filter and network, if both have the same thresholds and levels; otherwise it is left alone. */
void gate_lend_filter(struct gate *to, const struct gate *from);
/* Was what decodes this gate's bits calibrated for flips of this probability? */
bool gate_expects(const struct gate *g, double q);
/* Mechanism, epsilon and q as `n` has them. */
void gate_set_noise(struct gate *g, const struct noise *n);

/*
 * A cut's gates as the JSON of mist.gate, and back:
 *	{"cut": 4, "gates": [{"encoding": "bit", "channels": 64, "mechanism": "rr", "epsilon": 1.0,
 *	"q": 0.27, "debias": false, "threshold": [0.0, …], "low": […], "high": […],
 *	"mean": […], "filter": {"size": 3, "f32": "base64 of little-endian floats, OIHW"},
 *	"net": {"width": 64, "f32": "likewise; the order is denoise.h's"},
 *	"pool": 2, "keep": 1073741824, "subset": 7}]}
 * What is not there is left out; a filter needs a mean, and is for gates that send all bits.
 */
struct gates {
	int cut, n;
	struct gate *gate;
};
int gates_parse(const char *json, struct gates *out, struct err *err);
char *gates_json(const struct gates *g); /* the caller frees */
void gates_release(struct gates *g);

/* Bytes of a gate's payload of a tensor of h rows and w columns, and the values that it carries (looks
 * at every position of a subset). */
size_t gate_bytes(const struct gate *g, int h, int w);
size_t gate_sent(const struct gate *g, int h, int w);

/* The same without thinning: bytes of a payload of c x h x w values. */
size_t gate_payload_bytes(enum encoding encoding, int c, int h, int w);
size_t gate_packed_bytes(int c, int h, int w); /* of ENCODING_BIT */
/* Values that carry information: c * h * w. What the noise flips, without the pads. */
size_t gate_values(int c, int h, int w);

/* x (H, W, C view of one image) to a payload and back to floats in a view (clears the pads). A thinned
 * gate's payload is made where there is room for gate_packed_bytes of all of x. */
void gate_encode(const struct gate *g, const struct view *x, int image, unsigned char *payload);
void gate_decode(const struct gate *g, const unsigned char *payload, const struct view *x,
		 int image);
void gate_encode_bits(const struct gate *g, const struct view *x, int image, unsigned char *bits);
void gate_decode_bits(const struct gate *g, const unsigned char *bits, const struct view *x,
		      int image);
/* Noise over packed bits of a c x h x w tensor; the pads stay 0. `stream`: see noise_flip. */
void gate_flip(const struct noise *n, uint64_t stream, unsigned char *bits, int c, int h, int w);
/* The same over a gate's payload of h rows and w columns, thinned or not, which carries `sent` values. */
void gate_flip_payload(const struct gate *g, const struct noise *n, uint64_t stream,
		       unsigned char *payload, int h, int w, size_t sent);

/* The gate's own numbers of channel c, or what stands for lists that are not there. */
static inline float gate_threshold(const struct gate *g, int c)
{
	return g->threshold ? g->threshold[c] : 0;
}

static inline float gate_low(const struct gate *g, int c)
{
	return g->low ? g->low[c] : 0;
}

static inline float gate_high(const struct gate *g, int c)
{
	return g->high ? g->high[c] : 1;
}

/* What a bit of channel c decodes to: `debias` for noisy bits (where the gate says so), else clean ones;
 * `unknown` is for a bit that was not sent. */
struct gate_levels {
	float low, high, unknown;
};
struct gate_levels gate_levels(const struct gate *g, int c, bool debias);

/*
 * Encoding and decoding at once in place: what the layers behind the cut see.
 * (or, with a filter, what filter_run makes of it). Clean (--gate clean): no noise, so nothing to de-bias.
 * Noisy (--gate noisy): image i takes stream `stream + i`; scratch is gate_packed_bytes per image.
 */
void gate_apply(const struct gate *g, struct pool *pool, const struct view *x);
void gate_apply_noisy(const struct gate *g, struct pool *pool, const struct view *x,
		      const struct noise *n, uint64_t stream, unsigned char *scratch);

/*
 * The straight-through gradient: dx = dy where x lies between the channel's levels (low < x < high,
 * where the gate is steep), else 0. It is the gradient of x clamped to its levels, which the decoded
 * bit stands for; without debias the noise flattens it by 1 - 2q. dx may be dy. Of floats: dx = dy.
 */
void gate_gradient(const struct gate *g, struct pool *pool, const struct view *x,
		   const struct view *dy, const struct view *dx);

#endif
