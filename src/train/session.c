#include "train/session.h"

#include "base/cli.h"
#include "base/file.h"
#include "base/mem.h"
#include "train/validate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* train.py: the least number of batches that warm up; the norm that gradients are clipped to; the
 * side of images. */
#define WARMUP_FLOOR 100
#define CLIP         10.0
#define DEFAULT_IMG  640

struct session {
	const struct session_options *o;
	struct train_options train_options;
	struct train_events events;
	struct model *model;
	struct dataset *dataset;
	struct source *source;
	struct validator *validator;
	struct stop *stop;
	struct train *train;
	struct pool *pool;
	char *output;
};

void session_defaults(struct session_options *o)
{
	*o = (struct session_options){
		.lr0 = -1,
		.warmup = -1,
		.gate = -1,
		.train = {.epochs = 100,
			  .batch = 16,
			  .nbs = 64,
			  .patience = 100,
			  .shuffle = true,
			  .warmup_floor = WARMUP_FLOOR,
			  .clip = CLIP},
	};
}

/* What would fail after hours fails now. */
static int check_output(struct session *s, struct err *err)
{
	const struct session_options *o = s->o;
	char *dir;
	int rc = 0;

	if (o->output)
		s->output = xstrdup(o->output);
	else if (o->train.project)
		s->output = path_join(o->train.project, "weights.safetensors");
	else
		s->output = xstrdup("-");
	if (!strcmp(s->output, "-"))
		return isatty(STDOUT_FILENO)
			       ? err_set(err, STATUS_USAGE,
					 "not writing weights to a terminal: use -o FILE")
			       : 0;
	if (path_is_dir(s->output))
		return err_set(err, STATUS_USAGE, "cannot write '%s': it is a folder", s->output);
	dir = path_dir(s->output);
	if (o->output && access(dir, W_OK) != 0)
		rc = err_errno(err, "cannot write '%s'", s->output);
	free(dir);
	return rc;
}

/* A file of the user's or one of ours, then what options change. */
static int read_hyp(struct session *s, struct err *err)
{
	const struct session_options *o = s->o;
	struct train_options *t = &s->train_options;
	char *path;
	int rc;

	if (o->hyp)
		path = xstrdup(o->hyp);
	else
		path = cli_share(o->data ? "hyp/scratch-low.yaml" : "hyp/mist.yaml");
	hyp_default(&t->hyp);
	rc = hyp_read(&t->hyp, path, err);
	free(path);
	if (!rc && o->lr0 >= 0)
		rc = hyp_set(&t->hyp, "lr0", o->lr0, err);
	if (!rc && o->warmup >= 0) { /* who asks for so much gets no more */
		rc = hyp_set(&t->hyp, "warmup_epochs", o->warmup, err);
		t->warmup_floor = 0;
	}
	return rc;
}

static int open_source(struct session *s, struct err *err)
{
	const struct session_options *o = s->o;
	const struct hyp *hyp = &s->train_options.hyp;
	struct dataset_options d = {.strict = o->strict, .notices = &o->notices};
	struct images_options images;

	if (!o->data && comm_size(o->train.comm) > 1 && (!o->features || !strcmp(o->features, "-")))
		return err_set(err, STATUS_USAGE,
			       "several ranks cannot share standard input: --features FILE");
	if (!o->data) {
		s->source = source_features(o->features ? o->features : "-", &s->model, hyp,
					    o->train.seed, &o->notices, err);
		if (s->source && o->img && o->img != s->source->img)
			return err_set(err, STATUS_USAGE,
				       "--img %d: the features are of images of %d pixels", o->img,
				       s->source->img);
		return s->source ? 0 : -1;
	}
	s->dataset = dataset_open(o->data, &d, err);
	if (!s->dataset)
		return -1;
	images = (struct images_options){.img = o->img ? o->img : DEFAULT_IMG,
					 .seed = o->train.seed,
					 .strict = o->strict,
					 .extractor = o->train.extractor > 0,
					 .freeze = o->train.freeze,
					 .path = o->train.path,
					 .pool = s->pool,
					 .notices = &o->notices};
	s->source = source_images(s->dataset, &s->model, hyp, &images, err);
	return s->source ? 0 : -1;
}

static int open_validator(struct session *s, struct err *err)
{
	const struct session_options *o = s->o;
	struct validate_options v = {.img = s->source->img,
				     .batch = o->train.batch,
				     .gate = o->gate,
				     .path = o->train.path,
				     .seed = o->train.seed,
				     .strict = o->strict,
				     .notices = &o->notices};

	if (!o->val)
		return 0;
	source_stamp(s->source, s->model); /* the gate that it is judged through */
	s->validator = validator_new(o->val, s->model, &s->train_options.hyp, &v, s->pool, err);
	if (!s->validator)
		return -1;
	s->train_options.evaluation = validator_bytes(s->validator);
	return 0;
}

static int open_stop(struct session *s, struct err *err)
{
	if (!s->o->stop)
		return 0;
	s->stop = stop_parse(s->o->stop, err);
	if (!s->stop)
		return -1;
	if (stop_uses(s->stop, STOP_ACCURACY) && !s->o->val)
		return err_set(err, STATUS_USAGE,
			       "--stop: accuracy is known only with --val DATASET");
	if (stop_uses(s->stop, STOP_ROUNDS) || stop_uses(s->stop, STOP_CLIENTS))
		return err_set(err, STATUS_USAGE, "--stop: a training run knows of no %s",
			       stop_uses(s->stop, STOP_ROUNDS) ? "rounds" : "clients");
	s->train_options.stop = s->stop;
	return 0;
}

/* The loop's events go to the caller; judging goes to the validator. */
static void forward_batch(void *ctx, long epoch, long batch, long nb, const double *loss)
{
	const struct train_events *e = &((struct session *)ctx)->events;

	if (e->batch)
		e->batch(e->ctx, epoch, batch, nb, loss);
}

static void forward_epoch(void *ctx, const struct results_row *row)
{
	const struct train_events *e = &((struct session *)ctx)->events;

	if (e->epoch)
		e->epoch(e->ctx, row);
}

static bool forward_interrupted(void *ctx)
{
	const struct train_events *e = &((struct session *)ctx)->events;

	return e->interrupted && e->interrupted(e->ctx);
}

static int forward_validate(void *ctx, struct train_metrics *out, struct err *err)
{
	struct session *s = ctx;

	return validator_run(s->validator, out, err);
}

static int open_all(struct session *s, struct err *err)
{
	struct train_events events = {s, forward_batch, forward_epoch, forward_interrupted,
				      s->o->val ? forward_validate : NULL};

	if (check_output(s, err) || read_hyp(s, err) || open_stop(s, err))
		return -1;
	s->model = model_load(s->o->weights, NULL, err);
	if (!s->model || open_source(s, err) || open_validator(s, err))
		return -1;
	s->train = train_new(&s->train_options, s->model, s->source, s->pool, &events, err);
	return s->train ? 0 : -1;
}

struct session *session_open(const struct session_options *o, const struct train_events *events,
			     struct pool *pool, struct err *err)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->o = o;
	s->train_options = o->train;
	s->events = *events;
	s->pool = pool;
	if (comm_settle(o->train.comm, open_all(s, err), err)) {
		session_close(s);
		return NULL;
	}
	return s;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	train_free(s->train);
	stop_free(s->stop);
	validator_free(s->validator);
	source_free(s->source);
	dataset_free(s->dataset);
	model_free(s->model);
	free(s->output);
	free(s);
}

const struct plan *session_plan(const struct session *s)
{
	return train_plan(s->train);
}

long session_batches(const struct session *s)
{
	const struct train_options *t = &s->train_options;

	return t->epochs * ((s->source->n + t->batch - 1) / t->batch);
}

char *session_profile(const struct session *s)
{
	return train_profile(s->train);
}

const char *session_reason(const struct session *s)
{
	return train_reason(s->train);
}

int session_resume(struct session *s, bool *found, struct err *err)
{
	return comm_settle(s->o->train.comm, train_resume(s->train, found, err), err);
}

/* Weights that were trained once more belong to the next round. */
static int next_round(struct model *m, struct err *err)
{
	const char *was = model_meta(m, "mist.round");
	char text[24];
	long round = 0;

	if (was && num_long("mist.round", was, 0, 1L << 40, &round, err))
		return -1;
	snprintf(text, sizeof(text), "%ld", round + 1);
	model_set_meta(m, "mist.round", text);
	return 0;
}

int session_run(struct session *s, struct err *err)
{
	if (train_run(s->train, err) || next_round(s->model, err))
		return -1;
	if (s->o->client)
		model_set_meta(s->model, "mist.client", s->o->client);
	return comm_settle(s->o->train.comm,
			   comm_rank(s->o->train.comm) ? 0 : model_save(s->model, s->output, err),
			   err);
}
