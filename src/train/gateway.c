#include "train/gateway.h"

#include "base/mem.h"
#include "mist/features.h"
#include "mist/filter.h"

#include <stdlib.h>

struct gateway {
	const struct model *model;
	struct pool *pool;
	struct gates gates;
	struct net *net;
	struct noise noise[FEATURES_MAX_TENSORS];
	struct filter *filter[FEATURES_MAX_TENSORS];
	unsigned char *bits; /* of GATEWAY_IMAGES pictures: scratch of the noise */
	size_t bits_each;
	size_t bytes;
};

static int check_gates(const struct gateway *g, struct err *err)
{
	int layers[4 * FEATURES_MAX_TENSORS], n, i;
	const struct graph *graph = g->model->graph;

	if (g->gates.cut < 1 || g->gates.cut >= graph->nlayers)
		return err_set(err, STATUS_INPUT,
			       "the gate stands at cut %d of a model of %d layers", g->gates.cut,
			       graph->nlayers);
	n = graph_frontier(graph, g->gates.cut, layers, (int)ARRAY_LEN(layers));
	if (n != g->gates.n || n > FEATURES_MAX_TENSORS)
		return err_set(err, STATUS_INPUT, "%d tensors cross cut %d, and there are %d gates",
			       n, g->gates.cut, g->gates.n);
	for (i = 0; i < n; i++)
		if (g->gates.gate[i].c != graph->layers[layers[i]].cout)
			return err_set(err, STATUS_INPUT,
				       "tensor %d of cut %d has %d channels, and its gate has %d",
				       i, g->gates.cut, graph->layers[layers[i]].cout,
				       g->gates.gate[i].c);
	return 0;
}

static int make_net(struct gateway *g, const struct gateway_options *opt, enum conv_path path,
		    struct err *err)
{
	const struct net_options net = {.to = g->gates.cut,
					.max_n = GATEWAY_IMAGES,
					.h = opt->img,
					.w = opt->img,
					.path = path,
					.train = opt->gradient,
					.freeze = opt->freeze,
					.constant_bn = g->gates.cut};

	g->net = net_new(g->model->graph, &net, g->pool, err);
	g->bytes = net_bytes(g->model->graph, &net, g->pool);
	return g->net ? 0 : -1;
}

static int make_gates(struct gateway *g, const struct gateway_options *opt, enum conv_path path,
		      struct err *err)
{
	size_t bytes;
	int i;

	for (i = 0; i < g->gates.n; i++) {
		const struct gate *gate = &g->gates.gate[i];
		const struct view v = net_output(g->net, i, 1);

		if (noise_init(&g->noise[i], gate->mechanism, gate->epsilon, &opt->seed, err))
			return -1;
		g->filter[i] =
			filter_new(gate, GATEWAY_IMAGES, v.h, v.w, path, g->pool, opt->gradient);
		g->bytes +=
			filter_bytes(gate, GATEWAY_IMAGES, v.h, v.w, path, g->pool, opt->gradient);
		bytes = gate_packed_bytes(v.c, v.h, v.w);
		if (bytes > g->bits_each)
			g->bits_each = bytes;
	}
	g->bits = xmalloc(GATEWAY_IMAGES * g->bits_each);
	g->bytes += GATEWAY_IMAGES * g->bits_each;
	return 0;
}

struct gateway *gateway_new(const struct model *m, const struct gateway_options *opt,
			    struct pool *pool, struct err *err)
{
	struct gateway *g = xcalloc(1, sizeof(*g));
	const char *json = model_meta(m, "mist.gate");
	enum conv_path path;

	BUG_IF(!json);
	g->model = m;
	g->pool = pool;
	if (gates_parse(json, &g->gates, err))
		err_prefix(err, "the weights");
	else if (!check_gates(g, err) && !conv_resolve(opt->path, &path, err) &&
		 !make_net(g, opt, path, err) && !make_gates(g, opt, path, err))
		return g;
	gateway_free(g);
	return NULL;
}

void gateway_free(struct gateway *g)
{
	int i;

	if (!g)
		return;
	for (i = 0; i < g->gates.n && i < FEATURES_MAX_TENSORS; i++) {
		noise_release(&g->noise[i]);
		filter_free(g->filter[i]);
	}
	net_free(g->net);
	gates_release(&g->gates);
	free(g->bits);
	free(g);
}

size_t gateway_bytes(const struct gateway *g)
{
	return g->bytes;
}

int gateway_cut(const struct gateway *g)
{
	return g->gates.cut;
}

int gateway_tensors(const struct gateway *g)
{
	return g->gates.n;
}

void gateway_load(struct gateway *g)
{
	net_load_params(g->net, g->model->params);
}

struct view gateway_input(struct gateway *g, int n)
{
	return net_input(g->net, 0, n);
}

/* One image of a view, as a view. */
static struct view image_of(const struct view *v, int i)
{
	struct view one = *v;

	one.p = view_at(v, i, 0, 0);
	one.n = 1;
	return one;
}

struct apply_job {
	struct gateway *g;
	int tensor;
	const uint64_t *number;
	const struct view *to;
};

static void apply_image(void *ctx, int job, int worker)
{
	const struct apply_job *j = ctx;
	const struct view one = image_of(j->to, job);

	(void)worker;
	/* a keystream for every tensor; numbers stay below 2^40 (runner.c) */
	gate_apply_noisy(&j->g->gates.gate[j->tensor], NULL, &one, &j->g->noise[j->tensor],
			 ((uint64_t)j->tensor << 40) + j->number[job],
			 j->g->bits + (size_t)job * j->g->bits_each);
}

void gateway_forward(struct gateway *g, int n, const uint64_t *number, const struct view *to)
{
	int i;

	net_forward(g->net, n, g->model->params);
	for (i = 0; i < g->gates.n; i++) {
		const struct view from = net_output(g->net, i, n);
		struct apply_job job = {g, i, number, &to[i]};

		view_copy(g->pool, &from, &to[i]);
		pool_run(g->pool, n, apply_image, &job);
		filter_run(g->filter[i], g->pool, &to[i]);
	}
}

void gateway_backward(struct gateway *g, int n, const struct view *dto, float *grads)
{
	int i;

	net_forward(g->net, n, g->model->params);
	for (i = 0; i < g->gates.n; i++) {
		const struct view x = net_output(g->net, i, n);
		const struct view dx = net_output_grad(g->net, i, n);

		filter_back(g->filter[i], g->pool, &dto[i]);
		if (dx.p) /* none where all layers before it are frozen */
			gate_gradient(&g->gates.gate[i], g->pool, &x, &dto[i], &dx);
	}
	net_backward(g->net, n, grads);
}
