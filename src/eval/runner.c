#include "eval/runner.h"

#include "mist/filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const gate_mode_names[] = {"off", "clean", "noisy", NULL};

enum { MAX_TENSORS = 8 };

struct runner {
	const struct model *model;
	const struct gates *gates; /* NULL: the network is whole */
	struct pool *pool;
	enum gate_mode mode;
	int max_n;
	struct net *edge, *cloud; /* edge NULL: cloud is the whole network */
	struct noise noise[MAX_TENSORS];
	struct filter *filter[MAX_TENSORS];
	unsigned char *bits; /* scratch of the noise */
};

static int choose_gate(struct detector *d, const char *weights, int gate, struct err *err)
{
	const char *json = model_meta(d->model, "mist.gate");

	if (json && gates_parse(json, &d->gates, err))
		return err_prefix(err, "'%s'", weights);
	if (gate > GATE_OFF && !d->gates.n)
		return err_set(err, STATUS_INPUT, "'%s' has no gate", weights);
	d->gate = gate >= 0 ? (enum gate_mode)gate : d->gates.n ? GATE_CLEAN : GATE_OFF;
	return 0;
}

int detector_open(struct detector *d, const char *weights, const char *cfg, int gate,
		  const char *kernel, struct err *err)
{
	memset(d, 0, sizeof(*d));
	if (conv_path_parse(kernel ? kernel : "auto", &d->path, err) ||
	    conv_resolve(d->path, &d->path, err))
		return -1;
	d->model = model_load(weights, cfg, err);
	if (!d->model)
		return -1;
	if (!d->model->graph->nl)
		err_set(err, STATUS_INPUT, "'%s' is a classifier, and has no boxes", weights);
	else if (!choose_gate(d, weights, gate, err))
		return 0;
	detector_close(d);
	return -1;
}

void detector_close(struct detector *d)
{
	model_free(d->model);
	gates_release(&d->gates);
	memset(d, 0, sizeof(*d));
}

/* Do the gates stand where tensors of their widths cross? */
static int check_gates(const struct model *m, const struct gates *gates,
		       const struct runner_options *opt, struct err *err)
{
	int layers[MAX_TENSORS], n, i;
	struct shape shape;

	if (gates->cut < 1 || gates->cut >= m->graph->nlayers)
		return err_set(err, STATUS_INPUT,
			       "the gate stands at cut %d of a model of %d layers", gates->cut,
			       m->graph->nlayers);
	n = graph_frontier(m->graph, gates->cut, layers, MAX_TENSORS);
	if (n > MAX_TENSORS || n != gates->n)
		return err_set(err, STATUS_INPUT, "%d tensors cross cut %d, and there are %d gates",
			       n, gates->cut, gates->n);
	for (i = 0; i < n; i++) {
		if (graph_shape(m->graph, layers[i], opt->h, opt->w, &shape, err))
			return -1;
		if (shape.c != gates->gate[i].c)
			return err_set(err, STATUS_INPUT,
				       "tensor %d of cut %d has %d channels, and its gate has %d",
				       i, gates->cut, shape.c, gates->gate[i].c);
	}
	return 0;
}

static int prepare_noise(struct runner *r, const struct runner_options *opt, struct err *err)
{
	size_t most = 0;
	int i;

	for (i = 0; i < r->gates->n; i++) {
		const struct gate *g = &r->gates->gate[i];
		struct view v = net_input(r->cloud, i, 1);
		size_t bytes = gate_packed_bytes(v.c, v.h, v.w);

		if (noise_init(&r->noise[i], g->mechanism, g->epsilon, opt->seed, err))
			return -1;
		if (bytes > most)
			most = bytes;
	}
	r->bits = xcalloc((size_t)opt->max_n, most);
	return 0;
}

static void prepare_filters(struct runner *r, enum conv_path path)
{
	int i;

	for (i = 0; r->gates && i < r->gates->n; i++) {
		struct view v = net_input(r->cloud, i, 1);

		r->filter[i] =
			filter_new(&r->gates->gate[i], r->max_n, v.h, v.w, path, r->pool, false);
	}
}

static int build(struct runner *r, const struct runner_options *opt, struct err *err)
{
	struct net_options o = {.max_n = opt->max_n, .h = opt->h, .w = opt->w};

	if (conv_resolve(opt->path, &o.path, err))
		return -1;
	if (r->gates) {
		o.to = r->gates->cut;
		r->edge = net_new(r->model->graph, &o, r->pool, err);
		if (!r->edge)
			return -1;
		o.from = r->gates->cut;
		o.to = 0;
	}
	r->cloud = net_new(r->model->graph, &o, r->pool, err);
	if (!r->cloud)
		return -1;
	prepare_filters(r, o.path);
	return r->mode == GATE_NOISY ? prepare_noise(r, opt, err) : 0;
}

struct runner *runner_new(const struct model *m, const struct gates *gates,
			  const struct runner_options *opt, struct pool *pool, struct err *err)
{
	struct runner *r;

	BUG_IF(opt->gate != GATE_OFF && (!gates || !gates->n));
	if (opt->gate != GATE_OFF && check_gates(m, gates, opt, err))
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->model = m;
	r->gates = opt->gate == GATE_OFF ? NULL : gates;
	r->pool = pool;
	r->mode = opt->gate;
	r->max_n = opt->max_n;
	if (build(r, opt, err)) {
		runner_free(r);
		return NULL;
	}
	runner_load(r);
	return r;
}

void runner_free(struct runner *r)
{
	int i;

	if (!r)
		return;
	net_free(r->edge);
	net_free(r->cloud);
	for (i = 0; i < MAX_TENSORS; i++)
		noise_release(&r->noise[i]);
	for (i = 0; i < MAX_TENSORS; i++)
		filter_free(r->filter[i]);
	free(r->bits);
	free(r);
}

void runner_load(struct runner *r)
{
	if (r->edge)
		net_load_params(r->edge, r->model->params);
	net_load_params(r->cloud, r->model->params);
}

void runner_profile(struct runner *r, struct profile *p)
{
	if (!r)
		return;
	profile_net(p, r->edge);
	profile_net(p, r->cloud);
}

struct view runner_input(struct runner *r, int n)
{
	return net_input(r->edge ? r->edge : r->cloud, 0, n);
}

static void cross(struct runner *r, int n, uint64_t first)
{
	int i;

	for (i = 0; i < r->gates->n; i++) {
		struct view from = net_output(r->edge, i, n), to = net_input(r->cloud, i, n);

		view_copy(r->pool, &from, &to);
		/* a keystream for every tensor: numbers of pictures stay below 2^40 */
		if (r->mode == GATE_NOISY)
			gate_apply_noisy(&r->gates->gate[i], r->pool, &to, &r->noise[i],
					 ((uint64_t)i << 40) + first, r->bits);
		else
			gate_apply(&r->gates->gate[i], r->pool, &to);
		filter_run(r->filter[i], r->pool, &to);
	}
}

void runner_forward(struct runner *r, int n, uint64_t first)
{
	if (r->edge) {
		net_forward(r->edge, n, r->model->params);
		cross(r, n, first);
	}
	net_forward(r->cloud, n, r->model->params);
}

int runner_maps(struct runner *r, int n, struct view *maps)
{
	int nl = net_noutputs(r->cloud), i;

	BUG_IF(nl > 5);
	for (i = 0; i < nl; i++)
		maps[i] = net_output(r->cloud, i, n);
	return nl;
}

bool runner_finite(const struct view *maps, int nl, int image)
{
	int level, y, x, c;

	for (level = 0; level < nl; level++) {
		const struct view *v = &maps[level];

		for (y = 0; y < v->h; y++) {
			float sum = 0; /* x - x is 0, or NaN where x is not finite */

			for (x = 0; x < v->w; x++) {
				const float *p = view_at(v, image, y, x);

				for (c = 0; c < v->c; c++)
					sum += p[c] - p[c];
			}
			if (sum != 0) /* NaN is unequal to everything */
				return false;
		}
	}
	return true;
}
