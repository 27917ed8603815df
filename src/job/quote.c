#include "job/quote.h"

#include <stdlib.h>
#include <string.h>

static bool is_plain(const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "_@%+=:,./-" QUOTE_ROUND QUOTE_PREV;

	return *word && strspn(word, safe) == strlen(word);
}

static void add_char(struct buf *out, char c, const struct quote_names *names)
{
	buf_add(out, &c, 1);
	if (c == '$' && names->make)
		buf_add_str(out, "$");
}

static bool add_marker(struct buf *out, char c, const struct quote_names *names)
{
	const char *name = c == QUOTE_ROUND[0]  ? names->round
			   : c == QUOTE_PREV[0] ? names->prev
						: NULL;

	if (name)
		buf_add_str(out, name);
	return name != NULL;
}

/* Everything is literal between single quotes but a single quote, which stands outside as \'. */
static void quote_hard(struct buf *out, const char *word, const struct quote_names *names)
{
	bool open = false;
	const char *p;

	for (p = word; *p; p++) {
		bool marker = *p == QUOTE_ROUND[0] || *p == QUOTE_PREV[0];

		if (open == (*p == '\'' || marker)) {
			buf_add_str(out, "'");
			open = !open;
		}
		if (*p == '\'')
			buf_add_str(out, "\\'");
		else if (!marker) {
			add_char(out, *p, names);
		} else {
			buf_add_str(out, "\"");
			add_marker(out, *p, names);
			buf_add_str(out, "\"");
		}
	}
	if (open)
		buf_add_str(out, "'");
	if (!*word)
		buf_add_str(out, "''");
}

void quote_word(struct buf *out, const char *word, const struct quote_names *names)
{
	bool marked = strpbrk(word, QUOTE_ROUND QUOTE_PREV) != NULL;
	const char *p;

	if (!is_plain(word)) {
		quote_hard(out, word, names);
		return;
	}
	/* make puts numbers in the place of its variables; a shell's want quotes. */
	if (marked && !names->make)
		buf_add_str(out, "\"");
	for (p = word; *p; p++)
		if (!add_marker(out, *p, names))
			add_char(out, *p, names);
	if (marked && !names->make)
		buf_add_str(out, "\"");
}

void quote_words(struct buf *out, const struct words *w, const char *indent, size_t column,
		 const struct quote_names *names)
{
	size_t i;

	for (i = 0; i < w->n; i++) {
		struct buf one = BUF_INIT;

		quote_word(&one, w->word[i], names);
		if (i && column + one.len + 3 > 100) {
			buf_printf(out, " \\\n%s", indent);
			column = 8 + strlen(indent);
		} else if (i) {
			buf_add_str(out, " ");
			column++;
		}
		buf_add(out, one.data, one.len);
		column += one.len;
		buf_release(&one);
	}
}
