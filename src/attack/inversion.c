#include "attack/inversion.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pictures that a prior's weight is chosen on. */
#define TUNE 4

void inversion_defaults(struct inversion_options *o)
{
	*o = (struct inversion_options){.limit = 16, .split = "train"};
	whitebox_defaults(&o->whitebox);
	decoder_defaults(&o->decoder);
}

int inversion_weights(struct inversion_options *o, const char *text, struct err *err)
{
	size_t n, i;
	char **list = names_split(text, &n);
	int rc = 0;

	if (n < 1 || n > INVERSION_MAX_WEIGHTS)
		rc = err_set(err, STATUS_USAGE, "--variation takes 1 to %d weights",
			     INVERSION_MAX_WEIGHTS);
	for (i = 0; i < n && !rc; i++)
		rc = num_double("--variation", list[i], 0, 1e6, &o->variation[i], err);
	o->nvariation = (int)n;
	names_free(list, n);
	return rc;
}

void inversion_release(struct inversion *v)
{
	int i, k;

	for (i = 0; i < v->n; i++) {
		evidence_release(&v->setting[i].evidence);
		for (k = 0; k < v->setting[i].n; k++)
			outcome_release(&v->setting[i].outcome[k]);
	}
	free(v->setting);
	outcome_release(&v->original);
	outcome_release(&v->flat);
	victims_release(&v->victims);
	dataset_free(v->data);
	if (v->detector != v->model)
		model_free(v->detector);
	model_free(v->model);
	*v = (struct inversion){0};
}

/* ------------------------------------------------------------------ inputs */

static int open_models(struct inversion *v, const struct inversion_options *opt, struct err *err)
{
	v->model = model_load_part(opt->weights, opt->cfg, err);
	if (!v->model)
		return -1;
	if (opt->detector) {
		v->detector = model_load(opt->detector, NULL, err);
		if (v->detector && !v->detector->graph->nl)
			return err_set(err, STATUS_INPUT, "'%s' is not a detector", opt->detector);
		return v->detector ? 0 : -1;
	}
	if (v->model->graph->nl && v->model->from == 0 && v->model->to == v->model->graph->nlayers)
		v->detector = v->model;
	return 0;
}

static void copy_image(const struct image *from, struct image *to)
{
	image_alloc(to, from->w, from->h);
	memcpy(to->rgb, from->rgb, 3 * (size_t)from->w * (size_t)from->h);
}

static struct image *copy_images(const struct image *from, int n)
{
	struct image *to = xcalloc((size_t)n, sizeof(*to));
	int i;

	for (i = 0; i < n; i++)
		copy_image(&from[i], &to[i]);
	return to;
}

/* `to` filled with the mean colour of that part of the letterbox which is picture. */
static void flatten(const struct image *from, const struct letterbox *lb, struct image *to)
{
	const size_t row = 3 * (size_t)from->w, area = (size_t)lb->new_w * (size_t)lb->new_h;
	size_t sum[3] = {0}, i;
	int y, x, c;

	for (y = lb->top; y < lb->top + lb->new_h; y++)
		for (x = lb->left; x < lb->left + lb->new_w; x++)
			for (c = 0; c < 3; c++)
				sum[c] += from->rgb[(size_t)y * row + 3 * (size_t)x + (size_t)c];
	image_alloc(to, from->w, from->h);
	for (i = 0; i < 3 * (size_t)to->w * (size_t)to->h; i++)
		to->rgb[i] = (unsigned char)((sum[i % 3] + area / 2) / area);
}

static int open_flat(struct inversion *v, struct err *err)
{
	struct image *pictures = xcalloc((size_t)v->victims.n, sizeof(*pictures));
	int i;

	for (i = 0; i < v->victims.n; i++)
		flatten(&v->victims.image[i], &v->victims.lb[i], &pictures[i]);
	return outcome_take(&v->flat, "flat", NAN, pictures, v->victims.n, &v->victims, err);
}

static int open_victims(struct inversion *v, const struct inversion_options *opt, int img,
			struct pool *pool, struct err *err)
{
	const struct dataset_options d = {.split = opt->split,
					  .any_class = !v->detector,
					  .notices = opt->notices,
					  .nc = v->detector ? v->detector->graph->nc : 0};

	v->data = dataset_open(opt->data, &d, err);
	if (!v->data || victims_init(&v->victims, v->data, opt->limit, img, err))
		return -1;
	if (outcome_take(&v->original, "original", NAN, copy_images(v->victims.image, v->victims.n),
			 v->victims.n, &v->victims, err) ||
	    open_flat(v, err))
		return -1;
	if (v->detector)
		return outcome_detect(&v->original, &v->victims, v->detector, pool, err);
	return 0;
}

/* ------------------------------------------------------------------ the white box */

struct run {
	const struct inversion *v;
	const struct inversion_options *opt;
	struct setting *s;
	struct pool *pool;
	char what[96];
	long total, before; /* picture-steps */
};

static void tell(void *ctx, long steps)
{
	struct run *r = ctx;

	if (r->opt->progress)
		r->opt->progress(r->opt->progress_ctx, r->what,
				 (double)(r->before + steps) / (double)r->total);
}

/* One search with one weight over the first n pictures. */
static int attack(struct run *r, double variation, int n, const char *name,
		  const struct image *from, struct outcome *out, struct err *err)
{
	const struct whitebox_progress progress = {tell, r};
	struct whitebox_options o = r->opt->whitebox;
	struct evidence some = r->s->evidence;
	struct image *pictures = xcalloc((size_t)n, sizeof(*pictures));
	struct whitebox *w;
	int rc;

	some.n = n;
	o.variation = variation;
	*out = (struct outcome){0};
	w = whitebox_new(r->v->model, &some, &o, r->pool, err);
	rc = w ? whitebox_run(w, &r->v->victims, from, &progress, pictures, err) : -1;
	whitebox_free(w);
	r->before += (long)n * o.steps;
	if (rc) {
		free(pictures);
		return -1;
	}
	return outcome_take(out, name, variation, pictures, n, &r->v->victims, err);
}

static int tune(struct run *r, const double *list, int n, double *best, struct err *err)
{
	const int few = r->v->victims.n < TUNE ? r->v->victims.n : TUNE;
	double score = -INFINITY;
	struct outcome o;
	int i, rc = 0;

	*best = list[0];
	for (i = 0; i < n && n > 1 && !rc; i++) {
		rc = attack(r, list[i], few, "white-box", NULL, &o, err);
		if (!rc && o.score > score) {
			score = o.score;
			*best = list[i];
		}
		outcome_release(&o);
	}
	return rc;
}

/* The weights that are tried where none are given: a factor of three around what suits. */
static int weights_of(const struct run *r, double list[INVERSION_MAX_WEIGHTS])
{
	const double middle = whitebox_variation(&r->s->evidence);

	if (r->opt->nvariation) {
		memcpy(list, r->opt->variation, sizeof(r->opt->variation));
		return r->opt->nvariation;
	}
	list[0] = middle;
	list[1] = middle / 3;
	list[2] = middle * 3;
	return 3;
}

static int run_whitebox(struct run *r, double *best, struct err *err)
{
	double list[INVERSION_MAX_WEIGHTS];
	const int n = weights_of(r, list), all = r->v->victims.n;

	snprintf(r->what, sizeof(r->what), "%.60s: white-box", path_base(r->s->evidence.path));
	r->total = ((n > 1 ? (long)n * (all < TUNE ? all : TUNE) : 0) + all) *
		   (long)r->opt->whitebox.steps;
	r->before = 0;
	if (tune(r, list, n, best, err))
		return -1;
	return attack(r, *best, all, "white-box", NULL, &r->s->outcome[r->s->n++], err);
}

/* ------------------------------------------------------------------ the decoder */

static void tell_epochs(void *ctx, double epochs)
{
	struct run *r = ctx;

	if (r->opt->progress)
		r->opt->progress(r->opt->progress_ctx, r->what, epochs / r->opt->decoder.epochs);
}

static int run_decoder(struct run *r, struct err *err)
{
	struct decoder_options o = r->opt->decoder;
	const int n = r->v->victims.n;
	struct image *pictures;
	struct decoder *d;
	int rc;

	snprintf(r->what, sizeof(r->what), "%.60s: decoder", path_base(r->s->evidence.path));
	o.progress = tell_epochs;
	o.progress_ctx = r;
	d = decoder_train(r->v->model, &r->s->evidence, &o, r->pool, err);
	if (!d)
		return -1;
	pictures = xcalloc((size_t)n, sizeof(*pictures));
	rc = decoder_apply(d, &r->s->evidence, &r->v->victims, pictures, err);
	decoder_free(d);
	if (rc) {
		free(pictures);
		return -1;
	}
	return outcome_take(&r->s->outcome[r->s->n++], "learnt", NAN, pictures, n, &r->v->victims,
			    err);
}

/* A search from the decoder's pictures, with the weight that was best from grey. */
static int run_both(struct run *r, double variation, struct err *err)
{
	const struct image *from = r->s->outcome[r->s->n - 1].picture;

	snprintf(r->what, sizeof(r->what), "%.60s: both", path_base(r->s->evidence.path));
	r->total = (long)r->v->victims.n * r->opt->whitebox.steps;
	r->before = 0;
	return attack(r, variation, r->v->victims.n, "both", from, &r->s->outcome[r->s->n++], err);
}

/* ------------------------------------------------------------------ all of it */

static int run_setting(struct inversion *v, struct setting *s, const struct inversion_options *opt,
		       struct pool *pool, struct err *err)
{
	struct run r = {.v = v, .opt = opt, .s = s, .pool = pool};
	double variation;
	int i;

	if (run_whitebox(&r, &variation, err))
		return -1;
	if (opt->learn && (run_decoder(&r, err) || run_both(&r, variation, err)))
		return -1;
	for (i = 0; i < s->n; i++) {
		if (v->detector &&
		    outcome_detect(&s->outcome[i], &v->victims, v->detector, pool, err))
			return -1;
		if (s->outcome[i].score > s->outcome[s->best].score)
			s->best = i;
	}
	return 0;
}

int inversion_run(struct inversion *v, char *const *streams, int n,
		  const struct inversion_options *opt, struct pool *pool, struct err *err)
{
	int i, img;

	*v = (struct inversion){0};
	img = evidence_img(streams[0], err);
	if (img < 0 || open_models(v, opt, err) || open_victims(v, opt, img, pool, err))
		return -1;
	v->setting = xcalloc((size_t)n, sizeof(*v->setting));
	/* all are read first, so that what cannot be used fails now and not after hours */
	for (; v->n < n; v->n++)
		if (evidence_read(&v->setting[v->n].evidence, streams[v->n], v->model, &v->victims,
				  err)) {
			v->n++;
			return -1;
		}
	for (i = 0; i < n; i++)
		if (run_setting(v, &v->setting[i], opt, pool, err))
			return -1;
	return 0;
}
