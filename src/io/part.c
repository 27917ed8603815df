#include "io/part.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens and locks the part. The owner of the lock may have renamed the file away meanwhile. */
static int open_locked(struct part *p, struct err *err)
{
	struct stat here, there;

	for (;;) {
		p->fd = open(p->temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
		if (p->fd < 0)
			return err_errno(err, "cannot write '%s'", p->path);
		if (flock(p->fd, LOCK_EX | LOCK_NB)) {
			close(p->fd);
			p->fd = -1;
			if (errno == EWOULDBLOCK)
				return err_set(err, STATUS_SYSTEM,
					       "cannot write '%s': another process is fetching it",
					       p->path);
			return err_errno(err, "cannot lock '%s'", p->temp);
		}
		if (fstat(p->fd, &here) == 0 && stat(p->temp, &there) == 0 &&
		    here.st_ino == there.st_ino && here.st_dev == there.st_dev)
			return 0;
		close(p->fd);
	}
}

/* The tag is two lines: URL, validator. Anything else counts for nothing. */
static void read_tag(struct part *p)
{
	struct buf text = BUF_INIT;
	struct err ignored;
	char *end, *second;

	if (file_read(p->tag, 1 << 16, &text, &ignored) == 0 && (end = strchr(text.data, '\n'))) {
		second = end + 1;
		*end = '\0';
		end = strchr(second, '\n');
		if (end && end > second) {
			*end = '\0';
			p->url = xstrdup(text.data);
			p->validator = xstrdup(second);
		}
	}
	buf_release(&text);
}

static int take_up(struct part *p, struct err *err)
{
	char block[1 << 16];
	long n;

	do {
		n = file_read_some(p->fd, block, sizeof(block), p->temp, err);
		if (n > 0) {
			digest_add(&p->digest, block, (size_t)n);
			p->have += (uint64_t)n;
		}
	} while (n == (long)sizeof(block));
	if (n < 0)
		return -1;
	if (p->have)
		read_tag(p);
	return 0;
}

int part_open(struct part *p, const char *path, struct err *err)
{
	char *dir = path_dir(path);

	*p = (struct part){.path = xstrdup(path), .fd = -1};
	p->temp = xasprintf("%s/.%s.part", dir, path_base(path));
	p->tag = xasprintf("%s.tag", p->temp);
	free(dir);
	digest_init(&p->digest);
	if (open_locked(p, err) == 0 && take_up(p, err) == 0)
		return 0;
	part_abandon(p, true);
	return -1;
}

int part_add(struct part *p, const void *data, size_t size, struct err *err)
{
	const char *at = data;
	size_t left = size;
	ssize_t n;

	while (left) {
		n = write(p->fd, at, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot write '%s'", p->path);
		at += n;
		left -= (size_t)n;
	}
	digest_add(&p->digest, data, size);
	p->have += size;
	return 0;
}

static void forget_origin(struct part *p)
{
	free(p->url);
	free(p->validator);
	p->url = p->validator = NULL;
}

int part_restart(struct part *p, struct err *err)
{
	if (ftruncate(p->fd, 0) || lseek(p->fd, 0, SEEK_SET))
		return err_errno(err, "cannot write '%s'", p->path);
	forget_origin(p);
	unlink(p->tag);
	p->have = 0;
	digest_init(&p->digest);
	return 0;
}

int part_note(struct part *p, const char *url, const char *validator, struct err *err)
{
	char *text;
	int rc;

	if (!validator)
		return 0;
	forget_origin(p);
	p->url = xstrdup(url);
	p->validator = xstrdup(validator);
	text = xasprintf("%s\n%s\n", url, validator);
	rc = file_write(p->tag, text, strlen(text), err);
	free(text);
	return rc;
}

void part_digest(const struct part *p, char hex[DIGEST_HEX])
{
	struct digest copy = p->digest;

	digest_hex(&copy, hex);
}

int part_commit(struct part *p, struct err *err)
{
	int rc = 0;

	if (fsync(p->fd) || rename(p->temp, p->path))
		rc = err_errno(err, "cannot write '%s'", p->path);
	part_abandon(p, false);
	return rc;
}

void part_abandon(struct part *p, bool keep)
{
	if (!keep && p->fd >= 0) {
		unlink(p->temp);
		unlink(p->tag);
	}
	if (p->fd >= 0)
		close(p->fd);
	forget_origin(p);
	free(p->path);
	free(p->temp);
	free(p->tag);
	*p = (struct part){.fd = -1};
}
