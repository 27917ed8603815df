#include "mist/calibrate_model.h"

#include "base/mem.h"
#include "base/pool.h"
#include "data/dataset.h"
#include "data/letterbox.h"
#include "mist/extract.h"
#include "mist/features.h"
#include "nn/net.h"

#include <stdlib.h>

/* Floats kept a channel: the median of a million values is known to a thousandth of its spread. */
#define VALUES_PER_CHANNEL (1 << 20)

struct run {
	struct net *net;
	int ntensors;
	struct calibration *cal[FEATURES_MAX_TENSORS];
};

static void run_release(struct run *r)
{
	int i;

	for (i = 0; i < r->ntensors; i++)
		calibration_free(r->cal[i]);
	net_free(r->net);
}

static int run_init(struct run *r, const struct model *m, int images,
		    const struct calibrate_options *opt, struct pool *pool, struct err *err)
{
	struct net_options net = {
		.to = opt->cut, .max_n = 1, .h = opt->img, .w = opt->img, .path = opt->path};
	int per_image = VALUES_PER_CHANNEL / images > 0 ? VALUES_PER_CHANNEL / images : 1, i;

	*r = (struct run){0};
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

		r->cal[i] =
			calibration_new(v.c, images, per_image < positions ? per_image : positions);
	}
	return 0;
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

		calibration_add(r->cal[i], &v, 0);
	}
	return 0;
}

static int write_gates(const struct run *r, struct model *m, const struct calibrate_options *opt,
		       struct err *err)
{
	struct gates gates = {opt->cut, r->ntensors, NULL};
	char number[16], *json;
	int i, rc = 0;

	gates.gate = xcalloc((size_t)gates.n, sizeof(*gates.gate));
	for (i = 0; i < gates.n; i++) {
		gate_init(&gates.gate[i], ENCODING_BIT, net_output(r->net, i, 1).c);
		if (!rc)
			rc = calibration_finish(r->cal[i], opt->rule, &gates.gate[i], err);
	}
	if (!rc) {
		json = gates_json(&gates);
		snprintf(number, sizeof(number), "%d", opt->cut);
		model_set_meta(m, "mist.cut_layer", number);
		model_set_meta(m, "mist.gate", json);
		free(json);
	}
	gates_release(&gates);
	return rc;
}

static int calibrate(struct model *m, const struct dataset *d, const struct calibrate_options *opt,
		     struct pool *pool, struct err *err)
{
	struct err bad = ERR_INIT;
	struct run r;
	int i, rc = run_init(&r, m, d->nitems, opt, pool, err);

	for (i = 0; !rc && i < d->nitems; i++)
		if (look_at(&r, m, d->items[i].path, opt->img, &bad))
			notice(opt->notices, "%s: left out", bad.msg);
	if (!rc)
		rc = write_gates(&r, m, opt, err);
	run_release(&r);
	return rc;
}

struct model *calibrate_file(const char *weights, const char *public_set,
			     const struct calibrate_options *opt, int threads, struct err *err)
{
	struct dataset_options set = {.any_class = true, .notices = opt->notices};
	struct calibrate_options o = *opt;
	struct model *m = model_load(weights, NULL, err);
	struct dataset *d = NULL;
	struct pool *pool = NULL;
	int rc = m ? extract_cut(m, &o.cut, err) : -1;

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
