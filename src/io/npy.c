#include "io/npy.h"

#include "io/half.h"

#include <string.h>

/* NumPy's own bound for headers it did not write (numpy.lib.format._MAX_HEADER_SIZE). */
#define NPY_MAX_HEADER 10000

static const struct {
	const char *name, *descr;
	size_t size;
} types[] = {
	[NPY_U1] = {"u1", "|u1", 1},
	[NPY_F2] = {"f2", "<f2", 2},
	[NPY_F4] = {"f4", "<f4", 4},
};

size_t npy_size(enum npy_type type)
{
	return types[type].size;
}

const char *npy_type_name(enum npy_type type)
{
	return types[type].name;
}

/* The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
struct cursor {
	const char *name; /* for sentences */
	const char *p, *end;
};

static void skip_spaces(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

/* Takes `ch` if it is next. */
static bool take(struct cursor *c, char ch)
{
	skip_spaces(c);
	if (c->p >= c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

static int bad_header(const struct cursor *c, const char *what, struct err *err)
{
	return err_set(err, STATUS_INPUT, "%s: not a NumPy header: %s", c->name, what);
}

/* A quoted string without escapes, copied. */
static int take_string(struct cursor *c, char *out, size_t size, struct err *err)
{
	size_t n = 0;
	char quote;

	skip_spaces(c);
	if (c->p >= c->end || (*c->p != '\'' && *c->p != '"'))
		return bad_header(c, "a string is expected", err);
	quote = *c->p++;
	while (c->p < c->end && *c->p != quote && *c->p != '\\' && *c->p >= ' ' && n + 1 < size)
		out[n++] = *c->p++;
	if (c->p >= c->end || *c->p != quote)
		return bad_header(c, "a string does not end", err);
	c->p++;
	out[n] = '\0';
	return 0;
}

static int take_dim(struct cursor *c, size_t *out, struct err *err)
{
	size_t v = 0;

	skip_spaces(c);
	if (c->p >= c->end || *c->p < '0' || *c->p > '9')
		return bad_header(c, "a dimension is expected", err);
	for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
		if (size_mul(v, 10, &v) || size_add(v, (size_t)(*c->p - '0'), &v))
			return bad_header(c, "a dimension is too large", err);
	if (c->p < c->end && *c->p == 'L') /* Python 2 */
		c->p++;
	*out = v;
	return 0;
}

static int take_shape(struct cursor *c, struct npy *out, struct err *err)
{
	if (!take(c, '('))
		return bad_header(c, "the shape is not a tuple", err);
	while (!take(c, ')')) {
		if (out->ndim == NPY_MAX_DIMS)
			return bad_header(c, "more than 8 dimensions", err);
		if (take_dim(c, &out->dim[out->ndim++], err))
			return -1;
		if (take(c, ','))
			continue;
		if (out->ndim < 2) /* (3) is a number, (3,) a tuple */
			return bad_header(c, "the shape is not a tuple", err);
		if (!take(c, ')'))
			return bad_header(c, "the shape does not end", err);
		break;
	}
	return 0;
}

static int take_order(struct cursor *c, struct err *err)
{
	skip_spaces(c);
	if (c->end - c->p >= 4 && !memcmp(c->p, "True", 4))
		return err_set(err, STATUS_INPUT,
			       "%s: Fortran order is not read: save numpy.ascontiguousarray of it",
			       c->name);
	if (c->end - c->p < 5 || memcmp(c->p, "False", 5))
		return bad_header(c, "'fortran_order' is neither True nor False", err);
	c->p += 5;
	return 0;
}

static int take_type(struct cursor *c, struct npy *out, struct err *err)
{
	char descr[32];
	size_t i;

	skip_spaces(c);
	if (c->p < c->end && *c->p == '[')
		return err_set(err, STATUS_INPUT, "%s: records are not read", c->name);
	if (take_string(c, descr, sizeof(descr), err))
		return -1;
	for (i = 0; i < ARRAY_LEN(types); i++) {
		bool byte = types[i].size == 1;

		/* one byte has no order: '|u1' and '<u1' are the same, so are '=u1' and '>u1' */
		if (!strcmp(descr, types[i].descr) || !strcmp(descr, types[i].name) ||
		    (byte && descr[0] && !strcmp(descr + 1, types[i].name))) {
			out->type = (enum npy_type)i;
			return 0;
		}
	}
	if (strchr(descr, 'O'))
		return err_set(err, STATUS_INPUT, "%s: Python objects are not read", c->name);
	return err_set(err, STATUS_INPUT, "%s: type '%s' is not read: only u1, <f2 and <f4 are",
		       c->name, descr);
}

static int parse_dict(struct cursor *c, struct npy *out, struct err *err)
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};
	unsigned seen = 0;
	char key[32];
	size_t k;

	if (!take(c, '{'))
		return bad_header(c, "'{' is expected", err);
	while (!take(c, '}')) {
		if (take_string(c, key, sizeof(key), err))
			return -1;
		for (k = 0; k < ARRAY_LEN(keys) && strcmp(key, keys[k]); k++)
			;
		if (k == ARRAY_LEN(keys) || (seen & 1u << k) || !take(c, ':'))
			return bad_header(c, "the keys are not descr, fortran_order and shape",
					  err);
		seen |= 1u << k;
		if (k == 0   ? take_type(c, out, err)
		    : k == 1 ? take_order(c, err)
			     : take_shape(c, out, err))
			return -1;
		if (!take(c, ',') && (c->p >= c->end || *c->p != '}'))
			return bad_header(c, "',' is expected", err);
	}
	skip_spaces(c);
	if (seen != 7 || c->p != c->end)
		return bad_header(c, "the keys are not descr, fortran_order and shape", err);
	return 0;
}

static int check_size(const char *name, struct npy *out, size_t rest, struct err *err)
{
	int i;

	out->count = 1;
	for (i = 0; i < out->ndim; i++)
		if (size_mul(out->count, out->dim[i], &out->count))
			return err_set(err, STATUS_INPUT, "%s: the shape is too large", name);
	if (size_mul(out->count, npy_size(out->type), &out->bytes))
		return err_set(err, STATUS_INPUT, "%s: the shape is too large", name);
	if (rest < out->bytes)
		return err_set(err, STATUS_INPUT, "%s: truncated: %zu of %zu bytes", name, rest,
			       out->bytes);
	if (rest > out->bytes)
		return err_set(err, STATUS_INPUT, "%s: %zu bytes follow the array", name,
			       rest - out->bytes);
	return 0;
}

int npy_parse(const char *name, const void *bytes, size_t size, struct npy *out, struct err *err)
{
	const unsigned char *p = bytes;
	size_t lead, len;
	struct cursor c;

	*out = (struct npy){0};
	if (size < 10 || memcmp(p, "\x93NUMPY", 6))
		return err_set(err, STATUS_INPUT, "%s: not a NumPy file", name);
	if (p[6] < 1 || p[6] > 3 || p[7] != 0)
		return err_set(err, STATUS_INPUT, "%s: NumPy format %d.%d is not read", name, p[6],
			       p[7]);
	lead = p[6] == 1 ? 10 : 12;
	if (size < lead)
		return err_set(err, STATUS_INPUT, "%s: truncated in the header", name);
	len = p[8] | (size_t)p[9] << 8;
	if (p[6] > 1)
		len |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
	if (len > NPY_MAX_HEADER)
		return err_set(err, STATUS_INPUT, "%s: a header of %zu bytes is too long", name,
			       len);
	if (size - lead < len)
		return err_set(err, STATUS_INPUT, "%s: truncated in the header", name);
	c = (struct cursor){name, (const char *)p + lead, (const char *)p + lead + len};
	if (parse_dict(&c, out, err))
		return -1;
	out->data = p + lead + len;
	return check_size(name, out, size - lead - len, err);
}

static void add_shape(struct buf *out, int ndim, const size_t *dim)
{
	int i;

	buf_add_str(out, "(");
	for (i = 0; i < ndim; i++)
		buf_printf(out, "%s%zu", i ? ", " : "", dim[i]);
	buf_add_str(out, ndim == 1 ? ",)" : ")");
}

int npy_expect(const char *name, const struct npy *npy, enum npy_type type, int ndim,
	       const size_t *dim, struct err *err)
{
	struct buf is = BUF_INIT, want = BUF_INIT;
	int rc;

	if (npy->type == type && npy->ndim == ndim &&
	    !memcmp(npy->dim, dim, (size_t)ndim * sizeof(*dim)))
		return 0;
	add_shape(&is, npy->ndim, npy->dim);
	add_shape(&want, ndim, dim);
	rc = err_set(err, STATUS_INPUT, "%s: an array of %s %s, not of %s %s", name,
		     npy_type_name(npy->type), is.data, npy_type_name(type), want.data);
	buf_release(&is);
	buf_release(&want);
	return rc;
}

void npy_floats(const struct npy *npy, float *out)
{
	size_t i;

	if (npy->type == NPY_F4 && npy->count)
		memcpy(out, npy->data, npy->bytes);
	else if (npy->type == NPY_F2)
		half_decode(npy->data, out, npy->count);
	for (i = 0; npy->type == NPY_U1 && i < npy->count; i++)
		out[i] = npy->data[i];
}

void npy_add_header(struct buf *out, enum npy_type type, int ndim, const size_t *dim)
{
	static const char magic[] = "\x93NUMPY\x01";
	struct buf dict = BUF_INIT;
	size_t total;

	BUG_IF(ndim < 0 || ndim > NPY_MAX_DIMS);
	buf_printf(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': ", types[type].descr);
	add_shape(&dict, ndim, dim);
	buf_add_str(&dict, ", }");
	while ((10 + dict.len + 1) % 64)
		buf_add(&dict, " ", 1);
	buf_add(&dict, "\n", 1);
	total = dict.len;
	buf_add(out, magic, 8); /* the literal's NUL is the minor version */
	buf_add(out, (unsigned char[]){total & 0xff, (unsigned char)(total >> 8)}, 2);
	buf_add(out, dict.data, dict.len);
	buf_release(&dict);
}
