#include "fed/inbox.h"

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Enough for tar's magic, which ends at 262. */
#define HEAD 512
/* How long to sleep while a pipe holds too few bytes to tell: 5 ms. */
#define WAIT_US 5000

/* ------------------------------------------------------------------ first bytes */

/* Waits until the pipe holds `want` bytes or its writer is gone; how many it holds. */
static int await_bytes(int fd, int want)
{
	struct pollfd p = {fd, POLLIN, 0};
	int n = 0;

	for (;;) {
		poll(&p, 1, -1);
		if (ioctl(fd, FIONREAD, &n) || n >= want || (p.revents & POLLHUP))
			return n;
		usleep(WAIT_US);
	}
}

/* Copies the first bytes of a pipe without taking them out of it: tee(2). */
static long peek_pipe(int fd, unsigned char *head, struct err *err)
{
	int copy[2];
	long n = 0;

	if (pipe2(copy, O_CLOEXEC))
		return err_errno(err, "cannot make a pipe");
	if (await_bytes(fd, HEAD) > 0)
		n = tee(fd, copy[1], HEAD, 0);
	if (n < 0)
		err_errno(err, "cannot look at standard input");
	else
		n = file_read_some(copy[0], head, (size_t)n, "standard input", err);
	close(copy[0]);
	close(copy[1]);
	return n;
}

/* How many of the first bytes; 0: nothing can be told (empty, or a pipe with a name). */
static long peek(const char *path, unsigned char *head, struct err *err)
{
	const bool std = !strcmp(path, "-");
	struct stat st;
	long n = 0;
	int fd;

	if (std ? fstat(STDIN_FILENO, &st) == 0 : stat(path, &st) == 0) {
		if (S_ISFIFO(st.st_mode)) /* opening and closing one by name would end its writer */
			return std ? peek_pipe(STDIN_FILENO, head, err) : 0;
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
			return 0;
	}
	fd = file_open(path, err);
	if (fd < 0)
		return -1;
	n = pread(fd, head, HEAD, std ? lseek(fd, 0, SEEK_CUR) : 0);
	if (n < 0)
		err_errno(err, "cannot read '%s'", path);
	else if (n == 0)
		n = err_set(err, STATUS_INPUT, "cannot read '%s': it is empty", path);
	file_close(fd);
	return n;
}

/* ------------------------------------------------------------------ kinds */

static bool is_weights(const unsigned char *head, long n)
{
	/* a header shorter than 4 GiB, and a map */
	return n > 8 && !memcmp(head + 4, "\0\0\0\0", 4) && head[8] == '{';
}

static bool is_tar(const unsigned char *head, long n)
{
	/* the magic numbers of tar, gzip, bzip2, xz, lzma, zstd, lz4 and compress */
	static const struct {
		int at;
		const char *magic;
		size_t size;
	} kinds[] = {{257, "ustar", 5},
		     {0, "\x1f\x8b", 2},
		     {0, "BZh", 3},
		     {0,
		      "\xfd"
		      "7zXZ",
		      5},
		     {0, "\x5d\0\0", 3},
		     {0, "\x28\xb5\x2f\xfd", 4},
		     {0, "\x04\x22\x4d\x18", 4},
		     {0, "\x1f\x9d", 2}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (n >= kinds[i].at + (long)kinds[i].size &&
		    !memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].size))
			return true;
	return false;
}

/* 1 and *out: known; 0: cannot be told; -1. */
static int kind_of(const char *path, enum inbox_kind *out, struct err *err)
{
	unsigned char head[HEAD];
	long n = peek(path, head, err);

	if (n <= 0)
		return (int)n;
	if (is_weights(head, n))
		*out = INBOX_WEIGHTS;
	else if (is_tar(head, n))
		*out = INBOX_FEATURES;
	else if (n > 4 && !memcmp(head, "PK\3\4", 4))
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': a PyTorch checkpoint, perhaps, which mist-model "
			       "imports",
			       path);
	else
		return err_set(err, STATUS_INPUT,
			       "cannot read '%s': neither a feature stream nor a weight file",
			       path);
	return 1;
}

int inbox_kind(char *const *paths, int n, enum inbox_kind *out, struct err *err)
{
	static const char *const names[] = {"a feature stream", "a weight file"};
	const char *told_by = NULL;
	int i, rc, stdins = 0;

	*out = INBOX_FEATURES;
	for (i = 0; i < n; i++) {
		enum inbox_kind kind;

		stdins += !strcmp(paths[i], "-");
		if (stdins > 1)
			return err_set(err, STATUS_USAGE, "standard input can be read only once");
		rc = kind_of(paths[i], &kind, err);
		if (rc < 0)
			return -1;
		if (rc && told_by && kind != *out)
			return err_set(err, STATUS_INPUT,
				       "'%s' is %s, but '%s' is %s: one kind at a time", told_by,
				       names[*out], paths[i], names[kind]);
		if (rc) {
			*out = kind;
			told_by = paths[i];
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ what was seen */

int seen_init(struct seen *s, struct err *err)
{
	*s = (struct seen){0};
	if (sodium_init() < 0)
		return err_set(err, STATUS_SYSTEM, "libsodium cannot be initialised");
	randombytes_buf(s->key, sizeof(s->key));
	return 0;
}

void seen_release(struct seen *s)
{
	free(s->slots);
	*s = (struct seen){0};
}

/* The slot of `hash`, or the free one where it belongs: linear probing. */
static uint64_t *slot(uint64_t *slots, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (slots[i] && slots[i] != hash)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static void grow(struct seen *s)
{
	size_t cap = s->cap ? 2 * s->cap : 1024, i;
	uint64_t *slots = xcalloc(cap, sizeof(*slots));

	for (i = 0; i < s->cap; i++)
		if (s->slots[i])
			*slot(slots, cap, s->slots[i]) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->cap = cap;
}

bool seen_before(struct seen *s, const void *thing, size_t size)
{
	uint64_t hash, *at;

	crypto_shorthash((unsigned char *)&hash, thing, size, s->key);
	hash += !hash; /* 0 is a free slot */
	if (3 * s->n >= 2 * s->cap)
		grow(s);
	at = slot(s->slots, s->cap, hash);
	if (*at)
		return true;
	*at = hash;
	s->n++;
	return false;
}
