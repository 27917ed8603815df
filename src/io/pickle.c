#include "io/pickle.h"

#include <stdlib.h>
#include <string.h>

/* YOLOv5x has 50,000 values; each takes 128 bytes here. */
#define PICKLE_MAX_VALUES (1u << 20)
#define PICKLE_MAX_MEMO   (1u << 22)

/* pickletools' names, of what is obeyed. */
enum opcode {
	OP_MARK = '(',
	OP_STOP = '.',
	OP_POP = '0',
	OP_POP_MARK = '1',
	OP_DUP = '2',
	OP_BINBYTES = 'B',
	OP_SHORT_BINBYTES = 'C',
	OP_BINFLOAT = 'G',
	OP_BININT = 'J',
	OP_BININT1 = 'K',
	OP_BININT2 = 'M',
	OP_NONE = 'N',
	OP_BINPERSID = 'Q',
	OP_REDUCE = 'R',
	OP_BINSTRING = 'T',
	OP_SHORT_BINSTRING = 'U',
	OP_BINUNICODE = 'X',
	OP_EMPTY_LIST = ']',
	OP_APPEND = 'a',
	OP_BUILD = 'b',
	OP_GLOBAL = 'c',
	OP_DICT = 'd',
	OP_APPENDS = 'e',
	OP_BINGET = 'h',
	OP_LONG_BINGET = 'j',
	OP_LIST = 'l',
	OP_BINPUT = 'q',
	OP_LONG_BINPUT = 'r',
	OP_SETITEM = 's',
	OP_TUPLE = 't',
	OP_EMPTY_TUPLE = ')',
	OP_SETITEMS = 'u',
	OP_EMPTY_DICT = '}',
	OP_PROTO = 0x80,
	OP_NEWOBJ = 0x81,
	OP_TUPLE1 = 0x85,
	OP_TUPLE2 = 0x86,
	OP_TUPLE3 = 0x87,
	OP_NEWTRUE = 0x88,
	OP_NEWFALSE = 0x89,
	OP_LONG1 = 0x8a,
	OP_LONG4 = 0x8b,
	OP_SHORT_BINUNICODE = 0x8c,
	OP_BINUNICODE8 = 0x8d,
	OP_BINBYTES8 = 0x8e,
	OP_EMPTY_SET = 0x8f,
	OP_ADDITEMS = 0x90,
	OP_FROZENSET = 0x91,
	OP_NEWOBJ_EX = 0x92,
	OP_STACK_GLOBAL = 0x93,
	OP_MEMOIZE = 0x94,
	OP_FRAME = 0x95,
};

struct machine {
	const char *name; /* for sentences */
	const unsigned char *start, *p, *end;
	struct pickle *out;
	struct pickle_value **stack;
	size_t depth, stack_cap;
	size_t *marks; /* stack depths */
	size_t nmarks, marks_cap;
	struct pickle_value **memo; /* NULL: never put */
	size_t nmemo, memo_cap;     /* nmemo: for MEMOIZE */
	bool failed;
	struct err *err;
};

/* Every failure leaves through here: the first sentence stays, and the machine stops. */
static void fail(struct machine *m, const char *why)
{
	if (!m->failed)
		err_set(m->err, STATUS_INPUT, "%s: byte %zu: %s", m->name,
			(size_t)(m->p - m->start), why);
	m->failed = true;
}

/* The next `n` bytes, or NULL. */
static const unsigned char *take(struct machine *m, uint64_t n)
{
	const unsigned char *p = m->p;

	if (m->failed || n > (uint64_t)(m->end - m->p)) {
		fail(m, "the pickle is truncated");
		return NULL;
	}
	m->p += n;
	return p;
}

static uint64_t take_unsigned(struct machine *m, size_t size)
{
	const unsigned char *p = take(m, size);
	uint64_t v = 0;

	while (p && size--)
		v = v << 8 | p[size];
	return v;
}

static struct pickle_value *new_value(struct machine *m, enum pickle_kind kind)
{
	struct pickle_value *v;

	if (m->out->nvalues == PICKLE_MAX_VALUES) {
		fail(m, "the pickle has too many values");
		return m->out->values[0];
	}
	v = xcalloc(1, sizeof(*v));
	v->kind = kind;
	GROW(m->out->values, m->out->nvalues, m->out->cap);
	m->out->values[m->out->nvalues++] = v;
	return v;
}

static void push(struct machine *m, struct pickle_value *v)
{
	GROW(m->stack, m->depth, m->stack_cap);
	m->stack[m->depth++] = v;
}

static struct pickle_value *push_new(struct machine *m, enum pickle_kind kind)
{
	struct pickle_value *v = new_value(m, kind);

	push(m, v);
	return v;
}

/* The depth below which the stack may not be popped. */
static size_t stack_floor(const struct machine *m)
{
	return m->nmarks ? m->marks[m->nmarks - 1] : 0;
}

static struct pickle_value *pop(struct machine *m)
{
	if (m->depth > stack_floor(m))
		return m->stack[--m->depth];
	fail(m, "the pickle pops an empty stack");
	return NULL;
}

static struct pickle_value *top(struct machine *m)
{
	if (m->depth > stack_floor(m))
		return m->stack[m->depth - 1];
	fail(m, "the pickle uses an empty stack");
	return NULL;
}

/* The depth at the last mark, which is removed; what lies above it is the caller's to take. */
static size_t pop_mark(struct machine *m)
{
	if (m->nmarks)
		return m->marks[--m->nmarks];
	fail(m, "the pickle has no mark");
	return m->depth;
}

static void add_item(struct pickle_value *v, size_t at, struct pickle_value *item)
{
	GROW(v->item, at, v->cap);
	v->item[at] = item;
}

/* Moves the values above `mark` into `to`, one by one or as pairs. */
static void move_items(struct machine *m, struct pickle_value *to, size_t mark, bool pairs)
{
	size_t count = m->depth - mark, i;

	m->depth = mark;
	if (m->failed || !to)
		return;
	if (pairs && count % 2) {
		fail(m, "a key has no value");
		return;
	}
	/* the attributes of an object that is also a container are enough */
	if (to->kind != (pairs ? PICKLE_DICT : PICKLE_LIST) && to->kind != PICKLE_OBJECT &&
	    to->kind != PICKLE_TUPLE) {
		fail(m, "items are added to what is no container");
		return;
	}
	if (to->kind == PICKLE_OBJECT)
		return;
	for (i = 0; i < count; i++)
		add_item(to, (pairs ? 2 : 1) * to->n + i, m->stack[mark + i]);
	to->n += pairs ? count / 2 : count;
}

static void make_tuple(struct machine *m, size_t mark)
{
	struct pickle_value *v = new_value(m, PICKLE_TUPLE);

	move_items(m, v, mark, false);
	push(m, v);
}

static void make_short_tuple(struct machine *m, size_t n)
{
	if (m->depth < stack_floor(m) + n)
		fail(m, "the pickle pops an empty stack");
	else
		make_tuple(m, m->depth - n);
}

static void push_text(struct machine *m, enum pickle_kind kind, uint64_t len)
{
	const unsigned char *p = take(m, len);
	struct pickle_value *v;

	if (!p)
		return;
	v = push_new(m, kind);
	if (m->failed)
		return;
	v->text = xmalloc((size_t)len + 1);
	memcpy(v->text, p, (size_t)len);
	v->text[len] = '\0';
	v->len = (size_t)len;
}

static void push_int(struct machine *m, int64_t i)
{
	struct pickle_value *v = push_new(m, PICKLE_INT);

	if (!m->failed)
		v->i = i;
}

static void push_bool(struct machine *m, bool b)
{
	struct pickle_value *v = push_new(m, PICKLE_BOOL);

	if (!m->failed)
		v->i = b;
}

/* Two's complement, little-endian, of any length; beyond 64 bits it is kept as None. */
static void push_long(struct machine *m, uint64_t len)
{
	const unsigned char *p = take(m, len);
	uint64_t v = 0;
	size_t i;

	if (!p)
		return;
	if (len > 8) {
		push_new(m, PICKLE_NONE);
		return;
	}
	for (i = 0; i < len; i++)
		v |= (uint64_t)p[i] << (8 * i);
	if (len && len < 8 && (p[len - 1] & 0x80))
		v |= UINT64_MAX << (8 * len);
	push_int(m, (int64_t)v);
}

static void push_float(struct machine *m)
{
	const unsigned char *p = take(m, 8);
	struct pickle_value *v;
	uint64_t bits = 0;
	int i;

	if (!p)
		return;
	for (i = 0; i < 8; i++) /* big-endian, unlike everything else */
		bits = bits << 8 | p[i];
	v = push_new(m, PICKLE_FLOAT);
	if (!m->failed)
		memcpy(&v->f, &bits, sizeof(bits));
}

/* A line of text, without its end. */
static const char *take_line(struct machine *m, size_t *len)
{
	const unsigned char *from = m->p, *nl = memchr(from, '\n', (size_t)(m->end - from));

	if (!nl) {
		fail(m, "the pickle is truncated");
		return NULL;
	}
	m->p = nl + 1;
	*len = (size_t)(nl - from);
	return (const char *)from;
}

static void push_name(struct machine *m, const char *module, size_t module_len, const char *name,
		      size_t name_len)
{
	struct pickle_value *v = push_new(m, PICKLE_GLOBAL);

	if (m->failed)
		return;
	v->text = xasprintf("%.*s %.*s", (int)(module_len < 200 ? module_len : 200), module,
			    (int)(name_len < 200 ? name_len : 200), name);
	v->len = strlen(v->text);
}

static void push_global(struct machine *m)
{
	size_t module_len = 0, name_len = 0;
	const char *module = take_line(m, &module_len);
	const char *name = module ? take_line(m, &name_len) : NULL;

	if (name)
		push_name(m, module, module_len, name, name_len);
}

static void push_stack_global(struct machine *m)
{
	struct pickle_value *name = pop(m), *module = name ? pop(m) : NULL;

	if (!module)
		return;
	if (name->kind != PICKLE_STRING || module->kind != PICKLE_STRING)
		fail(m, "a global's name is not a string");
	else
		push_name(m, module->text, module->len, name->text, name->len);
}

static bool is_named(const struct pickle_value *v, const char *name)
{
	return v && v->kind == PICKLE_GLOBAL && !strcmp(v->text, name);
}

static bool is_set(const struct pickle_value *v)
{
	return is_named(v, "__builtin__ set") || is_named(v, "builtins set");
}

/* set([…]): the elements of its argument, as a list. */
static void make_set(struct pickle_value *v, const struct pickle_value *args)
{
	const struct pickle_value *from = args->n ? args->item[0] : NULL;

	v->kind = PICKLE_LIST;
	if (!from || from->kind != PICKLE_LIST)
		return;
	for (; v->n < from->n; v->n++)
		add_item(v, v->n, from->item[v->n]);
}

/* Nothing is called: two kinds of containers are made, all else is remembered. */
static void push_call(struct machine *m, struct pickle_value *callable, struct pickle_value *args)
{
	struct pickle_value *v;

	if (!callable || !args)
		return;
	v = push_new(m, PICKLE_OBJECT);
	if (m->failed)
		return;
	v->callable = callable;
	v->args = args;
	if (is_named(callable, "collections OrderedDict"))
		v->kind = PICKLE_DICT;
	else if (is_set(callable) && args->kind == PICKLE_TUPLE)
		make_set(v, args);
}

static void push_persistent(struct machine *m)
{
	struct pickle_value *name = pop(m), *v;

	if (!name)
		return;
	v = push_new(m, PICKLE_PERSISTENT);
	if (!m->failed)
		v->args = name;
}

static void set_state(struct machine *m)
{
	struct pickle_value *state = pop(m), *object = state ? top(m) : NULL;

	if (!object)
		return;
	/* (attributes, slots) */
	if (state->kind == PICKLE_TUPLE && state->n == 2 && state->item[0]->kind == PICKLE_DICT)
		state = state->item[0];
	object->state = state;
}

static void add_to_top(struct machine *m, size_t mark, bool pairs)
{
	struct pickle_value *to;

	if (m->failed || mark <= stack_floor(m)) {
		fail(m, "the pickle uses an empty stack");
		return;
	}
	to = m->stack[mark - 1];
	if (to->kind == PICKLE_TUPLE)
		fail(m, "items are added to a tuple");
	move_items(m, to, mark, pairs);
}

static void memo_put(struct machine *m, uint64_t index)
{
	struct pickle_value *v = top(m);

	if (!v)
		return;
	if (index >= PICKLE_MAX_MEMO) {
		fail(m, "the pickle's memo is too large");
		return;
	}
	if (index >= m->memo_cap) {
		size_t old = m->memo_cap;

		m->memo_cap = (size_t)index * 2 + 64;
		m->memo = xreallocarray(m->memo, m->memo_cap, sizeof(struct pickle_value *));
		memset(m->memo + old, 0, (m->memo_cap - old) * sizeof(struct pickle_value *));
	}
	m->nmemo += !m->memo[index];
	m->memo[index] = v;
}

static void memo_get(struct machine *m, uint64_t index)
{
	if (index >= m->memo_cap || !m->memo[index])
		fail(m, "the pickle gets what it never put");
	else
		push(m, m->memo[index]);
}

static void push_mark(struct machine *m)
{
	GROW(m->marks, m->nmarks, m->marks_cap);
	m->marks[m->nmarks++] = m->depth;
}

static void make_container(struct machine *m, enum pickle_kind kind, bool pairs)
{
	struct pickle_value *v = new_value(m, kind);

	move_items(m, v, pop_mark(m), pairs);
	push(m, v);
}

/* A protocol that may hold opcodes not known here would be refused at that opcode anyway. */
static void check_protocol(struct machine *m)
{
	if (take_unsigned(m, 1) > 5)
		fail(m, "a pickle protocol later than 5");
}

static void call_top(struct machine *m)
{
	struct pickle_value *args = pop(m), *callable = args ? pop(m) : NULL;

	push_call(m, callable, args);
}

/* Texts, numbers and other constants; false when `op` is none of them. */
static bool step_constant(struct machine *m, int op)
{
	switch (op) {
	case OP_NONE:
		return push_new(m, PICKLE_NONE);
	case OP_NEWTRUE:
	case OP_NEWFALSE:
		return push_bool(m, op == OP_NEWTRUE), true;
	case OP_BININT:
		return push_int(m, (int32_t)(uint32_t)take_unsigned(m, 4)), true;
	case OP_BININT1:
		return push_int(m, (int64_t)take_unsigned(m, 1)), true;
	case OP_BININT2:
		return push_int(m, (int64_t)take_unsigned(m, 2)), true;
	case OP_LONG1:
		return push_long(m, take_unsigned(m, 1)), true;
	case OP_LONG4:
		return push_long(m, take_unsigned(m, 4)), true;
	case OP_BINFLOAT:
		return push_float(m), true;
	case OP_SHORT_BINUNICODE:
	case OP_SHORT_BINSTRING:
		return push_text(m, PICKLE_STRING, take_unsigned(m, 1)), true;
	case OP_BINUNICODE:
	case OP_BINSTRING:
		return push_text(m, PICKLE_STRING, take_unsigned(m, 4)), true;
	case OP_BINUNICODE8:
		return push_text(m, PICKLE_STRING, take_unsigned(m, 8)), true;
	case OP_SHORT_BINBYTES:
		return push_text(m, PICKLE_BYTES, take_unsigned(m, 1)), true;
	case OP_BINBYTES:
		return push_text(m, PICKLE_BYTES, take_unsigned(m, 4)), true;
	case OP_BINBYTES8:
		return push_text(m, PICKLE_BYTES, take_unsigned(m, 8)), true;
	case OP_GLOBAL:
		return push_global(m), true;
	case OP_STACK_GLOBAL:
		return push_stack_global(m), true;
	}
	return false;
}

/* Containers and what is put into them. */
static bool step_container(struct machine *m, int op)
{
	switch (op) {
	case OP_EMPTY_LIST:
	case OP_EMPTY_SET:
		return push_new(m, PICKLE_LIST);
	case OP_EMPTY_DICT:
		return push_new(m, PICKLE_DICT);
	case OP_EMPTY_TUPLE:
		return push_new(m, PICKLE_TUPLE);
	case OP_TUPLE1:
	case OP_TUPLE2:
	case OP_TUPLE3:
		return make_short_tuple(m, (size_t)(op - OP_TUPLE1) + 1), true;
	case OP_TUPLE:
		return make_tuple(m, pop_mark(m)), true;
	case OP_LIST:
	case OP_FROZENSET:
		return make_container(m, PICKLE_LIST, false), true;
	case OP_DICT:
		return make_container(m, PICKLE_DICT, true), true;
	case OP_APPEND:
		return add_to_top(m, m->depth ? m->depth - 1 : 0, false), true;
	case OP_SETITEM:
		return add_to_top(m, m->depth > 1 ? m->depth - 2 : 0, true), true;
	case OP_APPENDS:
	case OP_ADDITEMS:
		return add_to_top(m, pop_mark(m), false), true;
	case OP_SETITEMS:
		return add_to_top(m, pop_mark(m), true), true;
	}
	return false;
}

/* The stack, the memo, objects. */
static bool step_machine(struct machine *m, int op)
{
	switch (op) {
	case OP_MARK:
		return push_mark(m), true;
	case OP_POP_MARK:
		m->depth = pop_mark(m);
		return true;
	case OP_POP:
		return pop(m), true;
	case OP_DUP:
		return push(m, top(m)), true;
	case OP_BINPUT:
		return memo_put(m, take_unsigned(m, 1)), true;
	case OP_LONG_BINPUT:
		return memo_put(m, take_unsigned(m, 4)), true;
	case OP_MEMOIZE:
		return memo_put(m, m->nmemo), true;
	case OP_BINGET:
		return memo_get(m, take_unsigned(m, 1)), true;
	case OP_LONG_BINGET:
		return memo_get(m, take_unsigned(m, 4)), true;
	case OP_NEWOBJ_EX:
		pop(m); /* the keyword arguments: nothing is called */
		return call_top(m), true;
	case OP_REDUCE:
	case OP_NEWOBJ:
		return call_top(m), true;
	case OP_BUILD:
		return set_state(m), true;
	case OP_BINPERSID:
		return push_persistent(m), true;
	case OP_PROTO:
		return check_protocol(m), true;
	case OP_FRAME:
		return take_unsigned(m, 8), true;
	}
	return false;
}

static void run(struct machine *m)
{
	const unsigned char *op;
	char why[64];

	while (!m->failed && (op = take(m, 1)) && *op != OP_STOP) {
		if (step_constant(m, *op) || step_container(m, *op) || step_machine(m, *op))
			continue;
		m->p--;
		snprintf(why, sizeof(why), "the pickle opcode 0x%02x is not read", *op);
		fail(m, why);
	}
	if (!m->failed)
		m->out->root = pop(m);
}

int pickle_parse(const char *name, const void *data, size_t size, struct pickle *out,
		 struct err *err)
{
	struct machine m = {.name = name, .start = data, .p = data, .out = out, .err = err};

	*out = (struct pickle){0};
	m.end = m.p + size;
	run(&m);
	free(m.stack);
	free(m.marks);
	free(m.memo);
	if (m.failed)
		pickle_release(out);
	return m.failed ? -1 : 0;
}

void pickle_release(struct pickle *p)
{
	size_t i;

	for (i = 0; i < p->nvalues; i++) {
		free(p->values[i]->text);
		free(p->values[i]->item);
		free(p->values[i]);
	}
	free(p->values);
	*p = (struct pickle){0};
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
	size_t i;

	for (i = dict && dict->kind == PICKLE_DICT ? dict->n : 0; i--;) {
		const struct pickle_value *k = dict->item[2 * i];

		if (k->kind == PICKLE_STRING && !strcmp(k->text, key))
			return dict->item[2 * i + 1];
	}
	return NULL;
}

const struct pickle_value *pickle_attr(const struct pickle_value *object, const char *name)
{
	return object && object->state ? pickle_get(object->state, name) : NULL;
}

bool pickle_is_call(const struct pickle_value *v, const char *callable)
{
	return v && v->kind == PICKLE_OBJECT && is_named(v->callable, callable);
}
