/*
 * similarity.h - how much of a picture another one shows: what an inversion attack is judged by.
 *
 * SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
 * structural similarity", 2004: Gaussian window 11 x 11 with sigma 1.5, K1 = .01, K2 = .03, L = 255,
 * the mean over all positions where the window lies inside, on luma.
 * PSNR: 10 log10(255^2 / MSE) over the three channels, in dB.
 * Edge correlation: Pearson's correlation of the Sobel gradient magnitudes of the lumas, which blur
 * cannot win: a flat picture has no edges and scores 0.
 * Detail: what is left of SSIM when every window's mean is removed, 2 cov(a, b) / (var(a) + var(b)), the
 * three summed over all windows first, so that flat windows have no weight. A flat picture scores 0, an
 * unrelated one about 0, whatever their brightness; a blurred one little, for it lacks variance.
 *
 * Luma is ITU-R BT.601: .299 R + .587 G + .114 B, not rounded.
 */
#ifndef MIST_EVAL_SIMILARITY_H
#define MIST_EVAL_SIMILARITY_H

#include "base/err.h"
#include "io/image.h"

struct similarity {
	double ssim;      /* -1 … 1 */
	double psnr;      /* dB; infinite for equal pictures */
	double edge_corr; /* -1 … 1 */
	double detail;    /* -1 … 1 */
};

/* Pictures of different sizes, or smaller than the window: an error. */
int similarity_measure(const struct image *a, const struct image *b, struct similarity *out,
		       struct err *err);

#endif
