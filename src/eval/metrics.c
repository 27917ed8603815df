#include "eval/metrics.h"

#include "io/json.h"

#include <stdlib.h>
#include <string.h>

static bool undo_gain(struct saved_by_val *saved, struct boxset *s, const struct groups *groups)
{
	saved->rule = gain_guess(s, groups, saved->images, saved->img);
	if (saved->rule == GAIN_EXACT)
		return false;
	gain_apply(s, saved->images, saved->img, saved->rule);
	return true;
}

void metrics_compute(struct metrics *m, struct boxset *s, unsigned protocols,
		     struct saved_by_val *saved, struct pool *pool)
{
	struct verdict *verdicts;
	struct groups groups;
	size_t *ranking, i;

	boxset_sort(s, &groups);
	ranking = boxset_rank(s, &groups, pool);
	verdicts = match_all(s, &groups, pool);
	if (protocols & PROTOCOL_COCO)
		coco_metrics_compute(&m->coco, s, &groups, ranking, verdicts, pool);
	if (protocols & PROTOCOL_YOLO) {
		if (saved && undo_gain(saved, s, &groups)) {
			free(verdicts);
			verdicts = match_all(s, &groups, pool);
		}
		yolo_metrics_compute(&m->yolo, s, &groups, ranking, verdicts, pool);
	}
	m->protocols = protocols;
	m->instances = 0;
	for (i = 0; i < s->ntruths; i++)
		m->instances += !s->truths[i].crowd;
	free(verdicts);
	free(ranking);
	groups_release(&groups);
}

void metrics_release(struct metrics *m)
{
	yolo_metrics_release(&m->yolo);
	memset(m, 0, sizeof(*m));
}

static const char *class_name(char *const *names, int cls, char number[12])
{
	if (names)
		return names[cls];
	snprintf(number, 12, "%d", cls);
	return number;
}

void metrics_heading(struct buf *out)
{
	buf_printf(out, "%22s%11s%11s%11s%11s%11s%11s\n", "Class", "Images", "Instances", "P", "R",
		   "mAP50", "mAP50-95");
}

static void add_row(struct buf *out, const char *name, long images, long instances, double p,
		    double r, double map50, double map)
{
	buf_printf(out, "%22s%11ld%11ld%11.3g%11.3g%11.3g%11.3g\n", name, images, instances, p, r,
		   map50, map);
}

void metrics_table(const struct metrics *m, char *const *names, bool classes, struct buf *out)
{
	const struct yolo_metrics *y = &m->yolo;
	char number[12];
	int i;

	metrics_heading(out);
	add_row(out, "all", m->images, m->instances, y->p, y->r, y->map50, y->map);
	for (i = 0; classes && i < y->nclasses; i++) {
		const struct yolo_class *c = &y->classes[i];

		add_row(out, class_name(names, c->cls, number), m->images, c->instances, c->p, c->r,
			c->map50, c->map);
	}
}

void metrics_speed_line(const struct metrics *m, struct buf *out)
{
	buf_printf(out,
		   "Speed: %.1fms pre-process, %.1fms inference, %.1fms NMS per image at shape "
		   "(%d, %d, %d, %d)\n",
		   m->preprocess_ms, m->inference_ms, m->nms_ms, m->batch, m->channels, m->height,
		   m->width);
}

/* cocoeval.py, summarize: its words and columns. */
void metrics_coco_lines(const struct metrics *m, struct buf *out)
{
	static const struct {
		const char *iou, *area;
		int max_dets;
	} rows[COCO_FIGURES] = {
		{"0.50:0.95", "all", 100},    {"0.50", "all", 100},
		{"0.75", "all", 100},         {"0.50:0.95", "small", 100},
		{"0.50:0.95", "medium", 100}, {"0.50:0.95", "large", 100},
		{"0.50:0.95", "all", 1},      {"0.50:0.95", "all", 10},
		{"0.50:0.95", "all", 100},    {"0.50:0.95", "small", 100},
		{"0.50:0.95", "medium", 100}, {"0.50:0.95", "large", 100},
	};
	int i;

	for (i = 0; i < COCO_FIGURES; i++)
		buf_printf(out, " %-18s %s @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %0.3f\n",
			   i < 6 ? "Average Precision" : "Average Recall", i < 6 ? "(AP)" : "(AR)",
			   rows[i].iou, rows[i].area, rows[i].max_dets, m->coco.figure[i]);
}

void metrics_text(const struct metrics *m, char *const *names, bool classes, struct buf *out)
{
	if (m->protocols & PROTOCOL_YOLO)
		metrics_table(m, names, classes, out);
	if (m->timed)
		metrics_speed_line(m, out);
	if (m->protocols & PROTOCOL_COCO)
		metrics_coco_lines(m, out);
}

static void set_real(json_t *o, const char *key, double v)
{
	json_object_set_new(o, key, json_real(v));
}

static void set_count(json_t *o, const char *key, long v)
{
	json_object_set_new(o, key, json_integer(v));
}

static json_t *row_json(double p, double r, double map50, double map)
{
	json_t *o = json_object();

	set_real(o, "P", p);
	set_real(o, "R", r);
	set_real(o, "mAP50", map50);
	set_real(o, "mAP50-95", map);
	return o;
}

static json_t *yolo_json(const struct metrics *m, char *const *names)
{
	const struct yolo_metrics *y = &m->yolo;
	json_t *o = row_json(y->p, y->r, y->map50, y->map), *classes = json_object();
	char number[12];
	int i;

	for (i = 0; i < y->nclasses; i++) {
		const struct yolo_class *c = &y->classes[i];
		json_t *row = row_json(c->p, c->r, c->map50, c->map);

		set_count(row, "images", m->images);
		set_count(row, "instances", c->instances);
		json_object_set_new(classes, class_name(names, c->cls, number), row);
	}
	json_object_set_new(o, "classes", classes);
	return o;
}

static json_t *coco_json(const struct coco_metrics *c)
{
	json_t *o = json_object();
	int i;

	for (i = 0; i < COCO_FIGURES; i++)
		set_real(o, coco_names[i], c->figure[i]);
	return o;
}

json_t *metrics_json(const struct metrics *m, char *const *names)
{
	json_t *o = json_object(), *speed;

	set_count(o, "images", m->images);
	set_count(o, "with_labels", m->with_labels);
	set_count(o, "backgrounds", m->backgrounds);
	set_count(o, "corrupt", m->corrupt);
	set_count(o, "instances", m->instances);
	if (m->protocols & PROTOCOL_YOLO)
		json_object_set_new(o, "yolov5", yolo_json(m, names));
	if (m->protocols & PROTOCOL_COCO)
		json_object_set_new(o, "coco", coco_json(&m->coco));
	if (m->timed) {
		speed = json_object();
		set_real(speed, "preprocess", m->preprocess_ms);
		set_real(speed, "inference", m->inference_ms);
		set_real(speed, "nms", m->nms_ms);
		json_object_set_new(o, "speed_ms", speed);
	}
	return o;
}

void metrics_json_text(const struct metrics *m, char *const *names, struct buf *out)
{
	json_add_value(out, metrics_json(m, names), JSON_INDENT(1) | JSON_REAL_PRECISION(12));
}
