#include "io/yaml.h"
#include "base/file.h"
#include "io/json.h"
#include "unit.h"

static struct yaml *parse(const char *text, struct err *err)
{
	*err = (struct err)ERR_INIT;
	return yaml_parse("x.yaml", text, strlen(text), err);
}

static const char model[] = "# a model\n"
			    "nc: 80\n"
			    "depth_multiple: 0.33  # of layers\n"
			    "flag: True\n"
			    "none: ~\n"
			    "anchors:\n"
			    "  - [10,13, 16,30]\n"
			    "backbone:\n"
			    "  [[-1, 1, Conv, [64, 6, 2, 2]],\n"
			    "   [[-1, 6], 1, Concat, [1]],\n"
			    "   [-1, 1, nn.Upsample, [None, 2, 'nearest']]]\n";

static void a_model_is_a_tree_with_places(void **state)
{
	struct err err;
	struct yaml *y = parse(model, &err);
	const struct yaml_node *root, *rows, *row;
	const char *text;
	long nc = 0, absent = -7;
	double depth = 0;
	bool flag = false;

	(void)state;
	assert_non_null(y);
	assert_int_equal(y->ndocs, 1);
	root = y->doc[0];
	assert_int_equal(yaml_get_long(root, "nc", 1, 1000, &nc, &err), 0);
	assert_int_equal(nc, 80);
	assert_int_equal(yaml_get_double(root, "depth_multiple", 0, 10, &depth, &err), 0);
	assert_true(depth == 0.33);
	assert_int_equal(yaml_get_bool(root, "flag", &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(yaml_get_long(root, "absent", 0, 1, &absent, &err), 0);
	assert_int_equal(yaml_get_long(root, "none", 0, 1, &absent, &err), 0);
	assert_int_equal(absent, -7);
	rows = yaml_need(root, "backbone", &err);
	assert_non_null(rows);
	assert_int_equal(rows->n, 3);
	row = rows->item[2];
	assert_int_equal(row->line, 11);
	assert_int_equal(row->column, 4);
	assert_int_equal(yaml_string(row->item[2], "module", &text, &err), 0);
	assert_string_equal(text, "nn.Upsample");
	assert_int_equal(row->item[3]->n, 3);
	assert_int_equal(yaml_want(rows->item[1]->item[0], YAML_LIST, "from", &err), 0);
	yaml_tree_free(y);
}

static void a_wrong_value_is_named_with_its_place(void **state)
{
	struct err err;
	struct yaml *y = parse("nc: many\nlist: [1]\nempty:\nbig: 99\n", &err);
	const struct yaml_node *root = y->doc[0];
	bool flag;
	long v;

	(void)state;
	assert_int_equal(yaml_get_long(root, "nc", 1, 10, &v, &err), -1);
	assert_string_equal(err.msg, "x.yaml:1:5: 'nc': 'many' is not a whole number");
	assert_int_equal(err.status, STATUS_INPUT);
	assert_int_equal(yaml_get_long(root, "big", 1, 10, &v, &err), -1);
	assert_string_equal(err.msg, "x.yaml:4:6: 'big': 99 is not between 1 and 10");
	assert_int_equal(yaml_get_bool(root, "nc", &flag, &err), -1);
	assert_string_equal(err.msg, "x.yaml:1:5: 'nc' is 'many', neither true nor false");
	assert_int_equal(yaml_get_long(root, "list", 1, 10, &v, &err), -1);
	assert_string_equal(err.msg, "x.yaml:2:7: 'list' is not a single value");
	assert_null(yaml_need(root, "names", &err));
	assert_string_equal(err.msg, "x.yaml:1:1: 'names' is missing");
	assert_null(yaml_need(root, "empty", &err));
	assert_null(yaml_need(yaml_get(root, "nc"), "x", &err));
	yaml_tree_free(y);
}

static void several_documents_and_none_are_read(void **state)
{
	struct err err;
	struct yaml *y = parse("kind: Dataset\n---\nkind: Model\n---\n[1, 2]\n", &err);

	(void)state;
	assert_int_equal(y->ndocs, 3);
	assert_string_equal(yaml_get(y->doc[1], "kind")->text, "Model");
	assert_int_equal(y->doc[2]->n, 2);
	yaml_tree_free(y);
	y = parse("# nothing\n", &err);
	assert_int_equal(y->ndocs, 1);
	assert_true(yaml_is_null(y->doc[0]));
	yaml_tree_free(y);
}

static void hostile_documents_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"a: 1\nb: 2\na: 3\n", "x.yaml:3:1: the key 'a' is there twice"},
		{"&a [1, *a]\n", "alias inside its own anchor"},
		{"&a {x: {y: *a}}\n", "alias inside its own anchor"},
		{"[a]: 1\n", "not a scalar"},
		{"a: *nobody\n", "x.yaml:1:4: found undefined alias"},
		{"a: [1, 2\n", "x.yaml:"},
		{"a: \"x\\0y\"\n", "NUL"},
		{"a: b: c\n", "x.yaml:1:"},
		{"\xff\xfe\xff", "x.yaml: "},
	};
	struct buf deep = BUF_INIT, laughs = BUF_INIT;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_null(parse(cases[i].text, &err));
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
	}
	for (i = 0; i < 100; i++)
		buf_add_str(&deep, "[");
	for (i = 0; i < 100; i++)
		buf_add_str(&deep, "]");
	assert_null(parse(deep.data, &err));
	assert_non_null(strstr(err.msg, "deeper"));
	buf_add_str(&laughs, "a0: &a0 [x]\n");
	for (i = 1; i < 30; i++)
		buf_printf(&laughs, "a%zu: &a%zu [*a%zu, *a%zu]\n", i, i, i - 1, i - 1);
	assert_null(parse(laughs.data, &err));
	assert_non_null(strstr(err.msg, "more than"));
	buf_release(&deep);
	buf_release(&laughs);
}

static void a_text_that_is_written_reads_back(void **state)
{
	static const char *const texts[] = {
		"",           "person", "traffic light",
		"yes",        "No",     "null",
		"~",          "1e3",    "0x10",
		"a: b",       "# x",    "x #y",
		" a",         "a ",     "'q'",
		"\"q\"",      "a\nb",   "\xc3\xa9t\xc3\xa9",
		"[x]",        "- item", "true",
		".5",         "y",      "a\\b",
		"\x01",       "*a",     "&a",
		"hair drier",
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf b = BUF_INIT;
		struct yaml *y;

		buf_add_str(&b, "k: ");
		yaml_add_string(&b, texts[i]);
		buf_add_str(&b, "\n");
		y = parse(b.data, &err);
		if (!y)
			fail_msg("%s: %s", b.data, err.msg);
		assert_string_equal(yaml_get(y->doc[0], "k")->text, texts[i]);
		assert_false(yaml_is_null(yaml_get(y->doc[0], "k")));
		yaml_tree_free(y);
		buf_release(&b);
	}
}

static void json_is_bounded_and_tells_the_place(void **state)
{
	static const char text[] =
		"{\"b\": [1, \"x\"], \"a\": 1.5, \"s\": \"t\", \"n\": [\"u\", \"v\"]}";
	struct err err = ERR_INIT;
	json_t *v = json_parse("x.json", text, strlen(text), &err);
	struct buf quoted = BUF_INIT;
	const char *s;
	char *out, **names;
	double d;
	size_t n;
	long i;

	(void)state;
	assert_non_null(v);
	assert_int_equal(json_get_double("x.json", v, "a", 0, 2, &d, &err), 0);
	assert_true(d == 1.5);
	assert_int_equal(json_get_long("x.json", v, "a", 0, 2, &i, &err), -1);
	assert_string_equal(err.msg, "x.json: 'a' is not a whole number");
	assert_int_equal(json_get_string("x.json", v, "s", &s, &err), 0);
	assert_string_equal(s, "t");
	assert_int_equal(json_get_string("x.json", v, "none", &s, &err), -1);
	assert_string_equal(err.msg, "x.json: 'none' is missing");
	assert_int_equal(json_get_strings("x.json", json_object_get(v, "b"), &names, &n, &err), -1);
	assert_int_equal(json_get_strings("x.json", json_object_get(v, "n"), &names, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[1], "v");
	names_free(names, n);
	out = json_text(v);
	assert_string_equal(out, "{\"a\":1.5,\"b\":[1,\"x\"],\"n\":[\"u\",\"v\"],\"s\":\"t\"}");
	free(out);
	json_decref(v);
	assert_null(json_parse("x.json", "{\"a\":1,\n\"a\":2}", 14, &err));
	assert_non_null(strstr(err.msg, "x.json:2:"));
	assert_null(json_parse("x.json", "", 0, &err));
	json_add_string(&quoted, "a\"\\\n\xc3\xa9\xff\xed\xa0\x80\xc0\x80");
	v = json_parse("x.json", quoted.data, quoted.len, &err);
	assert_non_null(v);
	assert_string_equal(json_string_value(v),
			    "a\"\\\n\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
			    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(v);
	buf_release(&quoted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_a_tree_with_places),
		cmocka_unit_test(a_wrong_value_is_named_with_its_place),
		cmocka_unit_test(several_documents_and_none_are_read),
		cmocka_unit_test(hostile_documents_are_refused),
		cmocka_unit_test(a_text_that_is_written_reads_back),
		cmocka_unit_test(json_is_bounded_and_tells_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
