#include "base/file.h"
#include "model/results.h"
#include "unit.h"

static const struct results_row row = {{0, 0.045678912, 0.0312, 0.0101, .602, .407, .464, .309, 0,
					0, 0, 0.07, 0.00033333333, 1e-5}};

/* As pandas or a shell script sees it: what YOLOv5's logger prints for these numbers. */
static const char text[] =
	"               epoch,      train/box_loss,      train/obj_loss,      train/cls_loss,"
	"   metrics/precision,      metrics/recall,     metrics/mAP_0.5,metrics/mAP_0.5:0.95,"
	"        val/box_loss,        val/obj_loss,        val/cls_loss,               x/lr0,"
	"               x/lr1,               x/lr2\n"
	"                   0,            0.045679,              0.0312,              0.0101,"
	"               0.602,               0.407,               0.464,               0.309,"
	"                   0,                   0,                   0,                0.07,"
	"          0.00033333,               1e-05\n";

static void a_table_is_written_as_yolov5_does(void **state)
{
	struct results r = RESULTS_INIT;
	struct buf out = BUF_INIT;

	(void)state;
	results_add(&r, &row);
	results_format(&r, &out);
	assert_string_equal(out.data, text);
	buf_release(&out);
	results_release(&r);
}

static void a_table_is_read_back_from_its_file(void **state)
{
	struct results r = RESULTS_INIT, back = RESULTS_INIT;
	char *dir = unit_tmpdir(), *path = path_join(dir, "results.csv");
	struct err err = ERR_INIT;
	int i;

	(void)state;
	for (i = 0; i < 40; i++) {
		struct results_row next = row;

		next.value[RESULTS_EPOCH] = i;
		next.value[RESULTS_MAP50] = i / 40.0;
		results_add(&r, &next);
	}
	assert_int_equal(results_write(&r, path, &err), 0);
	assert_int_equal(results_read(&back, path, &err), 0);
	assert_int_equal(back.n, 40);
	assert_true(back.row[39].value[RESULTS_EPOCH] == 39);
	assert_true(back.row[39].value[RESULTS_MAP50] == .975);
	dir_remove(dir, &err);
	results_release(&r);
	results_release(&back);
	free(path);
	free(dir);
}

static void columns_are_found_by_name_and_a_last_half_line_is_left_out(void **state)
{
	static const char other[] =
		"x/lr2,x/lr1,x/lr0,val/cls_loss,val/obj_loss,val/box_loss,metrics/"
		"mAP_0.5:0.95,note,"
		"metrics/mAP_0.5,metrics/recall,metrics/precision,train/cls_loss,train/obj_loss,"
		"train/box_loss,epoch\r\n"
		"1,2,3,4,5,6,7,any word,8,9,10,11,12,13,14\r\n"
		"\n"
		"1,2,3,4,5,6,7,x,8,9,1";
	struct results r = RESULTS_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(results_parse(&r, "x", other, sizeof(other) - 1, &err), 0);
	assert_int_equal(r.n, 1);
	assert_true(r.row[0].value[RESULTS_EPOCH] == 14);
	assert_true(r.row[0].value[RESULTS_MAP50] == 8);
	results_release(&r);
}

static void refuses(const char *data, size_t len, const char *sentence)
{
	struct results r = RESULTS_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(results_parse(&r, "x.csv", data, len, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_string_equal(err.msg, sentence);
	results_release(&r);
}

static void a_bad_table_is_refused_with_its_line(void **state)
{
	char *bad = xstrdup(text);

	(void)state;
	refuses("", 0, "cannot read 'x.csv': it has no head line");
	refuses("a,b\n1,2\n", 8, "x.csv:1: there is no column 'epoch'");
	refuses("a\0b\n", 4, "cannot read 'x.csv': not a text");
	memcpy(strstr(bad, "0.0312"), "0.03 2", 6);
	refuses(bad, strlen(bad), "x.csv:2: train/obj_loss: '0.03 2' is not a number");
	memcpy(strstr(bad, "0.03 2"), "   nan", 6);
	refuses(bad, strlen(bad), "x.csv:2: train/obj_loss: 'nan' is not a finite number");
	memcpy(strstr(bad, "nan"), "1,2", 3);
	refuses(bad, strlen(bad), "x.csv:2: 15 columns instead of 14");
	free(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_written_as_yolov5_does),
		cmocka_unit_test(a_table_is_read_back_from_its_file),
		cmocka_unit_test(columns_are_found_by_name_and_a_last_half_line_is_left_out),
		cmocka_unit_test(a_bad_table_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
