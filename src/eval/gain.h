/*
 * gain.h - the scale error that the results files of YOLOv5 carry.
 *
 * val.py resizes an image to whole pixels (truncated up to v6.2, rounded up in v7.0), which makes
 * the two axes' scales differ by up to 0.3 %, and scales boxes back by one of them, the height's
 * (utils/general.py, scale_boxes). Its own ground truth goes the same way, so what it prints is
 * right; the results it saves are off along x. To get the printed figures back from the saved
 * results, the ground truth has to take that way too. Whether a file is such a file shows in the
 * overlaps: under the right rule they are larger.
 */
#ifndef MIST_EVAL_GAIN_H
#define MIST_EVAL_GAIN_H

#include "eval/cocojson.h"

enum gain_rule { GAIN_EXACT, GAIN_TRUNCATED, GAIN_ROUNDED_UP };

/* What a saved box's x was multiplied by in an image of this size resized to `img`. */
double gain_error(enum gain_rule rule, int width, int height, int img);

/* The rule under which the detections of a sorted set overlap its truths best; GAIN_EXACT if that
 * is no worse. */
enum gain_rule gain_guess(const struct boxset *s, const struct groups *groups,
			  const struct coco_image *images, int img);

/* Sends the truths the way of val.py's, clipped to the image as there. The order stays. */
void gain_apply(struct boxset *s, const struct coco_image *images, int img, enum gain_rule rule);

#endif
