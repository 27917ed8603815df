/*
 * hostile.c - write an archive that means harm, for the tests of unpacking.
 *
 *	hostile KIND FILE
 *
 * The format follows FILE's suffix: .zip, or tar, or tar in gzip, xz or zstd. Every archive begins
 * with an honest member, "set/good.txt", which must not survive either.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct archive *out;

static void member(const char *name, int type, const char *target, const void *data, size_t size)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_perm(e, 06777); /* setuid, setgid, writable by all */
	archive_entry_set_mtime(e, 1000000000, 0);
	if (type == 'h') {
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_hardlink(e, target);
	} else if (type == 'l') {
		archive_entry_set_filetype(e, AE_IFLNK);
		archive_entry_set_symlink(e, target);
	} else {
		archive_entry_set_filetype(e, type == 'd'   ? AE_IFDIR
					      : type == 'c' ? AE_IFCHR
					      : type == 'p' ? AE_IFIFO
							    : AE_IFREG);
		archive_entry_set_size(e, (la_int64_t)size);
	}
	if (type == 'c')
		archive_entry_set_rdev(e, 0x0103); /* /dev/null */
	if (archive_write_header(out, e) != ARCHIVE_OK)
		fprintf(stderr, "hostile: %s\n", archive_error_string(out));
	if (size && data)
		archive_write_data(out, data, size);
	archive_entry_free(e);
}

static void text(const char *name)
{
	member(name, 'f', NULL, "evil\n", 5);
}

static void absolute(void)
{
	text("/tmp/mistutils-evil");
}

static void dotdot(void)
{
	text("set/../../evil");
}

static void dotdot_deep(void)
{
	text("set/a/b/../../../../evil");
}

/* The classic: a link out, then a file through it. */
static void through_link(void)
{
	member("set/out", 'l', "..", NULL, 0);
	text("set/out/evil");
}

static void link_out(void)
{
	member("set/out", 'l', "../../evil", NULL, 0);
}

static void link_absolute(void)
{
	member("set/out", 'l', "/etc/passwd", NULL, 0);
}

/* Each looks harmless by its text; together they lead out. */
static void link_chain(void)
{
	member("set/deep", 'd', NULL, NULL, 0);
	member("set/deep/here", 'l', ".", NULL, 0);
	member("set/out", 'l', "deep/here/../../..", NULL, 0);
}

static void link_loop(void)
{
	member("set/a", 'l', "b", NULL, 0);
	member("set/b", 'l', "a", NULL, 0);
}

static void hard_link_out(void)
{
	member("set/passwd", 'h', "../../../../../../etc/passwd", NULL, 0);
}

static void hard_link_absolute(void)
{
	member("set/passwd", 'h', "/etc/passwd", NULL, 0);
}

static void device(void)
{
	member("set/null", 'c', NULL, NULL, 0);
}

static void fifo(void)
{
	member("set/pipe", 'p', NULL, NULL, 0);
}

static void twice(void)
{
	text("set/x");
	text("set/x");
}

static void file_and_folder(void)
{
	text("set/x");
	text("set/x/y");
}

/* Zeros: they pack to a thousandth. */
static void bomb(void)
{
	size_t size = (size_t)200 << 20;
	void *zeros = calloc(1, size);

	member("set/zeros", 'f', NULL, zeros, size);
	free(zeros);
}

static void empty_name(void)
{
	text("./");
	text("set//./also-good.txt");
}

/* Nothing wrong: setuid modes, a link inside, a hard link, odd but legal names. */
static void honest(void)
{
	member("set/images", 'd', NULL, NULL, 0);
	text("set/images/a b\xc3\xa9.txt");
	member("set/link", 'l', "images", NULL, 0);
	member("set/hard.txt", 'h', "set/good.txt", NULL, 0);
	text("./set/..dots..");
}

static const struct {
	const char *name;
	void (*make)(void);
} kinds[] = {
	{"absolute", absolute},
	{"dotdot", dotdot},
	{"dotdot-deep", dotdot_deep},
	{"through-link", through_link},
	{"link-out", link_out},
	{"link-absolute", link_absolute},
	{"link-chain", link_chain},
	{"link-loop", link_loop},
	{"hard-link-out", hard_link_out},
	{"hard-link-absolute", hard_link_absolute},
	{"device", device},
	{"fifo", fifo},
	{"twice", twice},
	{"file-and-folder", file_and_folder},
	{"bomb", bomb},
	{"empty-name", empty_name},
	{"honest", honest},
};

static bool ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 3) {
		fprintf(stderr, "usage: hostile KIND FILE\n");
		return 2;
	}
	out = archive_write_new();
	if (ends(argv[2], ".zip"))
		archive_write_set_format_zip(out);
	else
		archive_write_set_format_gnutar(out);
	if (ends(argv[2], "gz"))
		archive_write_add_filter_gzip(out);
	else if (ends(argv[2], "xz"))
		archive_write_add_filter_xz(out);
	else if (ends(argv[2], "zst"))
		archive_write_add_filter_zstd(out);
	if (archive_write_open_filename(out, argv[2]) != ARCHIVE_OK)
		return 4;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, argv[1]))
			continue;
		text("set/good.txt");
		kinds[i].make();
		return archive_write_close(out) == ARCHIVE_OK ? 0 : 4;
	}
	return 2;
}
