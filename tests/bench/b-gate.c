/*
 * b-gate - the gate on one core: thresholds and packing, noise, both as the edge does them,
 * decoding, and the same for a quarter of the bits chosen by a subset, of what crosses YOLOv5's cut 4 at 640 pixels and of a map that fills no vectors.
 * Features are values, one bit each. 100 % is a copy of the features as floats. Tab-separated.
 */
#include "bench.h"
#include "mist/gate.h"

static const struct {
	int c, side;
} shapes[] = {{64, 80}, {128, 80}, {70, 77}};

struct bench {
	struct gate gate, thin;
	struct noise noise;
	struct view x;
	float *buf;
	unsigned char *bits;
	uint64_t stream;
};

static void encode(void *bench)
{
	struct bench *b = bench;

	gate_encode(&b->gate, &b->x, 0, b->bits);
}

/* A stream of its own each time, as every image has. */
static void flip(void *bench)
{
	struct bench *b = bench;

	gate_flip(&b->noise, b->stream++, b->bits, b->x.c, b->x.h, b->x.w);
}

static void send(void *bench)
{
	encode(bench);
	flip(bench);
}

static void decode(void *bench)
{
	struct bench *b = bench;

	gate_decode(&b->gate, b->bits, &b->x, 0);
}

/* A quarter of the bits. */
static void thin_encode_once(void *bench)
{
	struct bench *b = bench;

	gate_encode(&b->thin, &b->x, 0, b->bits);
}

static void thin_decode_once(void *bench)
{
	struct bench *b = bench;

	gate_decode(&b->thin, b->bits, &b->x, 0);
}

static void bench_make(struct bench *b, int c, int side)
{
	struct err err = ERR_INIT;
	size_t floats, lead;

	*b = (struct bench){.x = {NULL, 1, side, side, c, (c + 15) / 16 * 16, 1}};
	floats = view_floats(&b->x, &lead);
	b->buf = bench_floats(floats);
	b->x.p = b->buf + lead;
	if (noise_init(&b->noise, MECHANISM_RR, 1, NULL, &err))
		bench_fail(&err);
	gate_init(&b->gate, ENCODING_BIT, c);
	gate_set_noise(&b->gate, &b->noise);
	b->gate.debias = true;
	b->gate.threshold = bench_floats((size_t)c);
	b->gate.low = bench_floats((size_t)c);
	b->gate.high = bench_floats((size_t)c);
	gate_copy(&b->thin, &b->gate);
	b->thin.keep = UINT32_C(1) << 30;
	b->bits = xaligned(gate_packed_bytes(c, side, side));
}

static void bench_release(struct bench *b)
{
	gate_release(&b->gate);
	gate_release(&b->thin);
	noise_release(&b->noise);
	free(b->buf);
	free(b->bits);
}

static void run(int c, int side)
{
	static const char *const names[] = {"threshold and pack", "noise",
					    "pack and noise",     "decode",
					    "pack a quarter",     "decode a quarter",
					    "copy of the floats"};
	const double features = (double)gate_values(c, side, side);
	struct bench_copy copy;
	struct bench b;
	const struct bench_task tasks[] = {{encode, &b},
					   {flip, &b},
					   {send, &b},
					   {decode, &b},
					   {thin_encode_once, &b},
					   {thin_decode_once, &b},
					   {bench_copy_once, &copy}};
	const int n = (int)ARRAY_LEN(tasks);
	double times[ARRAY_LEN(tasks)];
	int i;

	bench_make(&b, c, side);
	bench_copy_init(&copy, NULL, (size_t)features * sizeof(float));
	bench_interleave(tasks, n, 1, times);
	for (i = 0; i < n; i++)
		printf("%d x %d x %d\t%s\t%.4f\t%.0f\t%.0f%%\n", side, side, c, names[i],
		       times[i] * 1e3, features / times[i] * 1e-6, 100 * times[n - 1] / times[i]);
	bench_copy_release(&copy);
	bench_release(&b);
}

int main(void)
{
	size_t i;

	bench_print_processor();
	printf("# 1 thread, randomised response, epsilon 1\n");
	printf("map\tpass\tms\tM features/s\tof copy\n");
	for (i = 0; i < ARRAY_LEN(shapes); i++)
		run(shapes[i].c, shapes[i].side);
	return 0;
}
