#include "job/verdict.h"

#include "base/clock.h"
#include "base/file.h"
#include "job/folder.h"
#include "job/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void verdict_values(const struct results *table, double seconds, struct stop_values *out)
{
	double loss[2] = {0};
	int i, k;

	*out = (struct stop_values){{0}, {false}};
	if (seconds >= 0) {
		out->value[STOP_TIME] = seconds;
		out->known[STOP_TIME] = true;
	}
	if (!table->n)
		return;
	for (i = 0; i < 2 && i < table->n; i++)
		for (k = RESULTS_TRAIN_BOX; k <= RESULTS_TRAIN_CLS; k++)
			loss[i] += table->row[table->n - 1 - i].value[k];
	for (i = 0; i < table->n; i++)
		if (table->row[i].value[RESULTS_MAP50] > 0)
			out->known[STOP_ACCURACY] = true;
	out->value[STOP_ACCURACY] = table->row[table->n - 1].value[RESULTS_MAP50];
	out->value[STOP_ROUNDS] = table->n;
	out->value[STOP_EPOCHS] = table->row[table->n - 1].value[RESULTS_EPOCH] + 1;
	out->value[STOP_LOSS] = loss[0];
	out->value[STOP_DELTA_LOSS] = fabs(loss[0] - loss[1]);
	out->known[STOP_ROUNDS] = out->known[STOP_EPOCHS] = out->known[STOP_LOSS] = true;
	out->known[STOP_DELTA_LOSS] = table->n > 1;
}

static int judge(const char *expression, const struct results *table, double seconds, bool *stop,
		 char *reason, size_t size, struct err *err)
{
	struct stop *s = stop_parse(expression, err);
	struct stop_values v;

	if (!s)
		return -1;
	verdict_values(table, seconds, &v);
	*stop = stop_holds(s, &v, reason, size);
	stop_free(s);
	return 0;
}

int verdict_should_stop(const char *expression, const char *path, double seconds, bool *stop,
			char *reason, size_t size, struct err *err)
{
	struct results table = RESULTS_INIT;
	int rc = results_read(&table, path, err);

	if (!rc)
		rc = judge(expression, &table, seconds, stop, reason, size, err);
	results_release(&table);
	return rc;
}

/* P, R and mAP of a round, where it was evaluated. */
static int add_evaluation(struct results_row *row, const char *folder, long round, struct err *err)
{
	char *name = folder_path("rounds", "%ld/eval.json", round);
	char *path = folder_path(folder, "%s", name);
	const json_t *of;
	json_t *doc = NULL;
	double *v = row->value;
	int rc = 0;

	if (path_exists(path)) {
		rc = -1;
		doc = folder_json(folder, name, err);
		if (doc && (of = json_get_object(path, doc, "yolov5", err)) &&
		    !json_get_double(path, of, "P", 0, 1, &v[RESULTS_PRECISION], err) &&
		    !json_get_double(path, of, "R", 0, 1, &v[RESULTS_RECALL], err) &&
		    !json_get_double(path, of, "mAP50", 0, 1, &v[RESULTS_MAP50], err) &&
		    !json_get_double(path, of, "mAP50-95", 0, 1, &v[RESULTS_MAP], err))
			rc = 0;
	}
	json_decref(doc);
	free(path);
	free(name);
	return rc;
}

/* The losses of who trained in this round; -1 where nobody did. */
static long add_losses(struct results_row *row, const struct record *list, size_t n, long round)
{
	double weight, sum = 0;
	long epochs = -1;
	size_t i;
	int k;

	for (i = 0; i < n; i++) {
		if (list[i].round != round || !list[i].trained || list[i].state != RECORD_SUCCEEDED)
			continue;
		weight = list[i].samples > 0 ? list[i].samples : 1;
		sum += weight;
		for (k = 0; k < 3; k++)
			row->value[RESULTS_TRAIN_BOX + k] += weight * list[i].loss[k];
		if (list[i].epochs > epochs)
			epochs = list[i].epochs;
	}
	for (k = 0; k < 3 && sum > 0; k++)
		row->value[RESULTS_TRAIN_BOX + k] /= sum;
	return epochs;
}

static int make_table(struct results *table, const char *folder, long round, struct err *err)
{
	struct record *list;
	size_t n;
	long i, epochs, done = 0;
	int rc = record_all(&list, &n, folder, err);

	for (i = 1; i <= round && !rc; i++) {
		struct results_row row = {{0}};

		epochs = add_losses(&row, list, n, i);
		if (epochs < 0) {
			rc = err_set(err, STATUS_INPUT, "round %ld: nobody trained in it", i);
			break;
		}
		done += epochs;
		row.value[RESULTS_EPOCH] = (double)(done - 1);
		rc = add_evaluation(&row, folder, i, err);
		results_add(table, &row);
	}
	records_free(list, n);
	return rc;
}

/* "stop: accuracy 0.961 > 0.95" or "go on", once and for all. */
static int keep(const char *path, bool stop, const char *reason, struct err *err)
{
	char line[512];
	int n = stop ? snprintf(line, sizeof(line), "stop: %s\n", reason)
		     : snprintf(line, sizeof(line), "go on\n");

	return file_write(path, line, (size_t)n, err);
}

static int kept(const char *path, bool *stop, char *reason, size_t size, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc = file_read(path, 4096, &text, err);

	if (!rc) {
		*stop = !strncmp(text.data, "stop: ", 6);
		if (*stop)
			snprintf(reason, size, "%.*s", (int)strcspn(text.data + 6, "\n"),
				 text.data + 6);
	}
	buf_release(&text);
	return rc;
}

int verdict_round(const char *folder, long round, const char *expression, bool *stop, char *reason,
		  size_t size, struct err *err)
{
	char *path = folder_path(folder, "rounds/%ld/verdict", round);
	char *csv = folder_path(folder, "results.csv");
	struct results table = RESULTS_INIT;
	struct job_info info = {0};
	int rc;

	*reason = '\0';
	if (path_exists(path)) {
		rc = kept(path, stop, reason, size, err);
	} else {
		rc = job_info_read(&info, folder, err);
		if (!rc)
			rc = make_table(&table, folder, round, err);
		if (!rc)
			rc = results_write(&table, csv, err);
		if (!rc && expression)
			rc = judge(expression, &table, clock_wall() - info.began, stop, reason,
				   size, err);
		if (!rc && !expression) {
			*stop = true;
			snprintf(reason, size, "one round was asked for");
		}
		if (!rc)
			rc = keep(path, *stop, reason, err);
		job_info_release(&info);
	}
	results_release(&table);
	free(csv);
	free(path);
	return rc;
}
