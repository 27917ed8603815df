/*
 * calibrate.h - thresholds and decode levels of a gate from PUBLIC images: per channel a threshold
 * (0, the median, or Otsu's) and the means of the values on either side of it, so that the layers
 * behind the cut see familiar magnitudes.
 *
 * Anything learnt here from private images would leave the edge outside the privacy budget: callers
 * feed it images that may be published (shared design "privacy", "Getting it right").
 */
#ifndef MIST_MIST_CALIBRATE_H
#define MIST_MIST_CALIBRATE_H

#include "base/err.h"
#include "mist/gate.h"
#include "nn/tensor.h"

/*
 * Otsu's threshold (1979) splits a channel where the variance between the two sides is largest; it
 * is found exactly, over the sorted values rather than a histogram.
 */
enum threshold_rule { THRESHOLD_ZERO, THRESHOLD_MEDIAN, THRESHOLD_OTSU };

/* "zero", "median", "otsu", NULL: indexed by enum threshold_rule. */
extern const char *const threshold_names[];

struct calibration;

/* Keeps at most `images` x `per_image` values a channel: per_image is spread over an image's
 * positions by a fixed stride, so the result does not depend on threads or time. Never NULL. */
struct calibration *calibration_new(int channels, int images, int per_image);
void calibration_free(struct calibration *cal);

/* Image `image` of the tensor x as it crosses the cut. More images than announced: BUG. */
void calibration_add(struct calibration *cal, const struct view *x, int image);

/*
 * Sets threshold, low, high and mean of an initialised bit gate. A channel whose values lie all on one
 * side gets that side's mean for both levels. No images, or a value that is not finite: an error.
 */
int calibration_finish(struct calibration *cal, enum threshold_rule rule, struct gate *gate,
		       struct err *err);

#endif
