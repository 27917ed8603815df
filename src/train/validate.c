#include "train/validate.h"

#include "base/mem.h"

#include <stdlib.h>

struct validator {
	struct dataset *dataset;
	struct gates gates;
	struct loss_hyp hyp;
	uint64_t seed;
	struct evaluator *evaluator;
};

static int find_gates(struct validator *v, const struct model *m, int *mode, struct err *err)
{
	const char *json = model_meta(m, "mist.gate");

	if (*mode < 0)
		*mode = json ? GATE_CLEAN : GATE_OFF;
	if (*mode == GATE_OFF)
		return 0;
	if (!json)
		return err_set(err, STATUS_USAGE, "--gate %s: the model has no gate",
			       gate_mode_names[*mode]);
	return gates_parse(json, &v->gates, err);
}

static int open_evaluator(struct validator *v, const struct model *m, const struct hyp *hyp,
			  const struct validate_options *opt, struct pool *pool, struct err *err)
{
	struct evaluate_options e;
	int mode = opt->gate;

	if (find_gates(v, m, &mode, err))
		return -1;
	hyp_loss(hyp, m->graph, opt->img, &v->hyp);
	evaluate_defaults(&e);
	e.img = opt->img;
	e.batch = opt->batch;
	e.gate = (enum gate_mode)mode;
	e.path = opt->path;
	e.seed = &v->seed;
	e.hyp = &v->hyp;
	e.strict = opt->strict;
	e.notices = opt->notices;
	v->evaluator =
		evaluator_new(m, mode == GATE_OFF ? NULL : &v->gates, v->dataset, &e, pool, err);
	return v->evaluator ? 0 : -1;
}

struct validator *validator_new(const char *dataset, const struct model *m, const struct hyp *hyp,
				const struct validate_options *opt, struct pool *pool,
				struct err *err)
{
	struct dataset_options d = {
		.split = "val", .strict = opt->strict, .nc = m->graph->nc, .notices = opt->notices};
	struct validator *v = xcalloc(1, sizeof(*v));

	v->seed = opt->seed;
	v->dataset = dataset_open(dataset, &d, err);
	if (!v->dataset || open_evaluator(v, m, hyp, opt, pool, err)) {
		validator_free(v);
		return NULL;
	}
	return v;
}

void validator_free(struct validator *v)
{
	if (!v)
		return;
	evaluator_free(v->evaluator);
	gates_release(&v->gates);
	dataset_free(v->dataset);
	free(v);
}

size_t validator_bytes(const struct validator *v)
{
	return evaluator_bytes(v->evaluator);
}

int validator_run(void *ctx, struct train_metrics *out, struct err *err)
{
	struct validator *v = ctx;
	struct evaluation e = {0};

	if (evaluator_run(v->evaluator, &e, err))
		return -1;
	*out = (struct train_metrics){
		.precision = e.metrics.yolo.p,
		.recall = e.metrics.yolo.r,
		.map50 = e.metrics.yolo.map50,
		.map = e.metrics.yolo.map,
		.box = e.loss.box,
		.obj = e.loss.obj,
		.cls = e.loss.cls,
	};
	evaluation_release(&e);
	return 0;
}
