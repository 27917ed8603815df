#include "attack/outcome.h"

#include "eval/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define PSNR_MOST 100.0

static void add(struct similarity *sum, const struct similarity *s, double n)
{
	sum->ssim += s->ssim / n;
	sum->psnr += fmin(s->psnr, PSNR_MOST) / n;
	sum->edge_corr += s->edge_corr / n;
	sum->detail += s->detail / n;
}

int outcome_take(struct outcome *o, const char *attack, double variation, struct image *picture,
		 int n, const struct victims *v, struct err *err)
{
	struct image a, b;
	int i, rc = 0;

	*o = (struct outcome){.attack = attack, .variation = variation, .n = n, .picture = picture};
	o->each = xcalloc((size_t)n, sizeof(*o->each));
	for (i = 0; i < n && !rc; i++) {
		victims_crop(&v->lb[i], &v->image[i], &a);
		victims_crop(&v->lb[i], &picture[i], &b);
		rc = similarity_measure(&a, &b, &o->each[i], err);
		if (rc)
			err_prefix(err, "'%s' at %d pixels", v->set->items[i].path, v->img);
		image_release(&a);
		image_release(&b);
		add(&o->mean, &o->each[i], n);
	}
	o->score = (o->mean.ssim + o->mean.edge_corr + o->mean.detail) / 3;
	return rc;
}

void outcome_release(struct outcome *o)
{
	int i;

	for (i = 0; i < o->n; i++)
		image_release(&o->picture[i]);
	free(o->picture);
	free(o->each);
	*o = (struct outcome){0};
}

static char *picture_path(const struct victims *v, int i, const char *dir)
{
	return xasprintf("%s/%s.png", dir, v->set->items[i].key);
}

int outcome_save(const struct outcome *o, const struct victims *v, const char *dir, struct err *err)
{
	int i, rc = 0;

	for (i = 0; i < o->n && !rc; i++) {
		char *path = picture_path(v, i, dir);
		struct image part;

		victims_crop(&v->lb[i], &o->picture[i], &part);
		rc = image_write(path, &part, err);
		image_release(&part);
		free(path);
	}
	return rc;
}

/* ------------------------------------------------------------------ what a detector finds */

/* The recovered pictures with the victims' labels: positions in the original are those in its part of
 * the letterbox. The items' labels and keys are borrowed. */
static struct dataset recovered_set(const struct outcome *o, const struct victims *v,
				    const char *dir)
{
	struct dataset d = *v->set;
	int i;

	d.nitems = o->n;
	d.items = xcalloc((size_t)o->n, sizeof(*d.items));
	for (i = 0; i < o->n; i++) {
		d.items[i] = v->set->items[i];
		d.items[i].path = picture_path(v, i, dir);
		d.items[i].w = v->lb[i].new_w;
		d.items[i].h = v->lb[i].new_h;
	}
	return d;
}

static int detect(struct outcome *o, const struct dataset *d, int img, const struct model *detector,
		  struct pool *pool, struct err *err)
{
	struct evaluate_options opt;
	struct evaluation result;
	struct evaluator *e;
	int rc;

	evaluate_defaults(&opt);
	opt.img = img;
	opt.strict = true;
	e = evaluator_new(detector, NULL, d, &opt, pool, err);
	if (!e)
		return -1;
	rc = evaluator_run(e, &result, err);
	if (!rc) {
		o->map50 = result.metrics.yolo.map50;
		o->map = result.metrics.yolo.map;
		o->detected = true;
		evaluation_release(&result);
	}
	evaluator_free(e);
	return rc;
}

int outcome_detect(struct outcome *o, const struct victims *v, const struct model *detector,
		   struct pool *pool, struct err *err)
{
	const char *base = getenv("TMPDIR");
	char *dir = xasprintf("%s/mist-attack.XXXXXX", base && *base ? base : "/tmp");
	struct err ignored;
	struct dataset d;
	int i, rc;

	if (!mkdtemp(dir)) {
		rc = err_errno(err, "cannot make a folder '%s'", dir);
		free(dir);
		return rc;
	}
	rc = outcome_save(o, v, dir, err);
	if (!rc) {
		d = recovered_set(o, v, dir);
		rc = detect(o, &d, v->img, detector, pool, err);
		for (i = 0; i < d.nitems; i++)
			free(d.items[i].path);
		free(d.items);
	}
	dir_remove(dir, &ignored);
	free(dir);
	return rc;
}
