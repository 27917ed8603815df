#include "model/hyp.h"

#include "base/nearest.h"
#include "io/yaml.h"

#include <stddef.h>
#include <string.h>

/* One row per key: hyp.scratch-low's value and the range that makes sense (train.py's metadata for
 * evolution, widened where users go further). */
static const struct row {
	const char *key;
	size_t offset;
	double value, min, max;
} rows[] = {
#define ROW(key, value, min, max)                                                                  \
	{                                                                                          \
#key, offsetof(struct hyp, key), value, min, max                                   \
	}
	ROW(lr0, 0.01, 0, 10),
	ROW(lrf, 0.01, 0, 100),
	ROW(momentum, 0.937, 0, 0.9999),
	ROW(weight_decay, 0.0005, 0, 1),
	ROW(warmup_epochs, 3, 0, 10000),
	ROW(warmup_momentum, 0.8, 0, 0.9999),
	ROW(warmup_bias_lr, 0.1, 0, 10),
	ROW(box, 0.05, 0, 1000),
	ROW(cls, 0.5, 0, 1000),
	ROW(cls_pw, 1, 1e-6, 1000),
	ROW(obj, 1, 0, 1000),
	ROW(obj_pw, 1, 1e-6, 1000),
	ROW(iou_t, 0.2, 0, 1),
	ROW(anchor_t, 4, 1, 1000),
	ROW(fl_gamma, 0, 0, 10),
	ROW(label_smoothing, 0, 0, 0.999),
	ROW(hsv_h, 0.015, 0, 1),
	ROW(hsv_s, 0.7, 0, 1),
	ROW(hsv_v, 0.4, 0, 1),
	ROW(degrees, 0, 0, 180),
	ROW(translate, 0.1, 0, 0.9),
	ROW(scale, 0.5, 0, 0.99),
	ROW(shear, 0, 0, 80),
	ROW(perspective, 0, 0, 0.01),
	ROW(flipud, 0, 0, 1),
	ROW(fliplr, 0.5, 0, 1),
	ROW(mosaic, 1, 0, 1),
	ROW(mixup, 0, 0, 1),
	ROW(copy_paste, 0, 0, 1),
#undef ROW
};

static double *field(struct hyp *h, const struct row *row)
{
	return (double *)((char *)h + row->offset);
}

static const struct row *find(const char *key)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].key, key))
			return &rows[i];
	return NULL;
}

static const char *nearest_key(const char *key)
{
	const char *known[ARRAY_LEN(rows)];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		known[i] = rows[i].key;
	return nearest_word(key, known, ARRAY_LEN(rows));
}

void hyp_default(struct hyp *h)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		*field(h, &rows[i]) = rows[i].value;
}

static int unknown(const struct yaml_node *at, const char *key, struct err *err)
{
	const char *near = nearest_key(key);

	if (!strcmp(key, "anchors"))
		return yaml_err(at, err, "'anchors' belongs to the model's YAML, not here");
	if (near)
		return yaml_err(at, err, "unknown hyper-parameter '%s': did you mean '%s'?", key,
				near);
	return yaml_err(at, err, "unknown hyper-parameter '%s'", key);
}

static int take(struct hyp *h, const struct yaml *y, struct err *err)
{
	const struct yaml_node *map = y->doc[0];
	int i;

	if (y->ndocs != 1)
		return yaml_err(y->doc[1], err, "a second document: hyper-parameters are one map");
	if (yaml_is_null(map))
		return 0; /* nothing but comments: nothing is changed */
	if (yaml_want(map, YAML_MAP, "the document", err))
		return -1;
	for (i = 0; i < map->n; i++) {
		const struct yaml_node *key = map->item[2 * i];
		const struct row *row = find(key->text);

		if (!row)
			return unknown(key, key->text, err);
		if (yaml_double(map->item[2 * i + 1], row->key, row->min, row->max, field(h, row),
				err))
			return -1;
	}
	return 0;
}

int hyp_parse(struct hyp *h, const char *name, const char *text, size_t len, struct err *err)
{
	struct yaml *y = yaml_parse(name, text, len, err);
	int rc;

	if (!y)
		return -1;
	rc = take(h, y, err);
	yaml_tree_free(y);
	return rc;
}

int hyp_read(struct hyp *h, const char *path, struct err *err)
{
	struct yaml *y = yaml_read(path, err);
	int rc;

	if (!y)
		return -1;
	rc = take(h, y, err);
	yaml_tree_free(y);
	return rc;
}

int hyp_set(struct hyp *h, const char *key, double value, struct err *err)
{
	const struct row *row = find(key);
	const char *near;

	if (!row) {
		near = nearest_key(key);
		return err_set(err, STATUS_USAGE, "unknown hyper-parameter '%s'%s%s%s", key,
			       near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
	if (!(value >= row->min && value <= row->max))
		return err_set(err, STATUS_USAGE, "%s: %g is not between %g and %g", key, value,
			       row->min, row->max);
	*field(h, row) = value;
	return 0;
}

const char *hyp_key(const struct hyp *h, int n, double *value)
{
	if (n < 0 || (size_t)n >= ARRAY_LEN(rows))
		return NULL;
	memcpy(value, (const char *)h + rows[n].offset, sizeof(*value));
	return rows[n].key;
}

void hyp_write(const struct hyp *h, struct buf *out)
{
	const char *key;
	double value;
	int i;

	for (i = 0; (key = hyp_key(h, i, &value)); i++)
		buf_printf(out, "%s: %.17g\n", key, value);
}

void hyp_loss(const struct hyp *h, const struct graph *g, int img, struct loss_hyp *out)
{
	*out = (struct loss_hyp){
		.box = (float)h->box,
		.cls = (float)h->cls,
		.cls_pw = (float)h->cls_pw,
		.obj = (float)h->obj,
		.obj_pw = (float)h->obj_pw,
		.anchor_t = (float)h->anchor_t,
		.fl_gamma = (float)h->fl_gamma,
		.label_smoothing = (float)h->label_smoothing,
	};
	loss_hyp_scale(out, g->nl, g->nc, img);
}
