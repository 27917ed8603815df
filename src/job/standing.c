#include "job/standing.h"

#include "base/clock.h"
#include "base/file.h"
#include "job/record.h"
#include "job/slurm.h"
#include "model/results.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const phase_names[] = {"Pending", "Running", "Succeeded", "Failed"};

void standing_release(struct standing *s)
{
	free(s->folder);
	job_info_release(&s->info);
}

static bool has(const struct standing *s, const char *name)
{
	char *path = folder_path(s->folder, "%s", name);
	bool there = path_exists(path);

	free(path);
	return there;
}

/* One worker: how its latest step went, and what all its steps took. */
struct tally {
	const struct record *last;
	bool active;
	uint64_t up, down, peak;
	double cpu;
	long round;
};

static void count_worker(struct standing *s, const struct record *list, size_t n,
			 const char *client, struct tally *t)
{
	size_t i;

	*t = (struct tally){0};
	for (i = 0; i < n; i++) {
		const struct record *r = &list[i];

		if ((client == NULL) != (r->client == NULL) ||
		    (client && strcmp(client, r->client) != 0))
			continue;
		if (!t->last || r->began > t->last->began)
			t->last = r;
		t->active |= record_is_live(r, s->folder);
		t->up += r->up;
		t->down += r->down;
		t->cpu += r->cpu;
		t->peak = r->peak > t->peak ? r->peak : t->peak;
	}
	if (t->active)
		s->active++;
	else if (t->last && t->last->state == RECORD_SUCCEEDED)
		s->succeeded++;
	else if (t->last)
		s->failed++;
}

static void count_workers(struct standing *s, const struct record *list, size_t n)
{
	double clients = s->info.clients.n ? (double)s->info.clients.n : 1;
	struct tally t;
	size_t i;

	count_worker(s, list, n, NULL, &t);
	for (i = 0; i < s->info.clients.n; i++) {
		count_worker(s, list, n, s->info.clients.word[i], &t);
		s->ready += t.last && t.last->state == RECORD_SUCCEEDED;
		s->up += (double)t.up / clients;
		s->down += (double)t.down / clients;
		s->edge_cpu += t.cpu / clients;
		s->edge_peak = t.peak > s->edge_peak ? t.peak : s->edge_peak;
	}
}

static void measure_wall(struct standing *s, const struct record *list, size_t n)
{
	double first = 0, last = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i == 0 || list[i].began < first)
			first = list[i].began;
		last = list[i].ended > last ? list[i].ended : last;
	}
	s->wall = last > first ? last - first : 0;
}

static void read_results(struct standing *s)
{
	char *path = folder_path(s->folder, "results.csv");
	struct results table = RESULTS_INIT;
	struct err ignored = ERR_INIT;
	char eval[64];

	if (path_exists(path) && !results_read(&table, path, &ignored) && table.n) {
		const double *v = table.row[table.n - 1].value;

		s->rounds = table.n;
		s->trained = true;
		s->loss = v[RESULTS_TRAIN_BOX] + v[RESULTS_TRAIN_OBJ] + v[RESULTS_TRAIN_CLS];
		snprintf(eval, sizeof(eval), "rounds/%d/eval.json", table.n);
		s->evaluated = has(s, eval);
		s->precision = v[RESULTS_PRECISION];
		s->recall = v[RESULTS_RECALL];
		s->map50 = v[RESULTS_MAP50];
		s->map = v[RESULTS_MAP];
	}
	results_release(&table);
	free(path);
}

static void set_phase(struct standing *s, enum phase phase, const char *reason)
{
	s->phase = phase;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

static int finished(struct standing *s, struct err *err)
{
	json_t *doc = folder_json(s->folder, "done.json", err);
	const char *why = json_string_value(json_object_get(doc, "reason"));
	const char *missed = json_string_value(json_object_get(doc, "notDelivered"));

	if (!doc)
		return -1;
	set_phase(s, PHASE_SUCCEEDED, "Completed");
	s->ended = json_number_value(json_object_get(doc, "ended"));
	snprintf(s->message, sizeof(s->message), "%s%s%s", why ? why : "",
		 missed && *missed ? "; not delivered to " : "", missed ? missed : "");
	json_decref(doc);
	return 0;
}

/* Of the steps that did not end well the latest; of an interrupted one nothing more is known. */
static void explain_failure(struct standing *s, const struct record *list, size_t n)
{
	const struct record *worst = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].state != RECORD_SUCCEEDED && (!worst || list[i].began > worst->began))
			worst = &list[i];
	if (has(s, "stop")) {
		set_phase(s, PHASE_FAILED, "Stopped");
		snprintf(s->message, sizeof(s->message), "stopped; resume goes on with it");
	} else if (worst && worst->state == RECORD_FAILED) {
		set_phase(s, PHASE_FAILED, "StepFailed");
		snprintf(s->message, sizeof(s->message), "step '%s': %s", worst->name,
			 worst->message ? worst->message : "failed");
	} else {
		set_phase(s, PHASE_FAILED, "Interrupted");
		snprintf(s->message, sizeof(s->message),
			 "interrupted%s%s%s; resume goes on with it", worst ? " in step '" : "",
			 worst ? worst->name : "", worst ? "'" : "");
	}
}

/* Slurm's jobs hold no lock while they wait: who started them may keep `watched` locked, else Slurm
 * is asked. Where it cannot be, on a machine that is none of its, only steps that run tell. */
static bool is_held(const struct standing *s)
{
	static const char *const locks[] = {"lock", "watched"};
	struct err ignored = ERR_INIT;
	bool left = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(locks); i++) {
		char *path = folder_path(s->folder, "%s", locks[i]);
		bool held = folder_locked(path);

		free(path);
		if (held)
			return true;
	}
	return !slurm_jobs_left(s->folder, &left, &ignored) && left;
}

static int judge_phase(struct standing *s, bool held, const struct record *list, size_t n,
		       struct err *err)
{
	if (has(s, "done.json"))
		return finished(s, err);
	if (held || s->active > 0) {
		set_phase(s, n ? PHASE_RUNNING : PHASE_PENDING, n ? "Training" : "Starting");
		return 0;
	}
	if (!n && !has(s, "stop"))
		set_phase(s, PHASE_PENDING, "NotStarted");
	else
		explain_failure(s, list, n);
	return 0;
}

int standing_read(struct standing *s, const char *folder, struct err *err)
{
	struct record *list;
	bool held;
	size_t n;
	int rc;

	*s = (struct standing){.folder = xstrdup(folder)};
	if (job_info_read(&s->info, folder, err)) {
		free(s->folder);
		return -1;
	}
	/* First: what nobody holds any more does not change while it is read. */
	held = !has(s, "done.json") && is_held(s);
	rc = record_all(&list, &n, folder, err);
	if (!rc) {
		count_workers(s, list, n);
		measure_wall(s, list, n);
		read_results(s);
		rc = judge_phase(s, held, list, n, err);
		s->age = clock_wall() - s->info.began;
	}
	records_free(list, n);
	if (rc)
		standing_release(s);
	return rc;
}

static json_t *time_json(double seconds)
{
	char text[CLOCK_UTC];

	clock_utc((time_t)seconds, text);
	return json_string(text);
}

static json_t *conditions_json(const struct standing *s)
{
	static const char *const types[] = {"Training", "Training", "Complete", "Failed"};
	json_t *one = json_pack("{s:s, s:s, s:s, s:s}", "type", types[s->phase], "status",
				s->phase == PHASE_PENDING ? "False" : "True", "reason", s->reason,
				"message", s->message);
	double at = s->ended > 0 ? s->ended : clock_wall();

	json_object_set_new(one, "lastHeartbeatTime", time_json(at));
	return json_pack("[o]", one);
}

json_t *standing_json(const struct standing *s)
{
	json_t *metrics = json_object();
	json_t *doc =
		json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:i, s:i}", "name",
			  s->info.name, "algorithm", s->info.algorithm, "engine", s->info.engine,
			  "phase", phase_names[s->phase], "active", s->active, "succeeded",
			  s->succeeded, "failed", s->failed, "rounds", (json_int_t)s->rounds,
			  "clients", (int)s->info.clients.n, "ready", s->ready);

	BUG_IF(!doc);
	json_object_set_new(doc, "startTime", time_json(s->info.began));
	if (s->ended > 0)
		json_object_set_new(doc, "completionTime", time_json(s->ended));
	json_object_set_new(doc, "conditions", conditions_json(s));
	if (s->evaluated) {
		json_object_set_new(metrics, "precision", json_real(s->precision));
		json_object_set_new(metrics, "recall", json_real(s->recall));
		json_object_set_new(metrics, "mAP50", json_real(s->map50));
		json_object_set_new(metrics, "mAP50-95", json_real(s->map));
	}
	if (s->trained)
		json_object_set_new(metrics, "loss", json_real(s->loss));
	json_object_set_new(doc, "metrics", metrics);
	json_object_set_new(doc, "costs",
			    json_pack("{s:f, s:f, s:f, s:I, s:f}", "upBytesPerClient", s->up,
				      "downBytesPerClient", s->down, "edgeCpuSeconds", s->edge_cpu,
				      "edgePeakBytes", (json_int_t)s->edge_peak, "wallSeconds",
				      s->wall));
	json_object_set_new(doc, "folder", json_string(s->folder));
	return doc;
}

static void age_text(double seconds, char *out, size_t size)
{
	long s = seconds > 0 ? (long)seconds : 0;

	if (s < 120)
		snprintf(out, size, "%lds", s);
	else if (s < 7200)
		snprintf(out, size, "%ldm", s / 60);
	else if (s < 172800)
		snprintf(out, size, "%ldh", s / 3600);
	else
		snprintf(out, size, "%ldd", s / 86400);
}

static void figure(bool known, double value, char *out, size_t size)
{
	if (known)
		snprintf(out, size, "%.4f", value);
	else
		snprintf(out, size, "-");
}

void standing_table(const struct standing *list, size_t n, bool wide, struct buf *out)
{
	char age[32], map50[32], loss[32], clients[32];
	size_t i;

	buf_printf(out, "%-24s %-10s %6s %8s %8s %8s %6s", "NAME", "PHASE", "ROUND", "CLIENTS",
		   "mAP50", "LOSS", "AGE");
	buf_add_str(out, wide ? " ENGINE ALGORITHM MESSAGE\n" : "\n");
	for (i = 0; i < n; i++) {
		const struct standing *s = &list[i];

		age_text(s->age, age, sizeof(age));
		figure(s->evaluated, s->map50, map50, sizeof(map50));
		figure(s->trained, s->loss, loss, sizeof(loss));
		snprintf(clients, sizeof(clients), "%d/%zu", s->ready, s->info.clients.n);
		buf_printf(out, "%-24s %-10s %6ld %8s %8s %8s %6s", s->info.name,
			   phase_names[s->phase], s->rounds, clients, map50, loss, age);
		if (wide)
			buf_printf(out, " %-6s %-9s %s", s->info.engine, s->info.algorithm,
				   s->message);
		buf_add_str(out, "\n");
	}
}

/* Jobs of one manifest, or of two that differ in a line, have one name: their folders tell them apart. */
static char *label_of(const struct standing *s)
{
	size_t n = strlen(s->folder);
	char *path, *label;

	while (n > 1 && s->folder[n - 1] == '/')
		n--;
	path = xstrndup(s->folder, n);
	label = xstrdup(path_base(path));
	if (!*label || !strcmp(label, ".") || !strcmp(label, "..")) {
		free(label);
		label = xstrdup(s->info.name);
	}
	free(path);
	return label;
}

void standing_compare(const struct standing *list, size_t n, struct buf *out)
{
	char map50[32], map[32];
	size_t i;

	buf_printf(out, "%-24s %-9s %6s %8s %8s %13s %13s %10s %10s %8s\n", "NAME", "ALGORITHM",
		   "ROUNDS", "mAP50", "mAP50-95", "up/client", "down/client", "edge CPU s",
		   "edge peak", "wall s");
	for (i = 0; i < n; i++) {
		const struct standing *s = &list[i];
		char *label = label_of(s);

		figure(s->evaluated, s->map50, map50, sizeof(map50));
		figure(s->evaluated, s->map, map, sizeof(map));
		buf_printf(out, "%-24s %-9s %6ld %8s %8s %13.0f %13.0f %10.1f %7.1fMiB %8.1f\n",
			   label, s->info.algorithm, s->rounds, map50, map, s->up, s->down,
			   s->edge_cpu, (double)s->edge_peak / 1048576.0, s->wall);
		free(label);
	}
}
