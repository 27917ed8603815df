#include "eval/cocojson.h"

#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bounds on what files may ask for: LVIS has 1,203 categories, Open Images 9 million pictures. */
enum { MAX_CATEGORIES = 10000, MAX_IMAGES = 1 << 25 };
/* Pixels; far beyond any picture, small enough that areas stay exact enough. */
#define MAX_COORDINATE 1e7

const int coco91[80] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 13, 14, 15, 16, 17,
			18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 31, 32, 33, 34, 35, 36,
			37, 38, 39, 40, 41, 42, 43, 44, 46, 47, 48, 49, 50, 51, 52, 53,
			54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 67, 70, 72, 73,
			74, 75, 76, 77, 78, 79, 80, 81, 82, 84, 85, 86, 87, 88, 89, 90};

/* ---- members of objects ---- */

/* 1: p->text is the name of the object's next member; 0: the object has ended; -1: error. */
static int next_member(struct jsonpull *p, struct err *err)
{
	enum pull token = jsonpull_next(p, err);

	return token == PULL_BAD ? -1 : token == PULL_NAME;
}

static int skip_value(struct jsonpull *p, struct err *err)
{
	enum pull token = jsonpull_next(p, err);

	return token == PULL_BAD ? -1 : jsonpull_skip(p, token, err);
}

static int read_id(struct jsonpull *p, struct buf *key, struct err *err)
{
	enum pull token = jsonpull_next(p, err);

	if (token == PULL_BAD)
		return -1;
	if (token != PULL_TEXT && !(token == PULL_NUM && p->integer))
		return jsonpull_error(p, err, "an image id must be a whole number or a string");
	buf_clear(key);
	buf_add(key, p->text.data, p->text.len);
	return 0;
}

static int read_whole(struct jsonpull *p, const char *what, int64_t *out, struct err *err)
{
	if (jsonpull_expect(p, PULL_NUM, err))
		return -1;
	if (!p->integer)
		return jsonpull_error(p, err, "%s must be a whole number", what);
	*out = p->whole;
	return 0;
}

static int read_box(struct jsonpull *p, struct box *box, struct err *err)
{
	double v[4];
	int i;

	if (jsonpull_expect(p, PULL_BEGIN_ARRAY, err))
		return -1;
	for (i = 0; i < 4; i++) {
		if (jsonpull_expect(p, PULL_NUM, err))
			return -1;
		v[i] = p->number;
		if (fabs(v[i]) > MAX_COORDINATE)
			return jsonpull_error(p, err, "a bbox reaches beyond %g pixels",
					      MAX_COORDINATE);
	}
	if (v[2] < 0 || v[3] < 0)
		return jsonpull_error(p, err, "a bbox has a negative size");
	*box = (struct box){v[0], v[1], v[2], v[3]};
	return jsonpull_expect(p, PULL_END_ARRAY, err);
}

/* ---- images by their ids ---- */

static uint32_t hash_text(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	while (*s)
		h = (h ^ (unsigned char)*s++) * 16777619u;
	return h;
}

/* The slot of `id`: its index + 1, or 0 where it would go. */
static uint32_t *slot_of(const struct annotations *a, const char *id)
{
	uint32_t h = hash_text(id) & a->mask;

	while (a->table[h] && strcmp(a->images[a->table[h] - 1].id, id))
		h = (h + 1) & a->mask;
	return &a->table[h];
}

static bool is_number(const char *s)
{
	s += *s == '-';
	return *s && !s[strspn(s, "0123456789")];
}

/* Numbers by value, before strings by their bytes. */
static int compare_ids(const void *va, const void *vb)
{
	const char *a = ((const struct coco_image *)va)->id;
	const char *b = ((const struct coco_image *)vb)->id;
	bool na = is_number(a), nb = is_number(b);

	if (na && nb) {
		double x = strtod(a, NULL), y = strtod(b, NULL);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return na != nb ? nb - na : strcmp(a, b);
}

static int index_images(struct annotations *a, const char *path, struct err *err)
{
	uint32_t size = 16;
	int i;

	if (a->nimages)
		qsort(a->images, (size_t)a->nimages, sizeof(*a->images), compare_ids);
	while (size < 2 * (uint32_t)a->nimages)
		size *= 2;
	a->mask = size - 1;
	a->table = xcalloc(size, sizeof(*a->table));
	for (i = 0; i < a->nimages; i++) {
		uint32_t *slot = slot_of(a, a->images[i].id);

		if (*slot)
			return err_set(err, STATUS_INPUT, "'%s': two images have the id %s", path,
				       a->images[i].id);
		*slot = (uint32_t)i + 1;
	}
	return 0;
}

/* ---- annotations ---- */

struct category {
	int64_t id;
	char *name;
};

/* An annotation before the images and categories are known. */
struct object {
	struct truth truth;
	int64_t category;
	size_t image; /* offset of its id in `keys` */
};

struct reader {
	struct jsonpull *pull;
	struct annotations *a;
	size_t images_cap;
	struct category *categories;
	size_t ncategories, categories_cap;
	struct object *objects;
	size_t nobjects, objects_cap;
	struct buf keys, key;
	bool saw_images, saw_annotations, saw_categories;
};

static int read_side(struct jsonpull *p, int *side, struct err *err)
{
	int64_t v = 0;

	if (read_whole(p, "an image's side", &v, err))
		return -1;
	if (v < 0 || v > MAX_COORDINATE)
		return jsonpull_error(p, err, "an image's side is out of range");
	*side = (int)v;
	return 0;
}

static int read_image_member(struct reader *r, struct coco_image *image, bool *got, struct err *err)
{
	struct jsonpull *p = r->pull;

	if (!strcmp(p->text.data, "id"))
		return *got = true, read_id(p, &r->key, err);
	if (!strcmp(p->text.data, "width"))
		return read_side(p, &image->width, err);
	if (!strcmp(p->text.data, "height"))
		return read_side(p, &image->height, err);
	return skip_value(p, err);
}

static int read_image(struct reader *r, struct err *err)
{
	struct jsonpull *p = r->pull;
	struct annotations *a = r->a;
	struct coco_image image = {0};
	bool got = false;
	int more;

	while ((more = next_member(p, err)) > 0)
		if (read_image_member(r, &image, &got, err))
			return -1;
	if (more < 0)
		return -1;
	if (!got)
		return jsonpull_error(p, err, "an image has no id");
	if (a->nimages == MAX_IMAGES)
		return jsonpull_error(p, err, "more than %d images", MAX_IMAGES);
	GROW(a->images, a->nimages, r->images_cap);
	image.id = xstrndup(r->key.data, r->key.len);
	a->images[a->nimages++] = image;
	return 0;
}

static int read_category(struct reader *r, struct err *err)
{
	struct jsonpull *p = r->pull;
	struct category c = {0};
	bool got_id = false;
	int more, rc = 0;

	while (!rc && (more = next_member(p, err)) > 0) {
		if (!strcmp(p->text.data, "id")) {
			rc = read_whole(p, "a category's id", &c.id, err);
			got_id = true;
		} else if (!strcmp(p->text.data, "name")) {
			rc = jsonpull_expect(p, PULL_TEXT, err);
			free(c.name);
			c.name = xstrdup(rc ? "" : p->text.data);
		} else {
			rc = skip_value(p, err);
		}
	}
	if (!rc && more < 0)
		rc = -1;
	if (!rc && (!got_id || !c.name))
		rc = jsonpull_error(p, err, "a category needs an id and a name");
	if (!rc && r->ncategories == MAX_CATEGORIES)
		rc = jsonpull_error(p, err, "more than %d categories", MAX_CATEGORIES);
	if (rc) {
		free(c.name);
		return -1;
	}
	GROW(r->categories, r->ncategories, r->categories_cap);
	r->categories[r->ncategories++] = c;
	return 0;
}

static int read_flag(struct jsonpull *p, bool *out, struct err *err)
{
	enum pull token = jsonpull_next(p, err);

	if (token == PULL_BAD)
		return -1;
	if (token != PULL_YES && token != PULL_NO && token != PULL_NUM)
		return jsonpull_error(p, err, "iscrowd must be 0 or 1");
	*out = token == PULL_YES || (token == PULL_NUM && p->number != 0);
	return 0;
}

static int read_area(struct jsonpull *p, double *area, struct err *err)
{
	if (jsonpull_expect(p, PULL_NUM, err))
		return -1;
	*area = p->number;
	return *area >= 0 ? 0 : jsonpull_error(p, err, "an area is negative");
}

static int read_object_member(struct reader *r, struct object *o, unsigned *got, struct err *err)
{
	struct jsonpull *p = r->pull;

	if (!strcmp(p->text.data, "image_id"))
		return *got |= 1, read_id(p, &r->key, err);
	if (!strcmp(p->text.data, "category_id"))
		return *got |= 2, read_whole(p, "category_id", &o->category, err);
	if (!strcmp(p->text.data, "bbox"))
		return *got |= 4, read_box(p, &o->truth.box, err);
	if (!strcmp(p->text.data, "area"))
		return read_area(p, &o->truth.area, err);
	if (!strcmp(p->text.data, "iscrowd"))
		return read_flag(p, &o->truth.crowd, err);
	return skip_value(p, err);
}

static int read_object(struct reader *r, struct err *err)
{
	struct jsonpull *p = r->pull;
	struct object o = {.truth.area = -1};
	unsigned got = 0;
	int more;

	while ((more = next_member(p, err)) > 0)
		if (read_object_member(r, &o, &got, err))
			return -1;
	if (more < 0)
		return -1;
	if (got != 7)
		return jsonpull_error(p, err, "an annotation needs image_id, category_id and bbox");
	if (o.truth.area < 0)
		o.truth.area = o.truth.box.w * o.truth.box.h;
	o.image = r->keys.len;
	buf_add(&r->keys, r->key.data, r->key.len + 1);
	GROW(r->objects, r->nobjects, r->objects_cap);
	r->objects[r->nobjects++] = o;
	return 0;
}

static int read_list(struct reader *r, int (*element)(struct reader *, struct err *),
		     struct err *err)
{
	enum pull token;

	if (jsonpull_expect(r->pull, PULL_BEGIN_ARRAY, err))
		return -1;
	while ((token = jsonpull_next(r->pull, err)) == PULL_BEGIN_OBJECT)
		if (element(r, err))
			return -1;
	if (token == PULL_BAD)
		return -1;
	if (token != PULL_END_ARRAY)
		return jsonpull_error(r->pull, err, "expected an object");
	return 0;
}

static int read_top(struct reader *r, struct err *err)
{
	struct jsonpull *p = r->pull;
	int more, rc = 0;

	if (jsonpull_expect(p, PULL_BEGIN_OBJECT, err))
		return -1;
	while (!rc && (more = next_member(p, err)) > 0) {
		if (!strcmp(p->text.data, "images") && !r->saw_images)
			r->saw_images = true, rc = read_list(r, read_image, err);
		else if (!strcmp(p->text.data, "annotations") && !r->saw_annotations)
			r->saw_annotations = true, rc = read_list(r, read_object, err);
		else if (!strcmp(p->text.data, "categories") && !r->saw_categories)
			r->saw_categories = true, rc = read_list(r, read_category, err);
		else
			rc = skip_value(p, err);
	}
	if (rc || more < 0 || jsonpull_expect(p, PULL_DONE, err))
		return -1;
	if (!r->saw_images || !r->saw_annotations || !r->saw_categories)
		return err_set(err, STATUS_INPUT, "'%s' is no COCO annotation file: it has no %s",
			       p->name,
			       !r->saw_images        ? "images"
			       : !r->saw_annotations ? "annotations"
						     : "categories");
	return 0;
}

static int compare_categories(const void *va, const void *vb)
{
	const struct category *a = va, *b = vb;

	return (a->id > b->id) - (a->id < b->id);
}

static int index_categories(struct reader *r, const char *path, struct err *err)
{
	struct annotations *a = r->a;
	size_t i;

	if (r->ncategories)
		qsort(r->categories, r->ncategories, sizeof(*r->categories), compare_categories);
	for (i = 1; i < r->ncategories; i++)
		if (r->categories[i].id == r->categories[i - 1].id)
			return err_set(err, STATUS_INPUT, "'%s': two categories have the id %lld",
				       path, (long long)r->categories[i].id);
	a->names = xcalloc(r->ncategories + 1, sizeof(*a->names));
	a->ids = xcalloc(r->ncategories + 1, sizeof(*a->ids));
	for (i = 0; i < r->ncategories; i++) {
		a->ids[i] = r->categories[i].id;
		a->names[i] = r->categories[i].name;
		r->categories[i].name = NULL;
	}
	a->nclasses = (int)r->ncategories;
	return 0;
}

/* The class of a category id, or -1. */
static int class_of(const struct annotations *a, int64_t id)
{
	int lo = 0, hi = a->nclasses;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		if (a->ids[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < a->nclasses && a->ids[lo] == id ? lo : -1;
}

/* With everything known, objects become truths. */
static int resolve(struct reader *r, struct boxset *set, const char *path, struct err *err)
{
	struct annotations *a = r->a;
	unsigned char *labelled = xcalloc((size_t)a->nimages + 1, 1);
	size_t i;

	for (i = 0; i < r->nobjects; i++) {
		struct object *o = &r->objects[i];
		const char *id = r->keys.data + o->image;
		uint32_t at = *slot_of(a, id);
		int cls = class_of(a, o->category);

		if (!at || cls < 0) {
			free(labelled);
			return err_set(err, STATUS_INPUT,
				       "'%s': annotation %zu names %s %s, which %s", path, i + 1,
				       at ? "a category of image" : "image", id, "is not listed");
		}
		o->truth.image = (int)at - 1;
		o->truth.cls = cls;
		boxset_add_truth(set, &o->truth);
		if (!o->truth.crowd && !labelled[at - 1])
			labelled[at - 1] = 1, a->with_labels++;
	}
	free(labelled);
	return 0;
}

static void reader_release(struct reader *r)
{
	size_t i;

	for (i = 0; i < r->ncategories; i++)
		free(r->categories[i].name);
	free(r->categories);
	free(r->objects);
	buf_release(&r->keys);
	buf_release(&r->key);
}

int cocojson_parse(struct annotations *a, struct boxset *set, struct jsonpull *p, struct err *err)
{
	struct reader r = {.a = a, .pull = p};
	int rc;

	memset(a, 0, sizeof(*a));
	memset(set, 0, sizeof(*set));
	rc = read_top(&r, err);
	if (!rc)
		rc = index_images(a, p->name, err);
	if (!rc)
		rc = index_categories(&r, p->name, err);
	if (!rc) {
		set->nimages = a->nimages;
		set->nclasses = a->nclasses;
		rc = resolve(&r, set, p->name, err);
	}
	reader_release(&r);
	if (rc) {
		annotations_release(a);
		boxset_release(set);
	}
	return rc;
}

int cocojson_read(struct annotations *a, struct boxset *set, const char *path, struct err *err)
{
	struct jsonpull p;
	int rc;

	if (jsonpull_open(&p, path, err))
		return -1;
	rc = cocojson_parse(a, set, &p, err);
	jsonpull_close(&p);
	return rc;
}

void annotations_release(struct annotations *a)
{
	int i;

	for (i = 0; i < a->nimages; i++)
		free(a->images[i].id);
	for (i = 0; i < a->nclasses; i++)
		free(a->names[i]);
	free(a->images);
	free(a->names);
	free(a->ids);
	free(a->table);
	memset(a, 0, sizeof(*a));
}

/* ---- results ---- */

struct result {
	struct detection det;
	int64_t category;
	unsigned got;
	struct buf image;
};

static int read_result_member(struct jsonpull *p, struct result *r, struct err *err)
{
	const char *name = p->text.data;

	if (!strcmp(name, "image_id"))
		return r->got |= 1, read_id(p, &r->image, err);
	if (!strcmp(name, "category_id"))
		return r->got |= 2, read_whole(p, "category_id", &r->category, err);
	if (!strcmp(name, "bbox"))
		return r->got |= 4, read_box(p, &r->det.box, err);
	if (strcmp(name, "score"))
		return skip_value(p, err);
	if (jsonpull_expect(p, PULL_NUM, err))
		return -1;
	r->got |= 8;
	r->det.score = p->number;
	return 0;
}

/* `last` is the image of the detection before: results come image by image. */
static int read_result(struct jsonpull *p, struct result *r, const struct annotations *a, int *last,
		       struct err *err)
{
	int more;

	r->got = 0;
	while ((more = next_member(p, err)) > 0)
		if (read_result_member(p, r, err))
			return -1;
	if (more < 0)
		return -1;
	if (r->got != 15)
		return jsonpull_error(p, err,
				      "a detection needs image_id, category_id, bbox and score");
	if (*last < 0 || strcmp(a->images[*last].id, r->image.data)) {
		*last = (int)*slot_of(a, r->image.data) - 1;
		if (*last < 0)
			return jsonpull_error(p, err, "image %.100s is not among the annotations",
					      r->image.data);
	}
	r->det.image = *last;
	r->det.cls = class_of(a, r->category);
	return 0;
}

int cocojson_parse_results(struct boxset *set, struct jsonpull *p, const struct annotations *a,
			   long *skipped, struct err *err)
{
	enum pull token = PULL_BAD;
	struct result r = {0};
	int last = -1, rc;

	*skipped = 0;
	rc = jsonpull_expect(p, PULL_BEGIN_ARRAY, err);
	while (!rc && (token = jsonpull_next(p, err)) == PULL_BEGIN_OBJECT) {
		rc = read_result(p, &r, a, &last, err);
		if (rc)
			break;
		if (r.det.cls < 0)
			++*skipped;
		else
			boxset_add_detection(set, &r.det);
	}
	buf_release(&r.image);
	if (rc || token == PULL_BAD)
		return -1;
	if (token != PULL_END_ARRAY)
		return jsonpull_error(p, err, "expected a detection");
	return jsonpull_expect(p, PULL_DONE, err);
}

int cocojson_read_results(struct boxset *set, const char *path, const struct annotations *a,
			  long *skipped, struct err *err)
{
	struct jsonpull p;
	int rc;

	if (jsonpull_open(&p, path, err))
		return -1;
	rc = cocojson_parse_results(set, &p, a, skipped, err);
	jsonpull_close(&p);
	return rc;
}

static void add_image_id(struct buf *out, const char *key)
{
	size_t digits = strspn(key, "0123456789");

	if (digits && !key[digits] && digits <= 18)
		buf_printf(out, "%lld", strtoll(key, NULL, 10));
	else
		json_add_string(out, key);
}

int cocojson_write_results(const char *path, const struct boxset *set, char *const *keys,
			   const int *ids, struct err *err)
{
	struct buf line = BUF_INIT;
	struct outfile out;
	int rc = outfile_open(&out, path, false, err);
	size_t i;

	for (i = 0; !rc && i < set->ndets; i++) {
		const struct detection *d = &set->dets[i];

		buf_clear(&line);
		buf_add_str(&line, i ? ",\n{\"image_id\":" : "[{\"image_id\":");
		add_image_id(&line, keys[d->image]);
		buf_printf(&line,
			   ",\"category_id\":%d,\"bbox\":[%.3f,%.3f,%.3f,%.3f],\"score\":%.5f}",
			   ids ? ids[d->cls] : d->cls, d->box.x, d->box.y, d->box.w, d->box.h,
			   d->score);
		rc = outfile_write(&out, line.data, line.len, err);
	}
	buf_release(&line);
	if (!rc)
		rc = outfile_printf(&out, err, set->ndets ? "]\n" : "[]\n");
	if (rc) {
		outfile_abort(&out);
		return -1;
	}
	return outfile_commit(&out, err);
}
