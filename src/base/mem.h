/*
 * mem.h - memory. Exhaustion ends the process with a sentence; sizes multiply through checked
 * helpers. `struct buf` is a growing byte string, always terminated by a NUL it does not count.
 */
#ifndef MIST_BASE_MEM_H
#define MIST_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Never NULL; xcalloc zeroes; a size of 0 gives a unique pointer. Freed with free(). */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* 64-byte aligned (a cache line, an AVX-512 vector), huge pages asked for when large. free(). */
void *xaligned(size_t size) __attribute__((malloc, returns_nonnull));

/* True when a*b (a+b) does not fit; *out is set otherwise. For sizes that come from input. */
static inline bool size_mul(size_t a, size_t b, size_t *out)
{
	return __builtin_mul_overflow(a, b, out);
}
static inline bool size_add(size_t a, size_t b, size_t *out)
{
	return __builtin_add_overflow(a, b, out);
}

/* Makes room for element number `n` of a growing array: GROW(list, n, cap); list[n++] = …; */
#define GROW(array, n, cap)                                                                        \
	do {                                                                                       \
		if ((size_t)(n) >= (size_t)(cap)) {                                                \
			(cap) = (cap) ? (cap)*2 : 16;                                              \
			(array) = xreallocarray((array), (size_t)(cap), sizeof(*(array)));         \
		}                                                                                  \
	} while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct buf {
	char *data; /* owned; NULL until something is added */
	size_t len, cap;
};
#define BUF_INIT                                                                                   \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* keeps the storage */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_add_zeros(struct buf *b, size_t len);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hands the storage over: the caller frees it; the buf is empty again. Never NULL. */
char *buf_detach(struct buf *b);

#endif
