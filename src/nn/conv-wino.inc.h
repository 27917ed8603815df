/*
 * conv-wino.inc.h - the transforms of conv-wino.h, vectors over channels, compiled once per
 * instruction set; the includer has included conv-kernel.inc.h and defines WINO_KERNELS, the name
 * of the table.
 *
 * Order of the points. Stride 1: point 6i + j, i down and j across. Stride 2, whose axis has the
 * five points of the odd pixels and the four even pixels as they are: (i, j) is 9i + j, (i, even l)
 * 9i + 5 + l, (even k, j) 45 + 4j + k and (even k, even l) 65 + 4k + l, so that points with the
 * same weights follow one another.
 */
#include "nn/conv-wino.h"

/*
 * By columns: tiles and vectors of output channels of which the registers hold so many rows of
 * points. Where three rows are all, two vectors share what is loaded of the tiles.
 */
#if TILE_NARROW >= 24
#define WINO_SET     4
#define WINO_VECTORS 1
#define WINO_ROWS    6
#else
#define WINO_SET     2
#define WINO_VECTORS 2
#define WINO_ROWS    3
#endif
#define ODD_ROWS 45 /* points before those of even rows */
#define EVENS    65 /* and before those of even rows and columns */

/* A pair of points +-k, of which the other pair's square is `square`: see wino_ends, too. */
SIMD_INLINE void wino_pair(vf d0, vf d1, vf d2, vf d3, float square, float k, vf *plus, vf *minus)
{
	const vf e = v_fma(v_set(-square), d1, d3), o = v_fma(v_set(-square), d0, d2);

	*plus = v_fma(v_set(k), o, e);
	*minus = v_fma(v_set(-k), o, e);
}

/* 0 and infinity: (x^2 - near^2) (x^2 - far^2) */
SIMD_INLINE vf wino_end(vf d0, vf d2, vf d4, float near, float far)
{
	const float sum = near * near + far * far, product = near * near * far * far;

	return v_fma(v_set(product), d0, v_fma(v_set(-sum), d2, d4));
}

/* B' of F(4, 3) and of F(4, 2) */
SIMD_INLINE void wino_b6(const vf *d, vf *v)
{
	const float near = WINO_S1_NEAR, far = WINO_S1_FAR;

	v[0] = wino_end(d[0], d[2], d[4], near, far);
	wino_pair(d[1], d[2], d[3], d[4], far * far, near, &v[1], &v[2]);
	wino_pair(d[1], d[2], d[3], d[4], near * near, far, &v[3], &v[4]);
	v[5] = wino_end(d[1], d[3], d[5], near, far);
}

SIMD_INLINE void wino_b5(const vf *d, vf *v)
{
	const float near = WINO_S2_NEAR, far = WINO_S2_FAR;

	wino_pair(d[0], d[1], d[2], d[3], far * far, near, &v[0], &v[1]);
	wino_pair(d[0], d[1], d[2], d[3], near * near, far, &v[2], &v[3]);
	v[4] = wino_end(d[0], d[2], d[4], near, far);
}

/* A' of both; m: +near, -near, +far, -far, infinity; zero: what the point 0 adds */
SIMD_INLINE void wino_a(const vf *m, float near, float far, vf *y)
{
	const vf sn = m[0] + m[1], dn = m[0] - m[1], sf = m[2] + m[3], df = m[2] - m[3];

	y[0] = sn + sf;
	y[1] = v_fma(v_set(far), df, v_set(near) * dn);
	y[2] = v_fma(v_set(far * far), sf, v_set(near * near) * sn);
	y[3] = v_fma(v_set(far * far * far), df, v_fma(v_set(near * near * near), dn, m[4]));
}

SIMD_INLINE void wino_a6(const vf *m, vf *y)
{
	wino_a(m + 1, WINO_S1_NEAR, WINO_S1_FAR, y);
	y[0] = y[0] + m[0];
}

SIMD_INLINE void wino_a5(const vf *m, vf *y)
{
	wino_a(m, WINO_S2_NEAR, WINO_S2_FAR, y);
}

/* A of both, y to its points */
SIMD_INLINE void wino_at_pair(const vf *y, float k, vf *plus, vf *minus)
{
	const vf e = v_fma(v_set(k * k), y[2], y[0]);
	const vf o = v_fma(v_set(k * k * k), y[3], v_set(k) * y[1]);

	*plus = e + o;
	*minus = e - o;
}

SIMD_INLINE void wino_at6(const vf *y, vf *m)
{
	m[0] = y[0];
	wino_at_pair(y, WINO_S1_NEAR, &m[1], &m[2]);
	wino_at_pair(y, WINO_S1_FAR, &m[3], &m[4]);
	m[5] = y[3];
}

SIMD_INLINE void wino_at5(const vf *y, vf *m)
{
	wino_at_pair(y, WINO_S2_NEAR, &m[0], &m[1]);
	wino_at_pair(y, WINO_S2_FAR, &m[2], &m[3]);
	m[4] = y[3];
}

/*
 * Bytes of a step and of 3, 5 and 7 of them, from which x86 addresses up to 8 for nothing. The compiler
 * must not see what they are: it would compute the addresses of all points of a tile beforehand, and
 * read each again from memory.
 */
struct wino_steps {
	size_t one, three, five, seven;
};

SIMD_INLINE struct wino_steps wino_steps(size_t floats)
{
	size_t one = floats * sizeof(float), three = 3 * one, five = 5 * one, seven = 7 * one;

	OPAQUE(one);
	OPAQUE(three);
	OPAQUE(five);
	OPAQUE(seven);
	return (struct wino_steps){one, three, five, seven};
}

SIMD_INLINE size_t wino_step(const struct wino_steps *s, const int k)
{
	switch (k) {
	case 3:
	case 6:
		return (size_t)(k / 3) * s->three;
	case 5:
		return s->five;
	case 7:
		return s->seven;
	default:
		return (size_t)k * s->one;
	}
}

/*
 * The channels [c, c + n) of one tile. By value, here and for the outputs: stores of vectors may
 * alias anything that a pointer reaches, and every field would be read again after each.
 */
struct wino_at {
	struct wino_in t;
	int window, c, n;
	struct wino_steps row;
	bool by_columns;
	float *to; /* by columns: where these channels' first point is */
	struct wino_steps column;
};

/* Pixel (row, col) of the window, in the column that begins at p; table: wherever it is. */
SIMD_INLINE vf wino_px(const struct wino_at *a, const float *p, int row, int col, const bool table,
		       const bool part)
{
	p = (const float *)((const char *)p + wino_step(&a->row, row));
	if (table)
		p = a->t.px[row * a->window + col] + a->c;
	return part ? v_load_part(p, a->n) : v_load(p);
}

/* Where column 0 begins, and the one after p. */
SIMD_INLINE const float *wino_first(const struct wino_at *a)
{
	const float *p = a->t.x + a->c;

	OPAQUE(p);
	return p;
}

SIMD_INLINE const float *wino_next(const struct wino_at *a, const float *p)
{
	p += a->t.step;
	OPAQUE(p);
	return p;
}

SIMD_INLINE void wino_column(const struct wino_at *a, const float *p, int col, int first, int step,
			     int n, const bool table, const bool part, vf *d)
{
	int r;

	UNROLL
	for (r = 0; r < n; r++)
		d[r] = wino_px(a, p, first + r * step, col, table, part);
}

/* n values of row `row` from column `col` on: by points, those from `first` on. */
SIMD_INLINE void wino_put(const struct wino_at *a, int row, int col, int first, int step, int n,
			  const vf *v)
{
	float *to = a->by_columns ? a->to + row * WINO_SET * LANES : a->t.v + a->c;
	int j;

	OPAQUE(to);
	UNROLL
	for (j = 0; j < n; j++)
		if (a->by_columns)
			v_store((float *)((char *)to + wino_step(&a->column, col + j)), v[j]);
		else
			v_store(to + (size_t)(first + j * step) * a->t.point, v[j]);
}

/* One row of points, or one even row, from its values column by column. */
SIMD_INLINE void wino_put_s1(const struct wino_at *a, int i, const vf *t, const bool gradient)
{
	vf v[6];

	if (gradient)
		wino_at6(t, v);
	else
		wino_b6(t, v);
	wino_put(a, i, 0, 6 * i, 1, 6, v);
}

SIMD_INLINE void wino_put_s2(const struct wino_at *a, int row, const vf *t, const enum wino_kind k,
			     const bool gradient)
{
	const bool odd = row < 5;
	vf v[5];

	if (gradient) {
		wino_at5(t, v);
	} else if (k == WINO_S2) {
		const vf fives[5] = {t[0], t[2], t[4], t[6], t[8]};

		wino_b5(fives, v);
	} else {
		wino_b5(t, v);
	}
	wino_put(a, row, 0, odd ? 9 * row : ODD_ROWS + row - 5, odd ? 1 : 4, 5, v);
	if (k == WINO_S2 && !gradient) {
		v[0] = t[1];
		v[1] = t[3];
		v[2] = t[5];
		v[3] = t[7];
		t = v;
	}
	wino_put(a, row, 5, odd ? 9 * row + 5 : EVENS + 4 * (row - 5), 1, 4, t);
}

/*
 * Rows of points in pairs, so that few values are alive at a time: a value of the first of the two
 * transforms that had to go through memory would cost as much as to compute it again.
 */
SIMD_INLINE void wino_in_s1(const struct wino_at *a, const bool table, const bool part)
{
	const float near = WINO_S1_NEAR, far = WINO_S1_FAR;
	const float *p;
	vf d[5], t[6], u[6];
	int q;

	UNROLL
	for (p = wino_first(a), q = 0; q < 6; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 0, 2, 3, table, part, d);
		t[q] = wino_end(d[0], d[1], d[2], near, far);
	}
	wino_put_s1(a, 0, t, false);
	UNROLL
	for (p = wino_first(a), q = 0; q < 6; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 1, 1, 4, table, part, d);
		wino_pair(d[0], d[1], d[2], d[3], far * far, near, &t[q], &u[q]);
	}
	wino_put_s1(a, 1, t, false);
	wino_put_s1(a, 2, u, false);
	UNROLL
	for (p = wino_first(a), q = 0; q < 6; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 1, 1, 4, table, part, d);
		wino_pair(d[0], d[1], d[2], d[3], near * near, far, &t[q], &u[q]);
	}
	wino_put_s1(a, 3, t, false);
	wino_put_s1(a, 4, u, false);
	UNROLL
	for (p = wino_first(a), q = 0; q < 6; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 1, 2, 3, table, part, d);
		t[q] = wino_end(d[0], d[1], d[2], near, far);
	}
	wino_put_s1(a, 5, t, false);
}

/* Both of stride 2: the window's rows 0, 2 … 8 are the odd ones and 1, 3 … the even, or backwards,
 * where all rows are dy's, 0 … 4 and 0 … 3 again. */
SIMD_INLINE void wino_in_s2(const struct wino_at *a, const enum wino_kind k, const bool table,
			    const bool part)
{
	const float near = WINO_S2_NEAR, far = WINO_S2_FAR;
	const int w = k == WINO_S2 ? 9 : 5, step = k == WINO_S2 ? 2 : 1;
	const float *p;
	vf d[5], t[9], u[9];
	int q, r;

	UNROLL
	for (p = wino_first(a), q = 0; q < w; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 0, step, 4, table, part, d);
		wino_pair(d[0], d[1], d[2], d[3], far * far, near, &t[q], &u[q]);
	}
	wino_put_s2(a, 0, t, k, false);
	wino_put_s2(a, 1, u, k, false);
	UNROLL
	for (p = wino_first(a), q = 0; q < w; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 0, step, 4, table, part, d);
		wino_pair(d[0], d[1], d[2], d[3], near * near, far, &t[q], &u[q]);
	}
	wino_put_s2(a, 2, t, k, false);
	wino_put_s2(a, 3, u, k, false);
	UNROLL
	for (p = wino_first(a), q = 0; q < w; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 0, 2 * step, 3, table, part, d);
		t[q] = wino_end(d[0], d[1], d[2], near, far);
	}
	wino_put_s2(a, 4, t, k, false);
	UNROLL
	for (r = 0; r < 4; r++) {
		UNROLL
		for (p = wino_first(a), q = 0; q < w; q++, p = wino_next(a, p))
			t[q] = wino_px(a, p, k == WINO_S2 ? 2 * r + 1 : r, q, table, part);
		wino_put_s2(a, 5 + r, t, k, false);
	}
}

SIMD_INLINE void wino_dy_s1(const struct wino_at *a, const bool table, const bool part)
{
	const float *p;
	vf d[4], t[6][4], m[6];
	int q, r;

	UNROLL
	for (p = wino_first(a), q = 0; q < 4; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 0, 1, 4, table, part, d);
		wino_at6(d, m);
		UNROLL
		for (r = 0; r < 6; r++)
			t[r][q] = m[r];
	}
	UNROLL
	for (r = 0; r < 6; r++)
		wino_put_s1(a, r, t[r], true);
}

SIMD_INLINE void wino_dy_s2(const struct wino_at *a, const bool table, const bool part)
{
	const float *p;
	vf d[4], t[5][4], m[5];
	int q, r;

	UNROLL
	for (p = wino_first(a), q = 0; q < 4; q++, p = wino_next(a, p)) {
		wino_column(a, p, q, 0, 1, 4, table, part, d);
		wino_at5(d, m);
		UNROLL
		for (r = 0; r < 5; r++)
			t[r][q] = m[r];
	}
	UNROLL
	for (r = 0; r < 5; r++)
		wino_put_s2(a, r, t[r], WINO_S2, true);
	UNROLL
	for (r = 0; r < 4; r++) {
		UNROLL
		for (p = wino_first(a), q = 0; q < 4; q++, p = wino_next(a, p))
			d[q] = wino_px(a, p, r, q, table, part);
		wino_put_s2(a, 5 + r, d, WINO_S2, true);
	}
}

SIMD_INLINE void wino_one(const struct wino_at *a, const enum wino_kind k, const bool gradient,
			  const bool table, const bool part)
{
	if (gradient && k == WINO_S1)
		wino_dy_s1(a, table, part);
	else if (gradient)
		wino_dy_s2(a, table, part);
	else if (k == WINO_S1)
		wino_in_s1(a, table, part);
	else
		wino_in_s2(a, k, table, part);
}

/* Channels [c, c + n) of a tile; all: n is a whole vector. */
SIMD_INLINE void wino_piece(struct wino_at *a, int c, int n, int rows, int tile,
			    const enum wino_kind k, const bool gradient, const bool table,
			    const bool sets)
{
	const size_t column = a->column.one / sizeof(float);

	a->c = c;
	a->n = n;
	if (sets)
		a->to = a->t.v + (size_t)(tile / WINO_SET * rows) * column +
			(size_t)(c / LANES * rows * WINO_SET * LANES) +
			(size_t)(tile % WINO_SET * LANES);
	if (n == LANES)
		wino_one(a, k, gradient, table, false);
	else
		wino_one(a, k, gradient, table, true);
}

SIMD_INLINE void wino_channels(const struct wino_in *t, int window, const enum wino_kind k,
			       const bool gradient, const bool table, const bool sets)
{
	const int channels = t->channels, tiles = t->tiles, rows = k == WINO_S1 ? 6 : 9;
	const int vectors = (channels + LANES - 1) / LANES;
	struct wino_at a = {.t = *t, .window = window, .by_columns = sets};
	int i, c;

	a.row = wino_steps(t->row);
	if (sets)
		a.column = wino_steps((size_t)(vectors * rows * WINO_SET * LANES));
	for (i = 0; i < tiles; i++, a.t.x += a.t.next, a.t.v += a.t.v_next) {
		for (c = 0; c + LANES <= channels; c += LANES)
			wino_piece(&a, c, LANES, rows, t->first + i, k, gradient, table, sets);
		if (c < channels)
			wino_piece(&a, c, channels - c, rows, t->first + i, k, gradient, table,
				   sets);
	}
}

#define WINO_INPUT(name, window, kind, gradient, sets)                                             \
	static void name(const struct wino_in *t)                                                  \
	{                                                                                          \
		if (t->px)                                                                         \
			wino_channels(t, window, kind, gradient, true, sets);                      \
		else                                                                               \
			wino_channels(t, window, kind, gradient, false, sets);                     \
	}
WINO_INPUT(wino_input_s1, 6, WINO_S1, false, false)
WINO_INPUT(wino_input_s2, 9, WINO_S2, false, false)
WINO_INPUT(wino_input_s2_data, 5, WINO_S2_DATA, false, false)
WINO_INPUT(wino_gradient_s1, 4, WINO_S1, true, false)
WINO_INPUT(wino_gradient_s2, 4, WINO_S2, true, false)
WINO_INPUT(wino_sets_s1, 6, WINO_S1, false, true)
WINO_INPUT(wino_sets_s2, 9, WINO_S2, false, true)

struct wino_final {
	vf bias;
	bool silu;
	const float *residual; /* NULL: none */
	float *y;
	size_t residual_step, step;
	int n, channels;
};

/* Bias, SiLU and residual of up to four outputs. */
static __attribute__((noinline)) void wino_finish_all(const struct wino_final *f, const vf *y)
{
	int i;

	for (i = 0; i < f->n; i++) {
		vf u = y[i] + f->bias;

		if (f->silu)
			u = u * v_sigmoid(u);
		if (f->residual)
			u = u + v_load_n(f->residual + (size_t)i * f->residual_step, f->channels);
		v_store_n(f->y + (size_t)i * f->step, u, f->channels);
	}
}

SIMD_INLINE void wino_final(const struct wino_out *t, int row, int col, int step, int c,
			    const vf *y)
{
	const vf spill[4] = {y[0], y[1], y[2], y[3]};
	struct wino_final f = {
		.silu = t->silu,
		.y = t->y + (size_t)row * t->row + (size_t)col * t->step + c,
		.step = (size_t)step * t->step,
		.residual_step = (size_t)step * t->residual_step,
		.channels = t->channels - c,
		.n = (t->cols - col + step - 1) / step,
	};

	f.bias = t->bias ? v_load_n(t->bias + c, f.channels) : v_set(0);
	if (t->residual)
		f.residual = t->residual + (size_t)row * t->residual_row +
			     (size_t)col * t->residual_step + c;
	f.n = f.n < 4 ? f.n : 4;
	wino_finish_all(&f, spill);
}

/* Outputs (row, col + i*step), i < 4, of channels from c on. */
SIMD_INLINE void wino_finish(const struct wino_out *t, int row, int col, int step, int c,
			     const vf *y, vf *sums, const bool full)
{
	const int n = t->channels - c;
	int i;

	if (!full && row >= t->rows)
		return;
	if (t->finish == FINISH_ALL) {
		wino_final(t, row, col, step, c, y);
		return;
	}
	UNROLL
	for (i = 0; i < 4; i++) {
		float *to = t->y + (size_t)row * t->row + (size_t)(col + i * step) * t->step + c;
		vf u = y[i];

		if (!full && col + i * step >= t->cols)
			continue;
		if (t->finish == FINISH_SUMS) {
			sums[0] += u;
			sums[1] = v_fma(u, u, sums[1]);
		}
		if (full) {
			if (t->finish == FINISH_ADD)
				u += v_load(to);
			v_store(to, u);
			continue;
		}
		if (t->finish == FINISH_ADD)
			u += v_load_n(to, n);
		v_store_n(to, u, n);
	}
}

SIMD_INLINE vf wino_m(const struct wino_out *t, int point, int c)
{
	return v_load(t->m + (size_t)point * t->point + c);
}

SIMD_INLINE void wino_out_s1(const struct wino_out *t, int c, vf *sums, const bool full)
{
	vf m[6], y[4], rows[4][6];
	int i, j;

	UNROLL
	for (j = 0; j < 6; j++) {
		UNROLL
		for (i = 0; i < 6; i++)
			m[i] = wino_m(t, 6 * i + j, c);
		wino_a6(m, y);
		UNROLL
		for (i = 0; i < 4; i++)
			rows[i][j] = y[i];
	}
	UNROLL
	for (i = 0; i < 4; i++) {
		wino_a6(rows[i], y);
		wino_finish(t, i, 0, 1, c, y, sums, full);
	}
}

/* Column `at` of the points of odd rows, 4 outputs down. */
SIMD_INLINE void wino_down(const struct wino_out *t, int at, int c, vf *y)
{
	vf m[5];
	int i;

	UNROLL
	for (i = 0; i < 5; i++)
		m[i] = wino_m(t, 9 * i + at, c);
	wino_a5(m, y);
}

SIMD_INLINE void wino_out_s2(const struct wino_out *t, int c, vf *sums, const bool full)
{
	vf y[4], rows[4][5], even;
	int i, j;

	UNROLL
	for (j = 0; j < 5; j++) {
		wino_down(t, j, c, y);
		UNROLL
		for (i = 0; i < 4; i++)
			rows[i][j] = y[i] + wino_m(t, ODD_ROWS + 4 * j + i, c);
	}
	UNROLL
	for (i = 0; i < 4; i++) {
		wino_a5(rows[i], y);
		UNROLL
		for (j = 0; j < 4; j++)
			rows[i][j] = y[j];
	}
	UNROLL
	for (j = 0; j < 4; j++) {
		wino_down(t, 5 + j, c, y);
		UNROLL
		for (i = 0; i < 4; i++) {
			even = wino_m(t, EVENS + 4 * i + j, c);
			rows[i][j] = rows[i][j] + (y[i] + even);
		}
	}
	UNROLL
	for (i = 0; i < 4; i++)
		wino_finish(t, i, 0, 1, c, rows[i], sums, full);
}

SIMD_INLINE void wino_out_s2_data(const struct wino_out *t, int c, vf *sums, const bool full)
{
	vf y[4], m[5], rows[4][5];
	int i, j;

	UNROLL
	for (j = 0; j < 5; j++) {
		wino_down(t, j, c, y);
		UNROLL
		for (i = 0; i < 4; i++)
			rows[i][j] = y[i];
	}
	UNROLL
	for (i = 0; i < 4; i++) {
		wino_a5(rows[i], y);
		wino_finish(t, 2 * i + 1, 1, 2, c, y, sums, full);
	}
	UNROLL
	for (j = 0; j < 4; j++) {
		wino_down(t, 5 + j, c, y);
		UNROLL
		for (i = 0; i < 4; i++)
			rows[i][j] = y[i];
	}
	UNROLL
	for (i = 0; i < 4; i++)
		wino_finish(t, 2 * i + 1, 0, 2, c, rows[i], sums, full);
	UNROLL
	for (i = 0; i < 4; i++) {
		UNROLL
		for (j = 0; j < 5; j++)
			m[j] = wino_m(t, ODD_ROWS + 4 * j + i, c);
		wino_a5(m, y);
		wino_finish(t, 2 * i, 1, 2, c, y, sums, full);
		UNROLL
		for (j = 0; j < 4; j++)
			y[j] = wino_m(t, EVENS + 4 * i + j, c);
		wino_finish(t, 2 * i, 0, 2, c, y, sums, full);
	}
}

SIMD_INLINE void wino_vector(const struct wino_out *t, int c, const enum wino_kind k,
			     const bool full)
{
	vf sums[2] = {v_set(0), v_set(0)};
	if (t->finish == FINISH_SUMS) {
		sums[0] = v_load(t->sums + c);
		sums[1] = v_load(t->squares + c);
	}
	if (k == WINO_S1)
		wino_out_s1(t, c, sums, full);
	else if (k == WINO_S2)
		wino_out_s2(t, c, sums, full);
	else
		wino_out_s2_data(t, c, sums, full);
	if (t->finish == FINISH_SUMS) {
		v_store(t->sums + c, sums[0]);
		v_store(t->squares + c, sums[1]);
	}
}

SIMD_INLINE void wino_tiles(const struct wino_out *out, const int side, const enum wino_kind k)
{
	const bool whole = out->rows == side && out->cols == side;
	struct wino_out t = *out;
	int i, c;

	for (i = 0; i < out->tiles; i++) {
		for (c = 0; whole && c + LANES <= t.channels; c += LANES)
			wino_vector(&t, c, k, true);
		for (; c < t.channels; c += LANES)
			wino_vector(&t, c, k, false);
		t.m += t.m_next;
		t.y += t.next;
		if (t.residual)
			t.residual += t.residual_next;
	}
}

#define WINO_OUTPUT(name, side, kind)                                                              \
	static void name(const struct wino_out *t)                                                 \
	{                                                                                          \
		wino_tiles(t, side, kind);                                                         \
	}
WINO_OUTPUT(wino_output_s1, 4, WINO_S1)
WINO_OUTPUT(wino_output_s2, 4, WINO_S2)
WINO_OUTPUT(wino_output_s2_data, 8, WINO_S2_DATA)

/* G w G' of a vector of kernels: tap (k, l) of all lanes at w + (3k + l) * LANES. */
static void wino_weights(const float *w, const float (*g)[3], float *u, size_t row, size_t column)
{
	vf t[3];
	int i, j, k;

	for (i = 0; i < WINO_SIDE; i++) {
		for (k = 0; k < 3; k++) {
			t[k] = v_set(g[i][0]) * v_load(w + k * LANES);
			t[k] = v_fma(v_set(g[i][1]), v_load(w + (3 + k) * LANES), t[k]);
			t[k] = v_fma(v_set(g[i][2]), v_load(w + (6 + k) * LANES), t[k]);
		}
		for (j = 0; j < WINO_SIDE; j++)
			v_store(u + (size_t)i * row + (size_t)j * column,
				v_fma(v_set(g[j][2]), t[2],
				      v_fma(v_set(g[j][1]), t[1], v_set(g[j][0]) * t[0])));
	}
}

/* G' u G, its transpose. */
static void wino_taps(const float *u, size_t group, const float (*g)[3], float *w)
{
	vf t[3][WINO_SIDE];
	int i, j, k;

	for (j = 0; j < WINO_SIDE; j++)
		for (k = 0; k < 3; k++) {
			vf sum = v_set(0);

			for (i = 0; i < WINO_SIDE; i++)
				sum = v_fma(v_set(g[i][k]),
					    v_load(u + (size_t)(WINO_SIDE * i + j) * group), sum);
			t[k][j] = sum;
		}
	for (k = 0; k < 3; k++)
		for (i = 0; i < 3; i++) {
			vf sum = v_set(0);

			for (j = 0; j < WINO_SIDE; j++)
				sum = v_fma(v_set(g[j][i]), t[k][j], sum);
			v_store(w + (3 * k + i) * LANES, sum);
		}
}

#include "nn/conv-wino-columns.inc.h"

const struct wino_kernels WINO_KERNELS = {
	.weights = wino_weights,
	.taps = wino_taps,
	.input = {wino_input_s1, wino_input_s2, wino_input_s2_data},
	.output = {wino_output_s1, wino_output_s2, wino_output_s2_data},
	.gradient = {wino_gradient_s1, wino_gradient_s2, NULL},
	.set = WINO_SET,
	.vectors = WINO_VECTORS,
	.input_sets = {wino_sets_s1, wino_sets_s2, NULL},
	.column = {wino_column_s1, wino_column_s2, NULL},
	.output_rows = {wino_output_rows_s1, wino_output_rows_s2, NULL},
};
