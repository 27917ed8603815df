/*
 * Every file of tests/golden/FORMAT is named by what it is: good-… is read, bad-DEFECT is refused
 * with one sentence and the status of a bad input. The fuzz targets begin with the same files.
 */
#include "base/file.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/tarstream.h"
#include "io/torchpt.h"
#include "io/yaml.h"
#include "unit.h"

#include <archive.h>
#include <archive_entry.h>

static int read_safetensors(const char *path, struct err *err)
{
	struct safetensors s;

	if (safetensors_open(&s, path, err))
		return -1;
	safetensors_close(&s);
	return 0;
}

static int read_npy(const char *path, struct err *err)
{
	struct buf data = BUF_INIT;
	struct npy npy;
	int rc = file_read(path, 1 << 20, &data, err);

	if (!rc)
		rc = npy_parse(path, data.data, data.len, &npy, err);
	buf_release(&data);
	return rc;
}

static int read_yaml(const char *path, struct err *err)
{
	struct yaml *y = yaml_read(path, err);
	int rc = y ? 0 : -1;

	yaml_tree_free(y);
	return rc;
}

static int read_json(const char *path, struct err *err)
{
	json_t *v = json_read(path, 1 << 20, err);
	int rc = v ? 0 : -1;

	json_decref(v);
	return rc;
}

static int read_tar(const char *path, struct err *err)
{
	struct tarstream *t = tarstream_open(path, 1 << 20, err);
	struct tarstream_member m;
	int rc = t ? 1 : -1;

	while (rc > 0)
		rc = tarstream_next(t, &m, err);
	tarstream_close(t);
	return rc;
}

static void add_member(struct archive *a, const char *name, const void *data, size_t size)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_size(e, (int64_t)size);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, data, size), size);
	archive_entry_free(e);
}

/* A pickle alone is put into a checkpoint with one storage of 64 zero bytes. */
static void wrap_pickle(struct buf *data)
{
	static const char storage[64];
	size_t cap = data->len + 4096, used = 0;
	char *memory = xmalloc(cap);
	struct archive *a = archive_write_new();

	archive_write_set_format_zip(a);
	archive_write_zip_set_compression_store(a);
	archive_write_set_bytes_per_block(a, 0);
	assert_int_equal(archive_write_open_memory(a, memory, cap, &used), ARCHIVE_OK);
	add_member(a, "x/data.pkl", data->data, data->len);
	add_member(a, "x/data/0", storage, sizeof(storage));
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	buf_clear(data);
	buf_add(data, memory, used);
	free(memory);
}

static int read_torchpt(const char *path, struct err *err)
{
	struct buf data = BUF_INIT;
	struct torchpt *pt = NULL;

	if (!file_read(path, 1 << 20, &data, err)) {
		if (strstr(path, ".pkl"))
			wrap_pickle(&data);
		pt = torchpt_parse(path, data.data, data.len, err);
	}
	buf_release(&data);
	torchpt_free(pt);
	return pt ? 0 : -1;
}

static void check_file(const char *dir, const char *name,
		       int (*read)(const char *path, struct err *err))
{
	const bool good = !strncmp(name, "good-", 5);
	char *path = path_join(dir, name);
	struct err err = ERR_INIT;
	int rc = read(path, &err);

	if (good && rc)
		fail_msg("%s", err.msg);
	if (!good && !rc)
		fail_msg("%s was read", path);
	if (!good) {
		assert_int_equal(err.status, STATUS_INPUT);
		assert_null(strchr(err.msg, '\n'));
		if (!strstr(err.msg, name))
			fail_msg("%s: the sentence does not name the file: %s", name, err.msg);
	}
	free(path);
}

/* At least this many, so that a lost folder is noticed. */
static void check_folder(const char *format, size_t least,
			 int (*read)(const char *path, struct err *err))
{
	char *dir = path_join(TEST_GOLDEN, format), **names;
	struct err err = ERR_INIT;
	size_t n, i;

	assert_int_equal(dir_list(dir, &names, &n, &err), 0);
	assert_true(n >= least);
	for (i = 0; i < n; i++)
		check_file(dir, names[i], read);
	names_free(names, n);
	free(dir);
}

static void safetensors_are_what_their_names_say(void **state)
{
	(void)state;
	check_folder("safetensors", 19, read_safetensors);
}

static void arrays_are_what_their_names_say(void **state)
{
	(void)state;
	check_folder("npy", 18, read_npy);
}

static void yaml_is_what_its_names_say(void **state)
{
	(void)state;
	check_folder("yaml", 14, read_yaml);
}

static void json_is_what_its_names_say(void **state)
{
	(void)state;
	check_folder("json", 10, read_json);
}

static void tars_are_what_their_names_say(void **state)
{
	(void)state;
	check_folder("tarstream", 18, read_tar);
}

static void checkpoints_are_what_their_names_say(void **state)
{
	(void)state;
	check_folder("torchpt", 22, read_torchpt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(safetensors_are_what_their_names_say),
		cmocka_unit_test(arrays_are_what_their_names_say),
		cmocka_unit_test(yaml_is_what_its_names_say),
		cmocka_unit_test(json_is_what_its_names_say),
		cmocka_unit_test(tars_are_what_their_names_say),
		cmocka_unit_test(checkpoints_are_what_their_names_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
