#include "eval/draw.h"

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sasha Trubetskoy, "List of 20 simple, distinct colors" (2017), without black, white, grey and what
 * is too dark or too pale for a thin frame. */
static const unsigned palette[] = {0xe6194b, 0x3cb44b, 0xffe119, 0x4363d8, 0xf58231, 0xb84fdb,
				   0x42d4f4, 0xf032e6, 0xbfef45, 0xfabed4, 0x469990, 0xdcbeff,
				   0xc47a2c, 0xaaffc3, 0xa8a800, 0xffd8b1};

struct colour draw_colour(int cls)
{
	unsigned c = palette[(unsigned)cls % ARRAY_LEN(palette)];

	return (struct colour){(c >> 16) / 255.0, (c >> 8 & 255) / 255.0, (c & 255) / 255.0};
}

struct rect {
	double x, y, w, h;
};

struct canvas {
	cairo_t *cr;
	int w, h;
	double line; /* width of a frame */
	double font; /* size of the letters */
	struct rect *plates;
	int nplates;
};

/* ---- pixels ---- */

static void from_picture(cairo_surface_t *s, const struct image *p)
{
	unsigned char *data = cairo_image_surface_get_data(s);
	int stride = cairo_image_surface_get_stride(s), x, y;

	for (y = 0; y < p->h; y++) {
		const unsigned char *rgb = p->rgb + (size_t)y * 3 * (size_t)p->w;
		uint32_t *row = (uint32_t *)(void *)(data + (size_t)y * (size_t)stride);

		for (x = 0; x < p->w; x++, rgb += 3)
			row[x] = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
	}
	cairo_surface_mark_dirty(s);
}

static void to_picture(cairo_surface_t *s, struct image *p)
{
	const unsigned char *data;
	int stride = cairo_image_surface_get_stride(s), x, y;

	cairo_surface_flush(s);
	data = cairo_image_surface_get_data(s);
	for (y = 0; y < p->h; y++) {
		unsigned char *rgb = p->rgb + (size_t)y * 3 * (size_t)p->w;
		const uint32_t *row =
			(const uint32_t *)(const void *)(data + (size_t)y * (size_t)stride);

		for (x = 0; x < p->w; x++, rgb += 3) {
			rgb[0] = (unsigned char)(row[x] >> 16);
			rgb[1] = (unsigned char)(row[x] >> 8);
			rgb[2] = (unsigned char)row[x];
		}
	}
}

/* ---- frames ---- */

static void rounded(cairo_t *cr, const struct rect *r, double radius)
{
	double x1 = r->x + r->w, y1 = r->y + r->h;

	radius = fmin(radius, fmin(r->w, r->h) / 2);
	cairo_new_path(cr);
	cairo_arc(cr, x1 - radius, r->y + radius, radius, -M_PI / 2, 0);
	cairo_arc(cr, x1 - radius, y1 - radius, radius, 0, M_PI / 2);
	cairo_arc(cr, r->x + radius, y1 - radius, radius, M_PI / 2, M_PI);
	cairo_arc(cr, r->x + radius, r->y + radius, radius, M_PI, 3 * M_PI / 2);
	cairo_close_path(cr);
}

/* The frame's middle line, pulled in so that the frame is never cut off at the picture's edge. */
static struct rect frame_of(const struct canvas *c, const struct det *d)
{
	double inset = c->line / 2 + 0.5;
	double x1 = fmin(fmax(d->x1, inset), c->w - inset),
	       y1 = fmin(fmax(d->y1, inset), c->h - inset);
	double x2 = fmin(fmax(d->x2, inset), c->w - inset),
	       y2 = fmin(fmax(d->y2, inset), c->h - inset);

	return (struct rect){x1, y1, fmax(x2 - x1, 0), fmax(y2 - y1, 0)};
}

/* A dark rim below the colour keeps the frame visible on its own colour. */
static void draw_frame(const struct canvas *c, const struct det *d)
{
	struct colour k = draw_colour(d->cls);
	struct rect r = frame_of(c, d);

	rounded(c->cr, &r, 1.5 * c->line);
	cairo_set_source_rgba(c->cr, k.r, k.g, k.b, 0.10);
	cairo_fill_preserve(c->cr);
	cairo_set_line_width(c->cr, c->line + 1);
	cairo_set_source_rgba(c->cr, 0, 0, 0, 0.35);
	cairo_stroke_preserve(c->cr);
	cairo_set_line_width(c->cr, c->line);
	cairo_set_source_rgb(c->cr, k.r, k.g, k.b);
	cairo_stroke(c->cr);
}

/* ---- plates ---- */

static bool overlap(const struct rect *a, const struct rect *b)
{
	return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static bool is_free(const struct canvas *c, const struct rect *r)
{
	int i;

	for (i = 0; i < c->nplates; i++)
		if (overlap(&c->plates[i], r))
			return false;
	return true;
}

static struct rect inside(const struct canvas *c, struct rect r)
{
	r.x = fmax(0, fmin(r.x, c->w - r.w));
	r.y = fmax(0, fmin(r.y, c->h - r.h));
	return r;
}

/* Above the frame, else within it, else below, left before right; false where all is taken. */
static bool place(const struct canvas *c, const struct rect *frame, struct rect *out)
{
	double w = out->w, h = out->h, half = c->line / 2;
	double left = frame->x - half, right = frame->x + frame->w + half - w;
	double above = frame->y - half - h, within = frame->y + half;
	double below = frame->y + frame->h + half, bottom = frame->y + frame->h - half - h;
	const struct rect tries[] = {{left, above, w, h},   {left, within, w, h},
				     {right, above, w, h},  {right, within, w, h},
				     {left, bottom, w, h},  {left, below, w, h},
				     {right, bottom, w, h}, {right, below, w, h}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(tries); i++) {
		*out = inside(c, tries[i]);
		if (out->y == tries[i].y && is_free(c, out))
			return true;
	}
	return false;
}

struct plate {
	struct rect at;
	double margin, ascent; /* where the letters begin */
};

static void measure(const struct canvas *c, const char *text, double size, struct plate *p)
{
	cairo_font_extents_t fe;
	cairo_text_extents_t te;

	cairo_set_font_size(c->cr, size);
	cairo_font_extents(c->cr, &fe);
	cairo_text_extents(c->cr, text, &te);
	p->margin = 0.35 * size;
	p->ascent = fe.ascent;
	p->at.w = ceil(te.x_advance + 2 * p->margin);
	p->at.h = ceil(fe.ascent + fe.descent);
}

/*
 * The letters as large as wanted, or smaller where that finds a free place inside the picture. In a
 * crowd there may be none: a frame without a plate says more than plates upon plates.
 */
static bool find_place(const struct canvas *c, const struct rect *frame, const char *text,
		       struct plate *p)
{
	double size = c->font;

	for (; size >= 8; size *= 0.85) { /* smaller letters are not readable */
		measure(c, text, size, p);
		if (p->at.w <= c->w && p->at.h <= c->h && place(c, frame, &p->at))
			return true;
	}
	return false;
}

static void draw_plate(struct canvas *c, const struct det *d, const char *name)
{
	struct colour k = draw_colour(d->cls);
	/* Rec. 709 luma decides between black and white letters */
	double ink = 0.2126 * k.r + 0.7152 * k.g + 0.0722 * k.b > 0.5 ? 0.05 : 1;
	struct rect frame = frame_of(c, d);
	char *text = xasprintf("%s %.2f", name, (double)d->score);
	struct plate p;

	if (find_place(c, &frame, text, &p)) {
		c->plates[c->nplates++] = p.at;
		rounded(c->cr, &p.at, p.at.h / 6);
		cairo_set_source_rgba(c->cr, k.r, k.g, k.b, 0.92);
		cairo_fill(c->cr);
		cairo_set_source_rgb(c->cr, ink, ink, ink);
		cairo_move_to(c->cr, p.at.x + p.margin, p.at.y + p.ascent);
		cairo_show_text(c->cr, text);
	}
	free(text);
}

/* ---- the picture ---- */

static void draw_all(struct canvas *c, const struct det *dets, int n, char *const *names)
{
	int i;

	/* YOLOv5's rule (utils/plots.py, Annotator): 3 per mille of the mean side, at least 2 */
	c->line = fmax(rint((c->w + c->h) / 2.0 * 0.003), 2);
	c->font = fmax(6.0 * c->line, 12);
	c->plates = xreallocarray(NULL, (size_t)n + 1, sizeof(*c->plates));
	cairo_select_font_face(c->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
			       CAIRO_FONT_WEIGHT_BOLD);
	for (i = n - 1; i >= 0; i--) /* the surest on top */
		draw_frame(c, &dets[i]);
	for (i = 0; i < n; i++) /* the surest choose their places first */
		draw_plate(c, &dets[i], names[dets[i].cls]);
	free(c->plates);
}

int draw_detections(struct image *picture, const struct det *dets, int n, char *const *names,
		    struct err *err)
{
	cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, picture->w, picture->h);
	struct canvas c = {cairo_create(s), picture->w, picture->h, 0, 0, NULL, 0};
	cairo_status_t status = cairo_status(c.cr);

	if (status == CAIRO_STATUS_SUCCESS) {
		from_picture(s, picture);
		draw_all(&c, dets, n, names);
		status = cairo_status(c.cr);
	}
	if (status == CAIRO_STATUS_SUCCESS)
		to_picture(s, picture);
	else
		err_set(err, STATUS_SYSTEM, "cannot draw: %s", cairo_status_to_string(status));
	cairo_destroy(c.cr);
	cairo_surface_destroy(s);
	return status == CAIRO_STATUS_SUCCESS ? 0 : -1;
}
