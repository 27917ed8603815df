/*
 * quote.h - words as a shell reads them back: whatever is in a word, `sh` gets that word.
 *
 * In the words of a plan two bytes stand for what is only known when it runs: the number of the
 * round, and of the round before.
 */
#ifndef MIST_JOB_QUOTE_H
#define MIST_JOB_QUOTE_H

#include "base/mem.h"
#include "job/words.h"

#define QUOTE_ROUND "\001"
#define QUOTE_PREV  "\002"

struct quote_names {
	const char *round,
		*prev; /* what to write for them: "$round"; NULL where they do not occur */
	bool make;     /* inside a recipe: '$' is doubled */
};

/* Appends `word`, in quotes where it needs them. */
void quote_word(struct buf *out, const char *word, const struct quote_names *names);
/* Words with spaces between; lines are broken with '\' before they grow beyond 100 columns, and go
 * on after `indent`; `column` is where the first begins. */
void quote_words(struct buf *out, const struct words *w, const char *indent, size_t column,
		 const struct quote_names *names);

#endif
