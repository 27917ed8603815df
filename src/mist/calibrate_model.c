#include "mist/calibrate_model.h"

#include "base/mem.h"
#include "base/pool.h"
#include "data/dataset.h"
#include "data/letterbox.h"
#include "mist/denoise.h"
#include "mist/extract.h"
#include "mist/features.h"
#include "mist/thin.h"
#include "mist/wiener.h"
#include "nn/net.h"

#include <math.h>
#include <stdlib.h>

/* Floats kept a channel: the median of a million values is known to a thousandth of its spread. */
#define VALUES_PER_CHANNEL (1 << 20)

struct run {
	struct net *net;
	int ntensors;
	struct calibration *cal[FEATURES_MAX_TENSORS];
	struct wiener *wiener[FEATURES_MAX_TENSORS];
	float *pooled
		[FEATURES_MAX_TENSORS]; /* where the gates average first; as many as unpooled */
	int pool;
	struct gates gates;
};

static void run_release(struct run *r)
{
	int i;

	for (i = 0; i < r->ntensors; i++) {
		calibration_free(r->cal[i]);
		wiener_free(r->wiener[i]);
		free(r->pooled[i]);
	}
	gates_release(&r->gates);
	net_free(r->net);
}

static int run_init(struct run *r, const struct model *m, int images,
		    const struct calibrate_options *opt, struct pool *pool, struct err *err)
{
	struct net_options net = {
		.to = opt->cut, .max_n = 1, .h = opt->img, .w = opt->img, .path = opt->path};
	int per_image = VALUES_PER_CHANNEL / images > 0 ? VALUES_PER_CHANNEL / images : 1, i;

	*r = (struct run){.pool = opt->pool};
	r->net = net_new(m->graph, &net, pool, err);
	if (!r->net)
		return -1;
	if (net_noutputs(r->net) > FEATURES_MAX_TENSORS)
		return err_set(err, STATUS_USAGE, "%d tensors cross cut %d: at most %d are sent",
			       net_noutputs(r->net), opt->cut, FEATURES_MAX_TENSORS);
	net_load_params(r->net, m->params);
	for (; r->ntensors < net_noutputs(r->net); r->ntensors++) {
		i = r->ntensors;
		struct view v = net_output(r->net, i, 1);
		int positions = v.h * v.w;

		if (r->pool > 1)
			r->pooled[i] =
				xcalloc((size_t)positions * (size_t)v.c, sizeof(*r->pooled[i]));
		r->cal[i] =
			calibration_new(v.c, images, per_image < positions ? per_image : positions);
	}
	return 0;
}

/* What the thresholds of a gate that averages stand before. */
static struct view pool_view(const struct run *r, const struct view *x, float *pooled)
{
	const struct gate g = {.pool = r->pool, .c = x->c};
	const struct view to = {pooled, 1, thin_side(&g, x->h), thin_side(&g, x->w), x->c, x->c, 0};
	int y, col, c;

	for (y = 0; y < to.h; y++)
		for (col = 0; col < to.w; col++)
			for (c = 0; c < to.c; c++)
				view_at(&to, 0, y, col)[c] = thin_mean(&g, x, 0, y, col, c);
	return to;
}

static int look_at(struct run *r, struct model *m, const char *path, int img, struct err *err)
{
	struct view in = net_input(r->net, 0, 1);
	struct letterbox lb;
	struct image boxed;
	int i;

	if (letterbox_read(path, img, &lb, &boxed, err))
		return -1;
	letterbox_to_view(&boxed, &in, 0);
	image_release(&boxed);
	net_forward(r->net, 1, m->params);
	for (i = 0; i < r->ntensors; i++) {
		struct view v = net_output(r->net, i, 1);

		if (r->pool > 1)
			v = pool_view(r, &v, r->pooled[i]);
		if (!r->gates.n)
			calibration_add(r->cal[i], &v, 0);
		else if (r->wiener[i])
			wiener_add(r->wiener[i], &v, 0);
	}
	return 0;
}

/* Once over all pictures; `to` is told of those that cannot be read. */
static void look_at_all(struct run *r, struct model *m, const struct dataset *d,
			const struct calibrate_options *opt, const struct notices *to)
{
	struct err bad = ERR_INIT;
	int i;

	for (i = 0; i < d->nitems; i++)
		if (look_at(r, m, d->items[i].path, opt->img, &bad))
			notice(to, "%s: left out", bad.msg);
}

static int make_gates(struct run *r, const struct calibrate_options *opt, struct err *err)
{
	struct noise noise;
	int i, rc;

	if (noise_init(&noise, (enum mechanism)opt->mechanism, opt->epsilon, NULL, err))
		return -1;
	r->gates = (struct gates){opt->cut, r->ntensors,
				  xcalloc((size_t)r->ntensors, sizeof(*r->gates.gate))};
	for (i = 0, rc = 0; i < r->ntensors; i++) {
		struct gate *g = &r->gates.gate[i];

		gate_init(g, ENCODING_BIT, net_output(r->net, i, 1).c);
		g->pool = r->pool > 1 ? r->pool : 0;
		gate_set_noise(g, &noise);
		g->debias = noise.mechanism != MECHANISM_NONE && noise.q < 0.5;
		if (!rc)
			rc = calibration_finish(r->cal[i], opt->rule, g, err);
	}
	noise_release(&noise);
	return rc;
}

/* A second look at the pictures, now that it is known what their bits are. */
static int make_filters(struct run *r, struct model *m, const struct dataset *d,
			const struct calibrate_options *opt, struct err *err)
{
	const struct notices quiet = {0};
	int i, rc = 0, size, wanted = 0;

	for (i = 0; i < r->ntensors; i++) {
		size = r->gates.gate[i].q < 0.5 ? wiener_size(r->gates.gate[i].c, opt->filter) : 0;
		if (size)
			r->wiener[i] = wiener_new(&r->gates.gate[i], size, d->nitems);
		if (size < opt->filter)
			notice(opt->notices,
			       "tensor %d of cut %d has %d channels: its filter is of size %d", i,
			       opt->cut, r->gates.gate[i].c, size);
		wanted |= size;
	}
	if (wanted)
		look_at_all(r, m, d, opt, &quiet);
	for (i = 0; !rc && i < r->ntensors; i++)
		if (r->wiener[i])
			rc = wiener_finish(r->wiener[i], &r->gates.gate[i], err);
	return rc;
}

static int make_nets(struct run *r, const struct model *m, const struct dataset *d,
		     const struct calibrate_options *opt, struct pool *pool, struct err *err)
{
	const struct denoise_options o = {.img = opt->img,
					  .width = opt->net,
					  .steps = opt->net_steps,
					  .seed = opt->seed,
					  .path = opt->path,
					  .notices = opt->notices};

	if (!opt->net)
		return 0;
	return denoise_learn(m, d, &r->gates, &o, pool, err);
}

static void store_gates(const struct run *r, struct model *m)
{
	char number[16], *json = gates_json(&r->gates);

	snprintf(number, sizeof(number), "%d", r->gates.cut);
	model_set_meta(m, "mist.cut_layer", number);
	model_set_meta(m, "mist.gate", json);
	free(json);
}

static int calibrate(struct model *m, const struct dataset *d, const struct calibrate_options *opt,
		     struct pool *pool, struct err *err)
{
	struct run r;
	int rc = run_init(&r, m, d->nitems, opt, pool, err);

	if (!rc) {
		look_at_all(&r, m, d, opt, opt->notices);
		rc = make_gates(&r, opt, err) || make_filters(&r, m, d, opt, err) ||
				     make_nets(&r, m, d, opt, pool, err)
			     ? -1
			     : 0;
	}
	if (!rc)
		store_gates(&r, m);
	run_release(&r);
	return rc;
}

static int check_options(struct calibrate_options *o, struct err *err)
{
	if (o->mechanism < 0)
		o->mechanism = o->epsilon != 0 ? MECHANISM_RR : MECHANISM_NONE;
	if (o->mechanism == MECHANISM_NONE && o->epsilon != 0)
		return err_set(err, STATUS_USAGE,
			       "--epsilon and --mechanism none exclude each other");
	if (o->mechanism != MECHANISM_NONE && !(o->epsilon > 0 && isfinite(o->epsilon)))
		return err_set(
			err, STATUS_USAGE,
			"--mechanism %s needs an --epsilon that is finite and above 0, not %g",
			mechanism_names[o->mechanism], o->epsilon);
	if (o->pool > 1)
		o->filter = 0;
	if (o->filter && o->filter % 2 == 0)
		return err_set(err, STATUS_USAGE, "--filter %d is not odd", o->filter);
	if (o->net && !o->filter)
		return err_set(err, STATUS_USAGE, "--net adds to a filter, and there is none");
	return 0;
}

struct model *calibrate_file(const char *weights, const char *public_set,
			     const struct calibrate_options *opt, int threads, struct err *err)
{
	struct dataset_options set = {.any_class = true, .notices = opt->notices};
	struct calibrate_options o = *opt;
	struct model *m = NULL;
	struct dataset *d = NULL;
	struct pool *pool = NULL;
	int rc = check_options(&o, err);

	if (!rc)
		m = model_load(weights, NULL, err);
	if (!rc)
		rc = m ? extract_cut(m, &o.cut, err) : -1;
	if (!rc)
		rc = conv_resolve(o.path, &o.path, err);
	if (!rc) {
		d = dataset_open(public_set, &set, err);
		pool = pool_new(threads);
		rc = d ? calibrate(m, d, &o, pool, err) : -1;
	}
	pool_free(pool);
	dataset_free(d);
	if (rc) {
		model_free(m);
		return NULL;
	}
	return m;
}
