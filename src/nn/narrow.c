#include "nn/narrow.h"

#include "base/ints.h"
#include "nn/narrow-run.h"

static const struct narrow_kernels *kernels(enum conv_path path)
{
	return CONV_BY_VECTORS(path, narrow_kernels);
}

/* Outputs from `first` on. */
static struct narrow_run run_of(const struct narrow *t, int first, int pixels, const float *x,
				size_t x_step)
{
	return (struct narrow_run){
		.in = t->in,
		.n = min_int(t->out - first, NARROW_GROUP),
		.out = t->out,
		.pixels = pixels,
		.w = t->w + (size_t)first * t->w_row,
		.w_row = t->w_row,
		.x = x,
		.x_step = x_step,
	};
}

void narrow_forward(const struct narrow *t, int pixels, const float *x, size_t x_step,
		    const float *bias, size_t bias_step, float *y)
{
	const struct narrow_kernels *k = kernels(t->path);
	int o;

	for (o = 0; o < t->out; o += NARROW_GROUP) {
		struct narrow_run r = run_of(t, o, pixels, x, x_step);

		r.bias = bias + (size_t)o * bias_step;
		r.bias_step = bias_step;
		r.y = y + o;
		k->forward(&r);
	}
}

void narrow_backward(const struct narrow *t, int pixels, const float *x, size_t x_step,
		     const float *dy, float *dx, size_t dx_step, bool add, float *dw, float *dbias)
{
	const struct narrow_kernels *k = kernels(t->path);
	int o, p;

	for (o = 0; o < t->out; o += NARROW_GROUP) {
		struct narrow_run r = run_of(t, o, pixels, x, x_step);

		r.dy = dy + o;
		r.dx = dx;
		r.dx_step = dx_step;
		r.add = add || o;
		r.dw = dw + (size_t)o * (size_t)t->in;
		k->backward(&r);
	}
	for (p = 0; p < pixels; p++)
		for (o = 0; o < t->out; o++)
			dbias[o] += dy[p * t->out + o];
}
