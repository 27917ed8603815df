#include "parity.h"

#include "base/mem.h"
#include "io/json.h"
#include "model/head.h"
#include "nn/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct training {
	struct parity *p;
	const char *prefix, *label; /* of the reference's tensors, and of what is printed */
	struct net *net;
	int freeze;
	double slack; /* times the tolerances: what our own features, not theirs, may add */
	float *params, *grads;
	struct optim *optim;
	struct head *head;
};

static char *tensor_name(const struct training *t, const char *what, const char *name)
{
	return xasprintf("%s.%s%s", t->prefix, what, name);
}

static void compare_param(struct training *t, const char *what, const struct param *q,
			  const float *arena, double rel)
{
	struct parity *p = t->p;
	char *name = tensor_name(t, what, q->name);
	float *theirs = parity_exactly(p, name, q->count);
	char *label = xasprintf("%s%s", t->label, name);

	if (theirs && rel > 0)
		parity_norm(p, label, arena + q->offset, theirs, q->count, rel);
	else if (theirs)
		parity_values(p, label, arena + q->offset, theirs, q->count, FEATURE_ABS,
			      FEATURE_REL);
	free(theirs);
	free(name);
	free(label);
}

static void compare_params(struct training *t, const char *what, const float *arena, double rel)
{
	int i;

	for (i = 0; i < t->p->model->graph->nparams; i++) {
		const struct param *q = &t->p->model->graph->params[i];

		if (q->kind != PARAM_COUNTER)
			compare_param(t, what, q, arena, rel);
	}
}

static void compare_norms(struct training *t)
{
	struct parity *p = t->p;
	char *key = tensor_name(t, "grad_norms", "");
	const char *text = safetensors_meta(&p->ref, key);
	json_t *json = text ? json_parse(key, text, strlen(text), &p->err) : NULL, *value;
	const char *name;

	json_object_foreach(json, name, value)
	{
		const struct param *q = graph_param(p->model->graph, name);
		char *label = xasprintf("%s%s %s", t->label, key, name);
		double norm = 0;
		size_t i;

		if (!q) {
			parity_missing(p, label, "is not in our model");
		} else {
			for (i = 0; i < q->count; i++)
				norm += (double)t->grads[q->offset + i] * t->grads[q->offset + i];
			parity_number(p, label, sqrt(norm), json_number_value(value),
				      GRAD_REL * t->slack);
		}
		free(label);
	}
	json_decref(json);
	free(key);
}

static void compare_loss(struct training *t, const struct loss *l)
{
	static const char *const parts[] = {"box", "obj", "cls"};
	const double ours[] = {l->box, l->obj, l->cls};
	struct parity *p = t->p;
	char *name = tensor_name(t, "loss", "");
	float *theirs = parity_exactly(p, name, 1);
	int i;

	if (theirs)
		parity_number(p, name, p->n * (l->box + l->obj + l->cls), theirs[0], LOSS_REL);
	free(theirs);
	free(name);
	name = tensor_name(t, "components_box_obj_cls", "");
	theirs = parity_exactly(p, name, 3);
	for (i = 0; i < 3 && theirs; i++) {
		char *label = xasprintf("%s%s, %s", t->label, name, parts[i]);

		parity_number(p, label, ours[i], theirs[i], LOSS_REL);
		free(label);
	}
	free(theirs);
	free(name);
}

/*
 * Which step's state the tensors grad.*, bn_after.* and after_sgd.* hold. They are meant to be the
 * first step's; but PyTorch's optimiser moves parameters and gradients in place, so that a script
 * that saves them without a copy saves the last step of its loss_trace. grad_norms, numbers, are
 * always the first step's, and tell which it is.
 */
static size_t kept_step(struct training *t, size_t steps)
{
	struct parity *p = t->p;
	char *key = tensor_name(t, "grad_norms", "");
	const char *text = safetensors_meta(&p->ref, key);
	json_t *json = text ? json_parse(key, text, strlen(text), &p->err) : NULL, *value;
	const char *param;
	bool last = false;

	json_object_foreach(json, param, value)
	{
		char *name = tensor_name(t, "grad.", param);
		size_t n, i;
		float *g = safetensors_find(&p->ref, name) ? parity_floats(p, name, &n) : NULL;
		double norm = 0;

		for (i = 0; g && i < n; i++)
			norm += (double)g[i] * g[i];
		if (g &&
		    fabs(sqrt(norm) - json_number_value(value)) > 0.01 * json_number_value(value))
			last = true;
		free(g);
		free(name);
	}
	json_decref(json);
	free(key);
	if (last && steps > 1)
		printf("# %s%s.{grad,bn_after,after_sgd}.* hold step %zu of the trace\n", t->label,
		       t->prefix, steps);
	return last ? steps - 1 : 0;
}

static double train_loss(struct training *t, struct loss *l)
{
	struct parity *p = t->p;
	struct view x[GRAPH_MAX_LEVELS], dx[GRAPH_MAX_LEVELS];
	int i;

	net_load_params(t->net, t->params);
	net_forward(t->net, p->n, t->params);
	for (i = 0; i < net_noutputs(t->net); i++) {
		x[i] = net_output(t->net, i, p->n);
		dx[i] = net_output_grad(t->net, i, p->n);
	}
	head_step(t->head, t->params, x, 0, p->n, p->n, p->targets, p->ntargets, dx, t->grads, l);
	net_backward(t->net, p->n, t->grads);
	return p->n * (l->box + l->obj + l->cls);
}

/* One step; returns the loss. */
static double train_step(struct training *t, bool first, bool kept)
{
	struct parity *p = t->p;
	const double lr = p->hyp.lr0;
	const struct optim_rates rates = {.lr = {lr, lr, lr},
					  .decay = {[OPTIM_WEIGHT] = p->hyp.weight_decay},
					  .momentum = p->hyp.momentum};
	struct loss l;
	const double loss = train_loss(t, &l);

	if (first) {
		compare_loss(t, &l);
		compare_norms(t);
	}
	if (kept) {
		compare_params(t, "grad.", t->grads,
			       GRAD_REL * t->slack * (first ? 1 : LATE_SLACK));
		compare_params(t, "bn_after.", t->params, 0);
	}
	optim_step(t->optim, p->pool, &rates, t->params, t->grads, 1, NULL, 0);
	if (kept)
		compare_params(t, "after_sgd.", t->params, WEIGHT_REL);
	return loss;
}

/* The inputs of the layers behind the cut, as the reference has them: again before every step, for
 * their memory is not kept for us. */
static int fill_features(struct parity *p, struct net *net, bool first)
{
	struct net *edge = parity_net(p, 0, p->cut, false, 0, false);
	int i;

	if (!edge)
		return -1;
	parity_split(p, edge, net);
	for (i = 0; i < net_ninputs(net); i++) {
		struct view v = net_input(net, i, p->n);
		char *name = net_ninputs(net) == 1 ? xstrdup("cloud.features")
						   : xasprintf("cloud.features%d", i);
		float *theirs = NULL;

		if (safetensors_find(&p->ref, name)) {
			if (first)
				parity_view(p, name, &v);
			theirs = parity_exactly(p, name, parity_count(&v));
		}
		if (theirs)
			view_from_nchw(&v, theirs);
		free(theirs);
		free(name);
	}
	net_free(edge);
	return 0;
}

static int fill_inputs(struct training *t, int from, bool first)
{
	if (from)
		return fill_features(t->p, t->net, first);
	parity_fill_image(t->p, net_input(t->net, 0, t->p->n));
	return 0;
}

static int run_steps(struct training *t, int from)
{
	struct parity *p = t->p;
	char *name = tensor_name(t, "loss_trace", "");
	size_t steps = 1, i;
	float *trace = parity_floats(p, name, &steps);
	const size_t kept = kept_step(t, steps);

	for (i = 0; i < (trace ? steps : 1); i++) {
		double loss;

		if (fill_inputs(t, from, i == 0))
			return -1;
		loss = train_step(t, i == 0, i == kept);
		if (trace) {
			char *label = xasprintf("%s%s[%zu]", t->label, name, i);

			parity_number(p, label, loss, trace[i], TRACE_REL);
			free(label);
		}
	}
	free(trace);
	free(name);
	return 0;
}

static struct loss_hyp loss_gains(const struct parity *p)
{
	const struct hyp *h = &p->hyp;
	struct loss_hyp out = {.box = (float)h->box,
			       .cls = (float)h->cls,
			       .cls_pw = (float)h->cls_pw,
			       .obj = (float)h->obj,
			       .obj_pw = (float)h->obj_pw,
			       .anchor_t = (float)h->anchor_t,
			       .fl_gamma = (float)h->fl_gamma,
			       .label_smoothing = (float)h->label_smoothing};

	loss_hyp_scale(&out, p->model->graph->nl, p->model->graph->nc, p->size);
	return out;
}

int parity_train(struct parity *p, const char *prefix, const char *label, int from, int freeze,
		 double slack)
{
	const struct graph *g = p->model->graph;
	struct training t = {
		.p = p, .prefix = prefix, .label = label, .freeze = freeze, .slack = slack};
	const struct loss_hyp hyp = loss_gains(p);
	const struct head_options head = {p->n, p->h, p->w, p->path, &hyp};
	int rc;

	t.net = parity_net(p, from, head_layer(g), true, freeze, false);
	if (!t.net)
		return -1;
	t.params = xreallocarray(NULL, g->nfloats, sizeof(float));
	memcpy(t.params, p->model->params, g->nfloats * sizeof(float));
	t.grads = xcalloc(g->nfloats, sizeof(float));
	t.optim = optim_new(g, OPTIM_SGD, freeze);
	t.head = head_new(g, &head, p->pool);
	rc = run_steps(&t, from);
	net_free(t.net);
	optim_free(t.optim);
	head_free(t.head);
	free(t.params);
	free(t.grads);
	return rc;
}
