/*
 * fuzz-tarstream.c - members are within their bound, and what is read can be written and read again.
 */
#include "io/tarstream.h"
#include "memfile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_MEMBER 100000

static void check_again(const char *path, const char *name, const void *bytes, size_t size)
{
	struct err err;
	struct tarstream *t = tarstream_open(path, MAX_MEMBER, &err);
	struct tarstream_member m;

	BUG_IF(!t || tarstream_next(t, &m, &err) != 1);
	BUG_IF(strcmp(m.name, name) != 0 || m.size != size || memcmp(m.data, bytes, size) != 0);
	BUG_IF(tarstream_next(t, &m, &err) != 0);
	tarstream_close(t);
}

static void write_again(const struct tarstream_member *m)
{
	struct tarstream_writer w = {{0}};
	char *name = xstrdup(m->name);
	struct memfile file = memfile_open(NULL, 0);
	struct err err;

	/* written in place: the path is no regular file's */
	w.out.path = xstrdup("memory");
	w.out.fp = fdopen(dup(file.fd), "wb");
	BUG_IF(tarstream_add(&w, name, m->data, m->size, &err));
	BUG_IF(tarstream_finish(&w, &err));
	check_again(file.path, name, m->data, m->size);
	memfile_close(&file);
	free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memfile file = memfile_open(data, size);
	struct err err;
	struct tarstream *t = tarstream_open(file.path, MAX_MEMBER, &err);
	struct tarstream_member m;
	size_t len;
	int i;

	for (i = 0; t && i < 1000 && tarstream_next(t, &m, &err) > 0; i++) {
		BUG_IF(m.size > MAX_MEMBER || m.data[m.size] != '\0');
		len = strlen(m.name);
		if (i == 0 && m.name[0] != '/' && m.name[len - 1] != '/' && len < 4096)
			write_again(&m);
	}
	tarstream_close(t);
	memfile_close(&file);
	return 0;
}
