#include "attack/shadow.h"

#include "base/rng.h"
#include "mist/extract.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void shadow_split(int index, int n, uint64_t seed, bool *member)
{
	int *order = xcalloc((size_t)n, sizeof(*order)), i;
	struct rng r;

	for (i = 0; i < n; i++)
		order[i] = i;
	rng_init(&r, seed, "attack-split", (uint64_t)(index / 2));
	rng_shuffle(&r, order, (size_t)n);
	for (i = 0; i < n; i++)
		member[order[i]] = (i < n / 2) == (index % 2 == 0);
	free(order);
}

/* The members alone; items are borrowed. */
static struct dataset members_of(const struct dataset *set, const bool *member)
{
	struct dataset d = *set;
	int i;

	d.items = xcalloc((size_t)set->nitems, sizeof(*d.items));
	d.nitems = 0;
	for (i = 0; i < set->nitems; i++)
		if (member[i])
			d.items[d.nitems++] = set->items[i];
	return d;
}

/* ------------------------------------------------------------------ what a shadow trains on */

/* The start weights with the target's gate. */
static struct model *gated_start(const char *path, const char *gate, const char *cut,
				 struct err *err)
{
	struct model *m = model_load(path, NULL, err);

	if (!m)
		return NULL;
	model_set_meta(m, "mist.gate", gate);
	model_set_meta(m, "mist.cut_layer", cut);
	return m;
}

static int extract_to(const char *path, const struct model *m, const struct dataset *d, int index,
		      const struct gates *gates, const struct shadow_options *opt, struct err *err)
{
	const struct gate *g = &gates->gate[0];
	struct extract_options o = {.cut = gates->cut,
				    .img = opt->img,
				    .encoding = g->encoding,
				    .client = "shadow",
				    .program = "mist-attack " PACKAGE_VERSION,
				    .labels = true,
				    .strict = true,
				    .budget = INFINITY,
				    .budget_image = INFINITY,
				    .path = opt->session.train.path,
				    .threads = opt->threads};
	struct extract *x = NULL;
	struct certificate given;
	struct noise noise;
	/* noise of its own for every shadow, the same in every run */
	const uint64_t seed = opt->seed + 1 + (uint64_t)index;
	int rc = -1;

	if (!conv_resolve(o.path, &o.path, err) &&
	    !noise_init(&noise, g->mechanism, g->epsilon, &seed, err)) {
		x = extract_new(m, d, &noise, &o, err);
		if (x)
			rc = extract_run(x, path, &given, err);
		extract_free(x);
		noise_release(&noise);
	}
	return rc;
}

static int write_features(const char *path, const struct dataset *d, int index, const char *gate,
			  const char *cut, const struct shadow_options *opt, struct err *err)
{
	struct model *m = gated_start(opt->start, gate, cut, err);
	struct gates gates;
	int rc = -1;

	if (m && !gates_parse(gate, &gates, err)) {
		rc = extract_to(path, m, d, index, &gates, opt, err);
		gates_release(&gates);
	}
	model_free(m);
	return rc;
}

static int write_list(const char *path, const struct dataset *d, struct err *err)
{
	struct buf text = BUF_INIT;
	int i, rc;

	for (i = 0; i < d->nitems; i++) {
		char *real = realpath(d->items[i].path, NULL);

		buf_printf(&text, "%s\n", real ? real : d->items[i].path);
		free(real);
	}
	rc = file_write(path, text.data, text.len, err);
	buf_release(&text);
	return rc;
}

/* ------------------------------------------------------------------ training */

/* The files of one shadow. */
struct files {
	char *dir, *features, *list, *weights;
};

static int files_init(struct files *f, struct err *err)
{
	const char *base = getenv("TMPDIR");

	*f = (struct files){
		.dir = xasprintf("%s/mist-attack.XXXXXX", base && *base ? base : "/tmp")};
	if (!mkdtemp(f->dir)) {
		err_errno(err, "cannot make a folder '%s'", f->dir);
		free(f->dir);
		f->dir = NULL;
		return -1;
	}
	f->features = path_join(f->dir, "features.tar");
	f->list = path_join(f->dir, "list.txt");
	f->weights = path_join(f->dir, "weights.safetensors");
	return 0;
}

static void files_release(struct files *f)
{
	struct err ignored;

	if (f->dir)
		dir_remove(f->dir, &ignored);
	free(f->dir);
	free(f->features);
	free(f->list);
	free(f->weights);
}

static int run_session(const struct files *f, int index, bool features,
		       const struct shadow_options *opt, struct pool *pool, struct err *err)
{
	const struct train_events events = {0};
	struct session_options o = opt->session;
	struct session *s;
	int rc;

	o.weights = opt->start;
	o.features = features ? f->features : NULL;
	o.data = features ? NULL : f->list;
	o.img = opt->img;
	o.output = f->weights;
	o.train.seed = opt->seed + 1 + (uint64_t)index;
	s = session_open(&o, &events, pool, err);
	rc = s ? session_run(s, err) : -1;
	session_close(s);
	return rc;
}

struct model *shadow_train(const struct dataset *public_set, const bool *member, int index,
			   const char *gate, const char *cut, const struct shadow_options *opt,
			   struct pool *pool, struct err *err)
{
	struct dataset d = members_of(public_set, member);
	struct model *m = NULL;
	struct files f;
	int rc = files_init(&f, err);

	if (!rc)
		rc = gate ? write_features(f.features, &d, index, gate, cut, opt, err)
			  : write_list(f.list, &d, err);
	if (!rc)
		rc = run_session(&f, index, gate != NULL, opt, pool, err);
	if (!rc)
		m = model_load(f.weights, NULL, err);
	files_release(&f);
	free(d.items);
	return m;
}
