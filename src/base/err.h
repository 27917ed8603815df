/*
 * err.h - how the library reports failure.
 *
 * A fallible call returns 0 or -1 (or a pointer or NULL) and fills a last `struct err *` with one
 * whole sentence and an exit status. The library never prints and never exits on account of its
 * input. Broken invariants and exhausted memory do end the process: BUG_IF, mem.h.
 *
 * Sentences: lower case, no full stop, operands in single quotes, cause last:
 * "cannot read 'x.tar': truncated after sample 000000000034".
 */
#ifndef MIST_BASE_ERR_H
#define MIST_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

/* The exit statuses of every program; the table in every manual is made from this enum. */
enum status {
	STATUS_OK = 0,        /* done */
	STATUS_NO = 1,        /* the answer is no */
	STATUS_USAGE = 2,     /* the command line is wrong */
	STATUS_INPUT = 3,     /* an input is wrong */
	STATUS_SYSTEM = 4,    /* the system refused: files, memory, disk, pipe */
	STATUS_NETWORK = 5,   /* a transfer failed */
	STATUS_PRIVACY = 6,   /* refused because it would break a privacy promise */
	STATUS_NONFINITE = 7, /* a loss, weight or result is not finite */
};

struct err {
	enum status status;
	char msg[1024];
};

#define ERR_INIT                                                                                   \
	{                                                                                          \
		STATUS_OK, ""                                                                      \
	}

/* Sets status and sentence; always returns -1, so that `return err_set(…);` reads well. */
int err_set(struct err *err, enum status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with STATUS_SYSTEM and ": " and the text of errno appended. */
int err_errno(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "PREFIX: " before the sentence that is there, keeps its status; returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Where the library has something to say that is not a failure (a skipped image, a dropped
 * duplicate), it calls a `struct notices` its caller passed. NULL means silence.
 */
struct notices {
	void (*fn)(void *ctx, const char *sentence);
	void *ctx;
};
void notice(const struct notices *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A broken invariant of ours, never a matter of input: says where and aborts, in releases too. */
#define BUG_IF(cond)                                                                               \
	do {                                                                                       \
		if (__builtin_expect(!!(cond), 0))                                                 \
			err_bug(__FILE__, __LINE__, #cond);                                        \
	} while (0)
void err_bug(const char *file, int line, const char *cond) __attribute__((noreturn, cold));

#endif
