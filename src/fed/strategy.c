#include "fed/strategy.h"

#include "base/mem.h"
#include "fed/cohort.h"
#include "fed/combine.h"
#include "fed/contribution.h"
#include "fed/server.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Floats of all clients that are held at once: 16 MiB; and the least of one client. */
#define HELD  ((size_t)4 << 20)
#define LEAST ((size_t)64)

const char *const strategy_names[] = {
	"fedavg",       "fedavgm", "fedadam",    "fedyogi",   "median",
	"trimmed-mean", "krum",    "multi-krum", "norm-clip", NULL};

struct round {
	struct strategy_options opt;
	struct cohort cohort;
	char *parents;
	double *weight; /* of a client in means; they add up to 1 */
	struct contributions contributions;
	struct server server;
	bool serving;
	struct safetensors_writer out;
	/* of one piece */
	size_t piece; /* values of a client */
	float *v;
	/* of one tensor */
	double *result;
	float *values, *global;
	int64_t *ints, *column;
	/* of the first pass */
	double *gram, *scratch;
	int byzantine, nchosen;
};

void strategy_defaults(struct strategy_options *o)
{
	*o = (struct strategy_options){.server_lr = -1,
				       .beta1 = -1,
				       .beta2 = -1,
				       .tau = -1,
				       .trim = -1,
				       .byzantine = -1,
				       .select = -1,
				       .clip = -1,
				       .staleness = -1};
}

/* ------------------------------------------------------------------ which options mean anything */

static bool has_server(enum strategy s)
{
	return s == STRATEGY_FEDAVGM || s == STRATEGY_FEDADAM || s == STRATEGY_FEDYOGI;
}

static bool is_krum(enum strategy s)
{
	return s == STRATEGY_KRUM || s == STRATEGY_MULTI_KRUM;
}

static bool is_robust(enum strategy s)
{
	return s >= STRATEGY_MEDIAN;
}

static bool by_ranks(enum strategy s)
{
	return s == STRATEGY_MEDIAN || s == STRATEGY_TRIMMED_MEAN;
}

static int check_options(const struct strategy_options *o, struct err *err)
{
	const enum strategy s = o->strategy;
	const bool adaptive = s == STRATEGY_FEDADAM || s == STRATEGY_FEDYOGI;
	const struct {
		const char *name;
		bool given, allowed;
	} rules[] = {
		{"--state-in", o->state_in != NULL, has_server(s)},
		{"--state-out", o->state_out != NULL, has_server(s)},
		{"--server-lr", o->server_lr >= 0, has_server(s)},
		{"--beta1", o->beta1 >= 0, has_server(s)},
		{"--beta2", o->beta2 >= 0, adaptive},
		{"--tau", o->tau >= 0, adaptive},
		{"--trim", o->trim >= 0, s == STRATEGY_TRIMMED_MEAN},
		{"--byzantine", o->byzantine >= 0, is_krum(s)},
		{"--select", o->select >= 0, s == STRATEGY_MULTI_KRUM},
		{"--clip", o->clip >= 0, s == STRATEGY_NORM_CLIP},
		{"--staleness", o->staleness >= 0, !is_robust(s)},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].given && !rules[i].allowed)
			return err_set(err, STATUS_USAGE, "%s means nothing to --strategy %s",
				       rules[i].name, strategy_names[s]);
	if (!o->global && (has_server(s) || s == STRATEGY_NORM_CLIP))
		return err_set(
			err, STATUS_USAGE,
			"--strategy %s needs --global WEIGHTS, what the clients started from",
			strategy_names[s]);
	return 0;
}

static double given(double value, double otherwise)
{
	return value >= 0 ? value : otherwise;
}

/* ------------------------------------------------------------------ the clients' weights */

static void weigh(struct round *r)
{
	const struct cohort *c = &r->cohort;
	const double a = given(r->opt.staleness, 0);
	const bool equal = is_robust(r->opt.strategy) || c->files[0].samples < 0;
	double sum = 0;
	int i;

	r->weight = xcalloc((size_t)c->n, sizeof(*r->weight));
	for (i = 0; i < c->n; i++) {
		const struct cohort_file *f = &c->files[i];
		const double behind = f->round < 0 ? 0 : (double)(c->round - f->round);

		r->weight[i] = (equal ? 1 : (double)f->samples) * pow(1 + behind, -a);
		sum += r->weight[i];
	}
	for (i = 0; i < c->n; i++)
		r->weight[i] /= sum;
}

static int take_files(struct round *r, char *const *paths, int n, struct err *err)
{
	struct cohort *c = &r->cohort;

	if (cohort_open(c, paths, n, r->opt.global, r->opt.details, err))
		return -1;
	if (!is_robust(r->opt.strategy) && c->files[0].samples < 0)
		notice(r->opt.notices,
		       "no file says how many samples are behind it: every file counts the same");
	if (!is_robust(r->opt.strategy) && c->files[0].samples >= 0 && c->samples == 0)
		return err_set(err, STATUS_INPUT, "cannot use '%s': no file has a sample behind it",
			       paths[0]);
	weigh(r);
	return 0;
}

/* ------------------------------------------------------------------ pieces */

static void allocate(struct round *r)
{
	const struct safetensors *first = &r->cohort.files[0].file;
	const size_t n = (size_t)r->cohort.n;
	size_t most = 1, fit = HELD / n;
	int i;

	for (i = 0; i < first->ntensors; i++)
		if (first->tensors[i].count > most)
			most = first->tensors[i].count;
	if (fit < LEAST)
		fit = LEAST;
	r->piece = fit < most ? fit : most;
	r->v = xreallocarray(NULL, r->piece * n, sizeof(*r->v));
	r->result = xreallocarray(NULL, most, sizeof(*r->result));
	r->values = xreallocarray(NULL, most, sizeof(*r->values));
	r->global = xreallocarray(NULL, r->opt.global ? most : 1, sizeof(*r->global));
	r->column = xreallocarray(NULL, n, sizeof(*r->column));
}

/* The same values of all clients, and of the global weights. */
static int read_piece(struct round *r, const struct safetensors_tensor *t, size_t first, size_t m,
		      struct err *err)
{
	int i;

	for (i = 0; i < r->cohort.n; i++)
		if (cohort_read(&r->cohort, i, t->name, first, m, r->v + (size_t)i * m, err))
			return -1;
	if (!r->opt.global)
		return 0;
	return cohort_read_global(&r->cohort, t->name, first, m, r->global + first, err);
}

/* Calls fn for every piece of every trained tensor. */
static int each_trained(struct round *r, void (*fn)(struct round *r, size_t first, size_t m),
			struct err *err)
{
	const struct safetensors *first = &r->cohort.files[0].file;
	size_t at, m;
	int i;

	for (i = 0; i < first->ntensors; i++) {
		const struct safetensors_tensor *t = &first->tensors[i];

		for (at = 0; cohort_role(t) == COHORT_TRAINED && at < t->count; at += m) {
			m = t->count - at < r->piece ? t->count - at : r->piece;
			if (read_piece(r, t, at, m, err))
				return -1;
			fn(r, at, m);
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ krum: whom to take */

static void add_gram(struct round *r, size_t first, size_t m)
{
	(void)first;
	combine_gram(r->v, r->cohort.n, m, r->scratch, r->gram);
}

/* How many may lie, and how many are taken: both within what n clients bear. */
static int size_krum(struct round *r, struct err *err)
{
	const int n = r->cohort.n, most = (n - 3) / 2;
	const long f = r->opt.byzantine >= 0 ? r->opt.byzantine : most;

	if (n < 3 || f > most)
		return err_set(err, STATUS_USAGE,
			       "--strategy %s: of %d clients %ld may lie, which takes %ld of them",
			       strategy_names[r->opt.strategy], n, f < 0 ? 0 : f,
			       2 * (f < 0 ? 0 : f) + 3);
	r->byzantine = (int)f;
	r->nchosen = r->opt.strategy == STRATEGY_KRUM ? 1 : n - (int)f;
	if (r->opt.select > n || r->opt.select == 0)
		return err_set(err, STATUS_USAGE, "--select %ld: there are %d clients",
			       r->opt.select, n);
	if (r->opt.select > 0)
		r->nchosen = (int)r->opt.select;
	return 0;
}

static void choose(struct round *r)
{
	const int n = r->cohort.n;
	double *score = xreallocarray(NULL, (size_t)n, sizeof(*score));
	int *chosen = xreallocarray(NULL, (size_t)r->nchosen, sizeof(*chosen)), i;

	combine_distances(r->gram, n);
	combine_krum(r->gram, n, r->byzantine, score);
	combine_least(score, n, r->nchosen, chosen);
	for (i = 0; i < n; i++) {
		r->weight[i] = 0;
		r->contributions.client[i].rejected = true;
	}
	for (i = 0; i < r->nchosen; i++) {
		r->weight[chosen[i]] = 1.0 / r->nchosen;
		r->contributions.client[chosen[i]].rejected = false;
	}
	free(chosen);
	free(score);
}

static int plan_krum(struct round *r, struct err *err)
{
	const size_t n = (size_t)r->cohort.n;

	if (size_krum(r, err))
		return -1;
	r->gram = xcalloc(n * n, sizeof(*r->gram));
	r->scratch =
		xreallocarray(NULL, combine_gram_scratch((int)n, r->piece), sizeof(*r->scratch));
	if (each_trained(r, add_gram, err))
		return -1;
	choose(r);
	return 0;
}

/* ------------------------------------------------------------------ norm-clip: how much of whom */

static void add_norms(struct round *r, size_t first, size_t m)
{
	const float *global = r->global + first;
	size_t i;
	int k;

	for (k = 0; k < r->cohort.n; k++)
		for (i = 0; i < m; i++) {
			const double u = (double)r->v[(size_t)k * m + i] - (double)global[i];

			r->scratch[k] += u * u;
		}
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int plan_clip(struct round *r, struct err *err)
{
	const int n = r->cohort.n;
	double *sorted = xreallocarray(NULL, (size_t)n, sizeof(*sorted)), clip;
	int i, rc;

	r->scratch = xcalloc((size_t)n, sizeof(*r->scratch));
	rc = each_trained(r, add_norms, err);
	for (i = 0; i < n; i++)
		sorted[i] = r->scratch[i] = sqrt(r->scratch[i]);
	qsort(sorted, (size_t)n, sizeof(*sorted), by_value);
	clip = given(r->opt.clip, (sorted[(n - 1) / 2] + sorted[n / 2]) / 2);
	for (i = 0; i < n; i++)
		if (r->scratch[i] > clip)
			r->contributions.client[i].clip = clip / r->scratch[i];
	free(sorted);
	return rc;
}

static int plan(struct round *r, struct err *err)
{
	if (is_krum(r->opt.strategy))
		return plan_krum(r, err);
	return r->opt.strategy == STRATEGY_NORM_CLIP ? plan_clip(r, err) : 0;
}

/* ------------------------------------------------------------------ combining */

/* Clients whose values are cut off at either end. */
static int trimmed(const struct round *r)
{
	const int k = (int)(given(r->opt.trim, 0.2) * r->cohort.n), most = (r->cohort.n - 1) / 2;

	return k < most ? k : most;
}

static void combine_ranks(struct round *r, size_t m, double *out, double *used)
{
	if (r->opt.strategy == STRATEGY_TRIMMED_MEAN)
		combine_trimmed(r->opt.pool, r->v, r->cohort.n, m, trimmed(r), out, used);
	else
		combine_median(r->opt.pool, r->v, r->cohort.n, m, out, used);
}

/* w0 + sum of weight * clip * (v - w0), which is a mean of w0 and the clients. */
static void combine_clipped(struct round *r, size_t first, size_t m, double *out)
{
	const float *global = r->global + first;
	size_t i;
	int k;

	for (i = 0; i < m; i++)
		out[i] = (double)global[i];
	for (k = 0; k < r->cohort.n; k++) {
		const double share = r->weight[k] * r->contributions.client[k].clip;

		for (i = 0; i < m; i++)
			out[i] += share * ((double)r->v[(size_t)k * m + i] - (double)global[i]);
	}
}

static void combine_trained(struct round *r, size_t first, size_t m)
{
	double *out = r->result + first, *used = NULL;
	int i;

	if (by_ranks(r->opt.strategy)) {
		used = xcalloc((size_t)r->cohort.n, sizeof(*used));
		combine_ranks(r, m, out, used);
		for (i = 0; i < r->cohort.n; i++)
			r->contributions.client[i].weight += used[i];
		free(used);
	} else if (r->opt.strategy == STRATEGY_NORM_CLIP) {
		combine_clipped(r, first, m, out);
	} else {
		combine_mean(r->v, r->weight, r->cohort.n, m, out);
	}
	if (r->opt.report)
		contributions_add(&r->contributions, r->v, m, out,
				  r->opt.global ? r->global + first : NULL);
}

static void combine_statistic(struct round *r, size_t first, size_t m)
{
	double *out = r->result + first;

	if (is_robust(r->opt.strategy))
		combine_ranks(r, m, out, NULL);
	else
		combine_mean(r->v, r->weight, r->cohort.n, m, out);
}

static int combine_floats(struct round *r, const struct safetensors_tensor *t, struct err *err)
{
	const bool is_trained = cohort_role(t) == COHORT_TRAINED;
	size_t at, m, i;

	for (at = 0; at < t->count; at += m) {
		m = t->count - at < r->piece ? t->count - at : r->piece;
		if (read_piece(r, t, at, m, err))
			return -1;
		if (is_trained)
			combine_trained(r, at, m);
		else
			combine_statistic(r, at, m);
	}
	if (is_trained && r->serving &&
	    server_step(&r->server, t, r->result, r->global, r->result, err))
		return -1;
	for (i = 0; i < t->count; i++)
		r->values[i] = (float)r->result[i];
	i = safetensors_finite(r->values, t->count);
	if (i < t->count)
		return err_set(err, STATUS_NONFINITE,
			       "the combination is not finite: value %zu of '%s'", i, t->name);
	return safetensors_writer_floats(&r->out, r->values, err);
}

static int combine_counter(struct round *r, const struct safetensors_tensor *t, struct err *err)
{
	const size_t n = (size_t)r->cohort.n;
	size_t i;
	int k;

	/* counters are scalars; whatever else is an integer is small, too */
	r->ints = xreallocarray(r->ints, t->count * n + 1, sizeof(*r->ints));
	for (k = 0; k < r->cohort.n; k++)
		if (cohort_read_ints(&r->cohort, k, t->name, t->count,
				     r->ints + (size_t)k * t->count, err))
			return -1;
	for (i = 0; i < t->count; i++) {
		int64_t most = INT64_MIN;

		for (k = 0; k < r->cohort.n; k++) {
			r->column[k] = r->ints[(size_t)k * t->count + i];
			most = r->column[k] > most ? r->column[k] : most;
		}
		r->ints[i] = is_robust(r->opt.strategy) ? combine_median_int(r->column, r->cohort.n)
							: most;
	}
	return safetensors_writer_ints(&r->out, r->ints, err);
}

/* ------------------------------------------------------------------ writing */

static void set_number(struct round *r, const char *key, long v)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", v);
	safetensors_writer_meta(&r->out, key, text);
}

static char *list_parents(const struct cohort *c)
{
	json_t *parents = json_array();
	char *text;
	int i;

	for (i = 0; i < c->n; i++)
		json_array_append_new(parents, json_string(c->files[i].digest));
	if (c->global_path)
		json_array_append_new(parents, json_string(c->global_digest));
	text = json_text(parents);
	json_decref(parents);
	return text;
}

static void declare(struct round *r)
{
	const struct cohort *c = &r->cohort;
	const struct safetensors *first = &c->files[0].file;
	int i;

	for (i = 0; i < first->nmeta; i++)
		safetensors_writer_meta(&r->out, first->meta[i].key, first->meta[i].value);
	safetensors_writer_meta(&r->out, "mist.parents", r->parents);
	safetensors_writer_meta(&r->out, "mist.client", NULL);
	set_number(r, "mist.round", (c->round < 0 ? 0 : c->round) + 1);
	if (c->files[0].samples >= 0)
		set_number(r, "mist.samples", c->samples);
	for (i = 0; i < first->ntensors; i++) {
		const struct safetensors_tensor *t = &first->tensors[i];
		const bool counter = cohort_role(t) == COHORT_COUNTER;

		safetensors_writer_add(&r->out, t->name,
				       counter ? SAFETENSORS_I64 : SAFETENSORS_F32, t->ndim,
				       t->dim);
	}
}

static int write_tensors(struct round *r, const char *output, struct err *err)
{
	const struct safetensors *first = &r->cohort.files[0].file;
	int next, rc = 0;

	declare(r);
	if (safetensors_writer_begin(&r->out, output, err))
		return -1;
	while (!rc && (next = safetensors_writer_next(&r->out)) >= 0) {
		const struct safetensors_tensor *t = &first->tensors[next];

		rc = cohort_role(t) == COHORT_COUNTER ? combine_counter(r, t, err)
						      : combine_floats(r, t, err);
	}
	return rc;
}

static int open_server(struct round *r, struct err *err)
{
	const struct strategy_options *o = &r->opt;
	const bool momentum = o->strategy == STRATEGY_FEDAVGM;
	const struct combine_step step = {
		.kind = momentum                          ? STEP_MOMENTUM
			: o->strategy == STRATEGY_FEDADAM ? STEP_ADAM
							  : STEP_YOGI,
		.lr = given(o->server_lr, momentum ? 1 : 0.01),
		.beta1 = given(o->beta1, 0.9),
		.beta2 = given(o->beta2, 0.99),
		.tau = given(o->tau, 1e-3),
	};

	if (!has_server(o->strategy))
		return 0;
	r->serving = true;
	return server_open(&r->server, &step, strategy_names[o->strategy], o->state_in,
			   o->state_out, &r->cohort, r->parents, err);
}

/* What was combined by weights has those; by ranks, the share of a client's values that were used. */
static int write_report(struct round *r, struct err *err)
{
	const struct safetensors *first = &r->cohort.files[0].file;
	double trained = 0;
	int i;

	if (!r->opt.report)
		return 0;
	for (i = 0; i < first->ntensors; i++)
		if (cohort_role(&first->tensors[i]) == COHORT_TRAINED)
			trained += (double)first->tensors[i].count;
	for (i = 0; i < r->cohort.n; i++) {
		struct contribution *p = &r->contributions.client[i];

		p->weight = by_ranks(r->opt.strategy) ? p->weight / trained : r->weight[i];
	}
	return contributions_write(&r->contributions, &r->cohort, strategy_names[r->opt.strategy],
				   r->opt.report, err);
}

/* The state comes before the weights: whoever finds the weights finds the state that belongs to them. */
static int finish(struct round *r, struct err *err)
{
	const struct confirm *confirm = r->opt.confirm;

	if (confirm && confirm->fn(confirm->ctx, err))
		return -1;
	if ((r->serving && server_finish(&r->server, err)) || write_report(r, err))
		return -1;
	return safetensors_writer_finish(&r->out, err);
}

static int run(struct round *r, char *const *paths, int n, const char *output, struct err *err)
{
	if (check_options(&r->opt, err) || take_files(r, paths, n, err))
		return -1;
	r->parents = list_parents(&r->cohort);
	contributions_init(&r->contributions, n, r->opt.global != NULL);
	allocate(r);
	if (r->opt.strategy == STRATEGY_TRIMMED_MEAN && trimmed(r) == 0)
		notice(r->opt.notices,
		       "of %d clients nothing is trimmed: a mean that no lie is kept from", n);
	if (plan(r, err) || open_server(r, err) || write_tensors(r, output, err))
		return -1;
	return finish(r, err);
}

static void release(struct round *r)
{
	safetensors_writer_discard(&r->out);
	server_release(&r->server);
	contributions_release(&r->contributions);
	cohort_release(&r->cohort);
	free(r->parents);
	free(r->weight);
	free(r->v);
	free(r->result);
	free(r->values);
	free(r->global);
	free(r->ints);
	free(r->column);
	free(r->gram);
	free(r->scratch);
}

int strategy_run(char *const *paths, int n, const char *output, const struct strategy_options *opt,
		 struct err *err)
{
	struct round r = {.opt = *opt, .out = SAFETENSORS_WRITER_INIT, .cohort.global.fd = -1};
	const int rc = run(&r, paths, n, output, err);

	release(&r);
	return rc;
}
