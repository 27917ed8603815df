/*
 * conv-cases.h - the tables of convolutions: conv_cases, odd shapes that the unit test compares with
 * a plain loop, and yolo_convs, those of YOLOv5, which it compares scaled down and b-conv times.
 */
#ifndef MIST_TESTS_CONV_CASES_H
#define MIST_TESTS_CONV_CASES_H

#include <stdbool.h>

struct conv_case {
	int n, cin, cout, h, w, k, stride, pad, groups;
	int before, after; /* channels of the neighbours that share the buffer, on x and on y */
	int more_pad;      /* stored padding beyond what is needed */
};

static const struct conv_case conv_cases[] = {
	/* as in YOLOv5, but slices of wider buffers and odd maps */
	{2, 3, 32, 26, 38, 6, 2, 2, 1, 0, 0, 1},
	{1, 32, 16, 20, 20, 1, 1, 0, 1, 0, 16, 0},
	{1, 16, 16, 20, 40, 1, 1, 0, 1, 0, 0, 1},
	{2, 16, 16, 20, 20, 3, 1, 1, 1, 16, 0, 0},
	{1, 64, 32, 20, 20, 1, 1, 0, 1, 32, 32, 1},
	{3, 32, 32, 13, 13, 3, 1, 1, 1, 0, 0, 0},
	{1, 64, 128, 13, 13, 3, 2, 1, 1, 0, 0, 1},
	{2, 128, 128, 5, 5, 3, 2, 1, 1, 0, 128, 0},
	{2, 64, 255, 13, 13, 1, 1, 0, 1, 0, 0, 0},
	/* odd sizes and channels */
	{1, 7, 5, 1, 1, 1, 1, 0, 1, 1, 2, 0},
	{1, 3, 7, 1, 1, 3, 1, 1, 1, 0, 0, 0},
	{2, 5, 17, 3, 2, 2, 1, 1, 1, 3, 1, 0},
	{1, 1, 1, 5, 3, 3, 1, 0, 1, 0, 0, 0},
	{1, 20, 6, 19, 19, 5, 1, 2, 1, 0, 0, 1},
	{1, 9, 33, 7, 19, 3, 3, 1, 1, 2, 2, 0},
	{2, 17, 47, 19, 13, 3, 2, 1, 1, 1, 1, 2},
	{1, 6, 40, 14, 14, 7, 2, 3, 1, 0, 0, 0},
	{1, 4, 24, 13, 19, 2, 2, 0, 1, 0, 4, 0},
	{1, 12, 8, 11, 11, 1, 2, 0, 1, 0, 0, 0},
	{1, 8, 70, 9, 9, 1, 3, 0, 1, 5, 0, 0},
	{1, 10, 12, 8, 8, 4, 2, 1, 1, 0, 0, 0},
	{1, 3, 6, 28, 28, 5, 1, 0, 1, 0, 0, 0},
	{1, 6, 4, 6, 6, 3, 1, 2, 1, 0, 0, 0},
	{1, 5, 4, 6, 5, 1, 1, 1, 1, 0, 0, 0},
	{1, 130, 31, 3, 5, 3, 1, 1, 1, 0, 0, 0},
	/* for Winograd's tiles: parts of tiles, borders, several blocks of tiles, odd channels */
	{3, 17, 23, 21, 6, 3, 1, 1, 1, 3, 0, 0},
	{2, 40, 70, 9, 17, 3, 2, 1, 1, 0, 2, 1},
	{2, 33, 20, 31, 30, 3, 2, 1, 1, 1, 0, 0},
	{5, 16, 33, 28, 36, 3, 1, 1, 1, 0, 0, 2},
	{2, 3, 17, 30, 42, 6, 2, 2, 1, 1, 0, 0},
	/* groups */
	{2, 8, 12, 9, 9, 3, 1, 1, 4, 2, 3, 0},
	{1, 16, 16, 10, 12, 3, 2, 1, 16, 0, 0, 0},
	{1, 12, 18, 5, 7, 1, 1, 0, 6, 0, 0, 0},
	{1, 160, 192, 6, 6, 3, 1, 1, 2, 0, 0, 0},
};

/* YOLOv5n's at 640 pixels; YOLOv5s has twice the channels but for the image's and the head's. */
struct yolo_conv {
	int cin, size, cout, k, stride, times;
};

static const struct yolo_conv yolo_convs[] = {
	{3, 640, 16, 6, 2, 1},   {16, 320, 32, 3, 2, 1},  {32, 160, 16, 1, 1, 2},
	{16, 160, 16, 1, 1, 1},  {16, 160, 16, 3, 1, 1},  {32, 160, 32, 1, 1, 1},
	{32, 160, 64, 3, 2, 1},  {64, 80, 32, 1, 1, 2},   {32, 80, 32, 1, 1, 3},
	{32, 80, 32, 3, 1, 3},   {64, 80, 64, 1, 1, 2},   {64, 80, 128, 3, 2, 1},
	{128, 40, 64, 1, 1, 5},  {64, 40, 64, 1, 1, 5},   {64, 40, 64, 3, 1, 5},
	{128, 40, 128, 1, 1, 3}, {128, 40, 256, 3, 2, 1}, {256, 20, 128, 1, 1, 6},
	{128, 20, 128, 1, 1, 2}, {128, 20, 128, 3, 1, 2}, {256, 20, 256, 1, 1, 2},
	{512, 20, 256, 1, 1, 1}, {256, 40, 64, 1, 1, 2},  {128, 80, 32, 1, 1, 2},
	{64, 80, 64, 3, 2, 1},   {128, 40, 128, 3, 2, 1}, {64, 80, 255, 1, 1, 1},
	{128, 40, 255, 1, 1, 1}, {256, 20, 255, 1, 1, 1},
};

/* The row as a case, its size divided by `shrink`, n images; small: YOLOv5s. */
static inline struct conv_case yolo_case(const struct yolo_conv *y, bool small, int n, int shrink)
{
	const int scale = small ? 2 : 1;

	return (struct conv_case){
		.n = n,
		.cin = y->cin == 3 ? 3 : y->cin * scale,
		.cout = y->cout == 255 ? 255 : y->cout * scale,
		.h = y->size / shrink,
		.w = y->size / shrink,
		.k = y->k,
		.stride = y->stride,
		.pad = y->k == 6 ? 2 : y->k / 2,
		.groups = 1,
	};
}

#endif
