#include "data/synth.h"

#include "base/file.h"
#include "base/ints.h"
#include "data/backdrop.h"
#include "data/shapes.h"

#include <math.h>

#define MAX_OBJECTS 6
#define TRIES       20 /* to find a place where nothing is hidden too much */
#define QUALITY     90
#define TURN        256 /* steps of a full turn */
#define TRIG_ONE    16384
#define OUTLINE     110 /* of SHAPE_UNIT */
#define CHUNK       32  /* pictures between two reports of progress */

struct object {
	int shape;
	int x, y, r; /* centre and radius in pixels */
	int cos, sin;
	unsigned char light[3], dark[3], edge[3];
	long drawn, visible; /* pixels at least half covered */
};

/* A picture while it is drawn. */
struct scene {
	struct image *img;
	unsigned char *owner; /* per pixel: 1 + the number of the object that is seen there, or 0 */
	struct object objects[MAX_OBJECTS];
	int n;
};

/* --- geometry --- */

/* A point in eighths of a pixel from the centre, in units of the shape. */
static bool covers(const struct object *o, int dx8, int dy8, int inset)
{
	int64_t scale = 8LL * o->r * TRIG_ONE / SHAPE_UNIT;
	int64_t u = (int64_t)dx8 * o->cos + (int64_t)dy8 * o->sin;
	int64_t v = (int64_t)dy8 * o->cos - (int64_t)dx8 * o->sin;

	return shape_inside(o->shape, (int)(u / scale), (int)(v / scale), inset);
}

/* How many of a pixel's 4 x 4 samples lie inside. */
static int coverage(const struct object *o, int x, int y, int inset)
{
	int n = 0, i, j;

	for (j = 1; j < 8; j += 2)
		for (i = 1; i < 8; i += 2)
			n += covers(o, 8 * (x - o->x) + i - 4, 8 * (y - o->y) + j - 4, inset);
	return n;
}

/* Pixels that an object may touch, clipped to the picture. */
struct window {
	int x1, y1, x2, y2; /* x2, y2 are outside */
};

static struct window window_of(const struct scene *s, const struct object *o, int dx, int dy)
{
	return (struct window){max_int(o->x + dx - o->r - 1, 0), max_int(o->y + dy - o->r - 1, 0),
			       min_int(o->x + dx + o->r + 2, s->img->w),
			       min_int(o->y + dy + o->r + 2, s->img->h)};
}

/* --- colours --- */

static void blend(unsigned char *p, const unsigned char *colour, int part, int whole)
{
	int c;

	for (c = 0; c < 3; c++)
		p[c] = (unsigned char)((p[c] * (whole - part) + colour[c] * part + whole / 2) /
				       whole);
}

/* Every class has a hue of its own that most of its objects come near, some do not. */
static void choose_colours(struct object *o, struct rng *rng)
{
	int hue = o->shape * 7 % 10 * 154 + (int)rng_below(rng, 101) + 1486;
	int saturation = 150 + (int)rng_below(rng, 90), value = 190 + (int)rng_below(rng, 60);

	if (rng_below(rng, 6) == 0)
		hue = (int)rng_below(rng, 1536);
	backdrop_colour(hue % 1536, saturation, value, o->light);
	backdrop_colour(hue % 1536, min_int(saturation + 15, 255), value * 3 / 4, o->dark);
	backdrop_colour(hue % 1536, min_int(saturation + 15, 255), value * 2 / 5, o->edge);
}

/* From light above to dark below. */
static void fill_colour(const struct object *o, int y, unsigned char out[3])
{
	int t = max_int(min_int(y - o->y + o->r, 2 * o->r), 0), c;

	for (c = 0; c < 3; c++)
		out[c] = (unsigned char)((o->light[c] * (2 * o->r - t) + o->dark[c] * t) /
					 (2 * o->r));
}

/* --- drawing --- */

static void draw_shadow(struct scene *s, const struct object *o)
{
	static const unsigned char black[3] = {0, 0, 0};
	int d = 1 + o->r / 10, x, y;
	struct window w = window_of(s, o, d, d);

	for (y = w.y1; y < w.y2; y++)
		for (x = w.x1; x < w.x2; x++) {
			int n = coverage(o, x - d, y - d, 0);

			if (n) /* a third of the light is gone */
				blend(s->img->rgb + 3 * (y * s->img->w + x), black, n, 48);
		}
}

static void draw_object(struct scene *s, const struct object *o)
{
	struct window w = window_of(s, o, 0, 0);
	unsigned char fill[3];
	int x, y;

	draw_shadow(s, o);
	for (y = w.y1; y < w.y2; y++) {
		fill_colour(o, y, fill);
		for (x = w.x1; x < w.x2; x++) {
			unsigned char *p = s->img->rgb + 3 * (y * s->img->w + x);
			int outer = coverage(o, x, y, 0);

			if (!outer)
				continue;
			blend(p, o->edge, outer, 16);
			blend(p, fill, coverage(o, x, y, OUTLINE), 16);
		}
	}
}

/* Where at least half a pixel is covered, the pixel is the object's. */
static bool owns(const struct object *o, int x, int y)
{
	return coverage(o, x, y, 0) >= 8;
}

/* How many pixels each object would lose to a new one, and how many the new one would have. */
static void count_losses(const struct scene *s, struct object *o, long losses[MAX_OBJECTS])
{
	struct window w = window_of(s, o, 0, 0);
	int x, y;

	memset(losses, 0, MAX_OBJECTS * sizeof(*losses));
	o->drawn = 0;
	for (y = w.y1; y < w.y2; y++)
		for (x = w.x1; x < w.x2; x++)
			if (owns(o, x, y)) {
				int owner = s->owner[y * s->img->w + x];

				o->drawn++;
				if (owner)
					losses[owner - 1]++;
			}
	o->visible = o->drawn;
}

/* Two thirds of everything must stay in sight, so that a box is worth its label. */
static bool hides_too_much(const struct scene *s, const long losses[MAX_OBJECTS])
{
	int i;

	for (i = 0; i < s->n; i++)
		if (3 * (s->objects[i].visible - losses[i]) < 2 * s->objects[i].drawn)
			return true;
	return false;
}

static void claim(struct scene *s, const struct object *o)
{
	struct window w = window_of(s, o, 0, 0);
	int x, y;

	for (y = w.y1; y < w.y2; y++)
		for (x = w.x1; x < w.x2; x++)
			if (owns(o, x, y))
				s->owner[y * s->img->w + x] = (unsigned char)(s->n + 1);
}

static void place_object(struct scene *s, int classes, struct rng *rng)
{
	/* Small and large ones alike: the square of a uniform number, 7 to 24 hundredths of the side. */
	int side = min_int(s->img->w, s->img->h), u = (int)rng_below(rng, 101);
	struct object o = {.shape = (int)rng_below(rng, (uint32_t)classes),
			   .r = max_int(side * (70000 + 17 * u * u) / 1000000, 5)};
	double angle = ((int)rng_below(rng, 41) - 20) * 2 * M_PI / TURN;
	long losses[MAX_OBJECTS];
	int try, i;

	/* Rounded to 14 bits: the last bits of a machine's sine do not matter. */
	o.cos = (int)lrint(TRIG_ONE * cos(angle));
	o.sin = (int)lrint(TRIG_ONE * sin(angle));
	choose_colours(&o, rng);
	for (try = 0; try < TRIES; try++) {
		/* Up to a third of the radius may stick out. */
		o.x = o.r * 2 / 3 +
		      (int)rng_below(rng, (uint32_t)max_int(s->img->w - o.r * 4 / 3, 1));
		o.y = o.r * 2 / 3 +
		      (int)rng_below(rng, (uint32_t)max_int(s->img->h - o.r * 4 / 3, 1));
		count_losses(s, &o, losses);
		if (o.drawn && !hides_too_much(s, losses))
			break;
	}
	if (try == TRIES)
		return; /* the picture is full */
	for (i = 0; i < s->n; i++)
		s->objects[i].visible -= losses[i];
	draw_object(s, &o);
	claim(s, &o);
	s->objects[s->n++] = o;
}

/* The rectangle around what is seen of object k. */
static struct label label_of(const struct scene *s, int k)
{
	int w = s->img->w, h = s->img->h, x, y;
	int x1 = w, y1 = h, x2 = 0, y2 = 0;

	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			if (s->owner[y * w + x] == k + 1) {
				x1 = min_int(x1, x);
				y1 = min_int(y1, y);
				x2 = max_int(x2, x + 1);
				y2 = max_int(y2, y + 1);
			}
	return (struct label){s->objects[k].shape, (float)(x1 + x2) / (float)(2 * w),
			      (float)(y1 + y2) / (float)(2 * h), (float)(x2 - x1) / (float)w,
			      (float)(y2 - y1) / (float)h};
}

void synth_draw(const struct synth_options *opt, bool val, int index, struct image *img,
		struct labels *labels)
{
	struct scene s = {.img = img};
	struct rng rng;
	int shape, wanted, i;

	BUG_IF(opt->classes < 1 || opt->classes > shape_count() || opt->img < 32);
	BUG_IF(opt->drawn < 0 || opt->drawn > opt->classes);
	rng_init(&rng, opt->seed, val ? "synth val" : "synth train", (uint64_t)index);
	/* 4:3, 1:1 or 3:4 */
	shape = (int)rng_below(&rng, 3);
	image_alloc(img, shape == 2 ? opt->img * 3 / 4 : opt->img,
		    shape == 0 ? opt->img * 3 / 4 : opt->img);
	backdrop_draw(img, &rng);
	s.owner = xcalloc((size_t)img->w, (size_t)img->h);
	/* One picture in 32 is a background. */
	wanted = rng_below(&rng, 32) ? 1 + (int)rng_below(&rng, MAX_OBJECTS) : 0;
	for (i = 0; i < wanted; i++)
		place_object(&s, opt->drawn ? opt->drawn : opt->classes, &rng);
	*labels = (struct labels)LABELS_INIT;
	labels->v = xmalloc(MAX_OBJECTS * sizeof(*labels->v));
	for (i = 0; i < s.n; i++)
		labels->v[labels->n++] = label_of(&s, i);
	free(s.owner);
}

/* --- the set --- */

/* What the jobs share; job k writes picture first + k. */
struct writing {
	const struct synth_options *opt;
	const char *dir;
	int first;
	struct err errs[CHUNK];
	int rcs[CHUNK];
};

static int write_picture(const struct synth_options *opt, const char *dir, int number,
			 struct err *err)
{
	bool val = number >= opt->images;
	int index = val ? number - opt->images : number, rc;
	const char *split = val ? "val" : "train";
	char *jpg = xasprintf("%s/images/%s/%06d.jpg", dir, split, index);
	char *txt = xasprintf("%s/labels/%s/%06d.txt", dir, split, index);
	struct buf data = BUF_INIT, text = BUF_INIT;
	struct labels labels;
	struct image img;

	synth_draw(opt, val, index, &img, &labels);
	labels_format(labels.v, labels.n, &text);
	rc = image_encode_jpeg(&img, QUALITY, &data, err) ||
			     file_write(jpg, data.data, data.len, err) ||
			     (labels.n && file_write(txt, text.data, text.len, err))
		     ? -1
		     : 0;
	buf_release(&data);
	buf_release(&text);
	labels_release(&labels);
	image_release(&img);
	free(jpg);
	free(txt);
	return rc;
}

static void write_job(void *ctx, int job, int worker)
{
	struct writing *w = ctx;

	(void)worker;
	w->rcs[job] = write_picture(w->opt, w->dir, w->first + job, &w->errs[job]);
}

static int write_pictures(const struct synth_options *opt, const char *dir, struct pool *pool,
			  void (*step)(void *ctx, int done), void *ctx, struct err *err)
{
	struct writing w = {.opt = opt, .dir = dir};
	int total = opt->images + opt->val, n, i;

	for (; w.first < total; w.first += n) {
		n = min_int(total - w.first, CHUNK);
		pool_run(pool, n, write_job, &w);
		for (i = 0; i < n; i++)
			if (w.rcs[i]) {
				*err = w.errs[i];
				return -1;
			}
		if (step)
			step(ctx, w.first + n);
	}
	return 0;
}

static int make_folders(const char *dir, bool val, struct err *err)
{
	static const char *const names[] = {"images/train", "labels/train", "images/val",
					    "labels/val"};
	size_t i, n = val ? 4 : 2;
	int rc = 0;

	for (i = 0; i < n && !rc; i++) {
		char *path = path_join(dir, names[i]);

		rc = dir_make(path, err);
		free(path);
	}
	return rc;
}

static int write_yaml(const struct synth_options *opt, const char *dir, struct err *err)
{
	char *path = path_join(dir, "dataset.yaml");
	struct buf text = BUF_INIT;
	int i, rc;

	buf_printf(&text,
		   "# Synthetic shapes by coco-synth: seed %llu, %d pixels. Paths are relative "
		   "to this file.\ntrain: images/train\nval: images/%s\n\nnc: %d\nnames:\n",
		   (unsigned long long)opt->seed, opt->img, opt->val ? "val" : "train",
		   opt->classes);
	for (i = 0; i < opt->classes; i++)
		buf_printf(&text, "  %d: %s\n", i, shape_name(i));
	rc = file_write(path, text.data, text.len, err);
	buf_release(&text);
	free(path);
	return rc;
}

int synth_write(const struct synth_options *opt, const char *dir, struct pool *pool,
		void (*step)(void *ctx, int done), void *ctx, struct err *err)
{
	struct err ignored;
	char *temp;
	int rc;

	if (path_exists(dir) && !path_is_dir(dir))
		return err_set(err, STATUS_INPUT, "'%s' exists already", dir);
	if (dir_stage(dir, &temp, err))
		return -1;
	rc = make_folders(temp, opt->val > 0, err) ||
			     write_pictures(opt, temp, pool, step, ctx, err) ||
			     write_yaml(opt, temp, err) || dir_install(temp, dir, err)
		     ? -1
		     : 0;
	if (rc)
		dir_remove(temp, &ignored);
	free(temp);
	return rc;
}
