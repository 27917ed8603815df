/*
 * bnact.h - batch norm + SiLU + residual as single sweeps over memory, forward and backward.
 *
 * Forward, training (torch.nn.BatchNorm2d): mean and biased variance over n,h,w (from the sums that
 * the convolution's epilogue took); u = gamma*(z-mean)/sqrt(var+eps) + beta; y = act(u) + residual.
 * Running statistics: r = (1-momentum)*r + momentum*batch, the variance unbiased.
 */
#ifndef MIST_NN_BNACT_H
#define MIST_NN_BNACT_H

#include "base/pool.h"
#include "nn/conv.h"
#include "nn/tensor.h"

enum act { ACT_NONE, ACT_SILU, ACT_RELU, ACT_LEAKY, ACT_HARDSWISH };

/* Per-channel vectors of one batch norm; all of length c. `mean`, `rstd`, `scale`, `shift` are
 * outputs of bn_prepare: u = z*scale + shift, xhat = (z - mean)*rstd. */
struct bn {
	int c;
	float eps, momentum;
	const float *gamma, *beta;
	float *running_mean, *running_var;
	float *mean, *rstd, *scale, *shift;
	enum conv_path path; /* whose vectors the sweeps use; CONV_AUTO: the widest there are */
};

/* From the batch's sums (2*c doubles, `count` values per channel); updates running statistics. */
void bn_prepare_train(struct bn *bn, const double *sums, double count);
/* From the running statistics. */
void bn_prepare_eval(struct bn *bn);
/* Batch norm folded into convolution weights and bias (evaluation): w' OIHW, b' of cout. */
void bn_fold(const struct bn *bn, const float *w_oihw, size_t per_channel, const float *bias,
	     float *w_out, float *b_out);

/* y = act(z*scale + shift) + residual (residual.p NULL: none); z and y may be the same view. */
void bnact_forward(struct pool *pool, const struct bn *bn, enum act act, const struct view *z,
		   const struct view *residual, const struct view *y);

/*
 * From dy: dz (may be the same view as dy, not as z), dgamma += , dbeta += .
 * eval: statistics were constants (frozen batch norm): dz = du*scale.
 * scratch: bnact_scratch bytes.
 */
size_t bnact_scratch(int n, int h, int c);
void bnact_backward(struct pool *pool, const struct bn *bn, enum act act, bool eval,
		    const struct view *z, const struct view *dy, const struct view *dz,
		    float *dgamma, float *dbeta, void *scratch);

/*
 * The same in steps, for a batch in pieces: of each piece du = dy * act'(u), where dz will be, and
 * the sums over it (2*c doubles); of all sums together the line (2*c floats) and the parameters'
 * gradients; then of each piece dz from du. The first sweep can make y again on its way, the same
 * bytes as bnact_forward's.
 */
struct bnact_again {
	const struct view *y, *residual; /* y NULL (or y->p): not wanted; residual as above */
};
void bnact_back_sums(struct pool *pool, const struct bn *bn, enum act act, const struct view *z,
		     const struct view *dy, const struct view *du, const struct bnact_again *again,
		     double *sums, void *scratch);
void bnact_back_line(const struct bn *bn, const double *sums, double count, bool eval,
		     float *dgamma, float *dbeta, float *line);
/* Of several batch norms of maps of one size, a row of each by turns: where their dz are slices of one
 * buffer, a line of it comes from memory once. */
struct bnact_part {
	const struct bn *bn;
	const struct view *z, *dz; /* dz: du, until then */
	const float *line;
};
#define BNACT_PARTS 2 /* at most */
void bnact_back_apply(struct pool *pool, const struct bnact_part *parts, int n);

#endif
