#include "job/slurm.h"

#include "base/file.h"
#include "job/folder.h"
#include "job/spawn.h"
#include "job/words.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A line a job: that of a queue of millions. */
#define MAX_QUEUE ((size_t)64 << 20)

/* The numbers of the job's jobs; none where it never submitted any. */
static int read_jobs(const char *folder, struct words *jobs, struct err *err)
{
	char *path = folder_path(folder, "slurm.jobs");
	struct buf text = BUF_INIT;
	int rc = path_exists(path) ? file_read(path, MAX_QUEUE, &text, err) : 0;

	if (!rc)
		words_add_lines(jobs, text.data);
	buf_release(&text);
	free(path);
	return rc;
}

/* What a program prints, which must end well. */
static int read_output(char *const *argv, struct buf *out, struct err *err)
{
	struct usage used;
	struct spawn s = {argv, -1, -1, -1, 0};
	char piece[4096];
	long n = 0;
	int rc = 0;

	s.out = memfd_create("output", MFD_CLOEXEC);
	if (s.out < 0)
		return err_errno(err, "cannot keep what '%s' prints", argv[0]);
	if (spawn_run(&s, &used, err))
		rc = -1;
	else if (used.forwarded)
		rc = err_set(err, STATUS_SYSTEM, "interrupted");
	else if (used.status || lseek(s.out, 0, SEEK_SET))
		rc = err_set(err, STATUS_SYSTEM, "cannot ask Slurm for its queue");
	while (!rc && (n = file_read_some(s.out, piece, sizeof(piece), argv[0], err)) > 0)
		buf_add(out, piece, (size_t)n);
	close(s.out);
	return rc || n < 0 ? -1 : 0;
}

/* By numbers of arrays (%F): those of an array's members are others. */
int slurm_jobs_left(const char *folder, bool *left, struct err *err)
{
	char *argv[] = {"squeue", "--noheader", "--format=%F", NULL};
	struct words jobs = WORDS_INIT, queue = WORDS_INIT;
	struct buf text = BUF_INIT;
	size_t i;
	int rc = read_jobs(folder, &jobs, err);

	*left = false;
	if (!rc && jobs.n) {
		rc = read_output(argv, &text, err);
		words_add_lines(&queue, text.data);
		for (i = 0; i < queue.n && !*left; i++)
			*left = words_have(&jobs, queue.word[i]);
	}
	buf_release(&text);
	words_release(&queue);
	words_release(&jobs);
	return rc;
}

void slurm_cancel(const char *folder)
{
	char *argv[] = {"sh",
			"-c",
			"cd \"$1\" && [ ! -s slurm.jobs ] || xargs scancel <slurm.jobs",
			"sh",
			(char *)folder,
			NULL};
	const struct spawn s = {argv, -1, -1, -1, 0};
	struct err ignored = ERR_INIT;
	struct usage used;

	spawn_run(&s, &used, &ignored);
}
