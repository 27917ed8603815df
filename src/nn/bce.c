#include "nn/bce.h"

#define SIMD_BYTES 16
#include "nn/simd.inc.h"

/* Vectors whose terms are added in 32 bits before the sum goes on in 64. */
#define RUN 16

/* log(1 + e) for 0 <= e <= 1: 2 artanh(e / (2 + e)), whose series in s <= 1/3 ends with an error of
 * s^14 / 15. */
static vf log1p_vf(vf e)
{
	const vf s = e / (2.0f + e), z = s * s;
	vf p = v_set(1.0f / 13);

	p = v_fma(p, z, v_set(1.0f / 11));
	p = v_fma(p, z, v_set(1.0f / 9));
	p = v_fma(p, z, v_set(1.0f / 7));
	p = v_fma(p, z, v_set(1.0f / 5));
	p = v_fma(p, z, v_set(1.0f / 3));
	p = v_fma(p, z, v_set(1));
	return 2.0f * s * p;
}

static vf term(vf x, vf t, float pw, float scale, vf *grad)
{
	const vf size = (vf)((vi)x & 0x7fffffff);
	const vf e = v_exp_minus(size), near = 1.0f / (1.0f + e), far = e * near;
	const vi negative = (vi)(x < 0.0f);
	const vf above = v_select(negative, far, near), below = v_select(negative, near, far);
	const vf none = 1.0f - t;

	*grad = scale * (none * above - pw * t * below);
	/* the linear part by the sign of x: two large halves would swallow a small term */
	return (1.0f + (pw - 1.0f) * t) * log1p_vf(e) + v_select(negative, -(pw * t), none) * x;
}

static double lanes_sum(vf v, int n)
{
	double sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum += (double)v[i];
	return sum;
}

double bce_backward(float *x, const float *t, size_t n, float pw, float scale)
{
	double sum = 0;
	size_t i = 0;
	vf grad, run = v_set(0);
	int k = 0;

	for (; i + LANES <= n; i += LANES) {
		run += term(v_load(x + i), v_load(t + i), pw, scale, &grad);
		v_store(x + i, grad);
		if (++k == RUN) {
			sum += lanes_sum(run, LANES);
			run = v_set(0);
			k = 0;
		}
	}
	sum += lanes_sum(run, LANES);
	if (i < n) {
		const int rest = (int)(n - i);

		run = term(v_load_part(x + i, rest), v_load_part(t + i, rest), pw, scale, &grad);
		v_store_part(x + i, grad, rest);
		sum += lanes_sum(run, rest);
	}
	return sum;
}
