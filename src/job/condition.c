#include "job/condition.h"

#include "base/nearest.h"
#include "fed/stop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const operators[] = {">", ">=", "<", "<=", "==", "=", "!="};
static const char *const words[] = {"more than", "at least", "fewer than", "at most",
				    "exactly",   "exactly",  "other than"};

struct comparison {
	const char *metric;
	size_t op; /* of operators */
	double threshold;
	const char *text; /* the threshold as it is written */
};

static int read_comparison(const struct yaml_node *node, struct comparison *c, struct err *err)
{
	const struct yaml_node *metric = yaml_need(node, "metric", err);
	const struct yaml_node *op = metric ? yaml_need(node, "operator", err) : NULL;
	const struct yaml_node *threshold = op ? yaml_need(node, "threshold", err) : NULL;
	const char *text;

	if (!threshold || yaml_string(metric, "metric", &c->metric, err) ||
	    yaml_string(op, "operator", &text, err) ||
	    yaml_double(threshold, "threshold", -1e15, 1e15, &c->threshold, err) ||
	    yaml_string(threshold, "threshold", &c->text, err))
		return -1;
	for (c->op = 0; c->op < ARRAY_LEN(operators); c->op++)
		if (!strcmp(operators[c->op], text))
			return 0;
	return yaml_err(op, err, "'%s' is not one of > >= < <= == !=", text);
}

/* One comparison more; the expression so far is parsed each time, so that an error has its line. */
static int add_comparison(const struct yaml_node *node, const char *join, struct buf *out,
			  struct err *err)
{
	static const char *const known[] = {"rounds", "epochs",    "accuracy", "targetAccuracy",
					    "loss",   "deltaLoss", "time"};
	struct comparison c;
	struct stop *stop;
	struct buf one = BUF_INIT;
	size_t i;

	if (yaml_want(node, YAML_MAP, "a condition", err) || read_comparison(node, &c, err))
		return -1;
	for (i = 0; i < ARRAY_LEN(known) && strcmp(known[i], c.metric) != 0; i++)
		;
	if (i == ARRAY_LEN(known)) {
		const char *near = nearest_word(c.metric, known, ARRAY_LEN(known));

		return yaml_err(yaml_get(node, "metric"), err, "unknown metric '%s'%s%s%s",
				c.metric, near ? "; did you mean '" : "", near ? near : "",
				near ? "'?" : "");
	}
	buf_printf(&one, "%s %s %.15g", c.metric, operators[c.op], c.threshold);
	stop = stop_parse(one.data, err);
	if (!stop) {
		struct err cause = *err;

		buf_release(&one);
		return yaml_err(node, err, "%s", cause.msg);
	}
	stop_free(stop);
	if (out->len)
		buf_printf(out, " %s ", join);
	buf_add_str(out, one.data);
	buf_release(&one);
	return 0;
}

char *condition_stop(const struct yaml_node *node, struct err *err)
{
	const struct yaml_node *list = yaml_need(node, "conditions", err);
	const char *join = "or";
	struct buf out = BUF_INIT;
	int i;

	if (!list || yaml_get_string(node, "operator", &join, err))
		return NULL;
	if (strcmp(join, "or") != 0 && strcmp(join, "and") != 0) {
		yaml_err(yaml_get(node, "operator"), err, "'%s' is neither 'or' nor 'and'", join);
		return NULL;
	}
	if (list->kind != YAML_LIST || !list->n || list->n > 100) {
		yaml_err(list, err, "'conditions' is a list of 1 to 100 comparisons");
		return NULL;
	}
	for (i = 0; i < list->n; i++)
		if (add_comparison(list->item[i], join, &out, err)) {
			buf_release(&out);
			return NULL;
		}
	return buf_detach(&out);
}

int condition_trigger(const struct yaml_node *node, int clients, const char *are, int *least,
		      struct err *err)
{
	struct comparison c;
	double n;

	if (read_comparison(node, &c, err))
		return -1;
	if (strcmp(c.metric, "num_of_ready_clients") != 0)
		return yaml_err(yaml_get(node, "metric"), err,
				"the trigger's metric is num_of_ready_clients, not '%s'", c.metric);
	switch (operators[c.op][0]) {
	case '>':
		n = operators[c.op][1] ? ceil(c.threshold) : floor(c.threshold) + 1;
		break;
	case '=':
		n = c.threshold == floor(c.threshold) ? c.threshold : INFINITY;
		break;
	default:
		return yaml_err(yaml_get(node, "operator"), err,
				"a trigger of %s %s ready clients would be met by none at all",
				words[c.op], c.text);
	}
	if (n > clients)
		return yaml_err(node, err,
				"the trigger wants %s %s ready clients, but %d %s %s: it can "
				"never be met",
				words[c.op], c.text, clients, clients == 1 ? "is" : "are", are);
	if (n < 1)
		return yaml_err(node, err, "a trigger of %s %s ready clients would be met by none",
				words[c.op], c.text);
	*least = (int)n;
	return 0;
}
