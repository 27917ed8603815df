/*
 * memfile.h - a fuzzer's bytes as a file with a path, without a disk.
 */
#ifndef MIST_TESTS_FUZZ_MEMFILE_H
#define MIST_TESTS_FUZZ_MEMFILE_H

#include "base/err.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct memfile {
	int fd;
	char path[32];
};

static inline struct memfile memfile_open(const uint8_t *data, size_t size)
{
	struct memfile f = {.fd = memfd_create("fuzz", 0)};

	BUG_IF(f.fd < 0 || write(f.fd, data, size) != (ssize_t)size);
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
	return f;
}

static inline void memfile_close(struct memfile *f)
{
	close(f->fd);
}

#endif
