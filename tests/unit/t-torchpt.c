#include "base/file.h"
#include "io/pickle.h"
#include "io/torchpt.h"
#include "unit.h"

#include <archive.h>
#include <archive_entry.h>

/* The pieces of a pickle, by hand. */
static void text(struct buf *b, const char *s)
{
	uint32_t len = (uint32_t)strlen(s);

	buf_add_str(b, "X");
	buf_add(b, &len, 4);
	buf_add_str(b, s);
}

static void number(struct buf *b, int v)
{
	buf_add_str(b, "J");
	buf_add(b, &v, 4);
}

static void numbers(struct buf *b, const int *v, int n)
{
	buf_add_str(b, "(");
	while (n--)
		number(b, *v++);
	buf_add_str(b, "t");
}

static void start(struct buf *b)
{
	buf_clear(b);
	buf_add(b, "\x80\x02", 2);
}

/* torch._utils._rebuild_tensor_v2(storage KEY of TYPE, offset, size, stride, False, OrderedDict())
 */
static void tensor(struct buf *b, const char *type, const char *key, int offset, int ndim,
		   const int *size, const int *stride)
{
	buf_add_str(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
	text(b, "storage");
	buf_printf(b, "ctorch\n%s\n", type);
	text(b, key);
	text(b, "cpu");
	number(b, 99);
	buf_add_str(b, "tQ");
	number(b, offset);
	numbers(b, size, ndim);
	numbers(b, stride, ndim);
	buf_add_str(b, "\x89"
		       "ccollections\nOrderedDict\n)RtR");
}

struct part {
	const char *name;
	const void *data;
	size_t size;
};

/* A zip of these parts, stored or deflated. */
static struct buf zip_of(const struct part *parts, size_t n, bool deflate)
{
	size_t cap = 1 << 20, used = 0, i;
	struct archive *a = archive_write_new();
	struct buf out = BUF_INIT;
	char *memory = xmalloc(cap);

	archive_write_set_format_zip(a);
	archive_write_set_options(a, deflate ? "zip:compression=deflate" : "zip:compression=store");
	archive_write_set_bytes_per_block(a, 0);
	assert_int_equal(archive_write_open_memory(a, memory, cap, &used), ARCHIVE_OK);
	for (i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, parts[i].name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (int64_t)parts[i].size);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, parts[i].data, parts[i].size),
				 parts[i].size);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	buf_add(&out, memory, used);
	free(memory);
	return out;
}

/* A checkpoint of this pickle and one storage "0"; expects an error that says `says`, or none. */
static struct torchpt *checkpoint(const struct buf *pickle, const void *storage, size_t size,
				  const char *says)
{
	struct part parts[] = {{"x/data.pkl", pickle->data, pickle->len},
			       {"x/data/0", storage, size}};
	struct buf zip = zip_of(parts, 2, false);
	struct err err = ERR_INIT;
	struct torchpt *pt = torchpt_parse("x.pt", zip.data, zip.len, &err);

	buf_release(&zip);
	if (!pt && !says)
		fail_msg("%s", err.msg);
	if (says) {
		assert_null(pt);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, says))
			fail_msg("'%s' does not say '%s'", err.msg, says);
	}
	return pt;
}

static const float six[] = {0, 1, 2, 3, 4, 5};

static void a_state_dict_is_read_with_its_strides(void **state)
{
	static const int size[] = {3, 2}, stride[] = {1, 3}, one[] = {1}, two[] = {2};
	static const float want[] = {0, 3, 1, 4, 2, 5};
	struct buf b = BUF_INIT;
	struct torchpt *pt;
	float v[6];

	(void)state;
	start(&b);
	buf_add_str(&b, "ccollections\nOrderedDict\n)R(");
	text(&b, "t"); /* transposed */
	tensor(&b, "FloatStorage", "0", 0, 2, size, stride);
	text(&b, "tail"); /* from the middle of a storage */
	tensor(&b, "FloatStorage", "0", 4, 1, two, one);
	text(&b, "scalar");
	tensor(&b, "FloatStorage", "0", 5, 0, NULL, NULL);
	text(&b, "note");
	text(&b, "passed over");
	buf_add_str(&b, "u.");
	pt = checkpoint(&b, six, sizeof(six), NULL);
	assert_int_equal(pt->ntensors, 3);
	assert_null(pt->yaml);
	torchpt_floats(torchpt_find(pt, "t"), v);
	assert_memory_equal(v, want, sizeof(want));
	torchpt_floats(torchpt_find(pt, "tail"), v);
	assert_true(v[0] == 4 && v[1] == 5);
	torchpt_floats(torchpt_find(pt, "scalar"), v);
	assert_true(v[0] == 5);
	torchpt_free(pt);
	buf_release(&b);
}

static void every_type_of_storage_is_read(void **state)
{
	static const uint16_t halves[] = {0x3c00, 0xc000};
	static const uint16_t brains[] = {0x3f80, 0xc000};
	static const double doubles[] = {1, -2};
	static const int64_t longs[] = {1, -2};
	static const int32_t ints[] = {1, -2};
	static const int16_t shorts[] = {1, -2};
	static const int8_t chars[] = {1, -2};
	static const uint8_t bytes[] = {1, 254};
	static const struct {
		const char *type;
		const void *data;
		size_t size;
		float second;
	} cases[] = {
		{"HalfStorage", halves, sizeof(halves), -2},
		{"BFloat16Storage", brains, sizeof(brains), -2},
		{"DoubleStorage", doubles, sizeof(doubles), -2},
		{"LongStorage", longs, sizeof(longs), -2},
		{"IntStorage", ints, sizeof(ints), -2},
		{"ShortStorage", shorts, sizeof(shorts), -2},
		{"CharStorage", chars, sizeof(chars), -2},
		{"ByteStorage", bytes, sizeof(bytes), 254},
		{"BoolStorage", bytes, sizeof(bytes), 254},
	};
	static const int two[] = {2}, one[] = {1};
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct torchpt *pt;
		int64_t n[2];
		float v[2];

		start(&b);
		buf_add_str(&b, "}(");
		text(&b, "w");
		tensor(&b, cases[i].type, "0", 0, 1, two, one);
		buf_add_str(&b, "u.");
		pt = checkpoint(&b, cases[i].data, cases[i].size, NULL);
		torchpt_floats(&pt->tensors[0], v);
		assert_true(v[0] == 1 && v[1] == cases[i].second);
		assert_int_equal(pt->tensors[0].integer, i > 2);
		if (pt->tensors[0].integer) {
			torchpt_ints(&pt->tensors[0], n);
			assert_true(n[0] == 1 && (float)n[1] == cases[i].second);
		}
		torchpt_free(pt);
	}
	buf_release(&b);
}

static void a_tensor_never_reaches_beyond_its_storage(void **state)
{
	static const struct {
		const char *type, *key, *says;
		int offset, ndim, size[9], stride[9];
	} cases[] = {
		{"FloatStorage", "0", "reaches beyond", 5, 1, {2}, {1}},
		{"FloatStorage", "0", "reaches beyond", 0, 1, {2}, {6}},
		{"FloatStorage", "0", "reaches beyond", 6, 0, {0}, {0}},
		{"FloatStorage", "0", "larger than its storage", 0, 1, {7}, {1}},
		{"FloatStorage", "0", "larger than its storage", 0, 2, {1000000, 1000000}, {0, 0}},
		{"FloatStorage",
		 "0",
		 "larger than its storage",
		 0,
		 3,
		 {2147483647, 2147483647, 2},
		 {0, 0, 0}},
		{"FloatStorage",
		 "0",
		 "too large",
		 0,
		 3,
		 {2147483647, 2147483647, 2147483647},
		 {0, 0, 0}},
		{"FloatStorage", "0", "size, stride and offset", -1, 1, {1}, {1}},
		{"FloatStorage", "0", "size, stride and offset", 0, 1, {-1}, {1}},
		{"FloatStorage", "0", "size, stride and offset", 0, 1, {2}, {-1}},
		{"FloatStorage", "0", "size, stride and offset", 0, 9, {1}, {1}},
		{"FloatStorage", "1", "not in the file", 0, 1, {1}, {1}},
		{"FloatStorage", "../data.pkl", "not in the file", 0, 1, {1}, {1}},
		{"QInt8Storage", "0", "type that is not read", 0, 1, {1}, {1}},
	};
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		start(&b);
		buf_add_str(&b, "}(");
		text(&b, "w");
		tensor(&b, cases[i].type, cases[i].key, cases[i].offset, cases[i].ndim,
		       cases[i].size, cases[i].stride);
		buf_add_str(&b, "u.");
		checkpoint(&b, six, sizeof(six), cases[i].says);
	}
	buf_release(&b);
}

static void what_a_pickle_would_call_is_never_called(void **state)
{
	static const int one[] = {1};
	struct err err = ERR_INIT;
	char *dir = unit_tmpdir(), *mark = path_join(dir, "ran"),
	     *command = xasprintf("touch '%s'", mark);
	struct buf b = BUF_INIT;
	struct pickle p;
	struct torchpt *pt;

	(void)state;
	start(&b); /* {"w": tensor, "x": os.system(command)} */
	buf_add_str(&b, "}(");
	text(&b, "w");
	tensor(&b, "FloatStorage", "0", 1, 1, one, one);
	text(&b, "x");
	buf_add_str(&b, "cos\nsystem\n(");
	text(&b, command);
	buf_add_str(&b, "tRu.");
	pt = checkpoint(&b, six, sizeof(six), NULL);
	assert_int_equal(pt->ntensors, 1);
	torchpt_free(pt);
	assert_int_equal(pickle_parse("x", b.data, b.len, &p, &err), 0);
	assert_true(pickle_is_call(pickle_get(p.root, "x"), "os system"));
	assert_string_equal(pickle_get(p.root, "x")->args->item[0]->text, command);
	pickle_release(&p);
	assert_false(path_exists(mark));
	assert_int_equal(dir_remove(dir, &err), 0);
	buf_release(&b);
	free(command);
	free(mark);
	free(dir);
}

/* module(models.common NAME) with this state on the stack; the caller fills the state. */
static void open_module(struct buf *b)
{
	buf_add_str(b, "cmodels.yolo\nModel\n)\x81}(");
}

static void a_module_is_walked_and_its_yaml_written(void **state)
{
	static const int one[] = {1};
	struct buf b = BUF_INIT;
	struct torchpt *pt;

	(void)state;
	start(&b);
	buf_add_str(&b, "}(");
	text(&b, "ema");
	buf_add_str(&b, "N");
	text(&b, "model");
	open_module(&b);
	text(&b, "_parameters");
	buf_add_str(&b, "}(");
	text(&b, "bias");
	buf_add_str(&b, "N"); /* registered as None */
	text(&b, "weight");
	buf_add_str(&b, "ctorch._utils\n_rebuild_parameter\n(");
	tensor(&b, "FloatStorage", "0", 2, 1, one, one);
	buf_add_str(&b, "\x88}tRu");
	text(&b, "_buffers");
	buf_add_str(&b, "}(");
	text(&b, "kept");
	tensor(&b, "FloatStorage", "0", 3, 1, one, one);
	text(&b, "dropped");
	tensor(&b, "FloatStorage", "0", 4, 1, one, one);
	buf_add_str(&b, "u");
	text(&b, "_non_persistent_buffers_set");
	buf_add_str(&b, "c__builtin__\nset\n](");
	text(&b, "dropped");
	buf_add_str(&b, "e\x85R");
	text(&b, "_modules");
	buf_add_str(&b, "}(");
	text(&b, "0");
	open_module(&b);
	text(&b, "_parameters");
	buf_add_str(&b, "}(");
	text(&b, "w");
	tensor(&b, "FloatStorage", "0", 5, 1, one, one);
	buf_add_str(&b, "uubu");
	text(&b, "names");
	buf_add_str(&b, "}(K\1");
	text(&b, "cat");
	buf_add_str(&b, "K");
	buf_add(&b, "\0", 1);
	text(&b, "dog: big");
	buf_add_str(&b, "u");
	text(&b, "yaml");
	buf_add_str(&b, "}(");
	text(&b, "nc");
	buf_add_str(&b, "K\2");
	text(&b, "depth_multiple");
	buf_add(&b, "G\x3f\xd5\x1e\xb8\x51\xeb\x85\x1f", 9); /* 0.33 */
	text(&b, "backbone");
	buf_add_str(&b, "](](K\1");
	text(&b, "Conv");
	text(&b, "None");
	buf_add_str(&b, "\x89N(K\1]teeu");
	buf_add_str(&b, "ubu.");
	pt = checkpoint(&b, six, sizeof(six), NULL);
	assert_int_equal(pt->ntensors, 3);
	assert_string_equal(pt->tensors[0].name, "weight");
	assert_string_equal(pt->tensors[1].name, "kept");
	assert_string_equal(pt->tensors[2].name, "0.w");
	assert_int_equal(pt->nnames, 2);
	assert_string_equal(pt->names[0], "dog: big");
	assert_string_equal(pt->names[1], "cat");
	assert_string_equal(pt->yaml, "nc: 2\ndepth_multiple: 0.33\nbackbone:\n"
				      "  - [1, Conv, None, False, null, [1, []]]\n");
	torchpt_free(pt);
	buf_release(&b);
}

static void cycles_and_depth_end_with_a_sentence(void **state)
{
	struct buf b = BUF_INIT;
	int i;

	(void)state;
	start(&b); /* a module that is its own child */
	buf_add_str(&b, "cm\nM\n)\x81q\1}(");
	text(&b, "_modules");
	buf_add_str(&b, "}(");
	text(&b, "a");
	buf_add_str(&b, "h\1uub.");
	checkpoint(&b, six, sizeof(six), "without end");
	start(&b); /* every child twice: 2^40 modules */
	open_module(&b);
	text(&b, "_modules");
	buf_add_str(&b, "}ub");
	for (i = 0; i < 40; i++) {
		buf_add_str(&b, "q\1cm\nM\n)\x81}(");
		text(&b, "_modules");
		buf_add_str(&b, "}(");
		text(&b, "a");
		buf_add_str(&b, "h\1");
		text(&b, "b");
		buf_add_str(&b, "h\1uub");
	}
	buf_add_str(&b, ".");
	checkpoint(&b, six, sizeof(six), "without end");
	start(&b); /* a yaml that is its own element */
	open_module(&b);
	text(&b, "_parameters");
	buf_add_str(&b, "}(");
	text(&b, "w");
	tensor(&b, "FloatStorage", "0", 0, 0, NULL, NULL);
	buf_add_str(&b, "u");
	text(&b, "yaml");
	buf_add_str(&b, "}(");
	text(&b, "nc");
	buf_add_str(&b, "]q\1(h\1h\1euub.");
	checkpoint(&b, six, sizeof(six), "has no end");
	buf_release(&b);
}

static void broken_pickles_have_their_sentences(void **state)
{
	static const struct {
		const char *bytes;
		const char *says;
	} cases[] = {
		{"", "truncated"},
		{"}", "truncated"},
		{".", "empty stack"},
		{"0.", "empty stack"},
		{"}s.", "empty stack"},
		{"(}s.", "empty stack"},
		{"e.", "no mark"},
		{"(e.", "empty stack"},
		{"N(Ne.", "no container"},
		{")(Ne.", "to a tuple"},
		{"}(Nu.", "no value"},
		{"h\1.", "never put"},
		{"NNR", "truncated"},
		{"R.", "empty stack"},
		{"NNR(0.", "empty stack"},
		{"X\xff\xff\xff\xff", "truncated"},
		{"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "truncated"},
		{"Nr\xff\xff\xff\xff.", "memo is too large"},
		{"NN\x93.", "not a string"},
		{"cos\nsystem", "truncated"},
		{"\x80\x09.", "later than 5"},
		{"I1\n.", "opcode 0x49"},
		{"N.", "neither a model"},
		{"}.", "neither a model"},
	};
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		start(&b);
		buf_add_str(&b, cases[i].bytes);
		checkpoint(&b, six, sizeof(six), cases[i].says);
	}
	buf_release(&b);
}

static void foreign_bombed_and_cut_archives_are_refused(void **state)
{
	static const int one[] = {1};
	char *zeros = xcalloc(1, 500000);
	struct part bomb[] = {{"x/data.pkl", "\x80\x02}.", 4}, {"x/data/0", zeros, 500000}};
	struct part none[] = {{"x/other", "y", 1}};
	struct part script[] = {{"x/data.pkl", "\x80\x02}.", 4}, {"x/constants.pkl", "N.", 2}};
	struct part big[] = {{"x/data.pkl", "\x80\x02}.", 4}, {"x/byteorder", "big", 3}};
	struct part twice[] = {{"x/data.pkl", "\x80\x02}.", 4}, {"y/data.pkl", "\x80\x02}.", 4}};
	struct part whole[] = {{"x/data.pkl", NULL, 0}, {"x/data/0", six, sizeof(six)}};
	struct {
		struct buf zip;
		const char *says;
	} cases[] = {
		{zip_of(bomb, 2, true), "longer than the file"},
		{zip_of(none, 1, false), "no data.pkl"},
		{zip_of(script, 2, false), "TorchScript"},
		{zip_of(big, 2, false), "byte order"},
		{zip_of(twice, 2, false), "twice"},
	};
	struct buf b = BUF_INIT, zip;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_null(torchpt_parse("x.pt", cases[i].zip.data, cases[i].zip.len, &err));
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
		buf_release(&cases[i].zip);
	}
	assert_null(torchpt_parse("x.pt", "", 0, &err));
	assert_null(torchpt_parse("x.pt", "\x80\x02\x8a\nl\xfc", 6, &err));
	assert_non_null(strstr(err.msg, "before 1.6"));
	assert_null(torchpt_parse("x.pt", "hello", 5, &err));
	assert_non_null(strstr(err.msg, "not a PyTorch checkpoint"));
	start(&b);
	buf_add_str(&b, "}(");
	text(&b, "w");
	tensor(&b, "FloatStorage", "0", 0, 1, one, one);
	buf_add_str(&b, "u.");
	whole[0].data = b.data;
	whole[0].size = b.len;
	zip = zip_of(whole, 2, false);
	for (i = 0; i < zip.len; i++) {
		char *copy = xmalloc(i);

		memcpy(copy, zip.data, i);
		assert_null(torchpt_parse("x.pt", copy, i, &err));
		free(copy);
	}
	buf_release(&zip);
	buf_release(&b);
	free(zeros);
}

static void the_real_checkpoint_is_read(void **state)
{
	char *path = unit_shared("data/yolov5n.pt");
	struct err err = ERR_INIT;
	struct torchpt *pt = torchpt_read(path, &err);
	const struct torchpt_tensor *t;
	size_t i, k, total = 0;
	int64_t batches;
	double sum = 0;
	float *v;

	(void)state;
	if (!pt)
		fail_msg("%s", err.msg);
	assert_int_equal(pt->ntensors, 350);
	for (i = 0; i < 350; i++)
		if (strstr(pt->tensors[i].name, "weight") || strstr(pt->tensors[i].name, "bias"))
			total += pt->tensors[i].count;
	/* YOLOv5n has 1,872,157 parameters with biases and batch norm (Ultralytics' table) */
	assert_int_equal(total, 1872157);
	t = torchpt_find(pt, "model.0.conv.weight");
	assert_int_equal(t->ndim, 4);
	v = xcalloc(t->count, sizeof(*v));
	torchpt_floats(t, v);
	for (k = 0; k < t->count; k++)
		sum += (double)v[k];
	assert_true(sum > -0.9326701 && sum < -0.9326700); /* PyTorch: -0.932670057 */
	free(v);
	torchpt_ints(torchpt_find(pt, "model.0.bn.num_batches_tracked"), &batches);
	assert_int_equal(batches, 1);
	assert_int_equal(pt->nnames, 80);
	assert_string_equal(pt->names[79], "toothbrush");
	assert_non_null(strstr(pt->yaml, "\n  - [[17, 20, 23], 1, Detect, [nc, anchors]]\n"));
	torchpt_free(pt);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_dict_is_read_with_its_strides),
		cmocka_unit_test(every_type_of_storage_is_read),
		cmocka_unit_test(a_tensor_never_reaches_beyond_its_storage),
		cmocka_unit_test(what_a_pickle_would_call_is_never_called),
		cmocka_unit_test(a_module_is_walked_and_its_yaml_written),
		cmocka_unit_test(cycles_and_depth_end_with_a_sentence),
		cmocka_unit_test(broken_pickles_have_their_sentences),
		cmocka_unit_test(foreign_bombed_and_cut_archives_are_refused),
		cmocka_unit_test(the_real_checkpoint_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
