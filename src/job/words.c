#include "job/words.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_take(struct words *w, char *text)
{
	GROW(w->word, w->n + 1, w->cap);
	w->word[w->n++] = text;
	w->word[w->n] = NULL;
}

void words_release(struct words *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		free(w->word[i]);
	free(w->word);
	*w = (struct words)WORDS_INIT;
}

void words_add(struct words *w, const char *text)
{
	add_take(w, xstrdup(text));
}

void words_addf(struct words *w, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = xmalloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	add_take(w, text);
}

void words_add_lines(struct words *w, const char *text)
{
	size_t n;

	for (; text && *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (n)
			add_take(w, xstrndup(text, n));
	}
}

void words_append(struct words *w, const struct words *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		words_add(w, from->word[i]);
}

bool words_have(const struct words *w, const char *text)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (!strcmp(w->word[i], text))
			return true;
	return false;
}
