#include "attack/losses.h"

#include "data/batch.h"

#include <math.h>
#include <stdlib.h>

struct looker {
	const struct losses_options *opt;
	struct pool *pool;
	const struct dataset *set;
	struct batches *batches;
	struct runner *runner;
	struct loss_ctx *loss;
};

static int looker_init(struct looker *l, const struct model *m, const struct gates *gates,
		       struct err *err)
{
	const struct batch_options b = {.batch = l->opt->batch,
					.img = l->opt->img,
					.threads = pool_threads(l->pool),
					.strict = true,
					.notices = l->opt->notices};
	const struct runner_options r = {.max_n = l->opt->batch,
					 .h = l->opt->img,
					 .w = l->opt->img,
					 .path = l->opt->path,
					 .gate = l->opt->gate,
					 .seed = l->opt->seed};

	l->batches = batches_new(l->set, &b, err);
	l->runner = l->batches ? runner_new(m, gates, &r, l->pool, err) : NULL;
	if (!l->runner)
		return -1;
	l->loss = loss_new(m->graph, l->opt->hyp, 1, l->opt->img, l->opt->img);
	return 0;
}

/* The boxes of picture i, as those of the only picture. */
static int boxes_of(const struct batch *b, int i, struct target *out)
{
	int k, n = 0;

	for (k = 0; k < b->ntargets; k++)
		if (b->targets[k].image == i) {
			out[n] = b->targets[k];
			out[n++].image = 0;
		}
	return n;
}

static int look(struct looker *l, const struct batch *b, uint64_t first, struct loss *out,
		struct err *err)
{
	struct view maps[GRAPH_MAX_LEVELS], one[GRAPH_MAX_LEVELS],
		in = runner_input(l->runner, b->n);
	struct target *boxes = xcalloc((size_t)b->ntargets + 1, sizeof(*boxes));
	int i, k, nl, rc = 0;

	batches_fill(l->batches, &in);
	runner_forward(l->runner, b->n, first);
	nl = runner_maps(l->runner, b->n, maps);
	for (i = 0; i < b->n && !rc; i++) {
		struct loss *to = &out[b->items[i]];

		for (k = 0; k < nl; k++) {
			one[k] = maps[k];
			one[k].p = view_at(&maps[k], i, 0, 0);
			one[k].n = 1;
		}
		loss_detect(l->loss, l->pool, one, 1, boxes, boxes_of(b, i, boxes), to);
		if (!isfinite(loss_total(to)))
			rc = err_set(err, STATUS_NONFINITE, "'%s': the loss is not finite",
				     l->set->items[b->items[i]].path);
	}
	free(boxes);
	return rc;
}

int losses_of(const struct model *m, const struct gates *gates, const struct dataset *d,
	      const struct losses_options *opt, struct pool *pool, struct loss *out,
	      struct err *err)
{
	struct looker l = {.opt = opt, .pool = pool, .set = d};
	struct batch b;
	uint64_t first = 0;
	int rc = dataset_check_classes(d, m->graph->nc, err) || looker_init(&l, m, gates, err) ? -1
											       : 1;

	if (rc > 0)
		batches_start(l.batches, 0, 0);
	while (rc > 0 && (rc = batches_next(l.batches, &b, err)) > 0) {
		if (b.n && look(&l, &b, first, out, err))
			rc = -1;
		first += (uint64_t)b.n;
	}
	batches_free(l.batches);
	runner_free(l.runner);
	loss_free(l.loss);
	return rc;
}
