/*
 * pictures.h - pictures and small data sets for tests. noise_image is made by a generator that is
 * easy to write in any language (Numerical Recipes' 32-bit LCG, upper byte), so that a peer can
 * make the same.
 */
#ifndef MIST_TESTS_PICTURES_H
#define MIST_TESTS_PICTURES_H

#include "unit.h"

#include "base/file.h"
#include "io/digest.h"
#include "io/image.h"

static inline struct image noise_image(int w, int h)
{
	struct image img;
	uint32_t x = 1;
	int i;

	image_alloc(&img, w, h);
	for (i = 0; i < 3 * w * h; i++) {
		x = x * 1664525u + 1013904223u;
		img.rgb[i] = (unsigned char)(x >> 24);
	}
	return img;
}

static inline void assert_digest(const void *data, size_t size, const char *sha256)
{
	char hex[DIGEST_HEX];

	digest_bytes(data, size, hex);
	assert_string_equal(hex, sha256);
}

/* The colour of class k: far from grey and from each other. */
static inline const unsigned char *class_colour(int k)
{
	static const unsigned char colours[4][3] = {
		{230, 20, 20}, {20, 220, 20}, {30, 30, 240}, {240, 240, 10}};

	return colours[k % 4];
}

/* n pictures of different shapes, lossless, each dark with one rectangle of its class (number mod
 * 4), with labels and no dataset.yaml. */
static inline void make_rectangles(const char *dir, int n)
{
	char *images = path_join(dir, "images"), *labels = path_join(dir, "labels");
	struct err err;
	int i, x, y;

	assert_int_equal(dir_make(images, &err), 0);
	assert_int_equal(dir_make(labels, &err), 0);
	for (i = 0; i < n; i++) {
		int w = 80 + 16 * (i % 4), h = 96 + 24 * (i / 4 % 3);
		char *png = xasprintf("%s/%03d.png", images, i);
		char *txt = xasprintf("%s/%03d.txt", labels, i);
		char *line = xasprintf("%d 0.5 0.375 0.5 0.25\n", i % 4);
		struct image img;

		image_alloc(&img, w, h);
		memset(img.rgb, 5, 3 * (size_t)w * (size_t)h);
		for (y = h / 4; y < h / 2; y++)
			for (x = w / 4; x < 3 * w / 4; x++)
				memcpy(img.rgb + 3 * (y * w + x), class_colour(i), 3);
		assert_int_equal(image_write(png, &img, &err), 0);
		assert_int_equal(file_write(txt, line, strlen(line), &err), 0);
		image_release(&img);
		free(png);
		free(txt);
		free(line);
	}
	free(images);
	free(labels);
}

#endif
