#include "train/train.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/json.h"
#include "model/head.h"
#include "model/schedule.h"
#include "nn/profile.h"
#include "train/checkpoint.h"
#include "train/proximal.h"
#include "train/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Seconds between two checkpoints within an epoch. */
#define SAVE_SECONDS 60.0

struct train {
	struct train_options opt;
	struct train_events events;
	struct model *model;
	struct source *source;
	struct pool *pool;
	struct plan plan;
	struct net_options net_options;
	struct net *net;
	struct head *head;
	struct optim *optim;
	struct schedule schedule;
	struct train_state state;
	float *grads, *ema, *start; /* start: for --proximal, or NULL */
	json_t *options;            /* what a resumed run must share */
	char *last, *best, *csv;    /* files of the project */
	long nb;                    /* batches an epoch */
	int *order;                 /* of the samples in this epoch */
	struct target_list targets;
	struct share share;  /* of the batch in work */
	double began, saved; /* seconds of the monotonic clock */
	long unsaved;        /* steps since the last checkpoint */
	char reason[160];
	struct profile *profile; /* NULL: not wanted */
	double images, spent;    /* for it: forward and back; seconds in train_run */
};

static void set_option(json_t *o, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void set_option(json_t *o, const char *key, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_set_new(o, key, json_string(text));
}

/* Everything that the result depends on. */
static json_t *list_options(const struct train *t)
{
	const struct train_options *o = &t->opt;
	json_t *list = json_object();
	const char *key;
	double value;
	int i;

	set_option(list, "--epochs", "%ld", o->epochs);
	set_option(list, "--batch-size", "%d", o->batch);
	set_option(list, "--nbs", "%d", o->nbs);
	set_option(list, "--img", "%d", t->source->img);
	set_option(list, "--freeze", "%d", o->freeze);
	set_option(list, "--extractor-rate", "%.17g", o->extractor);
	set_option(list, "--optimizer", "%s", optim_names[o->optimizer]);
	set_option(list, "--cos-lr", "%s", o->cosine ? "yes" : "no");
	set_option(list, "--no-shuffle", "%s", o->shuffle ? "no" : "yes");
	set_option(list, "--seed", "%llu", (unsigned long long)o->seed);
	set_option(list, "--clip", "%.17g", o->clip);
	set_option(list, "--sync-bn", "%s", o->sync_bn ? "yes" : "no");
	set_option(list, "ranks", "%d", comm_size(o->comm));
	set_option(list, "--proximal", "%.17g", o->proximal);
	set_option(list, "a warm-up of at least", "%d", o->warmup_floor);
	set_option(list, "micro-batches of", "%d", t->plan.micro);
	set_option(list, "--weights", "%s", t->model->digest);
	set_option(list, "samples", "%s", t->source->digest);
	for (i = 0; (key = hyp_key(&o->hyp, i, &value)); i++)
		set_option(list, key, "%.17g", value);
	return list;
}

static int check_task(const struct train_options *opt, const struct model *m,
		      const struct source *source, struct err *err)
{
	if (!m->graph->nl)
		return err_set(err, STATUS_INPUT,
			       "cannot train this model: it has no detection head");
	if (!head_layer(m->graph))
		return err_set(err, STATUS_INPUT,
			       "cannot train this model: it is nothing but a detection head");
	if (opt->freeze >= m->graph->nlayers)
		return err_set(err, STATUS_USAGE, "--freeze %d leaves none of %d layers to train",
			       opt->freeze, m->graph->nlayers);
	if (source->n < 1)
		return err_set(err, STATUS_INPUT, "there is nothing to train from");
	return 0;
}

/* What a batch's pictures take while they are drawn: themselves, and a mosaic of four per thread. */
static size_t picture_bytes(const struct train *t, int batch)
{
	const size_t each = 3 * (size_t)t->source->img * (size_t)t->source->img;

	if (t->source->from)
		return 0;
	return each * ((size_t)batch + 4 * (size_t)pool_threads(t->pool));
}

/* A net_options.reduce; nobody else is at work on a batch that is rank 0's alone. */
static void reduce(void *ctx, double *v, size_t n)
{
	struct train *t = ctx;

	if (!t->share.solo)
		comm_sum(t->opt.comm, v, n);
}

/* What makes ranks one: a batch in one piece, for all reduce alike, and images for each. */
static int check_ranks(const struct train *t, struct err *err)
{
	const int size = comm_size(t->opt.comm);

	if (t->opt.batch < size)
		return err_set(err, STATUS_USAGE,
			       "--batch-size %d leaves nothing to some of %d ranks", t->opt.batch,
			       size);
	if (size > 1 && t->opt.sync_bn && t->plan.micro < t->net_options.batch)
		return err_set(
			err, STATUS_USAGE,
			"--sync-bn takes a rank's %d images at once: --mem-limit is too little",
			t->net_options.batch);
	return 0;
}

static int build(struct train *t, struct err *err)
{
	const struct graph *g = t->model->graph;
	const struct net_options *o = &t->net_options;
	struct head_options head = {.max_n = o->max_n, .h = o->h, .w = o->w, .path = o->path};
	struct loss_hyp hyp;

	t->net = net_new(g, o, t->pool, err);
	if (!t->net)
		return -1;
	hyp_loss(&t->opt.hyp, g, o->h, &hyp);
	head.hyp = &hyp;
	t->head = head_new(g, &head, t->pool);
	t->grads = xcalloc(g->nfloats, sizeof(float));
	t->ema = xcalloc(g->nfloats, sizeof(float));
	memcpy(t->ema, t->model->params, g->nfloats * sizeof(float));
	if (t->opt.proximal > 0) {
		t->start = xcalloc(g->nfloats, sizeof(float));
		memcpy(t->start, t->model->params, g->nfloats * sizeof(float));
	}
	t->optim = optim_new(g, t->opt.optimizer,
			     t->source->gradient ? t->opt.freeze : t->net_options.freeze);
	optim_slow(t->optim, t->source->from, t->opt.extractor);
	return 0;
}

struct train *train_new(const struct train_options *opt, struct model *m, struct source *source,
			struct pool *pool, const struct train_events *events, struct err *err)
{
	struct train *t;
	const int batch = ranks_room(opt->comm, opt->batch < source->n ? opt->batch : source->n);
	enum conv_path path;

	if (check_task(opt, m, source, err) || conv_resolve(opt->path, &path, err))
		return NULL;
	t = xcalloc(1, sizeof(*t));
	*t = (struct train){
		.opt = *opt,
		.events = *events,
		.model = m,
		.source = source,
		.pool = pool,
		.state = TRAIN_STATE_INIT,
		.nb = (source->n + opt->batch - 1) / opt->batch,
		.order = xcalloc((size_t)source->n, sizeof(int)),
		.net_options = {.from = source->from,
				.to = head_layer(m->graph),
				.max_n = batch,
				.batch = batch,
				.h = source->img,
				.w = source->img,
				.path = path,
				.train = true,
				.input_grad = source->gradient,
				.overwrite = head_in_place(m->graph),
				.freeze = opt->freeze > source->from ? opt->freeze : source->from},
	};
	if (opt->sync_bn && comm_size(opt->comm) > 1) {
		t->net_options.reduce = reduce;
		t->net_options.reduce_ctx = t;
	}
	if (opt->project) {
		t->last = path_join(opt->project, "last.safetensors");
		t->best = path_join(opt->project, "best.safetensors");
		t->csv = path_join(opt->project, "results.csv");
	}
	if (plan_make(&t->plan, m->graph, &t->net_options, pool, opt->optimizer, opt->proximal > 0,
		      source->bytes + picture_bytes(t, batch), opt->evaluation, opt->mem_limit,
		      err) ||
	    check_ranks(t, err) || build(t, err)) {
		train_free(t);
		return NULL;
	}
	source->kernel = opt->path;
	schedule_init(&t->schedule, &opt->hyp, opt->optimizer, opt->cosine, opt->epochs, t->nb,
		      opt->batch, opt->nbs, opt->warmup_floor);
	t->options = list_options(t);
	t->profile = opt->profile ? profile_new() : NULL;
	source_stamp(source, m); /* checkpoints and the best weights carry it too */
	return t;
}

void train_free(struct train *t)
{
	if (!t)
		return;
	net_free(t->net);
	profile_free(t->profile);
	head_free(t->head);
	optim_free(t->optim);
	train_state_release(&t->state);
	target_list_release(&t->targets);
	json_decref(t->options);
	free(t->grads);
	free(t->ema);
	free(t->start);
	free(t->order);
	free(t->last);
	free(t->best);
	free(t->csv);
	free(t);
}

const struct plan *train_plan(const struct train *t)
{
	return &t->plan;
}

const char *train_reason(const struct train *t)
{
	return t->reason;
}

static struct checkpoint checkpoint_of(struct train *t)
{
	return (struct checkpoint){t->model, t->ema, t->optim, &t->state, t->options};
}

int train_resume(struct train *t, bool *found, struct err *err)
{
	struct checkpoint c = checkpoint_of(t);

	*found = t->last && path_exists(t->last);
	if (!*found)
		return 0;
	if (checkpoint_load(&c, t->last, err))
		return -1;
	if (t->state.epoch > t->opt.epochs || t->state.batch >= t->nb ||
	    t->state.last_step >= t->state.epoch * t->nb + t->state.batch)
		return err_set(err, STATUS_INPUT, "cannot resume '%s': it stands where no run can",
			       t->last);
	return 0;
}

/* Rank 0 alone writes. */
static bool writes(const struct train *t)
{
	return comm_rank(t->opt.comm) == 0;
}

static int settle(struct train *t, int rc, struct err *err)
{
	return comm_settle(t->opt.comm, rc, err);
}

static int save(struct train *t, struct err *err)
{
	struct checkpoint c = checkpoint_of(t);
	const double time = clock_seconds();

	if (!t->last)
		return 0;
	if (settle(t, writes(t) ? checkpoint_save(&c, t->last, err) : 0, err))
		return -1;
	profile_lap(t->profile, "checkpoint", time);
	t->saved = clock_seconds();
	t->unsaved = 0;
	return 0;
}

static bool save_is_due(const struct train *t)
{
	if (t->opt.save_steps)
		return t->unsaved >= t->opt.save_steps;
	return clock_seconds() - t->saved >= SAVE_SECONDS;
}

/* The order of an epoch is a function of the seed and its number. */
static void begin_epoch(struct train *t)
{
	struct rng r;
	int i;

	for (i = 0; i < t->source->n; i++)
		t->order[i] = i;
	if (t->opt.shuffle) {
		rng_init(&r, t->opt.seed, "shuffle", (uint64_t)t->state.epoch);
		rng_shuffle(&r, t->order, (size_t)t->source->n);
	}
	/* As train.py: what the last epoch accumulated without a step is dropped. */
	memset(t->grads, 0, t->model->graph->nfloats * sizeof(float));
}

/* num_batches_tracked of the batch norms that run in training mode. */
static void count_forward(struct train *t)
{
	struct graph *g = t->model->graph;
	int i;

	for (i = 0; i < g->nparams; i++)
		if (g->params[i].kind == PARAM_COUNTER &&
		    g->params[i].layer >= t->net_options.freeze)
			g->params[i].counter++;
}

/* All ranks find it out; one tells. */
static int not_finite(const struct train *t, const char *what, struct err *err)
{
	err_set(err, STATUS_NONFINITE,
		"the %s is not finite in batch %ld of epoch %ld: a lower --lr0 may help", what,
		t->state.batch + 1, t->state.epoch + 1);
	if (comm_rank(t->opt.comm))
		err->msg[0] = '\0';
	return -1;
}

/* Forward, loss and backward of n of this rank's images from number `first` on, added to the gradients;
 * `loss` gets their share of the batch's means. */
static void run_part(struct train *t, int first, int n, struct loss *loss)
{
	struct view x[GRAPH_MAX_LEVELS], dx[GRAPH_MAX_LEVELS];
	double time;
	int i;

	net_forward_part(t->net, first, n, t->model->params);
	time = clock_seconds();
	count_forward(t);
	for (i = 0; i < net_noutputs(t->net); i++) {
		x[i] = net_output(t->net, i, n);
		dx[i] = net_output_grad(t->net, i, n);
	}
	head_step(t->head, t->model->params, x, t->share.first + first, n, t->share.all,
		  t->targets.v, t->targets.n, dx, t->grads, loss);
	profile_lap(t->profile, "head and loss", time);
	net_backward(t->net, n, t->grads);
	source_backward(t->source, t->net, first, n, t->grads);
}

/* This rank's images of the batch, and the targets of all. */
static int fill(struct train *t, struct err *err)
{
	const int first = (int)t->state.batch * t->opt.batch;
	const int left = t->source->n - first;
	const double time = clock_seconds();
	struct share *s = &t->share;
	int rc = 0;

	*s = ranks_share(t->opt.comm, left < t->opt.batch ? left : t->opt.batch);
	t->targets.n = 0;
	if (s->n)
		rc = source_fill(t->source, t->pool, t->net, t->state.epoch,
				 t->order + first + s->first, &s->n, &t->targets, err);
	rc = ranks_join(t->opt.comm, rc, s, &t->targets, err);
	profile_lap(t->profile, "input", time);
	return rc;
}

/* A batch in equal parts that fit the memory; its mean losses are added to the epoch's. */
static int run_batch(struct train *t, struct err *err)
{
	double sum[3] = {0};
	struct loss loss;
	int i, from, parts, n;

	if (fill(t, err))
		return -1;
	n = t->share.n;
	t->images += n;
	parts = (n + t->plan.micro - 1) / t->plan.micro;
	for (i = 0; i < parts; i++) {
		from = (int)((long)n * i / parts);
		run_part(t, from, (int)((long)n * (i + 1) / parts) - from, &loss);
		sum[0] += loss.box;
		sum[1] += loss.obj;
		sum[2] += loss.cls;
	}
	if (t->share.solo && !writes(t))
		count_forward(t); /* as rank 0 did */
	comm_sum(t->opt.comm, sum, 3);
	if (!isfinite(sum[0]) || !isfinite(sum[1]) || !isfinite(sum[2]))
		return not_finite(t, "loss", err);
	for (i = 0; i < 3; i++)
		t->state.loss[i] += sum[i];
	if (!t->opt.sync_bn || t->share.solo)
		ranks_statistics(t->opt.comm, &t->share, t->model->graph, t->net_options.freeze,
				 t->model->params);
	return 0;
}

/* The parameters changed. */
static void load(struct train *t)
{
	net_load_params(t->net, t->model->params);
	source_load(t->source);
}

static int make_step(struct train *t, const struct optim_rates *rates, struct err *err)
{
	double time = clock_seconds(), norm, scale = 1;

	comm_sum_floats(t->opt.comm, t->grads, t->model->graph->nfloats);
	if (t->start)
		proximal_add(t->model->graph, t->net_options.freeze, t->opt.proximal,
			     t->model->params, t->start, t->grads);
	norm = optim_grad_norm(t->optim, t->pool, t->grads);
	if (!isfinite(norm))
		return not_finite(t, "gradient", err);
	if (t->opt.clip > 0 && norm > t->opt.clip)
		scale = t->opt.clip / (norm + 1e-6); /* torch.nn.utils.clip_grad_norm_ */
	t->state.steps++;
	optim_step(t->optim, t->pool, rates, t->model->params, t->grads, scale, t->ema,
		   schedule_ema(t->state.steps));
	time = profile_lap(t->profile, "optimiser", time);
	load(t);
	profile_lap(t->profile, "packing of weights", time);
	t->unsaved++;
	return 0;
}

static int interrupted(struct train *t, struct err *err)
{
	if (save(t, err))
		return -1;
	if (!writes(t)) {
		*err = (struct err){STATUS_SYSTEM, ""};
		return -1;
	}
	if (!t->last)
		return err_set(err, STATUS_SYSTEM,
			       "interrupted; without --project nothing was kept");
	return err_set(err, STATUS_SYSTEM, "interrupted after step %lld; go on with --resume",
		       (long long)t->state.steps);
}

static void mean_loss(const struct train *t, long batches, double mean[3])
{
	int k;

	for (k = 0; k < 3; k++)
		mean[k] = t->state.loss[k] / (double)batches;
}

/* Is it time to end, for any rank; and to save, by rank 0's clock? */
static void wish(struct train *t, bool *stop, bool *due)
{
	double asked[2] = {0};

	asked[0] = t->events.interrupted && t->events.interrupted(t->events.ctx);
	asked[1] = writes(t) && t->last && save_is_due(t);
	comm_sum(t->opt.comm, asked, 2);
	*stop = asked[0] > 0;
	*due = asked[1] > 0;
}

/* The next batch, and a step when enough has accumulated. `rates` are those in force. */
static int next_batch(struct train *t, struct optim_rates *rates, struct err *err)
{
	struct train_state *s = &t->state;
	const long ni = s->epoch * t->nb + s->batch;
	const int accumulate = schedule_at(&t->schedule, ni, s->epoch, rates);
	bool stepped = false, stop, due;
	double mean[3];

	if (run_batch(t, err))
		return -1;
	if (ni - s->last_step >= accumulate) {
		if (make_step(t, rates, err))
			return -1;
		s->last_step = ni;
		stepped = true;
	}
	s->batch++;
	mean_loss(t, s->batch, mean);
	if (t->events.batch)
		t->events.batch(t->events.ctx, s->epoch, s->batch, t->nb, mean);
	if (!stepped || s->batch == t->nb)
		return 0; /* gradients are pending, or the epoch's end saves */
	wish(t, &stop, &due);
	if (stop)
		return interrupted(t, err);
	return due ? save(t, err) : 0;
}

static void swap_weights(struct train *t)
{
	float *params = t->model->params;

	t->model->params = t->ema;
	t->ema = params;
}

/* Judges the averaged weights, which the model holds now. */
static int validate(struct train *t, struct results_row *row, struct err *err)
{
	struct train_metrics v = {0};
	double all[RESULTS_COLUMNS];
	int k;

	if (settle(t, writes(t) ? t->events.validate(t->events.ctx, &v, err) : 0, err))
		return -1;
	row->value[RESULTS_PRECISION] = v.precision;
	row->value[RESULTS_RECALL] = v.recall;
	row->value[RESULTS_MAP50] = v.map50;
	row->value[RESULTS_MAP] = v.map;
	row->value[RESULTS_VAL_BOX] = v.box;
	row->value[RESULTS_VAL_OBJ] = v.obj;
	row->value[RESULTS_VAL_CLS] = v.cls;
	for (k = 0; k < RESULTS_COLUMNS; k++)
		all[k] = row->value[k];
	ranks_follow(t->opt.comm, all, RESULTS_COLUMNS);
	for (k = 0; k < RESULTS_COLUMNS; k++)
		row->value[k] = all[k];
	return 0;
}

/* Keeps the best weights, which the model holds now. */
static int keep_best(struct train *t, const struct results_row *row, struct err *err)
{
	struct train_state *s = &t->state;
	double fitness = schedule_fitness(row->value[RESULTS_MAP50], row->value[RESULTS_MAP]);

	if (fitness < s->best)
		return 0;
	s->best = fitness;
	s->best_epoch = s->epoch;
	return settle(t, t->best && writes(t) ? model_save(t->model, t->best, err) : 0, err);
}

static int judge(struct train *t, struct results_row *row, struct err *err)
{
	const double time = clock_seconds();
	int rc;

	if (!t->events.validate)
		return 0;
	swap_weights(t);
	rc = validate(t, row, err);
	if (!rc)
		rc = keep_best(t, row, err);
	swap_weights(t);
	profile_lap(t->profile, "validation", time);
	return rc;
}

static bool out_of_patience(struct train *t)
{
	const struct train_state *s = &t->state;

	if (!t->events.validate || !t->opt.patience || s->epoch - s->best_epoch < t->opt.patience)
		return false;
	snprintf(t->reason, sizeof(t->reason), "no epoch was better than epoch %ld for %ld epochs",
		 s->best_epoch + 1, t->opt.patience);
	return true;
}

static bool stop_asked(struct train *t)
{
	const struct results *r = &t->state.results;
	struct stop_values v = {{0}, {0}};
	double loss[2] = {0};
	int i, k;

	if (!t->opt.stop)
		return false;
	for (i = 0; i < 2 && i < r->n; i++)
		for (k = RESULTS_TRAIN_BOX; k <= RESULTS_TRAIN_CLS; k++)
			loss[i] += r->row[r->n - 1 - i].value[k];
	v.value[STOP_EPOCHS] = (double)r->n;
	v.value[STOP_LOSS] = loss[0];
	v.value[STOP_TIME] = clock_seconds() - t->began;
	v.value[STOP_ACCURACY] = r->row[r->n - 1].value[RESULTS_MAP50];
	v.known[STOP_EPOCHS] = v.known[STOP_LOSS] = v.known[STOP_TIME] = true;
	v.known[STOP_ACCURACY] = t->events.validate != NULL;
	if (r->n > 1) {
		v.value[STOP_DELTA_LOSS] = fabs(loss[0] - loss[1]);
		v.known[STOP_DELTA_LOSS] = true;
	}
	return stop_holds(t->opt.stop, &v, t->reason, sizeof(t->reason));
}

static int write_csv(struct train *t, struct err *err)
{
	const bool write = t->csv && t->state.results.n && writes(t);

	return settle(t, write ? results_write(&t->state.results, t->csv, err) : 0, err);
}

static int end_epoch(struct train *t, const struct optim_rates *rates, struct err *err)
{
	struct train_state *s = &t->state;
	struct results_row row = {{0}};
	double done;
	bool stop, due;
	int k;

	row.value[RESULTS_EPOCH] = (double)s->epoch;
	mean_loss(t, t->nb, &row.value[RESULTS_TRAIN_BOX]);
	for (k = 0; k < OPTIM_GROUPS; k++)
		row.value[RESULTS_LR0 + k] = rates->lr[k];
	if (judge(t, &row, err))
		return -1;
	stop = out_of_patience(t);
	results_add(&s->results, &row);
	s->epoch++;
	s->batch = 0;
	memset(s->loss, 0, sizeof(s->loss));
	done = stop_asked(t); /* by rank 0's clock */
	ranks_follow(t->opt.comm, &done, 1);
	s->done = done > 0 || stop || s->epoch == t->opt.epochs;
	if (save(t, err) || write_csv(t, err))
		return -1;
	if (t->events.epoch)
		t->events.epoch(t->events.ctx, &row);
	wish(t, &stop, &due);
	return !s->done && stop ? interrupted(t, err) : 0;
}

/* Gives the model its result: averaged weights, and what they were made from. */
static void finish(struct train *t)
{
	struct model *m = t->model;
	json_t *parents = json_array();
	char *text;

	memcpy(m->params, t->ema, m->graph->nfloats * sizeof(float));
	if (m->digest[0])
		json_array_append_new(parents, json_string(m->digest));
	json_array_append_new(parents, json_string(t->source->digest));
	text = json_text(parents);
	model_set_meta(m, "mist.parents", text);
	free(text);
	json_decref(parents);
	text = xasprintf("%d", t->source->n);
	model_set_meta(m, "mist.samples", text);
	free(text);
	model_set_meta(m, "mist.train", NULL);
}

int train_run(struct train *t, struct err *err)
{
	struct optim_rates rates;

	if (settle(t, t->opt.project && writes(t) ? dir_make(t->opt.project, err) : 0, err) ||
	    write_csv(t, err))
		return -1;
	load(t);
	t->began = t->saved = clock_seconds();
	while (!t->state.done) {
		begin_epoch(t);
		while (t->state.batch < t->nb)
			if (next_batch(t, &rates, err))
				return -1;
		if (end_epoch(t, &rates, err))
			return -1;
	}
	t->spent = clock_seconds() - t->began;
	profile_net(t->profile, t->net);
	finish(t);
	return 0;
}

char *train_profile(const struct train *t)
{
	struct buf out = BUF_INIT;

	if (t->profile)
		profile_text(t->profile, t->pool, t->net_options.path, t->spent, t->images, &out);
	return buf_detach(&out);
}
