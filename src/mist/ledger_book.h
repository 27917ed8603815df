/*
 * ledger_book.h - what stands in a ledger: who sent what of which picture, and what it cost.
 *
 * A ledger is JSON Lines, only ever appended to. The first line tells format, version and the key's
 * fingerprint; every other tells of one release or several of one kind:
 *
 *	{"client":"edge1","labels":"clear","mechanism":"rr, …","model":SHA-256,
 *	 "releases":[[IMAGE,TAG,EPSILON],…],"seeded":false,"time":"2026-…Z","sha256":SHA-256}
 *
 * IMAGE and TAG are pseudonyms (ledger_key.h), EPSILON what that release cost, null: infinitely
 * much. Every line's last member is the SHA-256 of the digest of the line before and of the line
 * without that member, so a ledger that was cut in the middle, reordered or edited is found out. A
 * last line without its newline was never finished: nothing of it was released.
 *
 * The same tag of the same picture costs once, for it is the same bits. The account of a client is
 * the sum over its releases (sequential composition), that of a picture the sum over its own.
 * Sums are rounded up.
 */
#ifndef MIST_MIST_LEDGER_BOOK_H
#define MIST_MIST_LEDGER_BOOK_H

#include "base/mem.h"
#include "io/digest.h"
#include "mist/ledger_key.h"

/* A line holds at most so many releases, and is so bounded for who reads it. */
#define BOOK_LINE_RELEASES 4096

struct book_release {
	uint8_t image[LEDGER_ID], tag[LEDGER_ID];
	double epsilon; /* infinite where there is no noise, or none that lasts */
};

/* A line. Texts are printable, without controls, of at most 255 bytes. */
struct book_entry {
	const char *client, *model, *mechanism, *labels, *time; /* model: 64 hexadecimal digits */
	bool seeded;
	struct book_release *releases;
	size_t n;
};

struct book_client {
	char *name;
	long images, releases;
	double epsilon, image_max; /* of all, and of the picture that cost most */
	char first[21], last[21];  /* 2026-11-22T21:26:47Z */
};

struct book;
struct book *book_new(void);
void book_free(struct book *b);

/* The fingerprint in the first line; "" before that was read. */
const char *book_key(const struct book *b);
int book_major(const struct book *b); /* version of its format; 0 before */
const struct book_client *book_client(const struct book *b, const char *name); /* NULL: unknown */
/* In the order of their first release. */
const struct book_client *book_clients(const struct book *b, int *n);
bool book_has(const struct book *b, const char *client, const struct book_release *r);
double book_image(const struct book *b, const char *client, const uint8_t image[LEDGER_ID]);

/*
 * Takes in the whole lines of `text`, which follows what was read before; *used is where they end.
 * Nothing more must be asked of a book that could not be read.
 */
int book_read(struct book *b, const char *name, const char *text, size_t len, size_t *used,
	      struct err *err);

/* Lines to append, without their newlines: the first, and the one that follows what was read. */
void book_format_header(const char *key, struct buf *out);
void book_format(const struct book *b, const struct book_entry *e, struct buf *out);

#endif
