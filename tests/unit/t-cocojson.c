#include "eval/cocojson.h"

#include "base/file.h"
#include "unit.h"

static int parse(const char *text, struct annotations *a, struct boxset *set, struct err *err)
{
	struct jsonpull p;
	int rc;

	jsonpull_init(&p, "a.json", text, strlen(text));
	rc = cocojson_parse(a, set, &p, err);
	jsonpull_close(&p);
	return rc;
}

static int parse_results(const char *text, const struct annotations *a, struct boxset *set,
			 long *skipped, struct err *err)
{
	struct jsonpull p;
	int rc;

	jsonpull_init(&p, "r.json", text, strlen(text));
	rc = cocojson_parse_results(set, &p, a, skipped, err);
	jsonpull_close(&p);
	return rc;
}

#define IMAGES     "\"images\":[{\"id\":20,\"width\":4,\"height\":3},{\"id\":\"b\"},{\"id\":9}]"
#define CATEGORIES "\"categories\":[{\"id\":7,\"name\":\"seven\"},{\"name\":\"two\",\"id\":2}]"
#define OBJECTS                                                                                    \
	"\"annotations\":[{\"image_id\":20,\"category_id\":7,\"bbox\":[1,2,3,4]},"                 \
	"{\"image_id\":\"b\",\"category_id\":2,\"bbox\":[0,0,2,2],\"area\":3.5,\"iscrowd\":1}]"

/* Members in any order; ids become ranks, numbers by value before strings. */
static void annotations_are_read_whatever_their_order(void **state)
{
	static const char *const texts[] = {"{" IMAGES "," CATEGORIES "," OBJECTS "}",
					    "{\"info\":{\"x\":[1]}," OBJECTS "," CATEGORIES
					    "," IMAGES "}"};
	struct err err = ERR_INIT;
	struct annotations a;
	struct boxset set;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(parse(texts[i], &a, &set, &err), 0);
		assert_int_equal(a.nimages, 3);
		assert_string_equal(a.images[0].id, "9");
		assert_string_equal(a.images[1].id, "20");
		assert_int_equal(a.images[1].width, 4);
		assert_string_equal(a.images[2].id, "b");
		assert_int_equal(a.nclasses, 2);
		assert_string_equal(a.names[0], "two");
		assert_string_equal(a.names[1], "seven");
		assert_int_equal(a.with_labels, 1);
		assert_int_equal(set.ntruths, 2);
		assert_int_equal(set.truths[0].image, 1);
		assert_int_equal(set.truths[0].cls, 1);
		assert_true(set.truths[0].area == 12);
		assert_true(set.truths[1].area == 3.5 && set.truths[1].crowd);
		annotations_release(&a);
		boxset_release(&set);
	}
}

static void bad_annotations_are_one_sentence(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{"[]", "expected an object, found an array"},
		{"{}", "it has no images"},
		{"{" IMAGES "," OBJECTS "}", "it has no categories"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"image_id\":1,\"category_id\":2,"
		 "\"bbox\":[0,0,1,1]}]}",
		 "annotation 1 names image 1, which is not listed"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"image_id\":9,\"category_id\":3,"
		 "\"bbox\":[0,0,1,1]}]}",
		 "a category of image 9, which is not listed"},
		{"{" IMAGES "," CATEGORIES
		 ",\"annotations\":[{\"image_id\":9,\"bbox\":[0,0,1,1]}]}",
		 "needs image_id, category_id and bbox"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"bbox\":[0,0,1]}]}",
		 "expected a number, found the end of the array"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"bbox\":[0,0,-1,1]}]}",
		 "negative size"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"bbox\":[0,0,NaN,1]}]}",
		 "not finite"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"bbox\":[0,0,1e300,1]}]}",
		 "beyond"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"area\":-4}]}", "area is negative"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[{\"category_id\":1.5}]}",
		 "whole number"},
		{"{\"images\":[{\"id\":1},{\"id\":1}]," CATEGORIES ",\"annotations\":[]}",
		 "two images have the id 1"},
		{"{\"images\":[{\"id\":1.5}]}", "whole number or a string"},
		{"{\"images\":[{}]}", "no id"},
		{"{\"images\":[3]}", "expected an object"},
		{"{" IMAGES ",\"categories\":[{\"id\":1,\"name\":\"a\"},{\"id\":1,\"name\":\"b\"}],"
		 "\"annotations\":[]}",
		 "two categories have the id 1"},
		{"{\"categories\":[{\"id\":1}]}", "an id and a name"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[", "the text ends"},
		{"{" IMAGES "," CATEGORIES ",\"annotations\":[]} x", "the end of the text"},
	};
	struct err err = ERR_INIT;
	struct annotations a;
	struct boxset set;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		if (parse(cases[i].text, &a, &set, &err) != -1)
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, cases[i].part))
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

static void results_are_read_and_checked(void **state)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{"{}", "expected an array"},
		{"[1]", "expected a detection"},
		{"[{\"image_id\":9,\"category_id\":2,\"bbox\":[0,0,1,1]}]", "and score"},
		{"[{\"image_id\":1,\"category_id\":2,\"bbox\":[0,0,1,1],\"score\":1}]",
		 "image 1 is not among the annotations"},
		{"[{\"image_id\":9,\"category_id\":2,\"bbox\":[0,0,1,1],\"score\":NaN}]",
		 "not finite"},
		{"[{\"image_id\":9,\"category_id\":2,\"bbox\":[0,0,1,1,1],\"score\":1}]",
		 "the end of the array"},
		{"[{\"image_id\":9,\"category_id\":2,\"bbox\":[0,0,1,1],\"score\":\"1\"}]",
		 "expected a number, found a string"},
	};
	const char *good =
		"[{\"image_id\":9,\"category_id\":2,\"bbox\":[0,0,1,2],\"score\":0.5,"
		"\"segmentation\":{\"counts\":\"abc\"}},"
		"{\"image_id\":\"20\",\"category_id\":99,\"bbox\":[0,0,1,1],\"score\":1}]";
	struct err err = ERR_INIT;
	struct annotations a;
	struct boxset set;
	long skipped;
	size_t i;

	(void)state;
	assert_int_equal(parse("{" IMAGES "," CATEGORIES "," OBJECTS "}", &a, &set, &err), 0);
	assert_int_equal(parse_results(good, &a, &set, &skipped, &err), 0);
	assert_int_equal(skipped, 1);
	assert_int_equal(set.ndets, 1);
	assert_int_equal(set.dets[0].image, 0);
	assert_int_equal(set.dets[0].cls, 0);
	assert_true(set.dets[0].score == 0.5 && set.dets[0].box.h == 2);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		if (parse_results(bad[i].text, &a, &set, &skipped, &err) != -1)
			fail_msg("accepted: %s", bad[i].text);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, bad[i].part))
			fail_msg("%s: %s", bad[i].text, err.msg);
	}
	annotations_release(&a);
	boxset_release(&set);
}

static void results_are_written_as_COCO_wants_them(void **state)
{
	static const char want[] =
		"[{\"image_id\":139,\"category_id\":1,\"bbox\":[1.500,2.250,3.000,4.000],"
		"\"score\":0.50000},\n"
		"{\"image_id\":\"a \\\"b\",\"category_id\":90,\"bbox\":[0.000,0.000,1.000,1.000],"
		"\"score\":0.12346}]\n";
	char *keys[] = {(char *)"000000000139", (char *)"a \"b"};
	struct boxset set = {.nimages = 2, .nclasses = 80};
	char *dir = unit_tmpdir(), *path = path_join(dir, "r.json");
	struct err err = ERR_INIT;
	struct buf text = BUF_INIT;

	(void)state;
	boxset_add_detection(&set, &(struct detection){{1.5, 2.25, 3, 4}, 0.5, 0, 0});
	boxset_add_detection(&set, &(struct detection){{0, 0, 1, 1}, 0.123456, 1, 79});
	assert_int_equal(cocojson_write_results(path, &set, keys, coco91, &err), 0);
	assert_int_equal(file_read(path, 4096, &text, &err), 0);
	assert_string_equal(text.data, want);
	boxset_clear(&set);
	buf_clear(&text);
	assert_int_equal(cocojson_write_results(path, &set, keys, NULL, &err), 0);
	assert_int_equal(file_read(path, 4096, &text, &err), 0);
	assert_string_equal(text.data, "[]\n");
	buf_release(&text);
	boxset_release(&set);
	assert_int_equal(dir_remove(dir, &err), 0);
	free(path);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(annotations_are_read_whatever_their_order),
		cmocka_unit_test(bad_annotations_are_one_sentence),
		cmocka_unit_test(results_are_read_and_checked),
		cmocka_unit_test(results_are_written_as_COCO_wants_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
