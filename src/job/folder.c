#include "job/folder.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A job of 100,000 clients lists them in job.json. */
#define MAX_JSON ((size_t)64 << 20)

char *folder_path(const char *folder, const char *fmt, ...)
{
	struct buf path = BUF_INIT;
	char part[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(part, sizeof(part), fmt, ap);
	va_end(ap);
	buf_printf(&path, "%s/%s", folder, part);
	return buf_detach(&path);
}

char *folder_root(void)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	/* XDG Base Directory Specification 0.8: a relative path is to be ignored. */
	if (state && *state == '/')
		return folder_path(state, "mistutils/jobs");
	return folder_path(home && *home ? home : "/", ".local/state/mistutils/jobs");
}

char *folder_of(const char *name, struct err *err)
{
	char *root = folder_root();
	char *path = strchr(name, '/') ? xstrdup(name) : path_join(root, name);
	char *info = folder_path(path, "job.json");
	bool there = *name && path_exists(info);

	free(info);
	free(root);
	if (there)
		return path;
	free(path);
	err_set(err, STATUS_INPUT, "there is no job '%s'", name);
	return NULL;
}

json_t *folder_json(const char *folder, const char *name, struct err *err)
{
	char *path = folder_path(folder, "%s", name);
	json_t *value = json_read(path, MAX_JSON, err);

	if (value && !json_is_object(value)) {
		err_set(err, STATUS_INPUT, "%s: not a JSON object", path);
		json_decref(value);
		value = NULL;
	}
	free(path);
	return value;
}

int folder_write_json(const char *folder, const char *name, const json_t *value, struct err *err)
{
	char *path = folder_path(folder, "%s", name);
	char *text = json_text(value);
	struct buf line = BUF_INIT;
	int rc;

	buf_printf(&line, "%s\n", text);
	rc = file_write(path, line.data, line.len, err);
	buf_release(&line);
	free(text);
	free(path);
	return rc;
}

int folder_lock(const char *path, bool wait, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT, 0666);
	int rc;

	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	do
		rc = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
	while (rc && errno == EINTR);
	if (!rc)
		return fd;
	rc = errno == EWOULDBLOCK ? err_set(err, STATUS_NO, "'%s' is held by another process", path)
				  : err_errno(err, "cannot lock '%s'", path);
	close(fd);
	return rc;
}

bool folder_locked(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool held;

	if (fd < 0)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

void job_info_release(struct job_info *j)
{
	free(j->name);
	free(j->algorithm);
	free(j->engine);
	free(j->stop);
	words_release(&j->clients);
	*j = (struct job_info){0};
}

static int read_clients(struct job_info *j, const char *name, const json_t *doc, struct err *err)
{
	const json_t *list = json_get_array(name, doc, "clients", err);
	char **clients;
	size_t n, i;

	if (!list || json_get_strings(name, list, &clients, &n, err))
		return -1;
	for (i = 0; i < n; i++)
		words_add(&j->clients, clients[i]);
	names_free(clients, n);
	return 0;
}

int job_info_read(struct job_info *j, const char *folder, struct err *err)
{
	json_t *doc = folder_json(folder, "job.json", err);
	char *name = folder_path(folder, "job.json");
	const char *text[4];
	long least = 0;
	int rc = -1;

	*j = (struct job_info){0};
	if (doc && !json_get_string(name, doc, "name", &text[0], err) &&
	    !json_get_string(name, doc, "algorithm", &text[1], err) &&
	    !json_get_string(name, doc, "engine", &text[2], err) &&
	    !json_get_string(name, doc, "stop", &text[3], err) &&
	    !json_get_long(name, doc, "minClients", 1, 1000000, &least, err) &&
	    !json_get_double(name, doc, "began", 0, 1e12, &j->began, err) &&
	    !read_clients(j, name, doc, err)) {
		j->name = xstrdup(text[0]);
		j->algorithm = xstrdup(text[1]);
		j->engine = xstrdup(text[2]);
		j->stop = xstrdup(text[3]);
		j->min_clients = (int)least;
		rc = 0;
	}
	if (rc)
		job_info_release(j);
	json_decref(doc);
	free(name);
	return rc;
}

static int write_info(const char *folder, const struct job_info *j, struct err *err)
{
	struct err ignored = ERR_INIT;
	json_t *clients = json_array();
	struct job_info before;
	double began = clock_wall();
	json_t *doc;
	size_t i;
	int rc;

	if (!job_info_read(&before, folder, &ignored)) {
		began = before.began;
		job_info_release(&before);
	}
	for (i = 0; i < j->clients.n; i++)
		json_array_append_new(clients, json_string(j->clients.word[i]));
	doc = json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:o}", "name", j->name, "algorithm",
			j->algorithm, "engine", j->engine, "stop", j->stop ? j->stop : "",
			"minClients", j->min_clients, "began", began, "clients", clients);
	rc = folder_write_json(folder, "job.json", doc, err);
	json_decref(doc);
	return rc;
}

/* The descriptor must be of this very folder's lock, or it would guard something else. */
static int take_lock(const char *folder, int fd, const char *name, struct err *err)
{
	char *path = folder_path(folder, "lock");
	struct stat a, b;
	int rc = 0;

	if (fstat(fd, &a) || stat(path, &b) || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		rc = err_set(err, STATUS_USAGE, "descriptor %d is not '%s'", fd, path);
	else if (flock(fd, LOCK_EX | LOCK_NB))
		rc = errno == EWOULDBLOCK
			     ? err_set(err, STATUS_NO, "the job '%s' is running already", name)
			     : err_errno(err, "cannot lock '%s'", path);
	free(path);
	return rc;
}

int job_begin(const char *folder, const struct job_info *j, int lock_fd, struct err *err)
{
	static const char *const folders[] = {"steps", "logs", "inbox", "rounds/0", "delivered"};
	char *path = folder_path(folder, "stop");
	bool stopped = path_exists(path);
	size_t i;
	int rc = 0;

	free(path);
	if (stopped)
		return err_set(err, STATUS_NO,
			       "the job '%s' is stopped; 'mist-job resume' goes on with it",
			       j->name);
	if (lock_fd >= 0 && take_lock(folder, lock_fd, j->name, err))
		return -1;
	for (i = 0; i < ARRAY_LEN(folders) && !rc; i++) {
		path = folder_path(folder, "%s", folders[i]);
		rc = dir_make(path, err);
		free(path);
	}
	return rc ? rc : write_info(folder, j, err);
}
