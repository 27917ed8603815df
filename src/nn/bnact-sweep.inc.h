/*
 * bnact-sweep.inc.h - the sweeps of bnact.c over one row, compiled once per instruction set: the
 * includer defines SIMD_BYTES and BNACT_KERNELS, the name of the table that comes out.
 * A channel is a lane from end to end, so the vector width does not change the order of any sum.
 */
#include "nn/bnact-sweep.h"
#include "nn/simd.inc.h"

#define LEAKY_SLOPE 0.1f /* Darknet's, and YOLOv5's where it asks for LeakyReLU */

SIMD_INLINE vf act_value(vf u, enum act act)
{
	switch (act) {
	case ACT_SILU:
		return v_silu(u);
	case ACT_RELU:
		return v_max(u, v_set(0));
	case ACT_LEAKY:
		return v_select((vi)(u > 0), u, u * LEAKY_SLOPE);
	case ACT_HARDSWISH:
		return u * v_min(v_max(u + 3.0f, v_set(0)), v_set(6.0f)) * (1.0f / 6);
	case ACT_NONE:
		break;
	}
	return u;
}

/* d act / d u, PyTorch's at the kinks; *value: act_value's, to the bit. */
SIMD_INLINE vf act_slope(vf u, enum act act, vf *value)
{
	const vf one = v_set(1), zero = v_set(0);
	vf s;

	*value = act_value(u, act == ACT_SILU ? ACT_NONE : act);
	switch (act) {
	case ACT_SILU:
		s = v_sigmoid(u);
		*value = u * s;
		return s * v_fma(u, 1.0f - s, one);
	case ACT_RELU:
		return v_select((vi)(u > 0), one, zero);
	case ACT_LEAKY:
		return v_select((vi)(u > 0), one, v_set(LEAKY_SLOPE));
	case ACT_HARDSWISH:
		s = v_select((vi)(u < -3.0f), zero, (u + 1.5f) * (1.0f / 3));
		return v_select((vi)(u > 3.0f), one, s);
	case ACT_NONE:
		break;
	}
	return one;
}

SIMD_INLINE void forward_act(const struct bnact_row *r, enum act act)
{
	int x, c;

	for (x = 0; x < r->w; x++) {
		const float *z = r->z + (size_t)x * r->z_ld;
		const float *res = r->residual ? r->residual + (size_t)x * r->residual_ld : NULL;
		float *y = r->y + (size_t)x * r->y_ld;

		for (c = 0; c + LANES <= r->c; c += LANES) {
			vf u = v_fma(v_load(z + c), v_load(r->scale + c), v_load(r->shift + c));

			u = act_value(u, act);
			v_store(y + c, res ? u + v_load(res + c) : u);
		}
		if (c < r->c) {
			const int n = r->c - c;
			vf u = v_fma(v_load_part(z + c, n), v_load_part(r->scale + c, n),
				     v_load_part(r->shift + c, n));

			u = act_value(u, act);
			v_store_part(y + c, res ? u + v_load_part(res + c, n) : u, n);
		}
	}
}

/* du = dy * act'(u); sum += du, dot += du * (z - mean) over the row, `vecs` vectors of channels from
 * c on; y again where that is wanted. */
SIMD_INLINE void sums_block(const struct bnact_row *r, enum act act, int c, const int vecs,
			    int part, const bool again)
{
	vf scale[2], shift[2], mean[2], sum[2], dot[2];
	float lanes[2][LANES];
	const int n = part ? part : LANES;
	int x, v, i;

	for (v = 0; v < vecs; v++) {
		scale[v] = v_load_n(r->scale + c + v * LANES, n);
		shift[v] = v_load_n(r->shift + c + v * LANES, n);
		mean[v] = v_load_n(r->mean + c + v * LANES, n);
		sum[v] = dot[v] = v_set(0);
	}
	for (x = 0; x < r->w; x++) {
		const float *pz = r->z + (size_t)x * r->z_ld + c;
		const float *pdy = r->dy + (size_t)x * r->dy_ld + c;
		const float *res =
			r->residual ? r->residual + (size_t)x * r->residual_ld + c : NULL;
		float *pdu = r->y + (size_t)x * r->y_ld + c;
		float *py = again ? r->again + (size_t)x * r->again_ld + c : NULL;

		for (v = 0; v < vecs; v++) {
			const vf z = v_load_n(pz + v * LANES, n);
			vf du = v_load_n(pdy + v * LANES, n), y;

			du = du * act_slope(v_fma(z, scale[v], shift[v]), act, &y);
			if (again && res)
				y = y + v_load_n(res + v * LANES, n);
			if (again)
				v_store_n(py + v * LANES, y, n);
			sum[v] += du;
			dot[v] = v_fma(du, z - mean[v], dot[v]);
			v_store_n(pdu + v * LANES, du, n);
		}
	}
	for (v = 0; v < vecs; v++) {
		v_store(lanes[0], sum[v]);
		v_store(lanes[1], dot[v]);
		for (i = 0; i < n; i++) {
			r->sums[c + v * LANES + i] += lanes[0][i];
			r->sums[r->c + c + v * LANES + i] += lanes[1][i];
		}
	}
}

SIMD_INLINE void sums_wanted(const struct bnact_row *r, enum act act, const bool again)
{
	int c = 0;

	/* two at a time: more would not leave registers for the constants of exp */
	for (; c + 2 * LANES <= r->c; c += 2 * LANES)
		sums_block(r, act, c, 2, 0, again);
	if (c + LANES <= r->c) {
		sums_block(r, act, c, 1, 0, again);
		c += LANES;
	}
	if (c < r->c)
		sums_block(r, act, c, 1, r->c - c, again);
}

SIMD_INLINE void sums_act(const struct bnact_row *r, enum act act)
{
	if (r->again)
		sums_wanted(r, act, true);
	else
		sums_wanted(r, act, false);
}

/* n lanes at channel c of one pixel. */
SIMD_INLINE void apply_vec(const struct bnact_row *r, const float *z, float *y, int c, int n)
{
	vf line = v_fma(v_load_n(z + c, n), v_load_n(r->slope + c, n), v_load_n(r->offset + c, n));

	line = v_fma(v_load_n(y + c, n), v_load_n(r->scale + c, n), line);
	v_store_n(y + c, line, n);
}

static void apply_row(const struct bnact_row *r, enum act act)
{
	int x, c;

	(void)act;
	for (x = 0; x < r->w; x++) {
		const float *z = r->z + (size_t)x * r->z_ld;
		float *y = r->y + (size_t)x * r->y_ld;

		for (c = 0; c + LANES <= r->c; c += LANES)
			apply_vec(r, z, y, c, LANES);
		if (c < r->c)
			apply_vec(r, z, y, c, r->c - c);
	}
}

/* One copy of the loops per activation, chosen once a row. */
#define PER_ACT(name, loop)                                                                        \
	static void name(const struct bnact_row *r, enum act act)                                  \
	{                                                                                          \
		switch (act) {                                                                     \
		case ACT_NONE:                                                                     \
			loop(r, ACT_NONE);                                                         \
			break;                                                                     \
		case ACT_SILU:                                                                     \
			loop(r, ACT_SILU);                                                         \
			break;                                                                     \
		case ACT_RELU:                                                                     \
			loop(r, ACT_RELU);                                                         \
			break;                                                                     \
		case ACT_LEAKY:                                                                    \
			loop(r, ACT_LEAKY);                                                        \
			break;                                                                     \
		case ACT_HARDSWISH:                                                                \
			loop(r, ACT_HARDSWISH);                                                    \
			break;                                                                     \
		}                                                                                  \
	}

PER_ACT(forward_row, forward_act)
PER_ACT(sums_row, sums_act)

const struct bnact_kernels BNACT_KERNELS = {forward_row, sums_row, apply_row};
