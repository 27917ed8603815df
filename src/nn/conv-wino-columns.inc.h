/*
 * conv-wino-columns.inc.h - the products and the way back of conv-wino.h where points are taken a
 * column at a time (struct wino_column); included by conv-wino.inc.h alone.
 */
#define WINO_WIDTH (WINO_VECTORS * LANES)
/* A vector that is used more than once shall not be read from memory each time. */
#if WINO_VECTORS > 1 && defined(__SSE2__)
#define IN_REGISTER(v) __asm__("" : "+x"(v))
#else
#define IN_REGISTER(v) ((void)(v))
#endif

typedef vf wino_acc[WINO_SET][WINO_VECTORS];

/*
 * acc[i] += sums over the channels of v's rows from `first` on and their weights, or if `one`, the
 * weights of row 5; `rows`: of v.
 */
SIMD_INLINE void wino_products(wino_acc *acc, const struct wino_column *col, const int rows,
			       const int first, const int n, const bool one)
{
	const float *v = col->v + first * WINO_SET * LANES, *w = col->w;
	int left, c, i, t, k;

	w += (one ? 5 : first) * WINO_WIDTH;
	for (left = col->in; left > 0; left -= LANES, v += rows * WINO_SET * LANES) {
		const int channels = left < LANES ? left : LANES;

		for (c = 0; c < channels; c++, w += WINO_SIDE * WINO_WIDTH) {
			UNROLL
			for (i = 0; i < n; i++) {
				vf wv[WINO_VECTORS];

				UNROLL
				for (k = 0; k < WINO_VECTORS; k++) {
					vf x = v_load(w + (one ? 0 : i * WINO_WIDTH) + k * LANES);

					IN_REGISTER(x);
					wv[k] = x;
				}
				UNROLL
				for (t = 0; t < WINO_SET; t++) {
					const vf b = v_set(v[(i * WINO_SET + t) * LANES + c]);

					UNROLL
					for (k = 0; k < WINO_VECTORS; k++)
						acc[i][t][k] = v_fma(b, wv[k], acc[i][t][k]);
				}
			}
		}
	}
}

/* m: rows [first, first + n) of points. */
SIMD_INLINE void wino_points(wino_acc *m, const struct wino_column *col, const int rows,
			     const int first, const int n)
{
	wino_acc acc[6];
	int i, t, k;

	UNROLL
	for (i = 0; i < n; i++)
		UNROLL
	for (t = 0; t < WINO_SET; t++)
		UNROLL
	for (k = 0; k < WINO_VECTORS; k++)
		acc[i][t][k] = v_set(0);
	wino_products(acc, col, rows, first, n, false);
	UNROLL
	for (i = 0; i < n; i++)
		UNROLL
	for (t = 0; t < WINO_SET; t++)
		UNROLL
	for (k = 0; k < WINO_VECTORS; k++)
		m[first + i][t][k] = acc[i][t][k];
}

/* y = A' m for every tile and vector, in its first four rows. */
SIMD_INLINE void wino_back(wino_acc *m, const int points)
{
	vf in[6], y[4];
	int i, t, k;

	UNROLL
	for (t = 0; t < WINO_SET; t++)
		UNROLL
	for (k = 0; k < WINO_VECTORS; k++) {
		UNROLL
		for (i = 0; i < points; i++)
			in[i] = m[i][t][k];
		if (points == 6)
			wino_a6(in, y);
		else
			wino_a5(in, y);
		UNROLL
		for (i = 0; i < 4; i++)
			m[i][t][k] = y[i];
	}
}

/* columns: of all */
SIMD_INLINE void wino_put_column(float *to, const int columns, wino_acc *y)
{
	int i, t, k;

	UNROLL
	for (t = 0; t < WINO_SET; t++)
		UNROLL
	for (i = 0; i < 4; i++)
		UNROLL
	for (k = 0; k < WINO_VECTORS; k++)
		v_store(to + (t * 4 + i) * columns * WINO_WIDTH + k * LANES, y[i][t][k]);
}

static void wino_column_s1(const struct wino_column *col)
{
	wino_acc m[6];
	int i;

	UNROLL
	for (i = 0; i < 6; i += WINO_ROWS)
		wino_points(m, col, 6, i, WINO_ROWS);
	wino_back(m, 6);
	wino_put_column(col->m, 6, m);
}

/* The products of the even rows, which have the outputs' places, are added to what the odd ones give. */
static void wino_column_s2(const struct wino_column *col)
{
	wino_acc m[5];

	if (WINO_ROWS < 5) {
		wino_points(m, col, 9, 0, 3);
		wino_points(m, col, 9, 3, 2);
		wino_back(m, 5);
		wino_products(m, col, 9, 5, 2, true);
		wino_products(m + 2, col, 9, 7, 2, true);
	} else {
		wino_points(m, col, 9, 0, 5);
		wino_back(m, 5);
		wino_products(m, col, 9, 5, 4, true);
	}
	wino_put_column(col->m, 9, m);
}

/* Output row i of a tile. */
SIMD_INLINE void wino_row(const float *m, int i, const enum wino_kind k, vf *y)
{
	const int columns = k == WINO_S1 ? 6 : 9, n = k == WINO_S1 ? 6 : 5;
	vf v[6];
	int j;

	m += i * columns * WINO_WIDTH;
	UNROLL
	for (j = 0; j < n; j++)
		v[j] = v_load(m + j * WINO_WIDTH);
	if (k == WINO_S1) {
		wino_a6(v, y);
		return;
	}
	wino_a5(v, y);
	UNROLL
	for (j = 0; j < 4; j++)
		y[j] = y[j] + v_load(m + (5 + j) * WINO_WIDTH);
}

/* Whole tiles and vectors with bias, SiLU and residual: four outputs at a time, for exp is a long
 * chain of operations. */
SIMD_INLINE void wino_rows_all(const struct wino_out *t, int c, const enum wino_kind k)
{
	const vf bias = t->bias ? v_load(t->bias + c) : v_set(0);
	vf y[4];
	int i, p;

	for (i = 0; i < 4; i++) {
		float *to = t->y + (size_t)i * t->row + c;

		wino_row(t->m + c, i, k, y);
		UNROLL
		for (p = 0; p < 4; p++)
			y[p] = y[p] + bias;
		if (t->silu) {
			UNROLL
			for (p = 0; p < 4; p++)
				y[p] = v_silu(y[p]);
		}
		if (t->residual) {
			const float *from = t->residual + (size_t)i * t->residual_row + c;

			UNROLL
			for (p = 0; p < 4; p++)
				y[p] = y[p] + v_load(from + (size_t)p * t->residual_step);
		}
		UNROLL
		for (p = 0; p < 4; p++)
			v_store(to + (size_t)p * t->step, y[p]);
	}
}

SIMD_INLINE void wino_rows(const struct wino_out *t, int c, const enum wino_kind k, const bool full)
{
	vf sums[2] = {v_set(0), v_set(0)}, y[4];
	int i;

	if (full && t->finish == FINISH_ALL) {
		wino_rows_all(t, c, k);
		return;
	}
	if (t->finish == FINISH_SUMS) {
		sums[0] = v_load(t->sums + c);
		sums[1] = v_load(t->squares + c);
	}
	UNROLL
	for (i = 0; i < 4; i++) {
		wino_row(t->m + c, i, k, y);
		wino_finish(t, i, 0, 1, c, y, sums, full);
	}
	if (t->finish == FINISH_SUMS) {
		v_store(t->sums + c, sums[0]);
		v_store(t->squares + c, sums[1]);
	}
}

SIMD_INLINE void wino_tiles_rows(const struct wino_out *out, const enum wino_kind k)
{
	const bool whole = out->rows == 4 && out->cols == 4;
	struct wino_out t = *out;
	int i, c;

	for (i = 0; i < out->tiles; i++) {
		for (c = 0; c < t.channels; c += LANES)
			if (whole && c + LANES <= t.channels)
				wino_rows(&t, c, k, true);
			else
				wino_rows(&t, c, k, false);
		t.m += t.m_next;
		t.y += t.next;
		if (t.residual)
			t.residual += t.residual_next;
	}
}

static void wino_output_rows_s1(const struct wino_out *t)
{
	wino_tiles_rows(t, WINO_S1);
}

static void wino_output_rows_s2(const struct wino_out *t)
{
	wino_tiles_rows(t, WINO_S2);
}
