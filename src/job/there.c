#include "job/there.h"

#include "base/file.h"
#include "io/digest.h"
#include "io/store.h"
#include "job/folder.h"
#include "job/quote.h"
#include "model/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void there_release(struct there *t)
{
	words_release(&t->receive);
	words_release(&t->command);
}

json_t *there_report(const struct usage *used, const char *results)
{
	json_t *doc =
		json_pack("{s:i, s:i, s:b, s:f, s:f, s:I}", "status", used->status, "forwarded",
			  used->forwarded, "exceeded", used->exceeded, "seconds", used->seconds,
			  "cpuSeconds", used->cpu, "peakBytes", (json_int_t)used->peak);
	struct results table = RESULTS_INIT;
	struct err ignored = ERR_INIT;

	BUG_IF(!doc);
	if (results && path_exists(results) && !results_read(&table, results, &ignored) &&
	    table.n) {
		const double *v = table.row[table.n - 1].value;

		json_object_set_new(doc, "epochs", json_integer((json_int_t)v[RESULTS_EPOCH] + 1));
		json_object_set_new(doc, "loss",
				    json_pack("[f,f,f]", v[RESULTS_TRAIN_BOX], v[RESULTS_TRAIN_OBJ],
					      v[RESULTS_TRAIN_CLS]));
	}
	results_release(&table);
	return doc;
}

/* A name inside the folder, and nothing that leads out of it. */
static int check_inside(const char *name, struct err *err)
{
	const char *p = name;

	while (*p) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			break;
		p += n + (p[n] == '/');
	}
	if (!*name || *p)
		return err_set(err, STATUS_INPUT, "'%s' is not a name inside a folder", name);
	return 0;
}

static int make_parent(const char *name, struct err *err)
{
	char *dir = path_dir(name);
	int rc = dir_make(dir, err);

	free(dir);
	return rc;
}

static int receive_bytes(const char *name, uint64_t size, struct outfile *o, struct digest *d,
			 struct err *err)
{
	static const size_t piece = (size_t)64 << 10;
	char *data = xmalloc(piece);
	int rc = 0;

	while (size && !rc) {
		size_t want = size < piece ? (size_t)size : piece;
		long n = file_read_some(0, data, want, name, err);

		if (n < 0 || (size_t)n < want) {
			if (n >= 0)
				err_set(err, STATUS_NETWORK,
					"cannot receive '%s': %llu bytes short", name,
					(unsigned long long)(size - (uint64_t)n));
			rc = -1;
			break;
		}
		digest_add(d, data, want);
		rc = outfile_write(o, data, want, err);
		size -= want;
	}
	free(data);
	return rc;
}

/* "SIZE:SHA256:NAME" */
static int receive(const char *what, struct err *err)
{
	char hex[DIGEST_HEX], *end;
	unsigned long long size = strtoull(what, &end, 10);
	const char *name = *end == ':' && strlen(end) > DIGEST_HEX + 1 ? end + DIGEST_HEX + 1 : "";
	struct outfile o;
	struct digest d;

	if (!*name || name[-1] != ':')
		return err_set(err, STATUS_USAGE, "'%s' is not SIZE:SHA256:NAME", what);
	if (check_inside(name, err) || make_parent(name, err) || outfile_open(&o, name, true, err))
		return -1;
	digest_init(&d);
	if (receive_bytes(name, size, &o, &d, err)) {
		outfile_abort(&o);
		return -1;
	}
	digest_hex(&d, hex);
	if (strncmp(hex, end + 1, DIGEST_HEX - 1) != 0) {
		outfile_abort(&o);
		return err_set(err, STATUS_NETWORK, "'%s' did not arrive as it was sent", name);
	}
	return outfile_commit(&o, err);
}

static int send_back(const char *name, struct err *err)
{
	static const size_t piece = (size_t)64 << 10;
	int fd = file_open(name, err);
	struct outfile o;
	char *data;
	long n = 0;

	if (fd < 0)
		return -1;
	if (outfile_open(&o, "-", true, err)) {
		file_close(fd);
		return -1;
	}
	data = xmalloc(piece);
	while ((n = file_read_some(fd, data, piece, name, err)) > 0 &&
	       !outfile_write(&o, data, (size_t)n, err))
		;
	free(data);
	file_close(fd);
	if (n) {
		outfile_abort(&o);
		return -1;
	}
	return outfile_commit(&o, err);
}

static int run_command(struct there *t, json_t **report, struct err *err)
{
	const struct spawn s = {t->command.word, -1, 2, 2, t->memory};
	struct usage used;

	if (spawn_run(&s, &used, err))
		return -1;
	*report = there_report(&used, t->results);
	if (used.status) /* it has said why */
		return err_set(err, STATUS_SYSTEM, "%s", "");
	return 0;
}

static int in_folder(struct there *t, json_t **report, struct err *err)
{
	char hex[DIGEST_HEX];
	size_t i;

	for (i = 0; i < t->receive.n; i++)
		if (receive(t->receive.word[i], err))
			return -1;
	if (check_inside(t->out, err) || make_parent(t->out, err))
		return -1;
	/* From an earlier time, when the way back broke. */
	if (path_exists(t->out) && unlink(t->out))
		return err_errno(err, "cannot remove '%s'", t->out);
	if (run_command(t, report, err))
		return -1;
	if (digest_file(t->out, hex, err))
		return -1;
	json_object_set_new(*report, "sha256", json_string(hex));
	return t->through ? store_send(t->through, t->profile, t->out, err)
			  : send_back(t->out, err);
}

static char *own_folder(const struct there *t)
{
	char *jobs = folder_root();
	char *state = path_dir(jobs);
	char *path = xasprintf("%s/there/%s/%s", state, t->job, t->step);

	free(state);
	free(jobs);
	return path;
}

int there_run(struct there *t, struct buf *report, struct err *err)
{
	struct err cleaning = ERR_INIT;
	json_t *doc = NULL;
	char *dir, *lock, *text;
	int fd = -1, rc = -1;

	if (check_inside(t->job, err) || check_inside(t->step, err))
		return -1;
	dir = own_folder(t);
	lock = xasprintf("%s.lock", dir);
	if (!dir_make(dir, err) && (fd = folder_lock(lock, true, err)) >= 0) {
		if (chdir(dir))
			err_errno(err, "cannot enter '%s'", dir);
		else
			rc = in_folder(t, &doc, err);
	}
	if (doc) {
		text = json_text(doc);
		buf_printf(report, "%s%s", THERE_REPORT, text);
		free(text);
	}
	if (!rc && !chdir("/") && !dir_remove(dir, &cleaning))
		unlink(lock);
	if (fd >= 0)
		close(fd);
	json_decref(doc);
	free(lock);
	free(dir);
	return rc;
}

char *there_command(const struct step *s, const char *job, struct err *err)
{
	static const struct quote_names no_names = {NULL, NULL, false};
	struct words w = WORDS_INIT;
	struct buf out = BUF_INIT;
	char hex[DIGEST_HEX];
	struct stat st;
	size_t i;
	int rc = 0;

	words_add(&w, "exec");
	words_add(&w, "mist-job");
	words_add(&w, "there");
	words_addf(&w, "--job=%s", job);
	words_addf(&w, "--name=%s", s->name);
	words_addf(&w, "--out=%s", s->out);
	if (s->results)
		words_addf(&w, "--results=%s", s->results);
	if (s->through)
		words_addf(&w, "--through=%s", s->through);
	if (s->profile)
		words_addf(&w, "--profile=%s", s->profile);
	if (s->memory)
		words_addf(&w, "--mem-limit=%llu", (unsigned long long)s->memory);
	for (i = 0; i < s->send.n && !rc; i++) {
		const char *name = s->send.word[i];

		if (stat(name, &st))
			rc = err_errno(err, "cannot send '%s'", name);
		else if (!(rc = digest_file(name, hex, err)))
			words_addf(&w, "--receive=%llu:%s:%s", (unsigned long long)st.st_size, hex,
				   name);
	}
	words_add(&w, "--");
	words_append(&w, &s->command);
	for (i = 0; i < w.n; i++) {
		buf_add_str(&out, i ? " " : "");
		quote_word(&out, w.word[i], &no_names);
	}
	words_release(&w);
	if (!rc)
		return buf_detach(&out);
	buf_release(&out);
	return NULL;
}
