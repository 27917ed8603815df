#include "train/plan.h"

#include "model/head.h"

/* Resident size of a run without its arenas and pictures: code, libraries, the heap; measured with
 * YOLOv5n on two threads. */
#define PROGRAM ((size_t)16 << 20)

static size_t sum(const struct plan *p)
{
	return p->weights + p->gradients + p->moments + p->average + p->start + p->net +
	       p->samples + p->evaluation + p->program;
}

static size_t set_micro(struct plan *p, int micro, const struct graph *g, struct net_options *net,
			struct pool *pool)
{
	const struct head_options head = {micro, net->h, net->w, net->path, NULL};

	net->max_n = micro;
	p->micro = micro;
	p->net = net_bytes(g, net, pool) + head_bytes(g, &head);
	p->total = sum(p);
	return p->total;
}

int plan_make(struct plan *p, const struct graph *g, struct net_options *net, struct pool *pool,
	      enum optim_kind kind, bool proximal, size_t samples, size_t evaluation, size_t limit,
	      struct err *err)
{
	const size_t arena = g->nfloats * sizeof(float);
	int least = 1, most = net->max_n, middle;

	*p = (struct plan){
		.weights = arena,
		.gradients = arena,
		.moments = optim_bytes(g, kind),
		.average = arena,
		.start = proximal ? arena : 0,
		.samples = samples,
		.evaluation = evaluation,
		.program = PROGRAM,
	};
	net->remake = NET_REMAKE;
	if (set_micro(p, most, g, net, pool) <= limit || !limit)
		return 0;
	net->remake = NET_REMAKE_MOST; /* changes no byte of the result, as smaller batches would */
	if (set_micro(p, most, g, net, pool) <= limit)
		return 0;
	if (set_micro(p, 1, g, net, pool) > limit)
		return err_set(err, STATUS_USAGE,
			       "--mem-limit %zuM is too little: one image at a time takes %zuM",
			       limit >> 20, (p->total >> 20) + 1);
	while (most - least > 1) { /* `least` fits, `most` does not */
		middle = (least + most) / 2;
		if (set_micro(p, middle, g, net, pool) <= limit)
			least = middle;
		else
			most = middle;
	}
	set_micro(p, least, g, net, pool);
	return 0;
}

static void line(struct buf *out, const char *what, size_t bytes)
{
	if (bytes)
		buf_printf(out, "%-16s %10.1f MiB\n", what, (double)bytes / (1 << 20));
}

void plan_format(const struct plan *p, int batch, struct buf *out)
{
	line(out, "weights", p->weights);
	line(out, "gradients", p->gradients);
	line(out, "moments", p->moments);
	line(out, "moving average", p->average);
	line(out, "starting weights", p->start);
	line(out, "network", p->net);
	line(out, "samples", p->samples);
	line(out, "evaluation", p->evaluation);
	line(out, "program", p->program);
	line(out, "total", p->total);
	if (p->micro < batch)
		buf_printf(
			out,
			"micro-batches of at most %d images, each with its own batch statistics: "
			"all else is as for the whole batch\n",
			p->micro);
}
