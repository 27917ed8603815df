#include "data/labels.h"

#include "base/file.h"
#include "base/num.h"

#include <float.h>

/* No label file of a sane data set comes near. */
#define MAX_FILE   (64u << 20)
#define MAX_NUMBER 64 /* characters */

/* Where the reader is. */
struct reader {
	const char *name;
	const char *p, *end; /* the rest of the text */
	long line;
	int nc;
	struct labels *out;
	int cap;
	bool boxes, polygons; /* which kinds of rows were seen */
	struct err *err;
};

/* A word of a line; len 0: the line has no more. */
struct word {
	const char *p;
	size_t len;
};

static int fail(struct reader *r, const char *sentence)
{
	return err_set(r->err, STATUS_INPUT, "%s:%ld: %s", r->name, r->line, sentence);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct word next_word(const char **p, const char *end)
{
	struct word w;

	while (*p < end && is_space(**p))
		++*p;
	w.p = *p;
	while (*p < end && !is_space(**p))
		++*p;
	w.len = (size_t)(*p - w.p);
	return w;
}

static int count_words(const char *p, const char *end)
{
	int n = 0;

	while (next_word(&p, end).len)
		n++;
	return n;
}

/* A word for a sentence: printable, and not longer than a line bears. */
static void show(struct word w, char out[32])
{
	size_t i, n = w.len < 24 ? w.len : 24;

	for (i = 0; i < n; i++)
		out[i] = (unsigned char)w.p[i] < ' ' || w.p[i] == 0x7f ? '?' : w.p[i];
	memcpy(out + n, n < w.len ? "..." : "", n < w.len ? 4 : 1);
}

static int number(struct reader *r, struct word w, const char *what, double *out)
{
	char text[MAX_NUMBER], shown[32];
	struct err ignored;

	if (w.len < sizeof(text)) {
		memcpy(text, w.p, w.len);
		text[w.len] = '\0';
		if (!memchr(text, '\0', w.len) &&
		    num_double(what, text, -DBL_MAX, DBL_MAX, out, &ignored) == 0)
			return 0;
	}
	show(w, shown);
	return err_set(r->err, STATUS_INPUT, "%s:%ld: %s '%s' is not a number", r->name, r->line,
		       what, shown);
}

static int coordinate(struct reader *r, struct word w, const char *what, float *out)
{
	char shown[32];
	double v;

	if (number(r, w, what, &v))
		return -1;
	*out = (float)v;
	if (v >= 0 && v <= 1)
		return 0;
	show(w, shown);
	return err_set(r->err, STATUS_INPUT, "%s:%ld: %s %s is %s", r->name, r->line, what, shown,
		       v < 0 ? "negative" : "greater than 1");
}

static int class_number(struct reader *r, struct word w, int *out)
{
	int max = r->nc > 0 ? r->nc - 1 : LABELS_MAX_CLASS;
	char shown[32];
	double v;

	if (number(r, w, "class", &v))
		return -1;
	show(w, shown);
	if (v < 0)
		return err_set(r->err, STATUS_INPUT, "%s:%ld: class %s is negative", r->name,
			       r->line, shown);
	if (v > max)
		return err_set(r->err, STATUS_INPUT,
			       "%s:%ld: class %s is too large: the classes are 0 to %d", r->name,
			       r->line, shown, max);
	*out = (int)v;
	if (v != *out)
		return err_set(r->err, STATUS_INPUT, "%s:%ld: class %s is not a whole number",
			       r->name, r->line, shown);
	return 0;
}

static int box_row(struct reader *r, const char *p, const char *end, struct label *l)
{
	return class_number(r, next_word(&p, end), &l->cls) ||
			       coordinate(r, next_word(&p, end), "x centre", &l->xc) ||
			       coordinate(r, next_word(&p, end), "y centre", &l->yc) ||
			       coordinate(r, next_word(&p, end), "width", &l->w) ||
			       coordinate(r, next_word(&p, end), "height", &l->h)
		       ? -1
		       : 0;
}

static int polygon_row(struct reader *r, const char *p, const char *end, struct label *l)
{
	float x, y, x1 = 1, y1 = 1, x2 = 0, y2 = 0;
	struct word w;

	if (class_number(r, next_word(&p, end), &l->cls))
		return -1;
	while ((w = next_word(&p, end)).len) {
		if (coordinate(r, w, "polygon's x", &x) ||
		    coordinate(r, next_word(&p, end), "polygon's y", &y))
			return -1;
		x1 = x < x1 ? x : x1;
		y1 = y < y1 ? y : y1;
		x2 = x > x2 ? x : x2;
		y2 = y > y2 ? y : y2;
	}
	l->xc = (x1 + x2) / 2;
	l->yc = (y1 + y2) / 2;
	l->w = x2 - x1;
	l->h = y2 - y1;
	return 0;
}

static int row(struct reader *r, const char *p, const char *end)
{
	int n = count_words(p, end);
	struct label l;

	if (n == 0)
		return 0;
	if (n == 6)
		return fail(r, "6 columns where 5 are wanted (class, x centre, y centre, width, "
			       "height); is the last a confidence?");
	if (n != 5 && (n < 7 || n % 2 == 0))
		return err_set(r->err, STATUS_INPUT,
			       "%s:%ld: %d column%s where 5 are wanted (class, x centre, y centre, "
			       "width, height)",
			       r->name, r->line, n, n == 1 ? "" : "s");
	r->boxes |= n == 5;
	r->polygons |= n != 5;
	if (r->boxes && r->polygons)
		return fail(r, n == 5 ? "a box in a file of polygons; one file cannot hold both"
				      : "a polygon in a file of boxes; one file cannot hold both");
	if (n == 5 ? box_row(r, p, end, &l) : polygon_row(r, p, end, &l))
		return -1;
	GROW(r->out->v, r->out->n, r->cap);
	r->out->v[r->out->n++] = l;
	return 0;
}

static int rows(struct reader *r)
{
	while (r->p < r->end) {
		const char *start = r->p, *eol = memchr(start, '\n', (size_t)(r->end - start));

		r->line++;
		eol = eol ? eol : r->end;
		if (row(r, start, eol))
			return -1;
		r->p = eol < r->end ? eol + 1 : r->end;
	}
	return 0;
}

static int compare(float a, float b)
{
	return (a > b) - (a < b);
}

static int label_order(const struct label *a, const struct label *b)
{
	int c = (a->cls > b->cls) - (a->cls < b->cls);

	c = c ? c : compare(a->xc, b->xc);
	c = c ? c : compare(a->yc, b->yc);
	c = c ? c : compare(a->w, b->w);
	return c ? c : compare(a->h, b->h);
}

/* Equal rows in the order of the file, so that the first of them stays. */
static int by_value(const void *pa, const void *pb)
{
	const struct label *a = *(const struct label *const *)pa;
	const struct label *b = *(const struct label *const *)pb;
	int c = label_order(a, b);

	return c ? c : (a > b) - (a < b);
}

/* Drops repeated rows, keeps the order of the rest. */
static void drop_duplicates(struct labels *l)
{
	const struct label **sorted;
	bool *drop;
	int i, n = 0;

	if (l->n < 2)
		return;
	sorted = xmalloc((size_t)l->n * sizeof(*sorted));
	drop = xcalloc((size_t)l->n, sizeof(*drop));
	for (i = 0; i < l->n; i++)
		sorted[i] = &l->v[i];
	qsort(sorted, (size_t)l->n, sizeof(*sorted), by_value);
	for (i = 1; i < l->n; i++)
		drop[sorted[i] - l->v] = label_order(sorted[i - 1], sorted[i]) == 0;
	for (i = 0; i < l->n; i++)
		if (!drop[i])
			l->v[n++] = l->v[i];
	l->duplicates = l->n - n;
	l->n = n;
	free(sorted);
	free(drop);
}

int labels_parse(const char *name, const char *text, size_t len, int nc, struct labels *out,
		 struct err *err)
{
	struct reader r = {
		.name = name, .p = text, .end = text + len, .nc = nc, .out = out, .err = err};

	*out = (struct labels)LABELS_INIT;
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* a byte order mark */
		r.p += 3;
	if (rows(&r)) {
		labels_release(out);
		return -1;
	}
	out->polygons = r.polygons;
	drop_duplicates(out);
	return 0;
}

int labels_read(const char *path, int nc, struct labels *out, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc;

	*out = (struct labels)LABELS_INIT;
	rc = file_read(path, MAX_FILE, &text, err);
	if (!rc)
		rc = labels_parse(path, text.data, text.len, nc, out, err);
	buf_release(&text);
	return rc;
}

void labels_release(struct labels *l)
{
	free(l->v);
	*l = (struct labels)LABELS_INIT;
}

void labels_format(const struct label *v, int n, struct buf *out)
{
	int i;

	for (i = 0; i < n; i++)
		buf_printf(out, "%d %.6g %.6g %.6g %.6g\n", v[i].cls, (double)v[i].xc,
			   (double)v[i].yc, (double)v[i].w, (double)v[i].h);
}
