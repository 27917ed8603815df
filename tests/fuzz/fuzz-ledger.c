/* A ledger: whatever is read gives accounts that can be shown and gone on from. */
#include "mist/ledger_show.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* A line that follows what was read is read, and costs what it says. */
static void go_on(struct book *b)
{
	struct book_release r = {.image = "picture", .tag = "tag", .epsilon = 0.5};
	const struct book_entry e = {
		.client = "fuzz",
		.model = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		.mechanism = "rr",
		.labels = "none",
		.time = "2026-11-22T21:26:47Z",
		.releases = &r,
		.n = 1};
	struct buf line = BUF_INIT;
	struct err err = ERR_INIT;
	size_t used;

	book_format(b, &e, &line);
	buf_add(&line, "\n", 1);
	BUG_IF(book_read(b, "x", line.data, line.len, &used, &err) || used != line.len);
	BUG_IF(!book_has(b, "fuzz", &r) || !(book_image(b, "fuzz", r.image) >= 0.5));
	buf_release(&line);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct book *b = book_new();
	struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	size_t used;

	if (book_read(b, "x", (const char *)data, size, &used, &err) == 0) {
		BUG_IF(used > size);
		if (*book_key(b))
			go_on(b);
		ledger_show(b, "x", &text);
		ledger_show_json(b, "x", &text);
	}
	buf_release(&text);
	book_free(b);
	return 0;
}
