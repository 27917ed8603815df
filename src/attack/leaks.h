/*
 * leaks.h - what an inversion found, as a table for people, TSV by picture, JSON, and a sheet of pictures.
 */
#ifndef MIST_ATTACK_LEAKS_H
#define MIST_ATTACK_LEAKS_H

#include "attack/inversion.h"

/* A line per setting and attack; the best of a setting is starred. */
void leaks_table(const struct inversion *v, struct buf *out);
/*
 * stream encoding mechanism epsilon q attack variation picture ssim psnr edge_corr detail, tab-separated,
 * with a heading. A tab or line break in a name becomes a space.
 */
void leaks_tsv(const struct inversion *v, struct buf *out);
/* {"cut", "img", "pictures", "original": {…}, "settings": [{"stream", "encoding", "mechanism", "epsilon",
 * "q", "attacks": [{"attack", "variation", "ssim", "psnr", "edge_corr", "detail", "score", "mAP50",
 * "mAP50-95"}], "best": the best by score, "ssim", "psnr", "edge_corr", "detail": the largest of any}]} */
void leaks_json(const struct inversion *v, struct buf *out);

#endif
