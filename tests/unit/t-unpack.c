/*
 * The bounds of unpacking, with small numbers; what hostile archives do is shown in
 * tests/coco-fetch.bats.
 */
#include "unit.h"

#include "base/file.h"
#include "io/unpack.h"

#include <archive.h>
#include <archive_entry.h>

/* An archive of `n` files of `size` bytes each, "d/0" on; the caller frees the path. */
static char *make_archive(const char *dir, int n, size_t size)
{
	char *path = path_join(dir, "x.tar.gz"), *data = xcalloc(1, size + 1), name[32];
	struct archive *a = archive_write_new();
	int i;

	archive_write_set_format_ustar(a);
	archive_write_add_filter_gzip(a);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		snprintf(name, sizeof(name), "d/%d", i);
		archive_entry_set_pathname(e, name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (la_int64_t)size);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		if (size)
			archive_write_data(a, data, size);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	free(data);
	return path;
}

/* Unpacks such an archive and returns the status; the sentence must contain `part`. */
static enum status try_unpack(int n, size_t size, const struct unpack_options *opt,
			      const char *part)
{
	char *dir = unit_tmpdir(), *into = path_join(dir, "into");
	char *archive = make_archive(dir, n, size);
	struct err err = ERR_INIT;
	int rc;

	assert_int_equal(dir_make(into, &err), 0);
	rc = unpack(archive, into, opt, &err);
	assert_int_equal(rc, err.status == STATUS_OK ? 0 : -1);
	if (part && !strstr(err.msg, part))
		fail_msg("'%s' is not in '%s'", part, err.msg);
	assert_int_equal(dir_remove(dir, &err), 0);
	free(archive);
	free(into);
	free(dir);
	return err.status;
}

static void bytes_are_bounded(void **state)
{
	(void)state;
	struct unpack_options opt = {.max_bytes = 10000};

	assert_int_equal(try_unpack(1, 9000, &opt, NULL), STATUS_OK);
	assert_int_equal(try_unpack(1, 10000, &opt, "more than 10000 bytes"), STATUS_INPUT);
	assert_int_equal(try_unpack(2, 5000, &opt, "more than 10000 bytes"), STATUS_INPUT);
}

static void members_are_bounded(void **state)
{
	(void)state;
	struct unpack_options opt = {.max_members = 10};

	assert_int_equal(try_unpack(10, 0, &opt, NULL), STATUS_OK);
	assert_int_equal(try_unpack(11, 0, &opt, "more than 10 members"), STATUS_INPUT);
}

static void the_ratio_is_bounded(void **state)
{
	(void)state;
	struct unpack_options opt = {.max_ratio = 2000};

	/* Zeros deflate to about a thousandth. */
	assert_int_equal(try_unpack(1, UNPACK_FREE / 2, NULL, NULL), STATUS_OK);
	assert_int_equal(try_unpack(1, UNPACK_FREE * 5 / 4, NULL, "times its size"), STATUS_INPUT);
	assert_int_equal(try_unpack(1, UNPACK_FREE * 5 / 4, &opt, NULL), STATUS_OK);
}

static void what_is_wanted_must_be_there(void **state)
{
	(void)state;
	struct unpack_options opt = {.below = "e"};

	assert_int_equal(try_unpack(3, 1, &opt, "holds no 'e'"), STATUS_INPUT);
	opt.below = "d";
	assert_int_equal(try_unpack(3, 1, &opt, NULL), STATUS_OK);
}

static int stop_at_once(void *ctx, uint64_t done, uint64_t total)
{
	(void)done, (void)total;
	return ++*(int *)ctx;
}

static void progress_can_interrupt(void **state)
{
	(void)state;
	int calls = 0;
	struct unpack_options opt = {.progress = stop_at_once, .ctx = &calls};

	assert_int_equal(try_unpack(3, 1, &opt, "interrupted"), STATUS_SYSTEM);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(members_are_bounded),
		cmocka_unit_test(the_ratio_is_bounded),
		cmocka_unit_test(what_is_wanted_must_be_there),
		cmocka_unit_test(progress_can_interrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
