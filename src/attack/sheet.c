#include "attack/sheet.h"

#include <cairo.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 36, GAP = 4 };
#define WHITE 255

/* cairo takes no picture with a longer side. */
#define LONGEST 32767

static int columns(const struct inversion *v)
{
	int i, n = 1;

	for (i = 0; i < v->n; i++)
		n += v->setting[i].n;
	return n;
}

static const struct outcome *column(const struct inversion *v, int at, const struct setting **s)
{
	int i;

	*s = NULL;
	if (at == 0)
		return &v->original;
	for (i = 0, at--; at >= v->setting[i].n; at -= v->setting[i++].n)
		;
	*s = &v->setting[i];
	return &v->setting[i].outcome[at];
}

static void put(struct image *to, int x, int y, const struct image *from)
{
	int row;

	for (row = 0; row < from->h; row++)
		memcpy(to->rgb + 3 * ((size_t)(y + row) * (size_t)to->w + (size_t)x),
		       from->rgb + 3 * (size_t)row * (size_t)from->w, 3 * (size_t)from->w);
}

/* Two lines of text in a strip above the pictures. */
static void label(cairo_t *cr, int x, const struct setting *s, const struct outcome *o)
{
	char first[64] = "";

	if (s && s->evidence.mechanism != MECHANISM_NONE)
		snprintf(first, sizeof(first), "%s, epsilon %g",
			 encoding_names[s->evidence.encoding], s->evidence.epsilon);
	else if (s)
		snprintf(first, sizeof(first), "%s, no noise",
			 encoding_names[s->evidence.encoding]);
	cairo_move_to(cr, x + 2, 14);
	cairo_show_text(cr, first);
	cairo_move_to(cr, x + 2, 29);
	cairo_show_text(cr, o->attack);
}

static int draw_labels(const struct inversion *v, struct image *out, struct err *err)
{
	cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, out->w, HEAD);
	cairo_t *cr = cairo_create(s);
	const struct setting *setting;
	const unsigned char *data;
	int x, y, i;

	cairo_set_source_rgb(cr, 1, 1, 1);
	cairo_paint(cr);
	cairo_set_source_rgb(cr, 0, 0, 0);
	cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, v->victims.img < 128 ? 9 : 12);
	for (i = 0; i < columns(v); i++) {
		const struct outcome *o = column(v, i, &setting);

		label(cr, i * (v->victims.img + GAP), setting, o);
	}
	cairo_surface_flush(s);
	data = cairo_image_surface_get_data(s);
	for (y = 0; data && y < HEAD; y++)
		for (x = 0; x < out->w; x++) {
			uint32_t p;

			memcpy(&p,
			       data + (size_t)y * (size_t)cairo_image_surface_get_stride(s) +
				       4 * (size_t)x,
			       sizeof(p));
			for (i = 0; i < 3; i++)
				out->rgb[3 * ((size_t)y * (size_t)out->w + (size_t)x) + (size_t)i] =
					(unsigned char)(p >> (16 - 8 * i));
		}
	i = cairo_status(cr);
	cairo_destroy(cr);
	cairo_surface_destroy(s);
	return i ? err_set(err, STATUS_SYSTEM, "cannot draw labels: %s",
			   cairo_status_to_string((cairo_status_t)i))
		 : 0;
}

int sheet_draw(const struct inversion *v, int rows, struct image *out, struct err *err)
{
	const int n = columns(v), cell = v->victims.img + GAP;
	const struct setting *s;
	int i, k;

	if (rows <= 0 || rows > v->victims.n)
		rows = v->victims.n;
	if (n > LONGEST / cell || rows > (LONGEST - HEAD) / cell)
		return err_set(err, STATUS_USAGE,
			       "a sheet of %d by %d pictures of %d pixels is too large: take fewer",
			       rows, n, v->victims.img);
	image_alloc(out, n * cell - GAP, HEAD + rows * cell - GAP);
	memset(out->rgb, WHITE, 3 * (size_t)out->w * (size_t)out->h);
	for (i = 0; i < n; i++) {
		const struct outcome *o = column(v, i, &s);

		for (k = 0; k < rows; k++)
			put(out, i * cell, HEAD + k * cell, &o->picture[k]);
	}
	if (draw_labels(v, out, err)) {
		image_release(out);
		return -1;
	}
	return 0;
}
