#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int err_set(struct err *err, enum status status, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	va_list ap;

	/* By way of a copy: an argument may well be the old sentence. */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(err->msg, text, sizeof(text));
	err->status = status;
	return -1;
}

int err_errno(struct err *err, const char *fmt, ...)
{
	char text[sizeof(err->msg) / 2];
	int cause = errno;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, STATUS_SYSTEM, "%s: %s", text, strerror(cause));
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char text[sizeof(err->msg) / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, err->status, "%s: %s", text, err->msg);
}

void notice(const struct notices *to, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!to || !to->fn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	to->fn(to->ctx, text);
}

void err_bug(const char *file, int line, const char *cond)
{
	fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, cond);
	abort();
}
