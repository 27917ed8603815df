#include "io/safetensors.h"
#include "io/half.h"
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

struct scratch {
	char *dir, *path;
};

static int setup(void **state)
{
	struct scratch *s = xcalloc(1, sizeof(*s));

	s->dir = unit_tmpdir();
	s->path = path_join(s->dir, "x.safetensors");
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

/* A file of this header and `data` zero bytes behind it. */
static void write_case(const char *path, const char *header, size_t data)
{
	struct buf b = BUF_INIT;
	uint64_t len = strlen(header);
	struct err err;

	buf_add(&b, &len, 8);
	buf_add_str(&b, header);
	buf_add_zeros(&b, data);
	assert_int_equal(file_write(path, b.data, b.len, &err), 0);
	buf_release(&b);
}

static void write_sample(const char *path)
{
	static const size_t dims[] = {2, 3}, three[] = {3};
	static const float v[] = {1, -2.5f, 3, 0.1f, 65504, -0.f};
	static const int64_t counter = 1234567890123;
	static const unsigned char bytes[] = {0, 127, 255};
	struct safetensors_writer w = SAFETENSORS_WRITER_INIT;
	struct err err = ERR_INIT;
	int next;

	safetensors_writer_meta(&w, "mist.samples", "7");
	safetensors_writer_meta(&w, "mist.model", "nc: 2\n# \"quoted\" \xc3\xa9\n");
	safetensors_writer_meta(&w, "gone", "x");
	safetensors_writer_meta(&w, "gone", NULL);
	assert_int_equal(safetensors_writer_add(&w, "u", SAFETENSORS_U8, 1, three), 0);
	assert_int_equal(safetensors_writer_add(&w, "f", SAFETENSORS_F32, 2, dims), 1);
	assert_int_equal(safetensors_writer_add(&w, "h", SAFETENSORS_F16, 2, dims), 2);
	assert_int_equal(safetensors_writer_add(&w, "b", SAFETENSORS_BF16, 2, dims), 3);
	assert_int_equal(safetensors_writer_add(&w, "d", SAFETENSORS_F64, 2, dims), 4);
	assert_int_equal(safetensors_writer_add(&w, "n", SAFETENSORS_I64, 0, NULL), 5);
	assert_int_equal(safetensors_writer_begin(&w, path, &err), 0);
	while ((next = safetensors_writer_next(&w)) >= 0) {
		if (next == 0)
			assert_int_equal(safetensors_writer_raw(&w, bytes, &err), 0);
		else if (next == 5)
			assert_int_equal(safetensors_writer_ints(&w, &counter, &err), 0);
		else
			assert_int_equal(safetensors_writer_floats(&w, v, &err), 0);
	}
	assert_int_equal(safetensors_writer_finish(&w, &err), 0);
}

static void check_sample(struct safetensors *s)
{
	const struct safetensors_tensor *t = safetensors_find(s, "f");
	struct err err = ERR_INIT;
	float f[6];
	int64_t n;
	char shape[64];
	int i;

	assert_int_equal(s->ntensors, 6);
	assert_string_equal(safetensors_meta(s, "mist.samples"), "7");
	assert_string_equal(safetensors_meta(s, "mist.model"), "nc: 2\n# \"quoted\" \xc3\xa9\n");
	assert_null(safetensors_meta(s, "gone"));
	assert_null(safetensors_find(s, "nothing"));
	assert_string_equal(safetensors_shape(t, shape, sizeof(shape)), "(2, 3)");
	assert_int_equal(safetensors_read_floats(s, t, f, &err), 0);
	assert_true(f[0] == 1 && f[1] == -2.5f && f[3] == 0.1f && signbit(f[5]));
	assert_int_equal(safetensors_read_floats(s, safetensors_find(s, "h"), f, &err), 0);
	assert_true(f[1] == -2.5f && f[3] == 0x1.998p-4f && f[4] == 65504);
	assert_int_equal(safetensors_read_floats(s, safetensors_find(s, "b"), f, &err), 0);
	assert_true(f[1] == -2.5f && f[3] == 0x1.9ap-4f);
	assert_int_equal(safetensors_read_floats(s, safetensors_find(s, "d"), f, &err), 0);
	assert_true(f[3] == 0.1f);
	assert_int_equal(safetensors_read_ints(s, safetensors_find(s, "n"), &n, &err), 0);
	assert_true(n == 1234567890123);
	assert_int_equal(safetensors_read_floats(s, safetensors_find(s, "u"), f, &err), 0);
	assert_true(f[0] == 0 && f[1] == 127 && f[2] == 255);
	assert_int_equal(safetensors_read_ints(s, t, &n, &err), -1);
	for (i = 0; i < s->ntensors; i++) /* aligned, for readers that map the file */
		assert_int_equal(
			(s->data + s->tensors[i].begin) % safetensors_size(s->tensors[i].type), 0);
}

static void what_was_written_is_read_back(void **state)
{
	struct scratch *c = *state;
	struct safetensors s;
	struct err err = ERR_INIT;
	char a[DIGEST_HEX], b[DIGEST_HEX];

	write_sample(c->path);
	assert_int_equal(safetensors_open(&s, c->path, &err), 0);
	check_sample(&s);
	safetensors_park(&s);
	check_sample(&s);
	assert_int_equal(safetensors_digest(&s, a, &err), 0);
	assert_int_equal(digest_file(c->path, b, &err), 0);
	assert_string_equal(a, b);
	safetensors_park(&s);
	write_sample(c->path);
	assert_int_equal(safetensors_read(&s, &s.tensors[0], a, &err), -1);
	assert_non_null(strstr(err.msg, "replaced"));
	safetensors_close(&s);
	assert_int_equal(digest_file(c->path, a, &err), 0);
	assert_string_equal(a, b); /* the same bytes twice */
}

static void a_pipe_is_read_like_a_file(void **state)
{
	struct scratch *c = *state;
	struct safetensors s;
	struct err err = ERR_INIT;
	struct buf file = BUF_INIT;
	char *fifo = path_join(c->dir, "fifo");
	int fd;

	write_sample(c->path);
	assert_int_equal(file_read(c->path, 1 << 16, &file, &err), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDWR); /* the sample fits the pipe's buffer */
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file.data, file.len), file.len);
	{
		int in = open(fifo, O_RDONLY), saved = dup(0);

		close(fd);
		dup2(in, 0);
		close(in);
		assert_int_equal(safetensors_open(&s, "-", &err), 0);
		dup2(saved, 0);
		close(saved);
	}
	check_sample(&s);
	safetensors_close(&s);
	buf_release(&file);
	free(fifo);
}

static void every_defect_of_a_header_has_its_sentence(void **state)
{
	static const struct {
		const char *header;
		size_t data;
		const char *says;
	} cases[] = {
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3,
		 "truncated"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "follow"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
		 "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
		 8, "overlaps"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		 "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
		 8, "duplicate"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
		 "as long as"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "before"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
		 "not a size"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4,
		 "not a size"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
		 "\"data_offsets\":[0,0]}}",
		 0, "too large"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],"
		 "\"data_offsets\":[0,4]}}",
		 4, "too large"},
		{"{\"a\":{\"dtype\":\"Q4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
		 "unknown dtype 'Q4'"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
		 "described"},
		{"{\"a\":[]}", 0, "described"},
		{"{\"__metadata__\":{\"x\":1}}", 0, "not a string"},
		{"{\"__metadata__\":[]}", 0, "not a map"},
		{"[]", 0, "not a map"},
		{"{\"a\":", 0, "header:1:"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}",
		 4, "8 dimensions"},
	};
	struct scratch *c = *state;
	struct safetensors s;
	struct err err;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		write_case(c->path, cases[i].header, cases[i].data);
		err = (struct err)ERR_INIT;
		assert_int_equal(safetensors_open(&s, c->path, &err), -1);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
	}
	write_case(c->path, "{}  ", 0);
	assert_int_equal(safetensors_open(&s, c->path, &err), 0);
	assert_int_equal(s.ntensors, 0);
	safetensors_close(&s);
}

static void a_file_cut_anywhere_is_an_error(void **state)
{
	struct scratch *c = *state;
	struct safetensors s;
	struct buf file = BUF_INIT;
	struct err err;
	size_t n;

	write_sample(c->path);
	assert_int_equal(file_read(c->path, 1 << 16, &file, &err), 0);
	for (n = 0; n < file.len; n++) {
		assert_int_equal(file_write(c->path, file.data, n, &err), 0);
		err = (struct err)ERR_INIT;
		assert_int_equal(safetensors_open(&s, c->path, &err), -1);
		assert_int_equal(err.status, STATUS_INPUT);
	}
	buf_release(&file);
}

static void foreign_files_and_long_headers_are_refused_before_they_cost(void **state)
{
	static const unsigned char huge[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '{'};
	struct scratch *c = *state;
	struct safetensors s;
	struct err err;

	assert_int_equal(file_write(c->path, huge, sizeof(huge), &err), 0);
	assert_int_equal(safetensors_open(&s, c->path, &err), -1);
	assert_non_null(strstr(err.msg, "out of range"));
	assert_int_equal(file_write(c->path, "PK\3\4 this is not one", 20, &err), 0);
	assert_int_equal(safetensors_open(&s, c->path, &err), -1);
	assert_non_null(strstr(err.msg, "not a safetensors file"));
	assert_int_equal(safetensors_open(&s, c->dir, &err), -1);
	assert_int_equal(safetensors_open(&s, "/nonexistent", &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
}

static void the_reference_file_is_read(void **state)
{
	char *path = unit_shared("reference/yolov5n-256.safetensors");
	const struct safetensors_tensor *t;
	struct safetensors s;
	struct err err = ERR_INIT;
	float *v;

	(void)state;
	assert_int_equal(safetensors_open(&s, path, &err), 0);
	t = safetensors_find(&s, "eval.layer3");
	assert_non_null(t);
	assert_int_equal(t->count, 2 * 64 * 32 * 32);
	v = xcalloc(t->count, sizeof(*v));
	assert_int_equal(safetensors_read_floats(&s, t, v, &err), 0);
	assert_int_equal(safetensors_finite(v, t->count), t->count);
	v[5] = NAN;
	assert_int_equal(safetensors_finite(v, t->count), 5);
	free(v);
	safetensors_close(&s);
	free(path);
}

static void halves_round_as_ieee_754_says(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 65536; i++) { /* every half survives the way there and back */
		float f = half_to_float((uint16_t)i);

		if (isnan(f))
			assert_true((i & 0x7fff) > 0x7c00 &&
				    isnan(half_to_float(half_from_float(f))));
		else
			assert_int_equal(half_from_float(f), i);
		f = half_to_float_bf16((uint16_t)i);
		if (!isnan(f))
			assert_int_equal(half_from_float_bf16(f), i);
	}
	assert_int_equal(half_from_float(1 + 0x1p-11f), 0x3c00);              /* tie: to even */
	assert_int_equal(half_from_float(1 + 0x1.8p-10f), 0x3c02);            /* tie: to even */
	assert_int_equal(half_from_float(1 + 0x1.002p-11f), 0x3c01);          /* above the tie */
	assert_int_equal(half_from_float(65519.996f), 0x7bff);                /* largest half */
	assert_int_equal(half_from_float(65520), 0x7c00);                     /* infinity */
	assert_int_equal(half_from_float(0x1p-25f), 0);                       /* tie: to even */
	assert_int_equal(half_from_float(-0x1.000002p-25f), 0x8001);          /* least subnormal */
	assert_int_equal(half_from_float(0x1.ffcp-15f + 0x1p-26f), 0x0400);   /* carries */
	assert_int_equal(half_from_float_bf16(1 + 0x1p-8f), 0x3f80);          /* tie: to even */
	assert_int_equal(half_from_float_bf16(1 + 0x1.8p-7f), 0x3fc2 - 0x40); /* tie: to even */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pipe_is_read_like_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(every_defect_of_a_header_has_its_sentence, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_cut_anywhere_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(
			foreign_files_and_long_headers_are_refused_before_they_cost, setup,
			teardown),
		cmocka_unit_test(the_reference_file_is_read),
		cmocka_unit_test(halves_round_as_ieee_754_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
