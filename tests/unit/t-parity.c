/*
 * t-parity REFERENCE.safetensors [WEIGHTS] - every tensor of a reference file against ours.
 *
 * The reference holds what PyTorch and Ultralytics' YOLOv5 make of one batch: images, evaluation
 * (eval.*), one training step of all layers (full.*) and of the layers from the cut on (cloud.*).
 * Its metadata names the model (cfg), the cut, the size and the hyper-parameters. Weights come from
 * WEIGHTS (.pt or .safetensors), or from the reference's own tensors sd.NAME.
 * Prints the error of every tensor; fails beyond the tolerances. MIST_KERNEL forces a kernel path.
 * Run by parity.bats.
 */
#include "base/cli.h"
#include "base/file.h"
#include "io/json.h"
#include "io/torchpt.h"
#include "parity.h"

#include <stdlib.h>
#include <string.h>

static int fail(struct parity *p, const char *what)
{
	return err_set(&p->err, STATUS_INPUT, "%s", what);
}

/* The model's text: what `cfg` is itself, or names, beside the reference or among ours. */
static int read_cfg(struct parity *p, const char *path, struct buf *text)
{
	const char *cfg = safetensors_meta(&p->ref, "cfg");
	char *dir = path_dir(path), *beside, *among, *name;
	int rc;

	if (!cfg) {
		free(dir);
		return fail(p, "the reference names no model (cfg)");
	}
	if (strchr(cfg, '\n')) {
		free(dir);
		buf_add_str(text, cfg);
		return 0;
	}
	beside = path_join(dir, cfg);
	name = xasprintf("models/%s", path_base(cfg));
	among = cli_share(name);
	rc = file_read(path_exists(beside) ? beside
		       : path_exists(cfg)  ? cfg
					   : among,
		       1 << 20, text, &p->err);
	free(dir);
	free(beside);
	free(name);
	free(among);
	return rc;
}

static int fill_safetensors(struct parity *p, struct safetensors *s, const char *prefix)
{
	struct model *m = p->model;
	int i;

	for (i = 0; i < m->graph->nparams; i++) {
		const struct param *q = &m->graph->params[i];
		char *name = xasprintf("%s%s", prefix, q->name);
		const struct safetensors_tensor *t = safetensors_find(s, name);
		int rc = 0;

		if (q->kind == PARAM_COUNTER || (!t && q->kind == PARAM_CONST))
			;
		else if (!t || t->count != q->count)
			rc = err_set(&p->err, STATUS_INPUT, "no tensor '%s' of that size", name);
		else
			rc = safetensors_read_floats(s, t, m->params + q->offset, &p->err);
		free(name);
		if (rc)
			return -1;
	}
	return 0;
}

static int fill_torch(struct parity *p, const char *path)
{
	struct model *m = p->model;
	struct torchpt *pt = torchpt_read(path, &p->err);
	int i, rc = pt ? 0 : -1;

	for (i = 0; i < m->graph->nparams && !rc; i++) {
		const struct param *q = &m->graph->params[i];
		const struct torchpt_tensor *t = torchpt_find(pt, q->name);

		if (q->kind == PARAM_COUNTER)
			continue;
		if (!t || t->count != q->count)
			rc = err_set(&p->err, STATUS_INPUT, "no tensor '%s' of that size", q->name);
		else
			torchpt_floats(t, m->params + q->offset);
	}
	torchpt_free(pt);
	return rc;
}

static int fill_weights(struct parity *p, const char *weights)
{
	const size_t len = weights ? strlen(weights) : 0;
	struct safetensors s;
	int rc;

	if (!weights)
		return fill_safetensors(p, &p->ref, "sd.");
	if (len > 3 && !strncmp(weights + len - 3, ".pt", 3))
		return fill_torch(p, weights);
	if (safetensors_open(&s, weights, &p->err))
		return -1;
	rc = fill_safetensors(p, &s, "");
	safetensors_close(&s);
	return rc;
}

/* How many classes the reference's maps have; 0: as the model says. */
static int ref_classes(struct parity *p)
{
	const struct safetensors_tensor *t = safetensors_find(&p->ref, "eval.raw0");

	return t && t->ndim == 5 && t->dim[4] > 5 ? (int)t->dim[4] - 5 : 0;
}

static int read_model(struct parity *p, const char *path, const char *weights)
{
	struct buf text = BUF_INIT;

	if (!read_cfg(p, path, &text))
		p->model = model_new("cfg", text.data, ref_classes(p), &p->err);
	buf_release(&text);
	if (!p->model || fill_weights(p, weights))
		return -1;
	return model_sync_anchors(p->model, &p->err);
}

static int read_hyp(struct parity *p)
{
	const char *text = safetensors_meta(&p->ref, "hyp");
	json_t *json, *value;
	const char *key;

	hyp_default(&p->hyp);
	if (!text)
		return 0;
	json = json_parse("hyp", text, strlen(text), &p->err);
	if (!json)
		return -1;
	json_object_foreach(json, key, value)
	{
		/* What we do not know does not bear on the loss. */
		if (json_is_number(value) &&
		    hyp_set(&p->hyp, key, json_number_value(value), &p->err))
			printf("# hyper-parameter %s: %s\n", key, p->err.msg);
	}
	json_decref(json);
	return 0;
}

static int read_numbers(struct parity *p)
{
	const char *cut = safetensors_meta(&p->ref, "cut");
	const char *size = safetensors_meta(&p->ref, "size");
	long v;

	p->cut = 0;
	p->size = p->h > p->w ? p->h : p->w;
	if (cut) {
		if (num_long("cut", cut, 1, p->model->graph->nlayers - 1, &v, &p->err))
			return -1;
		p->cut = (int)v;
	}
	if (size && !num_long("size", size, 1, 32768, &v, &p->err))
		p->size = (int)v;
	return 0;
}

static int read_batch(struct parity *p)
{
	const struct safetensors_tensor *t = safetensors_find(&p->ref, "image.u8");
	size_t count, i;
	float *rows;

	if (!t || t->ndim != 4 || t->type != SAFETENSORS_U8)
		return fail(p, "the reference has no images (image.u8)");
	p->n = (int)t->dim[0];
	p->h = (int)t->dim[2];
	p->w = (int)t->dim[3];
	if (t->dim[1] != (size_t)p->model->graph->channels)
		return fail(p, "the images have another number of channels than the model");
	p->images = xmalloc(t->bytes);
	if (safetensors_read(&p->ref, t, p->images, &p->err))
		return -1;
	rows = parity_floats(p, "targets", &count);
	if (!rows)
		return 0;
	p->ntargets = (int)(count / 6);
	p->targets = xcalloc((size_t)p->ntargets + 1, sizeof(*p->targets));
	for (i = 0; i < (size_t)p->ntargets; i++) {
		const float *r = rows + 6 * i;

		p->targets[i] = (struct target){(int)r[0], (int)r[1], r[2], r[3], r[4], r[5]};
	}
	free(rows);
	return 0;
}

static bool has_family(const struct parity *p, const char *prefix)
{
	int i;

	for (i = 0; i < p->ref.ntensors; i++)
		if (!strncmp(p->ref.tensors[i].name, prefix, strlen(prefix)))
			return true;
	return false;
}

static int compare_all(struct parity *p)
{
	if (has_family(p, "eval.") && parity_evaluate(p))
		return -1;
	if (has_family(p, "full.") && parity_train(p, "full", "", 0, 0, 1))
		return -1;
	if (!has_family(p, "cloud."))
		return 0;
	if (!p->cut)
		return fail(p, "the reference names no cut");
	if (parity_train(p, "cloud", "", p->cut, p->cut, 1))
		return -1;
	return parity_train(p, "cloud", "frozen: ", 0, p->cut, 4);
}

static int run(struct parity *p, const char *path, const char *weights)
{
	const char *kernel = getenv("MIST_KERNEL"), *threads = getenv("MIST_THREADS");
	long n = 0;

	if (kernel && *kernel && conv_path_parse(kernel, &p->path, &p->err))
		return -1;
	if (threads && num_long("MIST_THREADS", threads, 1, 64, &n, &p->err))
		return -1;
	if (safetensors_open(&p->ref, path, &p->err))
		return -1;
	p->pool = pool_new((int)n);
	if (read_model(p, path, weights) || read_batch(p) || read_numbers(p) || read_hyp(p))
		return -1;
	return compare_all(p);
}

int main(int argc, char **argv)
{
	struct parity *p = xcalloc(1, sizeof(*p));
	int rc;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: t-parity REFERENCE.safetensors [WEIGHTS]\n");
		return 2;
	}
	rc = run(p, argv[1], argc > 2 ? argv[2] : NULL);
	if (rc)
		fprintf(stderr, "t-parity: %s\n", p->err.msg);
	else
		printf("%d compared, %d failed\n", p->compared, p->failed);
	rc = rc ? 3 : p->failed || !p->compared;
	if (p->ref.path)
		safetensors_close(&p->ref);
	model_free(p->model);
	pool_free(p->pool);
	free(p->images);
	free(p->targets);
	free(p);
	return rc;
}
