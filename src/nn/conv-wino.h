/*
 * conv-wino.h - inside the convolution only: Winograd's minimal filtering for 3x3 kernels with
 * padding 1, stride 1 and 2, and for YOLOv5's 6x6 stem with stride 2 and padding 2, which is a 3x3
 * convolution of stride 1 on the image's pixels taken four to one (space to depth).
 *
 * A tile of 4x4 outputs is y = A' [(G w G') * (B' x B)] A: its input window becomes `points`
 * values a channel, each point is a matrix product over the channels, and the sums are brought
 * back (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
 *	stride 1: F(4, 3) along each axis: 6x6 = 36 products where the definition has 144.
 *	stride 2: the two outer taps meet the odd pixels, a convolution of stride 1 by F(4, 2), and
 *	the middle tap the even ones, 4 plain products: (5 + 4)^2 = 81 products against 144.
 * Backward-data of stride 1 is the same on turned kernels; of stride 2, tiles of 8x8 of dx from
 * 5x5 of dy, the same 81. Backward-weights is the transpose in w: the sum over all tiles of
 * (B' x B) * (A dy A'), brought back once by G.
 *
 * Points of interpolation: 0, 3/4, -3/4, 3/2, -3/2, infinity for stride 1, 1/2, -1/2, 5/4, -5/4,
 * infinity for stride 2: found by trying simple fractions for the least error. The root mean square
 * error is twice the direct convolution's (4.4 times with the usual 0, 1, -1, 2, -2).
 *
 * Along an axis the weights have six different values even for stride 2, whose four even points
 * share the middle tap: 36 `groups` of points, of which each has one matrix of weights.
 */
#ifndef MIST_NN_CONV_WINO_H
#define MIST_NN_CONV_WINO_H

#include "nn/conv-direct.h"

enum wino_kind { WINO_S1, WINO_S2, WINO_S2_DATA, WINO_KINDS };

#define WINO_SIDE        6 /* groups along an axis */
#define WINO_GROUPS      36
#define WINO_MOST_POINTS 81
#define WINO_MOST_WINDOW 9

/* The points of F(4, 3) and F(4, 2): +-NEAR, +-FAR, infinity, and 0 for F(4, 3). */
#define WINO_S1_NEAR 0.75f
#define WINO_S1_FAR  1.5f
#define WINO_S2_NEAR 0.5f
#define WINO_S2_FAR  1.25f

/* Tiles' windows to points, all channels. */
struct wino_in {
	const float *x;         /* the window's first pixel */
	size_t step, row;       /* floats from pixel to pixel, from row to row */
	const float *const *px; /* instead, unless NULL: where every pixel of the window is */
	int channels;
	float *v;            /* point 0 */
	size_t point;        /* floats from point to point */
	int tiles;           /* as many, side by side, */
	size_t next, v_next; /* so many floats further each, in x and in v */
	int first;           /* by columns: v is that of a block, of which this tile is the first */
};

/*
 * Where there are few channels, bringing points and products through the caches takes longer than
 * the products. There a set of as many tiles as the registers hold goes through one column of points
 * at a time: its products are summed and brought back down the column before they are stored. Points
 * of a block lie as [set][column][vector of channels][row][tile of the set][lane], columns and rows
 * of stride 2 being five of the odd pixels and four of the even ones; the weights of one or two vectors
 * of output channels as [column][input channel][row][vector][lane]; the sums as [tile][output
 * row][column][vector][lane].
 */
struct wino_column {
	const float *v, *w;
	int in;
	float *m; /* of the set's first tile and row */
};

/* Tiles' points to outputs, one block of channels. */
struct wino_out {
	const float *m; /* point 0 */
	size_t point;
	float *y;
	size_t step, row;
	int rows, cols; /* of the tile that lie in the image */
	int channels;
	enum finish finish;
	const float *bias;     /* FINISH_ALL; NULL: none */
	const float *residual; /* FINISH_ALL; NULL: none */
	size_t residual_step, residual_row;
	bool silu;
	float *sums, *squares;              /* FINISH_SUMS: added to; whole vectors */
	int tiles;                          /* side by side, all of them whole if more than one; */
	size_t next, m_next, residual_next; /* floats from each to the next */
};

struct wino_kernels {
	void (*input[WINO_KINDS])(const struct wino_in *t);
	void (*output[WINO_KINDS])(const struct wino_out *t);
	void (*gradient[WINO_KINDS])(const struct wino_in *t); /* dy, for backward-weights */
	/* By columns; NULL where there are none. */
	int set, vectors; /* tiles of a set, vectors of output channels at a time */
	void (*input_sets[WINO_KINDS])(const struct wino_in *t);
	void (*column[WINO_KINDS])(const struct wino_column *c);
	void (*output_rows[WINO_KINDS])(const struct wino_out *t); /* of so many vectors */
	/* One vector of kernels to its groups and back: tap (k, l) at w + (3k + l) * lanes, group
	 * (i, j) at u + i * row + j * column, and at u + (6i + j) * group. */
	void (*weights)(const float *w, const float (*g)[3], float *u, size_t row, size_t column);
	void (*taps)(const float *u, size_t group, const float (*g)[3], float *w);
};
extern const struct wino_kernels wino_kernels_v128;
#ifdef HAVE_X86_KERNELS
extern const struct wino_kernels wino_kernels_avx2, wino_kernels_avx512;
#endif

/* `points` points from `first` on that share a matrix of weights. */
struct wino_group {
	int first, points;
};

/* One direction. */
struct wino_pass {
	enum wino_kind kind;
	bool stem; /* the input's channels are 4 pixels of the image's */
	bool by_columns;
	int in, out;      /* channels, of the stem 4 times the image's */
	int blocks;       /* of output channels */
	int window, side; /* pixels of a tile, in and out, along an axis */
	int step, origin; /* tile t reads from t*step + origin on */
	int points;
	struct wino_group groups[WINO_GROUPS];
	float g[WINO_SIDE][3];
	size_t w_in, w_out; /* floats in OIHW from one input (output) channel to the next */
	size_t floats; /* packed: [block][group][input channel][vectors*lanes], or by columns */
};

/* How the tiles of a batch are shared out: by shape alone. */
struct wino_cut {
	int across, down; /* tiles of an image */
	int tiles, most;  /* of the batch, of a block */
	int blocks, each; /* blocks of tiles, and how many a job has */
	int jobs, splits; /* jobs along the tiles, and along the output channels */
};

struct wino {
	const struct conv_kernels *k;
	const struct wino_kernels *t;
	struct wino_pass forward, data;
	bool does_forward, does_data, does_weights;
};

/* NULL: no pass of this shape is done this way. always: all that can be, whether it pays or not. */
struct wino *wino_new(const struct conv *c, bool always);
void wino_free(struct wino *w);
size_t wino_scratch(const struct conv *c, int threads);
void wino_pack(const struct conv *c, const struct wino_pass *p, struct pool *pool, const float *w,
	       float *packed);
void wino_forward(const struct conv *c, struct pool *pool, const float *packed,
		  const struct view *x, const struct view *y, const struct conv_epilogue *epi,
		  void *scratch);
void wino_backward_data(const struct conv *c, struct pool *pool, const float *packed,
			const struct view *dy, const struct view *dx, bool add, void *scratch);

/* What the readers of tiles share: tiles of a view to points. */
struct wino_reader {
	void (*input)(const struct wino_in *t);
	const struct view *view;
	int window, step, origin;
	int across, down;   /* tiles of an image */
	bool stem;          /* image pixels, 4 to one */
	int channels;       /* of a point */
	const float *zeros; /* as many channels */
	float *patch;       /* stem: wino_patch_floats() */
};
#define WINO_PATCH_CHANNELS 16
/* What wino_read needs of `patch` for so many tiles at once: their windows, side by side. */
size_t wino_patch_floats(const struct wino_pass *p, int tiles);
/* `tiles` of them from number `tile` on, each v_next floats behind the one before in v; v_next 0: by
 * columns, the input being one of input_sets. */
void wino_read(const struct wino_reader *r, int tile, int tiles, float *v, size_t v_next);

/* Where kernel `in` of an output channel begins in OIHW, and floats from tap to tap of its nine: of
 * the stem one of the four 3x3 kernels in a 6x6. */
size_t wino_kernel_of(const struct wino_pass *p, int in, int *row, int *col);

/* conv-wino-dw.c */
size_t wino_dw_scratch(const struct conv *c, int threads);
void wino_backward_weights(const struct conv *c, struct pool *pool, const struct view *x,
			   const struct view *dy, const struct conv_grads *dw, void *scratch);

#endif
