#include "fed/stop.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Deeper nesting than this is no expression a person wrote. */
#define MAX_DEPTH 32

enum node_kind { NODE_OR, NODE_AND, NODE_NOT, NODE_COMPARE };
enum compare { CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQ, CMP_NE };

struct stop {
	enum node_kind kind;
	struct stop *left, *right; /* owned; right only of OR and AND */
	enum stop_metric metric;
	enum compare op;
	double number;
};

static const struct {
	const char *name;
	enum stop_metric metric;
} metrics[] = {
	{"rounds", STOP_ROUNDS},
	{"epochs", STOP_EPOCHS},
	{"accuracy", STOP_ACCURACY},
	{"targetAccuracy", STOP_ACCURACY},
	{"loss", STOP_LOSS},
	{"deltaLoss", STOP_DELTA_LOSS},
	{"time", STOP_TIME},
	{"clients", STOP_CLIENTS},
	{"num_of_ready_clients", STOP_CLIENTS},
};

/* Longer spellings first, so that "<=" is not read as "<". */
static const struct {
	const char *text;
	enum compare op;
} operators[] = {
	{"<=", CMP_LE}, {">=", CMP_GE}, {"==", CMP_EQ}, {"!=", CMP_NE},
	{"<", CMP_LT},  {">", CMP_GT},  {"=", CMP_EQ},
};

static const char *const metric_name[] = {"rounds",    "epochs", "accuracy", "loss",
					  "deltaLoss", "time",   "clients"};
static const char *const op_name[] = {"<", "<=", ">", ">=", "==", "!="};

struct parser {
	const char *text, *at;
	int depth;
	struct err *err;
};

static struct stop *parse_or(struct parser *p);

static struct stop *fail(struct parser *p, const char *want)
{
	if (*p->at)
		err_set(p->err, STATUS_USAGE,
			"stop condition, column %d: expected %s, found '%.20s'",
			(int)(p->at - p->text) + 1, want, p->at);
	else
		err_set(p->err, STATUS_USAGE,
			"stop condition, column %d: expected %s, found its end",
			(int)(p->at - p->text) + 1, want);
	return NULL;
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

/* Takes `word` if it stands here as a whole word. */
static bool take_word(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	skip_space(p);
	if (strncmp(p->at, word, n) || isalnum((unsigned char)p->at[n]) || p->at[n] == '_')
		return false;
	p->at += n;
	return true;
}

static struct stop *new_node(enum node_kind kind, struct stop *left, struct stop *right)
{
	struct stop *s = xcalloc(1, sizeof(*s));

	s->kind = kind;
	s->left = left;
	s->right = right;
	return s;
}

static bool take_metric(struct parser *p, enum stop_metric *out)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(metrics); i++)
		if (take_word(p, metrics[i].name)) {
			*out = metrics[i].metric;
			return true;
		}
	return false;
}

static bool take_operator(struct parser *p, enum compare *out)
{
	size_t i;

	skip_space(p);
	for (i = 0; i < ARRAY_LEN(operators); i++)
		if (!strncmp(p->at, operators[i].text, strlen(operators[i].text))) {
			p->at += strlen(operators[i].text);
			*out = operators[i].op;
			return true;
		}
	return false;
}

static struct stop *parse_compare(struct parser *p)
{
	struct stop node = {.kind = NODE_COMPARE};
	struct stop *s;
	char *end;

	if (!take_metric(p, &node.metric))
		return fail(p, "rounds, epochs, accuracy, loss, deltaLoss, time or clients");
	if (!take_operator(p, &node.op))
		return fail(p, "one of < <= > >= == !=");
	skip_space(p);
	node.number = strtod(p->at, &end);
	if (end == p->at || !isfinite(node.number))
		return fail(p, "a number");
	p->at = end;
	s = xmalloc(sizeof(*s));
	*s = node;
	return s;
}

static struct stop *parse_factor(struct parser *p)
{
	struct stop *s;

	if (p->depth >= MAX_DEPTH) {
		err_set(p->err, STATUS_USAGE, "stop condition: nested deeper than %d", MAX_DEPTH);
		return NULL;
	}
	p->depth++;
	skip_space(p);
	if (take_word(p, "not")) {
		s = parse_factor(p);
		s = s ? new_node(NODE_NOT, s, NULL) : NULL;
	} else if (*p->at == '(') {
		p->at++;
		s = parse_or(p);
		skip_space(p);
		if (s && *p->at == ')') {
			p->at++;
		} else if (s) {
			stop_free(s);
			s = fail(p, "')'");
		}
	} else {
		s = parse_compare(p);
	}
	p->depth--;
	return s;
}

static struct stop *parse_chain(struct parser *p, const char *word, enum node_kind kind,
				struct stop *(*next)(struct parser *))
{
	struct stop *left = next(p), *right;

	while (left && take_word(p, word)) {
		right = next(p);
		if (!right) {
			stop_free(left);
			return NULL;
		}
		left = new_node(kind, left, right);
	}
	return left;
}

static struct stop *parse_and(struct parser *p)
{
	return parse_chain(p, "and", NODE_AND, parse_factor);
}

static struct stop *parse_or(struct parser *p)
{
	return parse_chain(p, "or", NODE_OR, parse_and);
}

struct stop *stop_parse(const char *text, struct err *err)
{
	struct parser p = {text, text, 0, err};
	struct stop *s = parse_or(&p);

	skip_space(&p);
	if (s && *p.at) {
		stop_free(s);
		return fail(&p, "'and', 'or' or the end");
	}
	return s;
}

void stop_free(struct stop *s)
{
	/* A chain leans to the left and may be long: that side is walked, not called. */
	while (s) {
		struct stop *left = s->left;

		stop_free(s->right);
		free(s);
		s = left;
	}
}

static bool compare(double a, enum compare op, double b)
{
	switch (op) {
	case CMP_LT:
		return a < b;
	case CMP_LE:
		return a <= b;
	case CMP_GT:
		return a > b;
	case CMP_GE:
		return a >= b;
	case CMP_EQ:
		return a == b;
	case CMP_NE:
		return a != b;
	}
	BUG_IF(true);
}

static bool compare_holds(const struct stop *s, const struct stop_values *v, struct buf *reason)
{
	double value = v->value[s->metric];

	if (!v->known[s->metric] || !compare(value, s->op, s->number))
		return false;
	if (reason && !reason->len)
		buf_printf(reason, "%s %.6g %s %.6g", metric_name[s->metric], value, op_name[s->op],
			   s->number);
	return true;
}

static bool holds(const struct stop *s, const struct stop_values *v, struct buf *reason)
{
	switch (s->kind) {
	case NODE_OR:
		return holds(s->left, v, reason) || holds(s->right, v, reason);
	case NODE_AND:
		return holds(s->left, v, NULL) && holds(s->right, v, reason);
	case NODE_NOT:
		return !holds(s->left, v, NULL);
	case NODE_COMPARE:
		return compare_holds(s, v, reason);
	}
	BUG_IF(true);
}

bool stop_holds(const struct stop *s, const struct stop_values *v, char *reason, size_t size)
{
	struct buf text = BUF_INIT;
	bool yes = holds(s, v, &text);

	if (reason && size)
		snprintf(reason, size, "%s", yes && text.len ? text.data : "");
	buf_release(&text);
	return yes;
}

bool stop_uses(const struct stop *s, enum stop_metric m)
{
	if (!s)
		return false;
	if (s->kind == NODE_COMPARE)
		return s->metric == m;
	return stop_uses(s->left, m) || stop_uses(s->right, m);
}
