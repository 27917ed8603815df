#include "data/letterbox.h"

#include "data/resize.h"

#include <math.h>

static int at_least_1(double v)
{
	return v < 1 ? 1 : (int)v;
}

void letterbox_plan(struct letterbox *lb, int src_w, int src_h, int img, int out_w, int out_h)
{
	/* The same operations on doubles as YOLOv5's, since truncation shows every last bit. */
	double r = (double)img / (src_w > src_h ? src_w : src_h);

	BUG_IF(src_w <= 0 || src_h <= 0 || img <= 0 || out_w <= 0 || out_h <= 0);
	lb->src_w = src_w;
	lb->src_h = src_h;
	lb->out_w = out_w;
	lb->out_h = out_h;
	lb->new_w = at_least_1(src_w * r);
	lb->new_h = at_least_1(src_h * r);
	if (lb->new_w > out_w || lb->new_h > out_h) {
		double shrink = fmin((double)out_w / lb->new_w, (double)out_h / lb->new_h);

		lb->new_w = at_least_1(rint(lb->new_w * shrink));
		lb->new_h = at_least_1(rint(lb->new_h * shrink));
		r *= shrink;
	}
	lb->ratio = r;
	/* round(d / 2 - 0.1): the smaller half of an odd padding comes first. */
	lb->left = (out_w - lb->new_w) / 2;
	lb->top = (out_h - lb->new_h) / 2;
}

static void copy_rows(const struct image *src, unsigned char *dst, size_t stride)
{
	size_t row = 3 * (size_t)src->w;
	int y;

	for (y = 0; y < src->h; y++)
		memcpy(dst + (size_t)y * stride, src->rgb + (size_t)y * row, row);
}

/* Grey everywhere but in the window. */
static void fill_border(const struct letterbox *lb, struct image *dst)
{
	size_t stride = 3 * (size_t)lb->out_w;
	size_t left = 3 * (size_t)lb->left, inner = 3 * (size_t)lb->new_w;
	int y;

	memset(dst->rgb, LETTERBOX_GREY, (size_t)lb->top * stride);
	for (y = lb->top; y < lb->top + lb->new_h; y++) {
		unsigned char *row = dst->rgb + (size_t)y * stride;

		memset(row, LETTERBOX_GREY, left);
		memset(row + left + inner, LETTERBOX_GREY, stride - left - inner);
	}
	memset(dst->rgb + (size_t)y * stride, LETTERBOX_GREY, (size_t)(lb->out_h - y) * stride);
}

void letterbox_apply(const struct letterbox *lb, const struct image *src, struct image *dst)
{
	size_t stride = 3 * (size_t)lb->out_w;
	unsigned char *window;

	BUG_IF(src->w != lb->src_w || src->h != lb->src_h);
	image_alloc(dst, lb->out_w, lb->out_h);
	fill_border(lb, dst);
	window = dst->rgb + (size_t)lb->top * stride + 3 * (size_t)lb->left;
	if (lb->new_w == src->w && lb->new_h == src->h)
		copy_rows(src, window, stride);
	else if (lb->new_w <= src->w && lb->new_h <= src->h)
		resize_area(src, window, lb->new_w, lb->new_h, stride);
	else
		resize_linear(src, window, lb->new_w, lb->new_h, stride);
}

int letterbox_read(const char *path, int img, struct letterbox *lb, struct image *dst,
		   struct err *err)
{
	struct image src;

	if (image_read(path, &src, err))
		return -1;
	letterbox_plan(lb, src.w, src.h, img, img, img);
	letterbox_apply(lb, &src, dst);
	image_release(&src);
	return 0;
}

/* x / 255 in single precision, as torch divides. */
static void row_to_floats(const unsigned char *rgb, float *out, int w, int ld)
{
	int x, c;

	if (ld == 3) {
		for (x = 0; x < 3 * w; x++)
			out[x] = (float)rgb[x] / 255.0f;
		return;
	}
	for (x = 0; x < w; x++, out += ld)
		for (c = 0; c < 3; c++)
			out[c] = (float)rgb[3 * x + c] / 255.0f;
}

void letterbox_to_view(const struct image *img, const struct view *v, int n)
{
	int y;

	BUG_IF(v->c != 3 || v->w != img->w || v->h != img->h || n < 0 || n >= v->n);
	for (y = 0; y < img->h; y++)
		row_to_floats(img->rgb + (size_t)y * 3 * (size_t)img->w, view_at(v, n, y, 0),
			      img->w, v->ld);
	view_clear_pads(v, n, 0, img->h);
}

void letterbox_label(const struct letterbox *lb, float *xc, float *yc, float *w, float *h)
{
	*xc = (*xc * (float)lb->new_w + (float)lb->left) / (float)lb->out_w;
	*yc = (*yc * (float)lb->new_h + (float)lb->top) / (float)lb->out_h;
	*w = *w * (float)lb->new_w / (float)lb->out_w;
	*h = *h * (float)lb->new_h / (float)lb->out_h;
}

static float unmap(float v, int pad, int resized, int original)
{
	float x = (v - (float)pad) * (float)original / (float)resized;

	return fminf(fmaxf(x, 0.0f), (float)original);
}

void letterbox_unmap(const struct letterbox *lb, float *x1, float *y1, float *x2, float *y2)
{
	*x1 = unmap(*x1, lb->left, lb->new_w, lb->src_w);
	*y1 = unmap(*y1, lb->top, lb->new_h, lb->src_h);
	*x2 = unmap(*x2, lb->left, lb->new_w, lb->src_w);
	*y2 = unmap(*y2, lb->top, lb->new_h, lb->src_h);
}
