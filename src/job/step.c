#include "job/step.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "io/digest.h"
#include "io/safetensors.h"
#include "io/store.h"
#include "job/folder.h"
#include "job/quote.h"
#include "job/record.h"
#include "job/spawn.h"
#include "job/there.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is read of the end of a log: a report or a last line is shorter. */
#define LOG_TAIL ((off_t)8192)
/* 100,000 names of 100 letters. */
#define MAX_NAMES ((size_t)16 << 20)

void step_release(struct step *s)
{
	words_release(&s->send);
	words_release(&s->maybe);
	words_release(&s->command);
}

/* Words of the command that end in a file of `maybe` stay only where that file is there. */
static void leave_out(struct step *s)
{
	struct words command = WORDS_INIT;
	size_t i, k;

	for (i = 0; i < s->command.n; i++) {
		const char *word = s->command.word[i];
		bool there = true;

		for (k = 0; k < s->maybe.n; k++) {
			size_t n = strlen(s->maybe.word[k]), len = strlen(word);

			if (len >= n && !strcmp(word + len - n, s->maybe.word[k]))
				there &= path_exists(s->maybe.word[k]);
		}
		if (there)
			words_add(&command, word);
	}
	words_release(&s->command);
	s->command = command;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

/* The images behind weights that were made; 0 for other files. */
static double samples_of(const char *path)
{
	struct err ignored = ERR_INIT;
	struct safetensors file;
	const char *text;
	double n = 0;
	size_t len = strlen(path);

	if (len < 12 || strcmp(path + len - 12, ".safetensors") != 0 ||
	    safetensors_open(&file, path, &ignored))
		return 0;
	text = safetensors_meta(&file, "mist.samples");
	if (text && num_double("mist.samples", text, 0, 1e15, &n, &ignored))
		n = 0;
	safetensors_close(&file);
	return n;
}

/* What was appended to the log since `begun`, at most the last of it. */
static void read_tail(const char *log, off_t begun, struct buf *out)
{
	int fd = open(log, O_RDONLY | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	char data[LOG_TAIL];
	off_t end;
	long n;

	if (fd < 0)
		return;
	end = lseek(fd, 0, SEEK_END);
	if (end - begun > LOG_TAIL)
		begun = end - LOG_TAIL;
	if (lseek(fd, begun, SEEK_SET) >= 0 &&
	    (n = file_read_some(fd, data, sizeof(data), log, &ignored)) > 0)
		buf_add(out, data, (size_t)n);
	close(fd);
}

/* The last line that begins with `prefix`, or with "" the last that is no report; NULL. The caller
 * frees. */
static char *last_line(struct buf *text, const char *prefix)
{
	size_t end = text->len;

	while (end && text->data[end - 1] == '\n')
		end--;
	while (end) {
		size_t begin = end;

		while (begin && text->data[begin - 1] != '\n')
			begin--;
		if (end > begin && !strncmp(text->data + begin, prefix, strlen(prefix)) &&
		    (*prefix ||
		     strncmp(text->data + begin, THERE_REPORT, strlen(THERE_REPORT)) != 0))
			return xstrndup(text->data + begin, end - begin);
		end = begin ? begin - 1 : 0;
	}
	return NULL;
}

static void take_report(struct record *r, const json_t *doc, struct usage *used)
{
	const json_t *loss = json_object_get(doc, "loss");
	size_t i;

	used->exceeded = json_is_true(json_object_get(doc, "exceeded"));
	used->status = (int)json_integer_value(json_object_get(doc, "status"));
	used->cpu = json_number_value(json_object_get(doc, "cpuSeconds"));
	used->peak = (uint64_t)json_integer_value(json_object_get(doc, "peakBytes"));
	r->trained = json_array_size(loss) == 3;
	r->epochs = (long)json_integer_value(json_object_get(doc, "epochs"));
	for (i = 0; r->trained && i < 3; i++)
		r->loss[i] = json_number_value(json_array_get(loss, i));
}

/* One attempt: its files, and what it said of itself. */
struct attempt {
	struct step *step;
	struct record record;
	struct usage used;
	char *log;
	off_t begun; /* where the log stood */
};

static int open_log(struct attempt *a, struct err *err)
{
	static const struct quote_names no_names = {NULL, NULL, false};
	const struct step *s = a->step;
	int fd = open(a->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	struct buf line = BUF_INIT;
	size_t i;

	if (fd < 0)
		return err_errno(err, "cannot open '%s'", a->log);
	buf_add_str(&line, "$");
	for (i = 0; i < s->command.n && line.len < 4096; i++) {
		buf_add_str(&line, " ");
		quote_word(&line, s->command.word[i], &no_names);
	}
	buf_add_str(&line, "\n");
	if (write(fd, line.data, line.len) != (ssize_t)line.len) {
		err_errno(err, "cannot write '%s'", a->log);
		close(fd);
		fd = -1;
	}
	buf_release(&line);
	a->begun = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	return fd;
}

static int run_here(struct attempt *a, int log, struct err *err)
{
	const struct spawn s = {a->step->command.word, -1, log, log, a->step->memory};
	json_t *doc;

	if (spawn_run(&s, &a->used, err))
		return -1;
	doc = there_report(&a->used, a->step->results);
	take_report(&a->record, doc, &a->used);
	json_decref(doc);
	return 0;
}

/* All files one after the other, as `mist-job there` reads them. A single one as it is. */
static int open_sent(const struct step *s, struct err *err)
{
	char name[] = "steps/.send.XXXXXX";
	struct buf data = BUF_INIT;
	size_t i;
	int fd;

	if (s->send.n == 1)
		return file_open(s->send.word[0], err);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot make a file in 'steps'");
	unlink(name);
	for (i = 0; i < s->send.n; i++) {
		buf_clear(&data);
		if (file_read(s->send.word[i], SIZE_MAX - 1, &data, err))
			break;
		if (write(fd, data.data, data.len) != (ssize_t)data.len) {
			err_errno(err, "cannot write what is sent");
			break;
		}
	}
	buf_release(&data);
	if (i == s->send.n && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* What the other end said of the step; NULL: nothing. */
static json_t *read_report(const struct attempt *a)
{
	struct err ignored = ERR_INIT;
	struct buf tail = BUF_INIT;
	json_t *doc = NULL;
	char *line;

	read_tail(a->log, a->begun, &tail);
	line = last_line(&tail, THERE_REPORT);
	buf_release(&tail);
	if (line)
		doc = json_parse("report", line + strlen(THERE_REPORT),
				 strlen(line + strlen(THERE_REPORT)), &ignored);
	free(line);
	return doc;
}

static const char *where(const struct step *s)
{
	return s->host ? s->host : "this machine";
}

/* The digest that the output must have, or "" where the command failed (told by run_attempt). */
static int take_answer(struct attempt *a, char want[DIGEST_HEX], struct err *err)
{
	json_t *doc = read_report(a);
	const char *hex = json_string_value(json_object_get(doc, "sha256"));
	const int status = a->used.status;
	int rc = 0;

	want[0] = '\0';
	if (doc)
		take_report(&a->record, doc, &a->used);
	else
		a->used.cpu = 0, a->used.peak = 0; /* ssh's own is not the step's */
	if (status)
		a->used.status = status;
	if (!a->used.status && hex && strlen(hex) == DIGEST_HEX - 1)
		memcpy(want, hex, DIGEST_HEX);
	else if (!a->used.status)
		rc = err_set(err, STATUS_NETWORK, "'%s' gave no report of the step",
			     where(a->step));
	json_decref(doc);
	return rc;
}

/* Runs the command at the other end. */
static int run_there(struct attempt *a, char *command, int in, int out, int log, struct err *err)
{
	char *host = (char *)a->step->host;
	/* As git does with GIT_SSH_COMMAND: a shell reads the variable. */
	char *with_shell[] = {"sh",    "-c", "eval \"exec $MIST_SSH \\\"\\$@\\\"\"", "ssh", host,
			      command, NULL};
	char *plain[] = {"ssh",   "-o", "BatchMode=yes", "-o", "ServerAliveInterval=30", host,
			 command, NULL};
	char *here[] = {"sh", "-c", command, NULL};
	const char *ssh = getenv("MIST_SSH");
	const struct spawn run = {!host ? here : ssh && *ssh ? with_shell : plain, in, out, log, 0};

	return spawn_run(&run, &a->used, err);
}

/* The output comes through the pipe: it is whole when its digest is what the other end says. */
static int run_by_pipe(struct attempt *a, char *command, int in, int log, struct err *err)
{
	char want[DIGEST_HEX], hex[DIGEST_HEX];
	struct outfile o;
	int rc;

	if (outfile_open(&o, a->step->out, true, err))
		return -1;
	rc = run_there(a, command, in, fileno(o.fp), log, err);
	if (!rc)
		rc = take_answer(a, want, err);
	if (!rc && *want)
		rc = digest_file(o.temp, hex, err);
	if (!rc && *want && strcmp(hex, want) != 0)
		rc = err_set(err, STATUS_NETWORK, "what came back from '%s' is damaged",
			     where(a->step));
	if (!rc && *want)
		return outfile_commit(&o, err);
	outfile_abort(&o);
	return rc;
}

/* The other end has put the output into a store: it is fetched from there. */
static int run_by_store(struct attempt *a, char *command, int in, int log, struct err *err)
{
	const struct step *s = a->step;
	char want[DIGEST_HEX];

	if (run_there(a, command, in, -1, log, err) || take_answer(a, want, err))
		return -1;
	return *want ? store_fetch(s->through, s->profile, want, s->out, err) : 0;
}

static int run_elsewhere(struct attempt *a, int log, struct err *err)
{
	struct step *s = a->step;
	struct job_info job;
	char *command;
	int in = -1, rc = -1;

	if (job_info_read(&job, ".", err))
		return -1;
	command = there_command(s, job.name, err);
	job_info_release(&job);
	if (command && (in = open_sent(s, err)) >= 0)
		rc = s->through ? run_by_store(a, command, in, log, err)
				: run_by_pipe(a, command, in, log, err);
	if (in >= 0)
		close(in);
	free(command);
	return rc;
}

static void size_text(uint64_t bytes, char *out, size_t size)
{
	if (bytes >= (uint64_t)1 << 30)
		snprintf(out, size, "%.3g GiB", (double)bytes / 1073741824.0);
	else
		snprintf(out, size, "%.3g MiB", (double)bytes / 1048576.0);
}

/* Why the command failed, as one sentence; its last line is the cause. */
static int explain(const struct attempt *a, struct err *err)
{
	const struct usage *u = &a->used;
	enum status status = u->status <= STATUS_NONFINITE ? (enum status)u->status : STATUS_SYSTEM;
	struct buf tail = BUF_INIT;
	char *line, limit[32];

	size_text(a->step->memory, limit, sizeof(limit));
	if (u->exceeded) {
		size_text(u->peak, limit, sizeof(limit));
		err_set(err, STATUS_SYSTEM, "killed at %s: its limit of memory is %llu bytes",
			limit, (unsigned long long)a->step->memory);
		return -1;
	}
	if (u->status > 128 && !a->step->host)
		return err_set(err, STATUS_SYSTEM, "killed by signal %d (%s)", u->status - 128,
			       strsignal(u->status - 128));
	if (a->step->host && u->status == 255)
		status = STATUS_NETWORK; /* ssh's own failures */
	read_tail(a->log, a->begun, &tail);
	line = last_line(&tail, "");
	err_set(err, status, "%s", line ? line : "it failed and said nothing");
	free(line);
	buf_release(&tail);
	return -1;
}

static int run_attempt(struct attempt *a, struct err *err)
{
	struct step *s = a->step;
	int log = open_log(a, err);
	int rc;

	if (log < 0)
		return -1;
	rc = s->host || s->through ? run_elsewhere(a, log, err) : run_here(a, log, err);
	close(log);
	if (rc)
		return rc;
	if (a->used.status)
		return explain(a, err);
	if (!path_exists(s->out))
		return err_set(err, STATUS_SYSTEM, "it ended well, but there is no '%s'", s->out);
	return 0;
}

static void begin_record(struct attempt *a, const struct step *s)
{
	struct record *r = &a->record;
	struct err ignored = ERR_INIT;

	if (record_read(r, ".", s->name, &ignored))
		r->name = xstrdup(s->name);
	free(r->message);
	r->message = NULL;
	free(r->client);
	r->client = s->client ? xstrdup(s->client) : NULL;
	r->state = RECORD_RUNNING;
	r->round = s->round;
	r->attempts++;
	r->pid = getpid();
	r->began = clock_wall();
	r->ended = 0;
}

static void end_record(struct attempt *a, const struct step *s, int rc, const struct err *err)
{
	struct record *r = &a->record;
	size_t i;

	r->state = rc ? RECORD_FAILED : RECORD_SUCCEEDED;
	r->status = rc ? (int)err->status : 0;
	r->message = rc ? xstrdup(err->msg) : NULL;
	r->ended = clock_wall();
	r->seconds += a->used.seconds;
	r->cpu += a->used.cpu;
	if (a->used.peak > r->peak)
		r->peak = a->used.peak;
	for (i = 0; s->client && i < s->send.n; i++)
		r->down += size_of(s->send.word[i]);
	if (!rc && s->client && strncmp(s->out, "delivered/", 10) != 0) /* a receipt is no work */
		r->up += size_of(s->out);
	if (!rc)
		r->samples = samples_of(s->out);
}

/* With the lock in hand. */
static int run_locked(struct step *s, struct err *err)
{
	struct attempt a = {.step = s};
	struct err writing = ERR_INIT;
	int rc;

	leave_out(s);
	a.log = folder_path("logs", "%s.log", s->name);
	begin_record(&a, s);
	rc = record_write(&a.record, ".", err);
	if (!rc)
		rc = run_attempt(&a, err);
	end_record(&a, s, rc, err);
	if (record_write(&a.record, ".", &writing) && !rc) {
		*err = writing;
		rc = -1;
	}
	record_release(&a.record);
	free(a.log);
	return rc;
}

/*
 * The output lies there, but whoever made it was killed before the record said so: it is ended now,
 * by what is left of the attempt. With the lock in hand.
 */
static int settle_locked(struct step *s, struct err *err)
{
	struct attempt a = {.step = s};
	struct err ignored = ERR_INIT;
	json_t *doc;
	int rc = 0;

	if (record_read(&a.record, ".", s->name, &ignored))
		return 0; /* an output from elsewhere */
	if (a.record.state == RECORD_RUNNING) {
		a.log = folder_path("logs", "%s.log", s->name);
		doc = s->host || s->through ? read_report(&a) : there_report(&a.used, s->results);
		take_report(&a.record, doc, &a.used);
		json_decref(doc);
		end_record(&a, s, 0, NULL);
		rc = record_write(&a.record, ".", err);
		free(a.log);
	}
	record_release(&a.record);
	return rc;
}

/* Whether a record says that the step is running. */
static bool seems_to_run(const struct step *s)
{
	struct record r = {0};
	struct err ignored = ERR_INIT;
	const bool runs = !record_read(&r, ".", s->name, &ignored) && r.state == RECORD_RUNNING;

	record_release(&r);
	return runs;
}

/* Is the client one of those that were drawn? 1, 0, -1. */
static int is_drawn(const struct step *s, struct err *err)
{
	struct words drawn = WORDS_INIT;
	struct buf text = BUF_INIT;
	int rc = -1;

	if (!s->among)
		return 1;
	if (!file_read(s->among, MAX_NAMES, &text, err)) {
		words_add_lines(&drawn, text.data);
		rc = words_have(&drawn, s->client);
	}
	words_release(&drawn);
	buf_release(&text);
	return rc;
}

static int check_name(const char *name, struct err *err)
{
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > 200)
		return err_set(err, STATUS_USAGE, "'%s' is no name for a step", name);
	return 0;
}

static int make_parent(const char *path, struct err *err)
{
	char *dir = path_dir(path);
	int rc = dir_make(dir, err);

	free(dir);
	return rc;
}

int step_run(struct step *s, struct err *err)
{
	char *lock;
	int fd, rc = 0;

	if (check_name(s->name, err))
		return -1;
	if (chdir(s->folder))
		return err_errno(err, "cannot enter '%s'", s->folder);
	if (path_exists(s->out) && !seems_to_run(s))
		return 0;
	rc = is_drawn(s, err);
	if (rc <= 0)
		return rc ? err_prefix(err, "step '%s'", s->name) : 0;
	rc = 0;
	if (dir_make("steps", err) || dir_make("logs", err) || make_parent(s->out, err))
		return -1;
	lock = folder_path("steps", "%s.lock", s->name);
	fd = folder_lock(lock, true, err);
	free(lock);
	if (fd < 0)
		return -1;
	if (path_exists("stop"))
		rc = err_set(err, STATUS_NO, "the job is stopped");
	else if (!path_exists(s->out))
		rc = run_locked(s, err);
	else
		rc = settle_locked(s, err);
	close(fd);
	return rc ? err_prefix(err, "step '%s'", s->name) : 0;
}
