#include "mist/filter.h"

#include "base/mem.h"
#include "mist/denoise.h"
#include "nn/net.h"

#include <stdlib.h>
#include <string.h>

struct filter {
	struct conv *conv;
	struct view copy; /* of what is filtered: a convolution cannot be done in place */
	float *buffer, *packed, *bias;
	void *scratch;
	/* what adds to the convolution; NULL: nothing */
	struct graph *graph;
	struct net *net;
	float *params;
};

struct sizes {
	struct conv_shape shape;
	size_t copy, lead, packed, scratch; /* floats, floats, floats, bytes */
};

static struct conv *measure(const struct gate *g, int max_n, int h, int w, enum conv_path path,
			    struct pool *pool, bool gradient, struct view *copy, struct sizes *s)
{
	struct conv *conv;
	int x_pad, dy_pad;

	s->shape = (struct conv_shape){.cin = g->c,
				       .cout = g->c,
				       .kh = g->filter_size,
				       .kw = g->filter_size,
				       .stride = 1,
				       .pad = g->filter_size / 2,
				       .groups = 1,
				       .h = h,
				       .w = w};
	conv_shape_out(&s->shape);
	conv = conv_new(&s->shape, path, max_n, gradient);
	conv_pads(&s->shape, &x_pad, &dy_pad);
	*copy = (struct view){.n = max_n,
			      .h = h,
			      .w = w,
			      .c = g->c,
			      .ld = (g->c + 15) / 16 * 16,
			      .pad = x_pad > dy_pad ? x_pad : dy_pad};
	s->copy = view_floats(copy, &s->lead);
	s->packed = conv_packed_floats(conv);
	s->scratch = conv_scratch(conv, pool_threads(pool));
	return conv;
}

/* The network takes what the filter takes. */
static struct net_options net_of(int max_n, int h, int w, enum conv_path path)
{
	return (struct net_options){.max_n = max_n, .h = h, .w = w, .path = path};
}

static void open_net(struct filter *f, const struct gate *g, int max_n, int h, int w,
		     enum conv_path path, struct pool *pool)
{
	const struct net_options o = net_of(max_n, h, w, path);
	struct err err;

	f->graph = denoise_graph(g->c, g->net_width);
	BUG_IF(f->graph->nfloats != gate_net_floats(g));
	f->net = net_new(f->graph, &o, pool, &err);
	BUG_IF(!f->net); /* it takes any size */
	f->params = xreallocarray(NULL, f->graph->nfloats, sizeof(float));
	memcpy(f->params, g->net, f->graph->nfloats * sizeof(float));
	net_load_params(f->net, f->params);
}

static size_t net_size(const struct gate *g, int max_n, int h, int w, enum conv_path path,
		       struct pool *pool)
{
	const struct net_options o = net_of(max_n, h, w, path);
	struct graph *graph;
	size_t bytes;

	if (!g->net)
		return 0;
	graph = denoise_graph(g->c, g->net_width);
	bytes = net_bytes(graph, &o, pool) + graph->nfloats * sizeof(float);
	graph_free(graph);
	return bytes;
}

size_t filter_bytes(const struct gate *g, int max_n, int h, int w, enum conv_path path,
		    struct pool *pool, bool gradient)
{
	struct sizes s;
	struct view copy;

	if (!g->filter)
		return 0;
	conv_free(measure(g, max_n, h, w, path, pool, gradient, &copy, &s));
	return (s.copy + s.packed + (size_t)g->c) * sizeof(float) + s.scratch +
	       net_size(g, max_n, h, w, path, pool);
}

struct filter *filter_new(const struct gate *g, int max_n, int h, int w, enum conv_path path,
			  struct pool *pool, bool gradient)
{
	struct filter *f;
	struct sizes s;

	if (!g->filter)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->conv = measure(g, max_n, h, w, path, pool, gradient, &f->copy, &s);
	f->buffer = xaligned(s.copy * sizeof(float));
	memset(f->buffer, 0, s.copy * sizeof(float));
	f->copy.p = f->buffer + s.lead;
	f->packed = xaligned(s.packed * sizeof(float));
	f->bias = xreallocarray(NULL, (size_t)g->c, sizeof(float));
	memcpy(f->bias, g->mean, (size_t)g->c * sizeof(float));
	f->scratch = xaligned(s.scratch);
	conv_pack(f->conv, pool, g->filter, f->packed);
	if (g->net)
		open_net(f, g, max_n, h, w, path, pool);
	return f;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	net_free(f->net);
	if (f->graph)
		graph_free(f->graph);
	free(f->params);
	conv_free(f->conv);
	free(f->buffer);
	free(f->packed);
	free(f->bias);
	free(f->scratch);
	free(f);
}

static void add_net(struct filter *f, struct pool *pool, const struct view *d, const struct view *y)
{
	struct view in = net_input(f->net, 0, d->n), out;

	view_copy(pool, d, &in);
	net_forward(f->net, d->n, f->params);
	out = net_output(f->net, 0, d->n);
	view_add(pool, &out, y);
}

void filter_run(struct filter *f, struct pool *pool, const struct view *x)
{
	struct conv_epilogue epi = {0};
	struct view copy;

	if (!f)
		return;
	copy = view_batch(&f->copy, x->n);
	view_copy(pool, x, &copy);
	epi.bias = f->bias;
	conv_forward(f->conv, pool, f->packed, &copy, x, &epi, f->scratch);
	if (f->net)
		add_net(f, pool, &copy, x);
}

void filter_back(struct filter *f, struct pool *pool, const struct view *dx)
{
	struct view copy;

	if (!f)
		return;
	copy = view_batch(&f->copy, dx->n);
	view_copy(pool, dx, &copy);
	conv_backward_data(f->conv, pool, f->packed, &copy, dx, false, f->scratch);
}
