#include "base/mem.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Transparent huge pages are 2 MiB on every machine we build for. */
#define HUGE_PAGE ((size_t)2 << 20)

static void *no_memory(size_t size) __attribute__((noreturn, cold));
static void *no_memory(size_t size)
{
	fprintf(stderr, "out of memory: %zu bytes were asked for\n", size);
	exit(STATUS_SYSTEM);
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	return p ? p : no_memory(size);
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	return p ? p : no_memory(n * size);
}

void *xreallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (size_mul(n, size, &bytes))
		no_memory(SIZE_MAX);
	p = realloc(old, bytes ? bytes : 1);
	return p ? p : no_memory(bytes);
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = xmalloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

static char *xvasprintf(const char *fmt, va_list ap, size_t *len)
{
	va_list again;
	int n;
	char *p;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	BUG_IF(n < 0);
	p = xmalloc((size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	*len = (size_t)n;
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	size_t len;
	char *p;

	va_start(ap, fmt);
	p = xvasprintf(fmt, ap, &len);
	va_end(ap);
	return p;
}

void *xaligned(size_t size)
{
	size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 64;
	void *p;

	if (posix_memalign(&p, align, size ? size : 1))
		no_memory(size);
	if (size >= HUGE_PAGE)
		(void)madvise(p, size, MADV_HUGEPAGE); /* only a wish */
	return p;
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

static void buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap = b->cap ? b->cap : 64;

	if (size_add(b->len, more, &need) || size_add(need, 1, &need))
		no_memory(SIZE_MAX);
	if (need <= b->cap)
		return;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	b->data = xreallocarray(b->data, cap, 1);
	b->cap = cap;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	buf_reserve(b, len);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_zeros(struct buf *b, size_t len)
{
	buf_reserve(b, len);
	memset(b->data + b->len, 0, len + 1);
	b->len += len;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t len;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap, &len);
	va_end(ap);
	buf_add(b, s, len);
	free(s);
}

char *buf_detach(struct buf *b)
{
	char *p;

	buf_reserve(b, 0);
	b->data[b->len] = '\0';
	p = b->data;
	*b = (struct buf)BUF_INIT;
	return p;
}
