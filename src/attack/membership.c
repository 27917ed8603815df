#include "attack/membership.h"

#include "attack/logistic.h"
#include "attack/losses.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Differences of box, objectness, class and all of the loss; the loss. */
#define FEATURES 5

void membership_defaults(struct membership_options *o)
{
	*o = (struct membership_options){.split = "train", .shadows = 4, .gate = -1};
	session_defaults(&o->shadow.session);
	o->shadow.img = 640;
}

enum { MEMBERS, OTHERS, PUBLIC, SETS };

struct trial {
	const struct membership_options *opt;
	struct pool *pool;
	struct dataset *set[SETS];
	struct model *target;
	struct gates gates; /* n 0: none */
	enum gate_mode mode;
	struct hyp hyp;
	struct loss *by_target[SETS], *by_start[SETS];
	struct loss **by_shadow[SETS]; /* per shadow, per picture */
	bool **in;                     /* per shadow: is this public picture a member? */
};

/* ------------------------------------------------------------------ inputs */

static int open_sets(struct trial *t, struct err *err)
{
	const char *path[SETS] = {t->opt->members, t->opt->others, t->opt->public_set};
	const struct dataset_options d = {.split = t->opt->split,
					  .strict = true,
					  .nc = t->target->graph->nc,
					  .notices = t->opt->notices};
	int i;

	for (i = 0; i < SETS; i++) {
		t->set[i] = dataset_open(path[i], &d, err);
		if (!t->set[i])
			return -1;
	}
	if (t->set[PUBLIC]->nitems < 4)
		return err_set(err, STATUS_INPUT,
			       "'%s' has %d pictures: shadow models need at least 4", path[PUBLIC],
			       t->set[PUBLIC]->nitems);
	return 0;
}

static int open_target(struct trial *t, struct err *err)
{
	const char *json;

	t->target = model_load(t->opt->target, NULL, err);
	if (!t->target)
		return -1;
	if (!t->target->graph->nl)
		return err_set(err, STATUS_INPUT, "'%s' is not a detector", t->opt->target);
	json = model_meta(t->target, "mist.gate");
	if (json && gates_parse(json, &t->gates, err))
		return err_prefix(err, "'%s': mist.gate", t->opt->target);
	if (t->opt->gate > GATE_OFF && !json)
		return err_set(err, STATUS_INPUT, "'%s' has no gate", t->opt->target);
	t->mode = t->opt->gate >= 0 ? (enum gate_mode)t->opt->gate : json ? GATE_CLEAN : GATE_OFF;
	return 0;
}

static void trial_release(struct trial *t)
{
	int i, k;

	for (i = 0; i < SETS; i++) {
		for (k = 0; t->by_shadow[i] && k < t->opt->shadows; k++)
			free(t->by_shadow[i][k]);
		free(t->by_shadow[i]);
		free(t->by_target[i]);
		free(t->by_start[i]);
		dataset_free(t->set[i]);
	}
	for (k = 0; t->in && k < t->opt->shadows; k++)
		free(t->in[k]);
	free(t->in);
	gates_release(&t->gates);
	model_free(t->target);
}

/* ------------------------------------------------------------------ losses */

/* Of a model on all three sets, through the target's gate. */
static int look(const struct trial *t, const struct model *m, struct loss *out[SETS],
		struct err *err)
{
	struct loss_hyp hyp;
	const struct losses_options o = {.img = t->opt->shadow.img,
					 .batch = 8,
					 .hyp = &hyp,
					 .gate = t->mode,
					 .seed = &t->opt->shadow.seed,
					 .path = t->opt->shadow.session.train.path,
					 .notices = t->opt->notices};
	int i;

	hyp_loss(&t->hyp, m->graph, o.img, &hyp);
	for (i = 0; i < SETS; i++) {
		out[i] = xcalloc((size_t)t->set[i]->nitems, sizeof(*out[i]));
		if (losses_of(m, t->mode == GATE_OFF ? NULL : &t->gates, t->set[i], &o, t->pool,
			      out[i], err))
			return -1;
	}
	return 0;
}

static int look_with_start(struct trial *t, struct err *err)
{
	struct model *m = model_load(t->opt->shadow.start, NULL, err);
	int rc = -1;

	if (m && m->graph->nc != t->target->graph->nc)
		err_set(err, STATUS_INPUT, "'%s' has %d classes, '%s' has %d", t->opt->shadow.start,
			m->graph->nc, t->opt->target, t->target->graph->nc);
	else if (m)
		rc = look(t, m, t->by_start, err);
	model_free(m);
	return rc;
}

static int one_shadow(struct trial *t, int k, struct err *err)
{
	struct loss *out[SETS] = {NULL};
	struct model *m;
	int i, rc;

	t->in[k] = xcalloc((size_t)t->set[PUBLIC]->nitems, sizeof(bool));
	shadow_split(k, t->set[PUBLIC]->nitems, t->opt->shadow.seed, t->in[k]);
	m = shadow_train(t->set[PUBLIC], t->in[k], k, model_meta(t->target, "mist.gate"),
			 model_meta(t->target, "mist.cut_layer"), &t->opt->shadow, t->pool, err);
	rc = m ? look(t, m, out, err) : err_prefix(err, "shadow model %d", k + 1);
	for (i = 0; i < SETS; i++)
		t->by_shadow[i][k] = out[i];
	model_free(m);
	return rc;
}

static int train_shadows(struct trial *t, struct err *err)
{
	int i, k;

	t->in = xcalloc((size_t)t->opt->shadows, sizeof(*t->in));
	for (i = 0; i < SETS; i++)
		t->by_shadow[i] = xcalloc((size_t)t->opt->shadows, sizeof(*t->by_shadow[i]));
	for (k = 0; k < t->opt->shadows; k++) {
		if (one_shadow(t, k, err))
			return -1;
		if (t->opt->progress)
			t->opt->progress(t->opt->progress_ctx, k + 1);
	}
	return 0;
}

/* ------------------------------------------------------------------ the attacks */

static void add_loss(struct loss *sum, const struct loss *l, double weight)
{
	sum->box += weight * l->box;
	sum->obj += weight * l->obj;
	sum->cls += weight * l->cls;
}

/*
 * What a loss says against the mean of those who never saw the picture: the start weights and the
 * shadows but `self` that it was not a member of (`set` PUBLIC), or all.
 */
static void features(const struct trial *t, const struct loss *l, int set, int picture, int self,
		     double x[FEATURES])
{
	struct loss mean = t->by_start[set][picture];
	int k, n = 1;

	for (k = 0; k < t->opt->shadows; k++)
		if (k != self && (set != PUBLIC || !t->in[k][picture])) {
			add_loss(&mean, &t->by_shadow[set][k][picture], 1);
			n++;
		}
	x[0] = mean.box / n - l->box;
	x[1] = mean.obj / n - l->obj;
	x[2] = mean.cls / n - l->cls;
	x[3] = x[0] + x[1] + x[2];
	x[4] = -loss_total(l);
}

/* Every public picture under every shadow: rows of the regression. */
static void shadow_rows(const struct trial *t, double *x, bool *label)
{
	const int n = t->set[PUBLIC]->nitems;
	int k, i;

	for (k = 0; k < t->opt->shadows; k++)
		for (i = 0; i < n; i++, x += FEATURES) {
			features(t, &t->by_shadow[PUBLIC][k][i], PUBLIC, i, k, x);
			*label++ = t->in[k][i];
		}
}

/* The balanced threshold of scores over the rows. */
static double threshold_of(const double *score, const bool *label, int n)
{
	double *in = xcalloc((size_t)n, sizeof(*in)), *out = xcalloc((size_t)n, sizeof(*out)), t;
	int i, a = 0, b = 0;

	for (i = 0; i < n; i++)
		if (label[i])
			in[a++] = score[i];
		else
			out[b++] = score[i];
	t = roc_balanced(in, a, out, b);
	free(in);
	free(out);
	return t;
}

/* Scores of a set's pictures under the target. l NULL: the loss alone. */
static double *score_set(const struct trial *t, int set, const struct logistic *l)
{
	double *s = xcalloc((size_t)t->set[set]->nitems, sizeof(*s)), x[FEATURES];
	int i;

	for (i = 0; i < t->set[set]->nitems; i++) {
		features(t, &t->by_target[set][i], set, i, -1, x);
		s[i] = l ? logistic_score(l, x) : x[4];
	}
	return s;
}

static void judge(const struct trial *t, const struct logistic *l, double threshold, struct roc *r)
{
	double *in = score_set(t, MEMBERS, l), *out = score_set(t, OTHERS, l);

	roc_measure(r, in, t->set[MEMBERS]->nitems, out, t->set[OTHERS]->nitems, threshold,
		    t->opt->shadow.seed);
	free(in);
	free(out);
}

static void attack(const struct trial *t, struct membership *m)
{
	const int n = t->opt->shadows * t->set[PUBLIC]->nitems;
	double *x = xcalloc((size_t)n * FEATURES, sizeof(*x)),
	       *score = xcalloc((size_t)n, sizeof(*score));
	bool *label = xcalloc((size_t)n, sizeof(*label));
	struct logistic l;
	int i;

	shadow_rows(t, x, label);
	for (i = 0; i < n; i++)
		score[i] = x[(size_t)i * FEATURES + 4];
	judge(t, NULL, threshold_of(score, label, n), &m->threshold);
	logistic_fit(&l, x, label, n, FEATURES);
	for (i = 0; i < n; i++)
		score[i] = logistic_score(&l, x + (size_t)i * FEATURES);
	judge(t, &l, threshold_of(score, label, n), &m->shadow);
	free(x);
	free(score);
	free(label);
}

static double mean_loss(const struct trial *t, int set)
{
	double sum = 0;
	int i;

	for (i = 0; i < t->set[set]->nitems; i++)
		sum += loss_total(&t->by_target[set][i]);
	return sum / t->set[set]->nitems;
}

static double mean_shadow_loss(const struct trial *t, bool in)
{
	double sum = 0;
	int k, i, n = 0;

	for (k = 0; k < t->opt->shadows; k++)
		for (i = 0; i < t->set[PUBLIC]->nitems; i++)
			if (t->in[k][i] == in) {
				sum += loss_total(&t->by_shadow[PUBLIC][k][i]);
				n++;
			}
	return sum / n;
}

int membership_run(struct membership *m, const struct membership_options *opt, struct pool *pool,
		   struct err *err)
{
	struct trial t = {.opt = opt, .pool = pool};
	int rc = -1;

	*m = (struct membership){.shadows = opt->shadows};
	hyp_default(&t.hyp);
	if (!open_target(&t, err) && !open_sets(&t, err) && !look(&t, t.target, t.by_target, err) &&
	    !look_with_start(&t, err) && !train_shadows(&t, err)) {
		attack(&t, m);
		m->public_pictures = t.set[PUBLIC]->nitems;
		m->mean_in = mean_loss(&t, MEMBERS);
		m->mean_out = mean_loss(&t, OTHERS);
		m->shadow_in = mean_shadow_loss(&t, true);
		m->shadow_out = mean_shadow_loss(&t, false);
		rc = 0;
	}
	trial_release(&t);
	return rc;
}

/* ------------------------------------------------------------------ figures */

static void line(const char *name, const struct roc *r, struct buf *out)
{
	const struct rate *f[] = {&r->auc, &r->tpr1, &r->precision, &r->recall};
	size_t i;

	buf_printf(out, "%-10s", name);
	for (i = 0; i < ARRAY_LEN(f); i++)
		buf_printf(out, "  %.3f (%.3f-%.3f)", f[i]->value, f[i]->low, f[i]->high);
	buf_add_str(out, "\n");
}

void membership_table(const struct membership *m, struct buf *out)
{
	buf_printf(out, "%-10s  %-19s  %-19s  %-19s  %-19s\n", "Attack", "AUC", "TPR at 1 % FPR",
		   "Precision", "Recall");
	line("threshold", &m->threshold, out);
	line("shadow", &m->shadow, out);
	buf_printf(out,
		   "%d members with a mean loss of %.4f, %d others with %.4f; %d shadow models on "
		   "halves of %d public pictures: %.4f and %.4f; 95 %% bootstrap intervals\n",
		   m->threshold.members, m->mean_in, m->threshold.others, m->mean_out, m->shadows,
		   m->public_pictures, m->shadow_in, m->shadow_out);
}

static void set_rate(json_t *j, const char *key, const struct rate *r)
{
	json_object_set_new(j, key, json_pack("[fff]", r->value, r->low, r->high));
}

static json_t *attack_json(const char *name, const struct roc *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "attack", json_string(name));
	set_rate(j, "auc", &r->auc);
	set_rate(j, "tpr_at_fpr_1", &r->tpr1);
	set_rate(j, "precision", &r->precision);
	set_rate(j, "recall", &r->recall);
	set_rate(j, "accuracy", &r->accuracy);
	json_object_set_new(j, "threshold", json_real(r->threshold));
	return j;
}

void membership_json(const struct membership *m, struct buf *out)
{
	json_t *j = json_object(), *attacks = json_array();

	json_object_set_new(j, "members", json_integer(m->threshold.members));
	json_object_set_new(j, "others", json_integer(m->threshold.others));
	json_object_set_new(j, "shadows", json_integer(m->shadows));
	json_object_set_new(j, "public", json_integer(m->public_pictures));
	json_object_set_new(j, "loss",
			    json_pack("{sf sf sf sf}", "members", m->mean_in, "others", m->mean_out,
				      "shadow_members", m->shadow_in, "shadow_others",
				      m->shadow_out));
	json_array_append_new(attacks, attack_json("threshold", &m->threshold));
	json_array_append_new(attacks, attack_json("shadow", &m->shadow));
	json_object_set_new(j, "attacks", attacks);
	json_add_value(out, j, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}

static int save(const char *path, const struct buf *text, struct err *err)
{
	return file_write(path, text->data, text->len, err);
}

int membership_write(const struct membership *m, const char *path, const char *json,
		     struct err *err)
{
	struct buf table = BUF_INIT, object = BUF_INIT;
	int rc = 0;

	membership_table(m, &table);
	membership_json(m, &object);
	if (json)
		rc = save(json, &object, err);
	if (!rc && (path || !json || strcmp(json, "-") != 0))
		rc = save(path ? path : "-", &table, err);
	buf_release(&table);
	buf_release(&object);
	return rc;
}
