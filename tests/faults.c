/*
 * faults.c - preloaded under a program, it lets one call fail: $MIST_FAULT is "CALL:N", the N-th of
 * read, write, fsync or rename (counted from 1) on files below $MIST_FAULT_UNDER. What was asked for
 * but never came is told by the file $MIST_FAULT_DONE, which appears when the fault happens.
 *
 * "write" covers what stdio does inside the C library too, where no write() can be caught: fwrite,
 * fputs, vfprintf, fflush; "read" fread likewise.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long calls;

static void announce(void)
{
	const char *done = getenv("MIST_FAULT_DONE");
	int fd = done ? open(done, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;

	if (fd >= 0)
		close(fd);
}

/* Is this call to fail? Counts those that are asked for. */
static bool strikes(const char *call)
{
	const char *fault = getenv("MIST_FAULT");
	size_t len = strlen(call);

	if (!fault || strncmp(fault, call, len) || fault[len] != ':')
		return false;
	if (__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) != strtol(fault + len + 1, NULL, 10))
		return false;
	announce();
	return true;
}

static bool is_ours(int fd)
{
	const char *under = getenv("MIST_FAULT_UNDER");
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0 || !under)
		return false;
	path[n] = '\0';
	return !strncmp(path, under, strlen(under));
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int fd, void *data, size_t size)
{
	if (is_ours(fd) && strikes("read")) {
		errno = EIO;
		return -1;
	}
	return REAL(read)(fd, data, size);
}

size_t fread(void *data, size_t size, size_t n, FILE *fp)
{
	if (is_ours(fileno(fp)) && strikes("read")) {
		errno = EIO;
		return 0;
	}
	return REAL(fread)(data, size, n, fp);
}

ssize_t write(int fd, const void *data, size_t size)
{
	if (is_ours(fd) && strikes("write")) {
		errno = ENOSPC;
		return -1;
	}
	return REAL(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (is_ours(fd) && strikes("write")) {
		errno = ENOSPC;
		return -1;
	}
	return REAL(pwrite)(fd, data, size, offset);
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *fp)
{
	if (is_ours(fileno(fp)) && strikes("write")) {
		errno = ENOSPC;
		return 0;
	}
	return REAL(fwrite)(data, size, n, fp);
}

int vfprintf(FILE *fp, const char *format, va_list ap)
{
	if (is_ours(fileno(fp)) && strikes("write")) {
		errno = ENOSPC;
		return -1;
	}
	return REAL(vfprintf)(fp, format, ap);
}

int fflush(FILE *fp)
{
	if (fp && is_ours(fileno(fp)) && strikes("write")) {
		errno = ENOSPC;
		return EOF;
	}
	return REAL(fflush)(fp);
}

int fsync(int fd)
{
	if (is_ours(fd) && strikes("fsync")) {
		errno = EIO;
		return -1;
	}
	return REAL(fsync)(fd);
}

int syncfs(int fd)
{
	if (is_ours(fd) && strikes("fsync")) {
		errno = EIO;
		return -1;
	}
	return REAL(syncfs)(fd);
}

int rename(const char *from, const char *to)
{
	if (strikes("rename")) {
		errno = EIO;
		return -1;
	}
	return REAL(rename)(from, to);
}
