/*
 * narrow-run.inc.h - the runs of narrow.c, compiled once per instruction set: the includer defines
 * SIMD_BYTES and NARROW_KERNELS, the name of the table that comes out. Vectors over input channels.
 */
#include "nn/simd.inc.h"
#include "nn/narrow-run.h"

#define AT_A_TIME 4 /* pixels: with 4 outputs 16 sums, as many as the registers of AVX2 */

/* The lanes' sum, halves upon halves. */
SIMD_INLINE float lanes_sum(vf v)
{
	float f[LANES];
	int half, i;

	v_store(f, v);
	for (half = LANES / 2; half; half /= 2)
		for (i = 0; i < half; i++)
			f[i] += f[i + half];
	return f[0];
}

/* Output o of pixel p; `n` and `pixels` are constants. */
SIMD_INLINE void forward_pixels(const struct narrow_run *r, int p, const int n, const int pixels)
{
	vf sum[AT_A_TIME * NARROW_GROUP];
	int c, i, o;

	for (i = 0; i < pixels * n; i++)
		sum[i] = v_set(0);
	for (c = 0; c < r->in; c += LANES) {
		const int rest = r->in - c;
		vf w[NARROW_GROUP], x;

		for (o = 0; o < n; o++)
			w[o] = v_load_n(r->w + (size_t)o * r->w_row + c, rest);
		for (i = 0; i < pixels; i++) {
			x = v_load_n(r->x + (size_t)(p + i) * r->x_step + c, rest);
			for (o = 0; o < n; o++)
				sum[i * n + o] = v_fma(x, w[o], sum[i * n + o]);
		}
	}
	for (i = 0; i < pixels; i++)
		for (o = 0; o < n; o++)
			r->y[(p + i) * r->out + o] =
				r->bias[(size_t)o * r->bias_step] + lanes_sum(sum[i * n + o]);
}

SIMD_INLINE void forward_n(const struct narrow_run *r, const int n)
{
	int p = 0;

	for (; p + AT_A_TIME <= r->pixels; p += AT_A_TIME)
		forward_pixels(r, p, n, AT_A_TIME);
	for (; p < r->pixels; p++)
		forward_pixels(r, p, n, 1);
}

SIMD_INLINE void backward_n(const struct narrow_run *r, const int n)
{
	int c, p, o;

	for (c = 0; c < r->in; c += LANES) {
		const int rest = r->in - c;
		vf w[NARROW_GROUP], dw[NARROW_GROUP];

		for (o = 0; o < n; o++) {
			w[o] = v_load_n(r->w + (size_t)o * r->w_row + c, rest);
			dw[o] = v_set(0);
		}
		for (p = 0; p < r->pixels; p++) {
			const vf x = v_load_n(r->x + (size_t)p * r->x_step + c, rest);
			float *dx = r->dx ? r->dx + (size_t)p * r->dx_step + c : NULL;
			vf d = dx && r->add ? v_load_n(dx, rest) : v_set(0);

			for (o = 0; o < n; o++) {
				const vf dy = v_set(r->dy[p * r->out + o]);

				d = v_fma(dy, w[o], d);
				dw[o] = v_fma(dy, x, dw[o]);
			}
			if (dx)
				v_store_n(dx, d, rest);
		}
		for (o = 0; o < n; o++) {
			float *to = r->dw + (size_t)o * (size_t)r->in + c;

			v_store_n(to, v_load_n(to, rest) + dw[o], rest);
		}
	}
}

#define BY_OUTPUTS(name)                                                                           \
	static void name(const struct narrow_run *r)                                               \
	{                                                                                          \
		switch (r->n) {                                                                    \
		case 1:                                                                            \
			name##_n(r, 1);                                                            \
			break;                                                                     \
		case 2:                                                                            \
			name##_n(r, 2);                                                            \
			break;                                                                     \
		case 3:                                                                            \
			name##_n(r, 3);                                                            \
			break;                                                                     \
		default:                                                                           \
			name##_n(r, 4);                                                            \
			break;                                                                     \
		}                                                                                  \
	}
BY_OUTPUTS(forward)
BY_OUTPUTS(backward)

const struct narrow_kernels NARROW_KERNELS = {forward, backward};
