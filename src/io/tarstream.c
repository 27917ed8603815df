#include "io/tarstream.h"

#include "io/libarchive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512

/* The fields of a ustar header, by offset: name 0 (100), mode 100 (8), uid 108 (8), gid 116 (8),
 * size 124 (12), mtime 136 (12), checksum 148 (8), type 156, magic 257 (6), version 263 (2),
 * device major 329 (8), minor 337 (8), prefix 345 (155). */
static void make_header(unsigned char h[BLOCK], const char *name, size_t name_len,
			const char *prefix, size_t prefix_len, char type, size_t size)
{
	unsigned sum = 0;
	char field[16];
	int i;

	memset(h, 0, BLOCK);
	memcpy(h, name, name_len);
	memcpy(h + 345, prefix, prefix_len);
	memcpy(h + 100, "0000644", 8);
	memcpy(h + 108, "0000000", 8);
	memcpy(h + 116, "0000000", 8);
	snprintf(field, sizeof(field), "%011zo", size);
	memcpy(h + 124, field, 12);
	memcpy(h + 136, "00000000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = (unsigned char)type;
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	memcpy(h + 329, "0000000", 8);
	memcpy(h + 337, "0000000", 8);
	for (i = 0; i < BLOCK; i++)
		sum += h[i];
	snprintf(field, sizeof(field), "%06o", sum);
	memcpy(h + 148, field, 7);
}

static int put(struct tarstream_writer *w, const void *data, size_t size, struct err *err)
{
	if (!w->held)
		return outfile_write(&w->out, data, size, err);
	if (size && fwrite(data, 1, size, w->held) != size)
		return err_errno(err, "cannot write a temporary file");
	return 0;
}

static int write_padded(struct tarstream_writer *w, const void *data, size_t size, struct err *err)
{
	static const unsigned char zeros[BLOCK];

	if (put(w, data, size, err))
		return -1;
	return put(w, zeros, (BLOCK - size % BLOCK) % BLOCK, err);
}

/* "LENGTH path=NAME\n", where LENGTH counts itself. */
static int write_pax_path(struct tarstream_writer *w, const char *name, struct err *err)
{
	size_t body = strlen(name) + strlen(" path=\n"), len = body + 1;
	unsigned char header[BLOCK];
	char *record;
	int rc;

	while (len != body + (size_t)snprintf(NULL, 0, "%zu", len))
		len++;
	record = xasprintf("%zu path=%s\n", len, name);
	make_header(header, "PaxHeader", strlen("PaxHeader"), "", 0, 'x', len);
	rc = write_padded(w, header, BLOCK, err);
	if (!rc)
		rc = write_padded(w, record, len, err);
	free(record);
	return rc;
}

/* Where ustar may cut a long name into prefix and name: a slash; NULL when there is none. */
static const char *find_cut(const char *name, size_t len)
{
	const char *cut = NULL, *p;

	for (p = strchr(name, '/'); p && p - name <= 155; p = strchr(p + 1, '/'))
		if (p > name && p[1])
			cut = p;
	return cut && len - (size_t)(cut + 1 - name) <= 100 ? cut : NULL;
}

int tarstream_create(struct tarstream_writer *w, const char *path, struct err *err)
{
	w->held = NULL;
	return outfile_open(&w->out, path, true, err);
}

bool tarstream_in_place(const struct tarstream_writer *w)
{
	return !w->out.temp;
}

int tarstream_hold(struct tarstream_writer *w, struct err *err)
{
	w->held = tmpfile();
	return w->held ? 0 : err_errno(err, "cannot make a temporary file");
}

int tarstream_let_go(struct tarstream_writer *w, struct err *err)
{
	char block[1 << 16];
	size_t n;

	if (!w->held)
		return 0;
	if (fflush(w->held) || fseek(w->held, 0, SEEK_SET))
		return err_errno(err, "cannot write a temporary file");
	while ((n = fread(block, 1, sizeof(block), w->held)))
		if (outfile_write(&w->out, block, n, err))
			return -1;
	if (ferror(w->held) || fseek(w->held, 0, SEEK_SET) || ftruncate(fileno(w->held), 0))
		return err_errno(err, "cannot read a temporary file");
	return 0;
}

int tarstream_add(struct tarstream_writer *w, const char *name, const void *data, size_t size,
		  struct err *err)
{
	size_t len = strlen(name);
	unsigned char header[BLOCK];

	BUG_IF(!len || len > 4095 || name[0] == '/');
	if (size >> 33) /* eleven octal digits */
		return err_set(err, STATUS_INPUT, "cannot write '%s': '%s' is longer than 8 GiB",
			       w->out.path, name);
	if (len <= 100) {
		make_header(header, name, len, "", 0, '0', size);
	} else {
		const char *cut = find_cut(name, len);

		if (cut) {
			make_header(header, cut + 1, len - (size_t)(cut + 1 - name), name,
				    (size_t)(cut - name), '0', size);
		} else {
			if (write_pax_path(w, name, err))
				return -1;
			make_header(header, name, 100, "", 0, '0', size);
		}
	}
	if (write_padded(w, header, BLOCK, err))
		return -1;
	return write_padded(w, data, size, err);
}

int tarstream_finish(struct tarstream_writer *w, struct err *err)
{
	static const unsigned char zeros[2 * BLOCK];

	if (put(w, zeros, sizeof(zeros), err) || tarstream_let_go(w, err)) {
		tarstream_discard(w);
		return -1;
	}
	if (w->held)
		fclose(w->held);
	w->held = NULL;
	return outfile_commit(&w->out, err);
}

void tarstream_discard(struct tarstream_writer *w)
{
	if (w->held)
		fclose(w->held);
	w->held = NULL;
	outfile_abort(&w->out);
}

struct tarstream {
	char *path;
	int fd;
	struct libarchive lib;
	struct archive *a;
	size_t max_member;
	struct buf name, data;
	int64_t end; /* where the last member's data ended, in the tar */
	bool any, truncated;
	unsigned char block[1 << 16];
};

static int bad(struct tarstream *t, struct err *err)
{
	const char *why = t->lib.archive_error_string(t->a);
	int code = t->lib.archive_errno(t->a);

	if (code == EIO || code == EISDIR)
		return err_set(err, STATUS_SYSTEM, "cannot read '%s': %s", t->path, strerror(code));
	if (!t->any && why && strstr(why, "Unrecognized archive format"))
		why = "not a tar archive";
	else if (!why || strstr(why, "runcated")) /* none: the bytes end where data should begin */
		why = "truncated";
	else if (strstr(why, "Damaged")) /* also what a cut behind a pax header gives */
		why = "truncated or damaged";
	t->truncated = !strncmp(why, "truncated", strlen("truncated"));
	return err_set(err, STATUS_INPUT, "cannot read '%s': %s%s%s", t->path, why,
		       t->any ? " after " : "", t->any ? t->name.data : "");
}

static ssize_t read_block(struct archive *a, void *ctx, const void **block)
{
	struct tarstream *t = ctx;
	struct err err;
	long n = file_read_some(t->fd, t->block, sizeof(t->block), t->path, &err);

	if (n < 0)
		t->lib.archive_set_error(a, EIO, "%s", err.msg);
	*block = t->block;
	return n;
}

/* Not support_filter_all: it would run lrzip or grzip because a file asks for it. */
static int begin(struct tarstream *t, struct err *err)
{
	const struct libarchive *lib = &t->lib;

	t->a = lib->archive_read_new();
	BUG_IF(!t->a);
	lib->archive_read_support_filter_gzip(t->a);
	lib->archive_read_support_filter_bzip2(t->a);
	lib->archive_read_support_filter_xz(t->a);
	lib->archive_read_support_filter_lzma(t->a);
	lib->archive_read_support_filter_zstd(t->a);
	lib->archive_read_support_filter_lz4(t->a);
	lib->archive_read_support_filter_compress(t->a);
	lib->archive_read_support_format_tar(t->a);
	lib->archive_read_set_options(t->a, "read_concatenated_archives");
	return lib->archive_read_open(t->a, t, NULL, read_block, NULL) == ARCHIVE_OK ? 0
										     : bad(t, err);
}

struct tarstream *tarstream_open(const char *path, size_t max_member, struct err *err)
{
	int fd = file_open(path, err);
	struct tarstream *t;

	if (fd < 0)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->path = xstrdup(path);
	t->fd = fd;
	t->max_member = max_member;
	if (libarchive_load(&t->lib, err) || begin(t, err)) {
		tarstream_close(t);
		return NULL;
	}
	return t;
}

/* The name that a header gives, into t->name; control characters could forge a message or a list.
 */
static int take_name(struct tarstream *t, struct archive_entry *entry, struct err *err)
{
	const char *name = t->lib.archive_entry_pathname(entry);
	const unsigned char *p;

	if (!name) /* a pax name that the C locale cannot hold */
		name = t->lib.archive_entry_pathname_utf8(entry);
	if (!name || !*name)
		return err_set(err, STATUS_INPUT, "cannot read '%s': a member has no name",
			       t->path);
	for (p = (const unsigned char *)name; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return err_set(err, STATUS_INPUT,
				       "cannot read '%s': control characters in a member's name",
				       t->path);
	buf_clear(&t->name);
	buf_add_str(&t->name, name);
	t->any = true;
	return 0;
}

/* Storage grows with what arrives, not with what a header claims. */
static int take_data(struct tarstream *t, struct err *err)
{
	char block[1 << 15];
	la_ssize_t n;

	buf_clear(&t->data);
	buf_add(&t->data, "", 0);
	while ((n = t->lib.archive_read_data(t->a, block, sizeof(block))) > 0) {
		if ((size_t)n > t->max_member - t->data.len)
			return err_set(err, STATUS_INPUT,
				       "cannot read '%s': '%s' is longer than %zu bytes", t->path,
				       t->name.data, t->max_member);
		buf_add(&t->data, block, (size_t)n);
	}
	if (n < 0)
		return bad(t, err);
	t->end = t->lib.archive_filter_bytes(t->a, 0);
	return 0;
}

/* libarchive takes the end of the bytes for the end of the archive; two zero blocks must be there.
 */
static int check_end(struct tarstream *t, struct err *err)
{
	if (t->lib.archive_filter_bytes(t->a, 0) - t->end >= 2 * BLOCK)
		return 0;
	t->truncated = true;
	return err_set(err, STATUS_INPUT, "cannot read '%s': truncated%s%s", t->path,
		       t->any ? " after " : "", t->any ? t->name.data : "");
}

int tarstream_next(struct tarstream *t, struct tarstream_member *out, struct err *err)
{
	struct archive_entry *entry;
	int rc;

	do {
		rc = t->lib.archive_read_next_header(t->a, &entry);
		if (rc == ARCHIVE_EOF)
			return check_end(t, err);
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return bad(t, err);
		if (take_name(t, entry, err))
			return -1;
	} while (t->lib.archive_entry_filetype(entry) == AE_IFDIR &&
		 !t->lib.archive_entry_hardlink(entry));
	if (t->lib.archive_entry_filetype(entry) != AE_IFREG ||
	    t->lib.archive_entry_hardlink(entry))
		return err_set(err, STATUS_INPUT, "cannot read '%s': '%s' is not a regular file",
			       t->path, t->name.data);
	if (t->lib.archive_entry_size(entry) > 0 &&
	    (uint64_t)t->lib.archive_entry_size(entry) > t->max_member)
		return err_set(err, STATUS_INPUT, "cannot read '%s': '%s' is longer than %zu bytes",
			       t->path, t->name.data, t->max_member);
	if (take_data(t, err))
		return -1;
	*out = (struct tarstream_member){t->name.data, (const unsigned char *)t->data.data,
					 t->data.len};
	return 1;
}

bool tarstream_truncated(const struct tarstream *t)
{
	return t->truncated;
}

void tarstream_close(struct tarstream *t)
{
	if (!t)
		return;
	if (t->a)
		t->lib.archive_read_free(t->a);
	file_close(t->fd);
	buf_release(&t->name);
	buf_release(&t->data);
	free(t->path);
	free(t);
}
