/*
 * words.h - a growing list of texts: the words of a command line, names, sentences.
 */
#ifndef MIST_JOB_WORDS_H
#define MIST_JOB_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
	char **word; /* owned; one more than n, NULL, so that it is an argv */
	size_t n, cap;
};
#define WORDS_INIT                                                                                 \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void words_release(struct words *w);
void words_add(struct words *w, const char *text);
void words_addf(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The lines of a text, but empty ones; NULL has none. */
void words_add_lines(struct words *w, const char *text);
/* All of `from`, copied. */
void words_append(struct words *w, const struct words *from);
bool words_have(const struct words *w, const char *text);

#endif
