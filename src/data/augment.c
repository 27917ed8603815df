#include "data/augment.h"

#include "data/hsv.h"
#include "data/letterbox.h"
#include "data/resize.h"
#include "data/warp.h"

#include <math.h>

/* box_candidates: a warped box stays when it is wider and higher than 2 pixels, no longer than 100
 * times its other side, and has more than a tenth of its area left. */
#define MIN_SIDE   2.0f
#define MAX_ASPECT 100.0f
#define MIN_AREA   0.1

int augment_check(const struct hyp *hyp, struct err *err)
{
	if (hyp->perspective != 0)
		return err_set(err, STATUS_INPUT,
			       "the hyper-parameter 'perspective' is %g; only 0 is known here",
			       hyp->perspective);
	if (hyp->copy_paste != 0)
		return err_set(
			err, STATUS_INPUT,
			"the hyper-parameter 'copy_paste' is %g; it needs polygons, which are "
			"not kept: only 0 is known here",
			hyp->copy_paste);
	return 0;
}

void sample_release(struct sample *s)
{
	image_release(&s->img);
	free(s->boxes);
	*s = (struct sample){0};
}

static void add_box(struct sample *s, struct box b)
{
	GROW(s->boxes, s->nboxes, s->cap);
	s->boxes[s->nboxes++] = b;
}

/* --- one picture --- */

/* load_image with augment: bilinear whether it grows or shrinks. */
static int load_pixels(const struct item *item, int img, struct image *out, struct err *err)
{
	struct letterbox lb;
	struct image whole;

	if (image_read(item->path, &whole, err))
		return -1;
	letterbox_plan(&lb, whole.w, whole.h, img, img, img);
	if (lb.new_w == whole.w && lb.new_h == whole.h) {
		*out = whole;
		return 0;
	}
	image_alloc(out, lb.new_w, lb.new_h);
	resize_linear(&whole, out->rgb, out->w, out->h, 3 * (size_t)out->w);
	image_release(&whole);
	return 0;
}

int sample_load(const struct dataset *d, int index, int img, struct sample *out, struct err *err)
{
	const struct item *item = &d->items[index];
	int i;

	*out = (struct sample){0};
	if (load_pixels(item, img, &out->img, err))
		return -1;
	for (i = 0; i < item->nlabels; i++) {
		const struct label *l = &item->labels[i];
		float w = (float)out->img.w, h = (float)out->img.h;

		add_box(out, (struct box){l->cls, (l->xc - l->w / 2) * w, (l->yc - l->h / 2) * h,
					  (l->xc + l->w / 2) * w, (l->yc + l->h / 2) * h});
	}
	return 0;
}

static void image_grey(struct image *img, int w, int h)
{
	image_alloc(img, w, h);
	memset(img->rgb, LETTERBOX_GREY, 3 * (size_t)w * (size_t)h);
}

/* A window of src, w x h from (sx, sy), to (dx, dy) of dst; must lie inside both. */
static void paste(const struct image *src, int sx, int sy, int w, int h, struct image *dst, int dx,
		  int dy)
{
	int y;

	for (y = 0; y < h; y++)
		memcpy(dst->rgb + 3 * ((size_t)(dy + y) * (size_t)dst->w + (size_t)dx),
		       src->rgb + 3 * ((size_t)(sy + y) * (size_t)src->w + (size_t)sx),
		       3 * (size_t)w);
}

static void move_boxes(struct sample *s, float dx, float dy)
{
	int i;

	for (i = 0; i < s->nboxes; i++) {
		s->boxes[i].x1 += dx;
		s->boxes[i].x2 += dx;
		s->boxes[i].y1 += dy;
		s->boxes[i].y2 += dy;
	}
}

void sample_letterbox(struct sample *s, int img)
{
	int left = (img - s->img.w) / 2, top = (img - s->img.h) / 2;
	struct image whole;

	if (s->img.w == img && s->img.h == img)
		return;
	image_grey(&whole, img, img);
	paste(&s->img, 0, 0, s->img.w, s->img.h, &whole, left, top);
	image_release(&s->img);
	s->img = whole;
	move_boxes(s, (float)left, (float)top);
}

/* --- mosaic --- */

static int clamp_int(int v, int lo, int hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* Puts `part` into quarter q (0 upper left, 1 upper right, 2 lower left, 3 lower right) of the
 * canvas: its corner touches the centre, what does not fit is cut off. */
static void place(struct sample *canvas, struct sample *part, int q, int xc, int yc)
{
	int size = canvas->img.w, w = part->img.w, h = part->img.h;
	int x0 = q & 1 ? xc : xc - w, y0 = q & 2 ? yc : yc - h; /* of the whole part */
	int x1 = clamp_int(x0, 0, size), x2 = clamp_int(x0 + w, 0, size);
	int y1 = clamp_int(y0, 0, size), y2 = clamp_int(y0 + h, 0, size);
	int i;

	paste(&part->img, x1 - x0, y1 - y0, x2 - x1, y2 - y1, &canvas->img, x1, y1);
	move_boxes(part, (float)x0, (float)y0);
	for (i = 0; i < part->nboxes; i++) {
		struct box b = part->boxes[i];

		b.x1 = fminf(fmaxf(b.x1, 0), (float)size);
		b.y1 = fminf(fmaxf(b.y1, 0), (float)size);
		b.x2 = fminf(fmaxf(b.x2, 0), (float)size);
		b.y2 = fminf(fmaxf(b.y2, 0), (float)size);
		add_box(canvas, b);
	}
}

int sample_mosaic(const struct dataset *d, int index, int img, struct rng *rng, struct sample *out,
		  struct err *err)
{
	int yc = (int)rng_range(rng, img / 2.0, 1.5 * img);
	int xc = (int)rng_range(rng, img / 2.0, 1.5 * img);
	int parts[4] = {index}, q;
	struct sample part;

	for (q = 1; q < 4; q++)
		parts[q] = (int)rng_below(rng, (uint32_t)d->nitems);
	rng_shuffle(rng, parts, 4);
	*out = (struct sample){0};
	image_grey(&out->img, 2 * img, 2 * img);
	for (q = 0; q < 4; q++) {
		if (sample_load(d, parts[q], img, &part, err)) {
			sample_release(out);
			return -1;
		}
		place(out, &part, q, xc, yc);
		sample_release(&part);
	}
	return 0;
}

/* --- affine --- */

/* out = a * b, both 2 x 3 with an implied (0, 0, 1) below. */
static void compose(const double a[6], const double b[6], double out[6])
{
	double m[6];
	int r;

	for (r = 0; r < 6; r += 3) {
		m[r] = a[r] * b[0] + a[r + 1] * b[3];
		m[r + 1] = a[r] * b[1] + a[r + 1] * b[4];
		m[r + 2] = a[r] * b[2] + a[r + 1] * b[5] + a[r + 2];
	}
	memcpy(out, m, sizeof(m));
}

static double either_way(struct rng *rng, double most)
{
	return rng_range(rng, -most, most);
}

void affine_draw(struct affine *a, const struct hyp *hyp, int src_w, int src_h, int dst_w,
		 int dst_h, struct rng *rng)
{
	double angle = either_way(rng, hyp->degrees) * M_PI / 180;
	double s = rng_range(rng, 1 - hyp->scale, 1 + hyp->scale);
	double shear_x = either_way(rng, hyp->shear) * M_PI / 180;
	double shear_y = either_way(rng, hyp->shear) * M_PI / 180;
	double tx = 0.5 + either_way(rng, hyp->translate),
	       ty = 0.5 + either_way(rng, hyp->translate);
	const double centre[6] = {1, 0, -src_w / 2.0, 0, 1, -src_h / 2.0};
	const double turn[6] = {s * cos(angle),  s * sin(angle), 0,
				-s * sin(angle), s * cos(angle), 0};
	const double shear[6] = {1, tan(shear_x), 0, tan(shear_y), 1, 0};
	const double shift[6] = {1, 0, tx * dst_w, 0, 1, ty * dst_h};

	compose(turn, centre, a->m);
	compose(shear, a->m, a->m);
	compose(shift, a->m, a->m);
	a->scale = s;
}

bool affine_is_identity(const struct affine *a)
{
	static const double eye[6] = {1, 0, 0, 0, 1, 0};
	int i;

	for (i = 0; i < 6; i++)
		if (a->m[i] != eye[i])
			return false;
	return true;
}

/* The upright rectangle around the warped one, clipped to w x h. */
static struct box warp_box(const struct box *b, const double m[6], int w, int h)
{
	const float xs[4] = {b->x1, b->x2, b->x1, b->x2}, ys[4] = {b->y1, b->y2, b->y2, b->y1};
	double x1 = INFINITY, y1 = INFINITY, x2 = -INFINITY, y2 = -INFINITY;
	int i;

	for (i = 0; i < 4; i++) {
		double x = m[0] * xs[i] + m[1] * ys[i] + m[2];
		double y = m[3] * xs[i] + m[4] * ys[i] + m[5];

		x1 = fmin(x1, x);
		x2 = fmax(x2, x);
		y1 = fmin(y1, y);
		y2 = fmax(y2, y);
	}
	return (struct box){b->cls, (float)fmin(fmax(x1, 0), w), (float)fmin(fmax(y1, 0), h),
			    (float)fmin(fmax(x2, 0), w), (float)fmin(fmax(y2, 0), h)};
}

static bool box_stays(const struct box *before, const struct box *after, double scale)
{
	const float eps = 1e-16f;
	float w = after->x2 - after->x1, h = after->y2 - after->y1;
	double area = (double)(before->x2 - before->x1) * (before->y2 - before->y1) * scale * scale;

	return w > MIN_SIDE && h > MIN_SIDE && (double)w * h > MIN_AREA * area &&
	       fmaxf(w / (h + eps), h / (w + eps)) < MAX_ASPECT;
}

void sample_affine(struct sample *s, const struct affine *a, int w, int h)
{
	struct image warped;
	int i, n = 0;

	image_alloc(&warped, w, h);
	warp_affine(&s->img, a->m, &warped, LETTERBOX_GREY);
	image_release(&s->img);
	s->img = warped;
	for (i = 0; i < s->nboxes; i++) {
		struct box b = warp_box(&s->boxes[i], a->m, w, h);

		if (box_stays(&s->boxes[i], &b, a->scale))
			s->boxes[n++] = b;
	}
	s->nboxes = n;
}

/* --- the rest --- */

void sample_mixup_take(struct sample *s, struct sample *other, struct rng *rng)
{
	double g = rng_gamma(rng, 32), r = g / (g + rng_gamma(rng, 32));
	size_t i, n = 3 * (size_t)s->img.w * (size_t)s->img.h;
	int k;

	BUG_IF(s->img.w != other->img.w || s->img.h != other->img.h);
	for (i = 0; i < n; i++)
		s->img.rgb[i] = (unsigned char)(s->img.rgb[i] * r + other->img.rgb[i] * (1 - r));
	for (k = 0; k < other->nboxes; k++)
		add_box(s, other->boxes[k]);
	sample_release(other);
}

void sample_flip_horizontally(struct sample *s)
{
	int w = s->img.w, x, y, i;

	for (y = 0; y < s->img.h; y++) {
		unsigned char *row = s->img.rgb + 3 * (size_t)y * (size_t)w;

		for (x = 0; x < w / 2; x++) {
			unsigned char *a = row + 3 * x, *b = row + 3 * (w - 1 - x), t[3];

			memcpy(t, a, 3);
			memcpy(a, b, 3);
			memcpy(b, t, 3);
		}
	}
	for (i = 0; i < s->nboxes; i++) {
		struct box *b = &s->boxes[i];
		float x1 = b->x1;

		b->x1 = (float)w - b->x2;
		b->x2 = (float)w - x1;
	}
}

void sample_flip_vertically(struct sample *s)
{
	size_t row = 3 * (size_t)s->img.w;
	unsigned char *t = xmalloc(row);
	int h = s->img.h, y, i;

	for (y = 0; y < h / 2; y++) {
		unsigned char *a = s->img.rgb + (size_t)y * row;
		unsigned char *b = s->img.rgb + (size_t)(h - 1 - y) * row;

		memcpy(t, a, row);
		memcpy(a, b, row);
		memcpy(b, t, row);
	}
	free(t);
	for (i = 0; i < s->nboxes; i++) {
		struct box *b = &s->boxes[i];
		float y1 = b->y1;

		b->y1 = (float)h - b->y2;
		b->y2 = (float)h - y1;
	}
}

void sample_labels(const struct sample *s, struct label *out)
{
	/* xyxy2xywhn(clip=True, eps=1e-3) */
	float w = (float)s->img.w, h = (float)s->img.h;
	int i;

	for (i = 0; i < s->nboxes; i++) {
		const struct box *b = &s->boxes[i];
		float x1 = fminf(fmaxf(b->x1, 0), w - 1e-3f),
		      x2 = fminf(fmaxf(b->x2, 0), w - 1e-3f);
		float y1 = fminf(fmaxf(b->y1, 0), h - 1e-3f),
		      y2 = fminf(fmaxf(b->y2, 0), h - 1e-3f);

		out[i] = (struct label){b->cls, (x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w,
					(y2 - y1) / h};
	}
}

/* --- all together --- */

static int mosaic_and_affine(const struct dataset *d, const struct hyp *hyp, int img, int index,
			     struct rng *rng, struct sample *out, struct err *err)
{
	struct affine a;

	if (sample_mosaic(d, index, img, rng, out, err))
		return -1;
	affine_draw(&a, hyp, 2 * img, 2 * img, img, img, rng);
	sample_affine(out, &a, img, img);
	return 0;
}

static int mosaic_and_mixup(const struct dataset *d, const struct hyp *hyp, int img, int index,
			    struct rng *rng, struct sample *out, struct err *err)
{
	struct sample other;

	if (mosaic_and_affine(d, hyp, img, index, rng, out, err))
		return -1;
	if (rng_double(rng) >= hyp->mixup)
		return 0;
	if (mosaic_and_affine(d, hyp, img, (int)rng_below(rng, (uint32_t)d->nitems), rng, &other,
			      err)) {
		sample_release(out);
		return -1;
	}
	sample_mixup_take(out, &other, rng);
	return 0;
}

static int single_and_affine(const struct dataset *d, const struct hyp *hyp, int img, int index,
			     struct rng *rng, struct sample *out, struct err *err)
{
	struct affine a;

	if (sample_load(d, index, img, out, err))
		return -1;
	sample_letterbox(out, img);
	affine_draw(&a, hyp, img, img, img, img, rng);
	if (!affine_is_identity(&a))
		sample_affine(out, &a, img, img);
	return 0;
}

static void colour_and_flip(struct sample *s, const struct hyp *hyp, struct rng *rng)
{
	double h = 1 + either_way(rng, hyp->hsv_h);
	double sat = 1 + either_way(rng, hyp->hsv_s);
	double v = 1 + either_way(rng, hyp->hsv_v);

	if (hyp->hsv_h != 0 || hyp->hsv_s != 0 || hyp->hsv_v != 0)
		hsv_gain(&s->img, h, sat, v);
	if (rng_double(rng) < hyp->flipud)
		sample_flip_vertically(s);
	if (rng_double(rng) < hyp->fliplr)
		sample_flip_horizontally(s);
}

int augment_sample(const struct dataset *d, const struct hyp *hyp, int img, uint64_t seed,
		   int epoch, int index, struct sample *out, struct err *err)
{
	struct rng rng;
	int rc;

	rng_init(&rng, seed, "augment", (uint64_t)(uint32_t)epoch << 32 | (uint32_t)index);
	rc = rng_double(&rng) < hyp->mosaic ? mosaic_and_mixup(d, hyp, img, index, &rng, out, err)
					    : single_and_affine(d, hyp, img, index, &rng, out, err);
	if (!rc)
		colour_and_flip(out, hyp, &rng);
	return rc;
}
