#include "model/results.h"

#include "base/file.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

/* A line an epoch: a million epochs. */
#define MAX_BYTES ((size_t)300 << 20)
/* More columns than any logger of YOLOv5's family writes. */
#define MAX_FIELDS 256
/* So that five digits of any value read back. */
#define MAX_VALUE 1e300

const char *const results_names[RESULTS_COLUMNS] = {
	"epoch",
	"train/box_loss",
	"train/obj_loss",
	"train/cls_loss",
	"metrics/precision",
	"metrics/recall",
	"metrics/mAP_0.5",
	"metrics/mAP_0.5:0.95",
	"val/box_loss",
	"val/obj_loss",
	"val/cls_loss",
	"x/lr0",
	"x/lr1",
	"x/lr2",
};

void results_release(struct results *r)
{
	free(r->row);
	*r = (struct results)RESULTS_INIT;
}

void results_add(struct results *r, const struct results_row *row)
{
	GROW(r->row, r->n, r->cap);
	r->row[r->n++] = *row;
}

void results_format(const struct results *r, struct buf *out)
{
	int i, k;

	for (k = 0; k < RESULTS_COLUMNS; k++)
		buf_printf(out, "%20s%c", results_names[k], k + 1 < RESULTS_COLUMNS ? ',' : '\n');
	for (i = 0; i < r->n; i++)
		for (k = 0; k < RESULTS_COLUMNS; k++)
			buf_printf(out, "%20.5g%c", r->row[i].value[k],
				   k + 1 < RESULTS_COLUMNS ? ',' : '\n');
}

int results_write(const struct results *r, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc;

	results_format(r, &text);
	rc = file_write(path, text.data, text.len, err);
	buf_release(&text);
	return rc;
}

/* The fields of a line, without the blanks around them; the line is cut up. */
static int split(char *line, char **field, int max)
{
	int n = 0;
	size_t len;
	char *end;

	for (;;) {
		line += strspn(line, " \t");
		if (n == max)
			return -1;
		field[n++] = line;
		end = strchr(line, ',');
		if (end)
			*end = '\0';
		len = strlen(line);
		while (len && strchr(" \t\r", line[len - 1]))
			line[--len] = '\0';
		if (!end)
			return n;
		line = end + 1;
	}
}

/* column[k]: which field of a row is results_names[k]. */
static int parse_head(char *line, const char *name, int *column, int *fields, struct err *err)
{
	char *field[MAX_FIELDS];
	int i, k;

	*fields = split(line, field, MAX_FIELDS);
	if (*fields < 0)
		return err_set(err, STATUS_INPUT, "%s:1: more than %d columns", name, MAX_FIELDS);
	for (k = 0; k < RESULTS_COLUMNS; k++) {
		for (i = 0; i < *fields && strcmp(field[i], results_names[k]); i++)
			;
		if (i == *fields)
			return err_set(err, STATUS_INPUT, "%s:1: there is no column '%s'", name,
				       results_names[k]);
		column[k] = i;
	}
	return 0;
}

static int parse_row(struct results *r, char *line, const char *name, long number,
		     const int *column, int fields, struct err *err)
{
	char *field[MAX_FIELDS];
	struct results_row row;
	struct err why;
	int k, n = split(line, field, MAX_FIELDS);

	if (n != fields)
		return err_set(err, STATUS_INPUT, "%s:%ld: %d columns instead of %d", name, number,
			       n, fields);
	for (k = 0; k < RESULTS_COLUMNS; k++)
		if (num_double(results_names[k], field[column[k]], -MAX_VALUE, MAX_VALUE,
			       &row.value[k], &why))
			return err_set(err, STATUS_INPUT, "%s:%ld: %s", name, number, why.msg);
	results_add(r, &row);
	return 0;
}

int results_parse(struct results *r, const char *name, const char *text, size_t len,
		  struct err *err)
{
	char *copy = xstrndup(text, len), *line = copy, *end;
	int column[RESULTS_COLUMNS], fields = 0, rc = 0;
	long number;

	if (strlen(copy) != len)
		rc = err_set(err, STATUS_INPUT, "cannot read '%s': not a text", name);
	for (number = 1; !rc && (end = strchr(line, '\n')); number++, line = end + 1) {
		*end = '\0';
		if (number == 1)
			rc = parse_head(line, name, column, &fields, err);
		else if (line[strspn(line, " \t\r")])
			rc = parse_row(r, line, name, number, column, fields, err);
	}
	if (!rc && number == 1)
		rc = err_set(err, STATUS_INPUT, "cannot read '%s': it has no head line", name);
	free(copy);
	return rc;
}

int results_read(struct results *r, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc = file_read(path, MAX_BYTES, &text, err);

	if (!rc)
		rc = results_parse(r, path, text.data, text.len, err);
	buf_release(&text);
	return rc;
}
