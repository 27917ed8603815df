#include "job/spawn.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Seconds between two looks at a program's memory. */
#define LOOK 0.05
/* What a program may allocate beyond its limit without touching it: stacks, reserves of the C
 * library and of OpenBLAS. */
#define SLACK ((uint64_t)512 << 20)

/* The address sanitizer lays out more addresses than any machine has memory. */
#ifdef __SANITIZE_ADDRESS__
#define BOUNDS_DATA 0
#else
#define BOUNDS_DATA 1
#endif

static int use_as(int fd, int number)
{
	if (fd == number)
		return 0;
	if (fd >= 0)
		return dup2(fd, number) < 0 ? -1 : 0;
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fd < 0 || dup2(fd, number) < 0 ? -1 : 0;
}

/* The child's part. What fails is told through the pipe, as errno. */
static void become(const struct spawn *s, const sigset_t *mask, int tell)
{
	struct rlimit limit;
	int cause;

	/* When the runner is killed, what it runs ends too. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (s->memory && BOUNDS_DATA) {
		limit.rlim_cur = limit.rlim_max = (rlim_t)(2 * s->memory + SLACK);
		setrlimit(RLIMIT_DATA, &limit);
	}
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (!use_as(s->in, 0) && !use_as(s->out, 1) && !use_as(s->err, 2))
		execvp(s->argv[0], s->argv);
	cause = errno;
	if (write(tell, &cause, sizeof(cause)) < 0)
		cause = EPIPE;
	_exit(127);
}

static int start(const struct spawn *s, const sigset_t *mask, pid_t *pid, struct err *err)
{
	int tell[2], cause = 0;
	ssize_t n;

	if (pipe2(tell, O_CLOEXEC))
		return err_errno(err, "cannot make a pipe");
	*pid = fork();
	if (*pid == 0)
		become(s, mask, tell[1]);
	close(tell[1]);
	if (*pid < 0) {
		close(tell[0]);
		return err_errno(err, "cannot start '%s'", s->argv[0]);
	}
	do
		n = read(tell[0], &cause, sizeof(cause));
	while (n < 0 && errno == EINTR);
	close(tell[0]);
	if (n <= 0)
		return 0;
	waitpid(*pid, NULL, 0);
	errno = cause;
	return err_errno(err, "cannot run '%s'", s->argv[0]);
}

/* The process's high-water mark in bytes; 0 when it has ended. */
static uint64_t high_water(pid_t pid)
{
	unsigned long long kib = 0;
	char path[64], line[256];
	FILE *fp;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	fp = fopen(path, "re");
	if (!fp)
		return 0;
	while (fgets(line, sizeof(line), fp))
		if (!strncmp(line, "VmHWM:", 6))
			kib = strtoull(line + 6, NULL, 10);
	fclose(fp);
	return (uint64_t)kib << 10;
}

static int await(const struct spawn *s, pid_t pid, const sigset_t *wanted, struct usage *out,
		 struct err *err)
{
	const struct timespec tick = {0, (long)(LOOK * 1e9)};
	uint64_t seen = 0;
	struct rusage used;
	int status;
	pid_t got;

	while ((got = wait4(pid, &status, WNOHANG, &used)) == 0) {
		int number =
			s->memory ? sigtimedwait(wanted, NULL, &tick) : sigwaitinfo(wanted, NULL);

		if (number == SIGTERM || number == SIGINT || number == SIGHUP) {
			out->forwarded = number;
			kill(pid, number);
		}
		if (s->memory && !out->exceeded) {
			seen = high_water(pid);
			out->exceeded = seen > s->memory;
			if (out->exceeded)
				kill(pid, SIGKILL);
		}
	}
	if (got < 0)
		return err_errno(err, "cannot wait for '%s'", s->argv[0]);
	out->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	out->cpu = (double)used.ru_utime.tv_sec + 1e-6 * (double)used.ru_utime.tv_usec +
		   (double)used.ru_stime.tv_sec + 1e-6 * (double)used.ru_stime.tv_usec;
	out->peak = (uint64_t)used.ru_maxrss << 10;
	if (out->exceeded && out->peak < seen) /* the kernel keeps the two apart, to some pages */
		out->peak = seen;
	return 0;
}

int spawn_run(const struct spawn *s, struct usage *out, struct err *err)
{
	sigset_t wanted, before;
	double begun = clock_seconds();
	pid_t pid = 0;
	int rc;

	*out = (struct usage){0};
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGHUP);
	signal(SIGCHLD, SIG_DFL); /* a parent may have ignored it */
	/* Blocked before the child is there, so that its end cannot be missed. */
	sigprocmask(SIG_BLOCK, &wanted, &before);
	rc = start(s, &before, &pid, err);
	if (!rc)
		rc = await(s, pid, &wanted, out, err);
	sigprocmask(SIG_SETMASK, &before, NULL);
	out->seconds = clock_seconds() - begun;
	return rc;
}
