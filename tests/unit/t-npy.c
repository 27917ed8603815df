#include "io/npy.h"
#include "unit.h"

#include <stdint.h>

/* A file of this version, dictionary and amount of data. */
static struct buf file_of(int major, const char *dict, size_t data)
{
	struct buf b = BUF_INIT;
	uint32_t len = (uint32_t)strlen(dict);

	buf_add(&b, "\x93NUMPY", 6);
	buf_add(&b, (char[]){(char)major, 0}, 2);
	buf_add(&b, &len, major == 1 ? 2 : 4);
	buf_add_str(&b, dict);
	buf_add_zeros(&b, data);
	return b;
}

static void what_is_written_is_read_back_aligned(void **state)
{
	static const size_t dims[] = {2, 3, 5};
	struct err err = ERR_INIT;
	struct npy npy;
	int ndim, i;
	float v[30], w[30];

	(void)state;
	for (i = 0; i < 30; i++)
		v[i] = (float)i - 7.25f;
	for (ndim = 0; ndim <= 3; ndim++) {
		size_t count = ndim == 0 ? 1 : ndim == 1 ? 2 : ndim == 2 ? 6 : 30;
		struct buf b = BUF_INIT;

		npy_add_header(&b, NPY_F4, ndim, dims);
		assert_int_equal(b.len % 64, 0);
		buf_add(&b, v, count * 4);
		assert_int_equal(npy_parse("x.npy", b.data, b.len, &npy, &err), 0);
		assert_int_equal(npy.count, count);
		npy_floats(&npy, w);
		assert_memory_equal(v, w, count * 4);
		assert_int_equal(npy_expect("x.npy", &npy, NPY_F4, ndim, dims, &err), 0);
		assert_int_equal(npy_expect("x.npy", &npy, NPY_U1, ndim, dims, &err), -1);
		buf_release(&b);
	}
	assert_string_equal(err.msg, "x.npy: an array of f4 (2, 3, 5), not of u1 (2, 3, 5)");
}

static void every_version_and_order_of_keys_is_read(void **state)
{
	static const struct {
		int major;
		const char *dict;
		size_t data;
	} cases[] = {
		{1, "{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }\n", 6},
		{2, "{'shape': (1, 3), 'fortran_order': False, 'descr': '<f2'}", 6},
		{3, "{\"fortran_order\":False,\"descr\":\"|u1\",\"shape\":(6L,)}  \n", 6},
		{1, "{'descr': 'u1', 'fortran_order': False, 'shape': ()}", 1},
		{1, "{'descr': '<u1', 'fortran_order': False, 'shape': (0, 99999999999)}", 0},
	};
	struct err err = ERR_INIT;
	struct npy npy;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = file_of(cases[i].major, cases[i].dict, cases[i].data);

		if (npy_parse("x.npy", b.data, b.len, &npy, &err))
			fail_msg("%s", err.msg);
		assert_int_equal(npy.bytes, cases[i].data);
		buf_release(&b);
	}
}

static void what_is_not_read_is_refused_by_name(void **state)
{
	static const struct {
		const char *dict;
		size_t data;
		const char *says;
	} cases[] = {
		{"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", 8, "type '<f8'"},
		{"{'descr': '<i1', 'fortran_order': False, 'shape': (1,)}", 1, "type '<i1'"},
		{"{'descr': '<i4', 'fortran_order': False, 'shape': (1,)}", 4, "type '<i4'"},
		{"{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", 8, "type '<i8'"},
		{"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", 4, "type '>f4'"},
		{"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, "objects"},
		{"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, "records"},
		{"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", 4, "Fortran"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", 4, "tuple"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "keys"},
		{"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4, "keys"},
		{"{'descr': '<f4', 'fortran_order': False}", 4, "keys"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, "keys"},
		{"{'descr': '<f4", 4, "does not end"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2", 4,
		 "shape does not end"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "dimension"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4,
		 "too large"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 0,
		 "too large"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", 0,
		 "too large"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4,
		 "8 dimensions"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7, "truncated"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, "follow"},
	};
	struct err err = ERR_INIT;
	struct npy npy;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = file_of(1, cases[i].dict, cases[i].data);

		assert_int_equal(npy_parse("x.npy", b.data, b.len, &npy, &err), -1);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
		buf_release(&b);
	}
}

static void a_file_cut_anywhere_is_an_error(void **state)
{
	static const size_t dims[] = {3};
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;
	struct npy npy;
	size_t n;

	(void)state;
	npy_add_header(&b, NPY_U1, 1, dims);
	buf_add(&b, "abc", 3);
	for (n = 0; n < b.len; n++) {
		char *copy = xmalloc(n); /* exact, so that the sanitizer sees a read beyond */

		memcpy(copy, b.data, n);
		assert_int_equal(npy_parse("x.npy", copy, n, &npy, &err), -1);
		free(copy);
	}
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back_aligned),
		cmocka_unit_test(every_version_and_order_of_keys_is_read),
		cmocka_unit_test(what_is_not_read_is_refused_by_name),
		cmocka_unit_test(a_file_cut_anywhere_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
