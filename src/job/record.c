#include "job/record.h"

#include "base/file.h"
#include "job/folder.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {"running", "succeeded", "failed"};

void record_release(struct record *r)
{
	free(r->name);
	free(r->client);
	free(r->message);
	*r = (struct record){0};
}

static char *text_of(const json_t *doc, const char *key)
{
	const char *text = json_string_value(json_object_get(doc, key));

	return text ? xstrdup(text) : NULL;
}

static int read_state(struct record *r, const char *name, const json_t *doc, struct err *err)
{
	const char *text;
	size_t i;

	if (json_get_string(name, doc, "state", &text, err))
		return -1;
	for (i = 0; i < ARRAY_LEN(state_names); i++)
		if (!strcmp(state_names[i], text)) {
			r->state = (enum record_state)i;
			return 0;
		}
	return err_set(err, STATUS_INPUT, "%s: unknown state '%s'", name, text);
}

static int read_numbers(struct record *r, const char *name, const json_t *doc, struct err *err)
{
	const json_t *loss = json_object_get(doc, "loss");
	double peak, down, up;
	long status;
	size_t i;

	if (json_get_long(name, doc, "round", 0, 1L << 40, &r->round, err) ||
	    json_get_long(name, doc, "status", 0, 255, &status, err) ||
	    json_get_long(name, doc, "attempts", 0, 1L << 40, &r->attempts, err) ||
	    json_get_long(name, doc, "pid", 0, 1L << 40, &r->pid, err) ||
	    json_get_double(name, doc, "began", 0, 1e12, &r->began, err) ||
	    json_get_double(name, doc, "ended", 0, 1e12, &r->ended, err) ||
	    json_get_double(name, doc, "seconds", 0, 1e12, &r->seconds, err) ||
	    json_get_double(name, doc, "cpuSeconds", 0, 1e15, &r->cpu, err) ||
	    json_get_double(name, doc, "peakBytes", 0, 1e18, &peak, err) ||
	    json_get_double(name, doc, "downBytes", 0, 1e18, &down, err) ||
	    json_get_double(name, doc, "upBytes", 0, 1e18, &up, err) ||
	    json_get_double(name, doc, "samples", 0, 1e15, &r->samples, err))
		return -1;
	r->status = (int)status;
	r->peak = (uint64_t)peak;
	r->down = (uint64_t)down;
	r->up = (uint64_t)up;
	r->trained = json_array_size(loss) == 3;
	for (i = 0; r->trained && i < 3; i++)
		r->loss[i] = json_number_value(json_array_get(loss, i));
	return r->trained ? json_get_long(name, doc, "epochs", 0, 1L << 40, &r->epochs, err) : 0;
}

int record_read(struct record *r, const char *folder, const char *name, struct err *err)
{
	char *file = folder_path("steps", "%s.json", name);
	json_t *doc = folder_json(folder, file, err);
	int rc = -1;

	*r = (struct record){0};
	if (doc && !read_state(r, file, doc, err) && !read_numbers(r, file, doc, err)) {
		r->name = xstrdup(name);
		r->client = text_of(doc, "client");
		r->message = text_of(doc, "message");
		rc = 0;
	}
	json_decref(doc);
	free(file);
	return rc;
}

int record_write(const struct record *r, const char *folder, struct err *err)
{
	char *file = folder_path("steps", "%s.json", r->name);
	json_t *doc =
		json_pack("{s:s, s:s*, s:s*, s:s, s:I, s:i, s:I, s:I, s:f, s:f, s:f, s:f, s:I, "
			  "s:I, s:I, s:f}",
			  "name", r->name, "client", r->client, "message", r->message, "state",
			  state_names[r->state], "round", (json_int_t)r->round, "status", r->status,
			  "attempts", (json_int_t)r->attempts, "pid", (json_int_t)r->pid, "began",
			  r->began, "ended", r->ended, "seconds", r->seconds, "cpuSeconds", r->cpu,
			  "peakBytes", (json_int_t)r->peak, "downBytes", (json_int_t)r->down,
			  "upBytes", (json_int_t)r->up, "samples", r->samples);
	int rc;

	BUG_IF(!doc);
	if (r->trained) {
		json_object_set_new(doc, "epochs", json_integer(r->epochs));
		json_object_set_new(doc, "loss",
				    json_pack("[f,f,f]", r->loss[0], r->loss[1], r->loss[2]));
	}
	rc = folder_write_json(folder, file, doc, err);
	json_decref(doc);
	free(file);
	return rc;
}

int record_all(struct record **out, size_t *n, const char *folder, struct err *err)
{
	char *dir = folder_path(folder, "steps");
	struct record *list = NULL;
	size_t count = 0, i, cap = 0;
	char **names;
	int rc = 0;

	*out = NULL;
	*n = 0;
	if (!path_exists(dir)) {
		free(dir);
		return 0;
	}
	rc = dir_list(dir, &names, &count, err);
	free(dir);
	if (rc)
		return rc;
	for (i = 0; i < count && !rc; i++) {
		size_t len = strlen(names[i]);

		if (len <= 5 || names[i][0] == '.' || strcmp(names[i] + len - 5, ".json") != 0)
			continue;
		names[i][len - 5] = '\0';
		GROW(list, *n, cap);
		rc = record_read(&list[*n], folder, names[i], err);
		*n += !rc;
	}
	names_free(names, count);
	if (rc) {
		records_free(list, *n);
		*n = 0;
		return rc;
	}
	*out = list;
	return 0;
}

void records_free(struct record *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		record_release(&list[i]);
	free(list);
}

bool record_is_live(const struct record *r, const char *folder)
{
	char *path = folder_path(folder, "steps/%s.lock", r->name);
	bool live = r->state == RECORD_RUNNING && folder_locked(path);

	free(path);
	return live;
}
