/*
 * pickle.h - Python pickles read as data, never run. Protocols 2 to 5 as CPython's pickletools
 * describes them; the opcodes of protocols 0 and 1 that newer ones do not use, out-of-band buffers
 * and extension codes are refused.
 *
 * A global is a name. What a pickle would call (REDUCE, NEWOBJ) becomes an object that remembers
 * the callable, its arguments and its state; nothing is called. Only collections.OrderedDict() is
 * made what it would be, a dict, and set() a list.
 *
 * Values form a graph and may be shared or cyclic: who walks it bounds the walk. Their number, the
 * stack and the memo are bounded. All belong to the `struct pickle`; strings have a NUL behind
 * them.
 */
#ifndef MIST_IO_PICKLE_H
#define MIST_IO_PICKLE_H

#include "base/err.h"
#include "base/mem.h"

enum pickle_kind {
	PICKLE_NONE,
	PICKLE_BOOL,
	PICKLE_INT,
	PICKLE_FLOAT,
	PICKLE_STRING, /* UTF-8, or bytes of an old protocol */
	PICKLE_BYTES,
	PICKLE_LIST,
	PICKLE_TUPLE,
	PICKLE_DICT,
	PICKLE_GLOBAL,     /* text is "module name" */
	PICKLE_OBJECT,     /* what a call would have made */
	PICKLE_PERSISTENT, /* something kept outside the pickle, named by args */
};

struct pickle_value {
	enum pickle_kind kind;
	int64_t i;  /* PICKLE_INT, PICKLE_BOOL */
	double f;   /* PICKLE_FLOAT */
	char *text; /* strings, bytes, globals */
	size_t len; /* of text */
	/* n elements of a list or tuple; n pairs of a dict: key item[2*i], value item[2*i+1] */
	struct pickle_value **item;
	size_t n, cap;
	/* objects: what was called with what; persistents: the name in args */
	struct pickle_value *callable, *args;
	struct pickle_value *state; /* set by BUILD; NULL: none */
};

struct pickle {
	struct pickle_value *root;
	/* private */
	struct pickle_value **values;
	size_t nvalues, cap;
};

/* -1 and a sentence that begins with `name`; then there is nothing to release. */
int pickle_parse(const char *name, const void *data, size_t size, struct pickle *out,
		 struct err *err);
void pickle_release(struct pickle *p);

/* The value of a string key of a dict (the last one, as in Python); NULL: none, or no dict. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);
/* An attribute of an object, from the dict that BUILD gave it; NULL: none. */
const struct pickle_value *pickle_attr(const struct pickle_value *object, const char *name);
/* True for an object made by the callable "module name". */
bool pickle_is_call(const struct pickle_value *v, const char *callable);

#endif
