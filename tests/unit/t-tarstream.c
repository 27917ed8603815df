#include "io/tarstream.h"
#include "unit.h"

#include <fcntl.h>

struct scratch {
	char *dir, *path;
};

static int setup(void **state)
{
	struct scratch *s = xcalloc(1, sizeof(*s));

	s->dir = unit_tmpdir();
	s->path = path_join(s->dir, "x.tar");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scratch *s = *state;
	struct err err;

	assert_int_equal(dir_remove(s->dir, &err), 0);
	free(s->dir);
	free(s->path);
	free(s);
	return 0;
}

/* Names that fit, that need ustar's prefix, that need a pax header; sizes around the block. */
static char *name_of(int i)
{
	static const int lengths[] = {1, 99, 100, 101, 160, 255, 257, 1000};
	char *name = xasprintf("%0*d", lengths[i], i);

	if (i == 4)
		name[70] = '/';
	if (i == 5)
		name[155] = '/';
	return name;
}

static size_t size_of(int i)
{
	static const size_t sizes[] = {0, 1, 511, 512, 513, 1024, 100000, 3};

	return sizes[i];
}

static void write_sample(const char *path)
{
	struct tarstream_writer w;
	struct err err = ERR_INIT;
	char *data = xcalloc(1, 100000);
	int i;

	memset(data, 'x', 100000);
	assert_int_equal(tarstream_create(&w, path, &err), 0);
	for (i = 0; i < 8; i++) {
		char *name = name_of(i);

		assert_int_equal(tarstream_add(&w, name, data, size_of(i), &err), 0);
		free(name);
	}
	assert_int_equal(tarstream_finish(&w, &err), 0);
	free(data);
}

/* Members until the end or an error; returns the last status. */
static int read_all(const char *path, size_t max, int *members, struct err *err)
{
	struct tarstream *t = tarstream_open(path, max, err);
	struct tarstream_member m;
	int rc;

	*members = 0;
	if (!t)
		return -1;
	while ((rc = tarstream_next(t, &m, err)) > 0) {
		char *name = name_of(*members % 8);

		assert_string_equal(m.name, name);
		assert_int_equal(m.size, size_of(*members % 8));
		assert_true(m.size == 0 || (m.data[0] == 'x' && m.data[m.size - 1] == 'x'));
		free(name);
		++*members;
	}
	tarstream_close(t);
	return rc;
}

static void what_is_written_is_read_back_and_by_tar(void **state)
{
	struct scratch *c = *state;
	struct err err = ERR_INIT;
	char *command = xasprintf("tar tvf '%s' 2>&1 | wc -l", c->path), line[64];
	struct buf a = BUF_INIT, b = BUF_INIT;
	FILE *pipe;
	int n;

	write_sample(c->path);
	assert_int_equal(read_all(c->path, 1 << 20, &n, &err), 0);
	assert_int_equal(n, 8);
	pipe = popen(command, "r");
	assert_non_null(fgets(line, sizeof(line), pipe));
	assert_int_equal(pclose(pipe), 0);
	assert_string_equal(line, "8\n");
	assert_int_equal(file_read(c->path, 1 << 20, &a, &err), 0);
	write_sample(c->path);
	assert_int_equal(file_read(c->path, 1 << 20, &b, &err), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	buf_release(&a);
	buf_release(&b);
	free(command);
}

static void archives_one_after_the_other_and_wrapped_are_one_stream(void **state)
{
	static const char *const filters[] = {"cat", "gzip", "xz", "zstd", "bzip2"};
	struct scratch *c = *state;
	struct err err = ERR_INIT;
	size_t i;
	int n;

	write_sample(c->path);
	for (i = 0; i < ARRAY_LEN(filters); i++) {
		char *command =
			xasprintf("command -v %s >/dev/null || exit 9; cd '%s' && cat x.tar "
				  "x.tar | %s > y && %s < x.tar > z && %s < x.tar >> z",
				  filters[i], c->dir, filters[i], filters[i], filters[i]);
		char *whole = path_join(c->dir, "y"), *parts = path_join(c->dir, "z");
		int rc = system(command);

		if (rc == 0) { /* the machine has this compressor */
			assert_int_equal(read_all(whole, 1 << 20, &n, &err), 0);
			assert_int_equal(n, 16);
			if (read_all(parts, 1 << 20, &n, &err))
				fail_msg("%s: %s", filters[i], err.msg);
			assert_int_equal(n, 16);
		}
		free(command);
		free(whole);
		free(parts);
	}
}

static void a_stream_cut_anywhere_is_truncated(void **state)
{
	struct scratch *c = *state;
	struct buf all = BUF_INIT;
	struct err err;
	size_t len;
	int n;

	write_sample(c->path);
	assert_int_equal(file_read(c->path, 1 << 20, &all, &err), 0);
	for (len = 0; len < all.len; len += len < 8192 ? 128 : 4099) {
		assert_int_equal(file_write(c->path, all.data, len, &err), 0);
		err = (struct err)ERR_INIT;
		assert_int_equal(read_all(c->path, 1 << 20, &n, &err), -1);
		assert_int_equal(err.status, STATUS_INPUT);
		if (len >= 512 && !strstr(err.msg, "truncated"))
			fail_msg("%zu bytes: %s", len, err.msg);
	}
	for (len = all.len - 1536; len < all.len; len += 512) { /* whole members, no end */
		assert_int_equal(file_write(c->path, all.data, len, &err), 0);
		assert_int_equal(read_all(c->path, 1 << 20, &n, &err), -1);
	}
	assert_int_equal(n, 8);
	assert_non_null(strstr(err.msg, "truncated after 0000"));
	buf_release(&all);
}

static void what_is_no_regular_file_or_too_long_is_refused(void **state)
{
	struct scratch *c = *state;
	struct err err = ERR_INIT;
	char *command = xasprintf("cd '%s' && ln -s /etc/passwd link && tar cf x.tar link", c->dir);
	int n;

	write_sample(c->path);
	assert_int_equal(read_all(c->path, 99999, &n, &err), -1);
	assert_non_null(strstr(err.msg, "is longer than 99999 bytes"));
	assert_int_equal(n, 6);
	assert_int_equal(system(command), 0);
	assert_int_equal(read_all(c->path, 99999, &n, &err), -1);
	assert_non_null(strstr(err.msg, "'link' is not a regular file"));
	free(command);
	command = xasprintf("cd '%s' && : > \"$(printf 'a\\nb')\" && tar cf x.tar a*", c->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(read_all(c->path, 99999, &n, &err), -1);
	assert_non_null(strstr(err.msg, "control characters"));
	free(command);
	assert_int_equal(file_write(c->path, "not a tar", 9, &err), 0);
	assert_int_equal(read_all(c->path, 99999, &n, &err), -1);
	assert_non_null(strstr(err.msg, "not a tar archive"));
	assert_int_equal(file_write(c->path, "", 0, &err), 0);
	assert_int_equal(read_all(c->path, 99999, &n, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read_back_and_by_tar, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			archives_one_after_the_other_and_wrapped_are_one_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stream_cut_anywhere_is_truncated, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_no_regular_file_or_too_long_is_refused,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
