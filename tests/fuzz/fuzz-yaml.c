/*
 * fuzz-yaml.c - every node has a place, getters never fall, and a text that is written reads back.
 */
#include "io/yaml.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const char *text)
{
	struct buf b = BUF_INIT;
	struct yaml *y;
	struct err err;

	buf_add_str(&b, "k: ");
	yaml_add_string(&b, text);
	y = yaml_parse("x", b.data, b.len, &err);
	BUG_IF(!y);
	BUG_IF(strcmp(yaml_get(y->doc[0], "k")->text, text) != 0);
	yaml_tree_free(y);
	buf_release(&b);
}

static void walk(const struct yaml_node *node, int *left)
{
	struct err err;
	const char *s;
	double d;
	bool flag;
	long v;
	int i;

	if (--*left < 0)
		return;
	BUG_IF(node->line < 1 || node->column < 1);
	(void)yaml_long(node, "x", -5, 5, &v, &err);
	(void)yaml_double(node, "x", -5, 5, &d, &err);
	(void)yaml_bool(node, "x", &flag, &err);
	(void)yaml_need(node, "x", &err);
	if (!yaml_string(node, "x", &s, &err) && *left > 190)
		write_and_read(s);
	for (i = 0; i < node->n * (node->kind == YAML_MAP ? 2 : 1); i++)
		walk(node->item[i], left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	struct yaml *y = yaml_parse("x", (const char *)data, size, &err);
	int left = 200, i;

	for (i = 0; y && i < y->ndocs; i++)
		walk(y->doc[i], &left);
	yaml_tree_free(y);
	return 0;
}
