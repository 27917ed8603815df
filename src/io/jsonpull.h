/*
 * jsonpull.h - JSON read token by token in constant memory, for files of a hundred megabytes where
 *a tree (jansson) would take a gigabyte and seconds: COCO's annotations and results.
 *
 * Grammar: RFC 8259, whole: what it lets pass is JSON, one value with nothing behind it. Stricter
 *in bounds: nesting up to JSONPULL_DEPTH, wanted strings up to JSONPULL_STRING bytes (skipped ones
 *have no limit), no NUL inside strings, UTF-8 checked. NaN and Infinity, which Python writes, are
 *refused with a sentence of their own. Numbers are rounded exactly as strtod does.
 *
 *	jsonpull_open(&p, path, &err);
 *	while ((token = jsonpull_next(&p, &err)) > PULL_DONE) …
 *	jsonpull_close(&p);
 */
#ifndef MIST_IO_JSONPULL_H
#define MIST_IO_JSONPULL_H

#include "base/err.h"
#include "base/mem.h"

#include <stdint.h>

#define JSONPULL_DEPTH  64
#define JSONPULL_STRING 65536

enum pull {
	PULL_BAD = -1, /* err is filled */
	PULL_DONE,     /* the text ended where it may */
	PULL_BEGIN_OBJECT,
	PULL_END_OBJECT,
	PULL_BEGIN_ARRAY,
	PULL_END_ARRAY,
	PULL_NAME, /* a member's name, in `text`; its value is the next token */
	PULL_TEXT, /* a string, in `text` */
	PULL_NUM,  /* in `number`; its digits in `text` */
	PULL_YES,
	PULL_NO,
	PULL_NOTHING, /* null */
};

struct jsonpull {
	const char *name; /* for messages; borrowed */
	int fd;           /* -1: the text is in memory */
	char *chunk;      /* owned; NULL for text in memory */
	const char *start, *pos, *end;
	uint64_t before; /* bytes before `start` */
	struct buf text; /* of the last name, string or number; NUL-terminated */
	double number;
	bool integer;  /* the number had neither point nor exponent and fits int64_t … */
	int64_t whole; /* … and this is it */
	bool keep;     /* strings are stored (false inside jsonpull_skip) */
	unsigned char state;
	int depth;
	unsigned char stack[JSONPULL_DEPTH]; /* '{' or '[' */
};

/* "-": standard input. */
int jsonpull_open(struct jsonpull *p, const char *path, struct err *err);
/* Text in memory, borrowed. */
void jsonpull_init(struct jsonpull *p, const char *name, const void *data, size_t size);
void jsonpull_close(struct jsonpull *p);

enum pull jsonpull_next(struct jsonpull *p, struct err *err);
/* After a token that begins an array or object: reads past its end. After any other: nothing. */
int jsonpull_skip(struct jsonpull *p, enum pull token, struct err *err);
/* The next token must be `want`: -1 and "expected …" otherwise. */
int jsonpull_expect(struct jsonpull *p, enum pull want, struct err *err);
/* "'FILE': byte N: SENTENCE" with STATUS_INPUT; -1. */
int jsonpull_error(const struct jsonpull *p, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
