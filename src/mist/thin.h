/*
 * thin.h - fewer bits than values, for a budget per image: pooling, and a public subset of the bits.
 *
 * A gate with pool > 1 averages each square of pool x pool values of a channel (less at the right and
 * lower edges) before its threshold; what the bit decodes to stands for all of the square. A gate with
 * keep > 0 sends only some of the bits: number k, counted in the order channel, row, column of the
 * pooled tensor, is sent iff the upper 32 bits of output k of SplitMix64 begun with `subset` are below
 * keep (Steele, Lea, Flood 2014; Vigna's splitmix64.c). So neither the image nor anything secret
 * chooses, every release leaves out the same bits, and whoever has the header knows which. A bit that
 * was not sent decodes to what the public images say of it: the channel's mean, or the middle of its
 * two levels where no mean is known.
 *
 * The payload of such a gate is the bits that are sent in that order, numpy.packbits' (the first
 * highest), the last byte's rest 0.
 */
#ifndef MIST_MIST_THIN_H
#define MIST_MIST_THIN_H

#include "mist/gate.h"

/* What is asked of the gates of a cut. */
struct thinning {
	int pool;    /* 0: as the weight file's gates have it */
	bool chosen; /* keep and subset are to be these, else the weight file's */
	uint32_t keep;
	uint64_t subset; /* of tensor 0; tensor i has the i-th after it */
};
void thin_set(struct gate *gates, int n, const struct thinning *t);

/* Does this gate send fewer bits than the tensor has values? The rest is only asked of such gates. */
bool thin_has(const struct gate *g);
/* The side of the squares that are averaged; 1: none are. */
int thin_pool(const struct gate *g);
/* A side of the pooled tensor. */
int thin_side(const struct gate *g, int side);
/* Is bit k sent? */
bool thin_sends(const struct gate *g, uint64_t k);
/* Bits sent of a tensor of h rows and w columns; looks at every position of a subset. */
size_t thin_count(const struct gate *g, int h, int w);
/* The gate's mean of the square of x whose pooled place is (y, col), in channel c. */
float thin_mean(const struct gate *g, const struct view *x, int image, int y, int col, int c);
/* Its gradient: d shared out evenly over the square. */
void thin_share(const struct gate *g, const struct view *dx, int image, int y, int col, int c,
		float d);

/* As gate_encode and gate_decode; encoding has room for gate_packed_bytes of the whole tensor. */
void thin_encode(const struct gate *g, const struct view *x, int image, unsigned char *bits);
void thin_decode(const struct gate *g, const unsigned char *bits, const struct view *x, int image);
/* As gate_apply (clean) and gate_gradient, a row of squares of one image. */
void thin_apply_row(const struct gate *g, const struct view *x, int image, int y);
void thin_gradient_row(const struct gate *g, const struct view *x, const struct view *dy,
		       const struct view *dx, float slope, int image, int y);

/*
 * The largest keep with which `n` gates of h[i] x w[i] tensors send at most `bits` bits together; 0
 * when they may send all. keep 0 with *sent 0: not even one.
 */
uint32_t thin_choose(const struct gate *g, const int *h, const int *w, int n, size_t bits,
		     size_t *sent);

#endif
