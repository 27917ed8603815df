#include "job/engine.h"

#include "base/file.h"
#include "job/folder.h"
#include "job/record.h"
#include "job/slurm.h"
#include "job/spawn.h"
#include "job/standing.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A plan of 100,000 clients. */
#define MAX_PLAN ((size_t)256 << 20)
/* Seconds: between two looks at Slurm's queue, and for what is stopped to end. */
#define SLURM_LOOK 1
#define STOP_WAIT  60

int engine_install(const struct jobplan *p, struct err *err)
{
	char *path = folder_path(p->folder, "%s", engine_files[p->engine]);
	struct buf text = BUF_INIT, there = BUF_INIT;
	bool exists = false;
	size_t i;
	int rc = 0;

	for (i = 0; engine_names[i] && !exists; i++) {
		char *other = folder_path(p->folder, "%s", engine_files[i]);

		exists = path_exists(other);
		free(other);
	}
	jobplan_write(p, &text);
	if (exists && (!path_exists(path) || (rc = file_read(path, MAX_PLAN, &there, err)) ||
		       there.len != text.len || memcmp(there.data, text.data, text.len) != 0)) {
		if (!rc)
			rc = err_set(err, STATUS_INPUT,
				     "'%s' holds another plan: 'mist-job resume' goes on with it, "
				     "'mist-job delete' removes it",
				     p->folder);
	} else if (!exists) {
		rc = dir_make(p->folder, err);
		if (!rc)
			rc = file_write(path, text.data, text.len, err);
	}
	buf_release(&there);
	buf_release(&text);
	free(path);
	return rc;
}

/* The engine is known by its plan: a job that never began has no job.json. */
static int find_engine(const char *folder, enum engine *out, struct err *err)
{
	int i;

	for (i = 0; engine_names[i]; i++) {
		char *path = folder_path(folder, "%s", engine_files[i]);
		bool there = path_exists(path);

		free(path);
		if (there) {
			*out = (enum engine)i;
			return 0;
		}
	}
	return err_set(err, STATUS_INPUT, "there is no plan in '%s'", folder);
}

/* Scripts call the programs by name: those beside this one are found too, behind those in PATH. */
static void extend_path(void)
{
	const char *path = getenv("PATH");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *dir, *both;

	if (n <= 0)
		return;
	self[n] = '\0';
	dir = path_dir(self);
	both = xasprintf("%s:%s", path && *path ? path : "/usr/bin:/bin", dir);
	setenv("PATH", both, 1);
	free(both);
	free(dir);
}

static int run_script(enum engine engine, int jobs, struct err *err)
{
	char parallel[32];
	char *sh[] = {"sh", (char *)engine_files[engine], NULL};
	char *make[] = {"make", "--no-print-directory",       parallel,
			"-f",   (char *)engine_files[engine], NULL};
	const struct spawn s = {engine == ENGINE_MAKE ? make : sh, -1, 2, 2, 0};
	struct usage used;

	snprintf(parallel, sizeof(parallel), "-j%d", jobs);
	if (spawn_run(&s, &used, err))
		return -1;
	if (!used.status)
		return 0;
	/* make has statuses of its own. */
	return err_set(err,
		       engine != ENGINE_MAKE && used.status <= STATUS_NONFINITE
			       ? (enum status)used.status
			       : STATUS_SYSTEM,
		       "'%s' ended with status %d", engine_files[engine], used.status);
}

/* Slurm's jobs go on without us; we wait to tell how they end. */
static int watch_slurm(struct err *err)
{
	const struct timespec tick = {SLURM_LOOK, 0};
	bool left = true;

	while (!path_exists("done.json")) {
		if (slurm_jobs_left(".", &left, err))
			return -1;
		if (!left && !path_exists("done.json"))
			return err_set(err, STATUS_SYSTEM, "Slurm's jobs have ended");
		nanosleep(&tick, NULL);
	}
	return 0;
}

static int run_slurm(struct err *err)
{
	int fd = folder_lock("watched", false, err);
	bool left = false;
	int rc;

	if (fd < 0)
		return -1;
	/* Whoever submitted them may have been killed since: they are waited for, not submitted twice. */
	rc = slurm_jobs_left(".", &left, err);
	if (!rc && !left)
		rc = run_script(ENGINE_SLURM, 0, err);
	if (!rc)
		rc = watch_slurm(err);
	close(fd);
	return rc;
}

int engine_run(const char *folder, int jobs, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct standing status;
	enum engine engine = ENGINE_SH;
	int rc;

	if (find_engine(folder, &engine, err))
		return -1;
	if (chdir(folder))
		return err_errno(err, "cannot enter '%s'", folder);
	extend_path();
	if (jobs == 0)
		jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
	rc = engine == ENGINE_SLURM ? run_slurm(err) : run_script(engine, jobs, err);
	/* What a step said of itself says more than the script's status. */
	if (rc && !standing_read(&status, ".", &ignored)) {
		if (status.phase == PHASE_FAILED)
			err_set(err, err->status, "the job '%s' has failed: %s", status.info.name,
				status.message);
		standing_release(&status);
	}
	return rc;
}

/* Asks the runners of live steps to end; they pass it on. */
static int end_steps(const char *folder, bool *any, struct err *err)
{
	struct record *list;
	size_t n, i;
	int rc = record_all(&list, &n, folder, err);

	*any = false;
	for (i = 0; i < n && !rc; i++)
		if (record_is_live(&list[i], folder) && list[i].pid > 1) {
			*any = true;
			kill((pid_t)list[i].pid, SIGTERM);
		}
	records_free(list, n);
	return rc;
}

int engine_stop(const char *folder, struct err *err)
{
	const struct timespec tick = {0, 100000000};
	char *flag = folder_path(folder, "stop");
	char *lock = folder_path(folder, "lock");
	int rc = file_write(flag, "", 0, err);
	bool any = true;
	int i;

	if (!rc)
		slurm_cancel(folder);
	for (i = 0; i < STOP_WAIT * 10 && !rc; i++) {
		rc = end_steps(folder, &any, err);
		if (!any && !folder_locked(lock))
			break;
		nanosleep(&tick, NULL);
	}
	if (!rc && i == STOP_WAIT * 10)
		rc = err_set(err, STATUS_SYSTEM, "it still runs after %d seconds", STOP_WAIT);
	free(lock);
	free(flag);
	return rc;
}

int engine_unstop(const char *folder, struct err *err)
{
	char *flag = folder_path(folder, "stop");
	int rc = 0;

	if (unlink(flag) && errno != ENOENT)
		rc = err_errno(err, "cannot remove '%s'", flag);
	free(flag);
	return rc;
}

int engine_delete(const char *folder, struct err *err)
{
	struct standing s;
	bool runs;

	if (standing_read(&s, folder, err))
		return -1;
	runs = s.phase == PHASE_RUNNING;
	if (runs)
		err_set(err, STATUS_NO, "the job '%s' is running: stop it first", s.info.name);
	standing_release(&s);
	return runs ? -1 : dir_remove(folder, err);
}
