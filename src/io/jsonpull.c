#include "io/jsonpull.h"

#include "base/file.h"

#include <float.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (1 << 18) /* a quarter of the L2 cache, and few system calls */

/* What the grammar allows next. */
enum {
	WANT_VALUE,
	WANT_VALUE_OR_END,
	WANT_NAME,
	WANT_NAME_OR_END,
	WANT_COMMA_OR_END,
	WANT_NOTHING
};

void jsonpull_init(struct jsonpull *p, const char *name, const void *data, size_t size)
{
	memset(p, 0, sizeof(*p));
	p->name = name;
	p->fd = -1;
	p->start = p->pos = data;
	p->end = p->start + size;
	p->keep = true;
	p->state = WANT_VALUE;
}

int jsonpull_open(struct jsonpull *p, const char *path, struct err *err)
{
	jsonpull_init(p, path, "", 0);
	p->fd = file_open(path, err);
	if (p->fd < 0)
		return -1;
	p->chunk = xmalloc(CHUNK);
	p->start = p->pos = p->end = p->chunk;
	return 0;
}

void jsonpull_close(struct jsonpull *p)
{
	if (p->fd >= 0)
		file_close(p->fd);
	free(p->chunk);
	buf_release(&p->text);
	memset(p, 0, sizeof(*p));
	p->fd = -1;
}

static uint64_t position(const struct jsonpull *p)
{
	return p->before + (uint64_t)(p->pos - p->start);
}

int jsonpull_error(const struct jsonpull *p, struct err *err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, STATUS_INPUT, "cannot read '%s': byte %llu: %s", p->name,
		       (unsigned long long)position(p), text);
}

/* The next byte without taking it; -1 at the end, -2 when reading failed. */
static int refill(struct jsonpull *p, struct err *err)
{
	long n;

	if (!p->chunk)
		return -1;
	n = file_read_some(p->fd, p->chunk, CHUNK, p->name, err);
	if (n < 0)
		return -2;
	p->before += (uint64_t)(p->end - p->chunk);
	p->pos = p->chunk;
	p->end = p->chunk + n;
	return n ? (unsigned char)*p->pos : -1;
}

static inline int peek(struct jsonpull *p, struct err *err)
{
	return p->pos < p->end ? (unsigned char)*p->pos : refill(p, err);
}

static enum pull unexpected(const struct jsonpull *p, int c, const char *wanted, struct err *err)
{
	if (c == -2)
		return PULL_BAD; /* the reader has said why */
	if (c == -1)
		return jsonpull_error(p, err, "the text ends where %s should be", wanted);
	if (c >= 0x20 && c < 0x7f)
		return jsonpull_error(p, err, "found '%c' where %s should be", c, wanted);
	return jsonpull_error(p, err, "found byte 0x%02x where %s should be", (unsigned)c, wanted);
}

static int skip_space(struct jsonpull *p, struct err *err)
{
	int c;

	while ((c = peek(p, err)) == ' ' || c == '\n' || c == '\r' || c == '\t')
		p->pos++;
	return c;
}

static void keep_byte(struct jsonpull *p, char c)
{
	if (p->keep)
		buf_add(&p->text, &c, 1);
}

static void keep_rune(struct jsonpull *p, unsigned u)
{
	if (u < 0x80) {
		keep_byte(p, (char)u);
	} else if (u < 0x800) {
		keep_byte(p, (char)(0xc0 | u >> 6));
		keep_byte(p, (char)(0x80 | (u & 0x3f)));
	} else if (u < 0x10000) {
		keep_byte(p, (char)(0xe0 | u >> 12));
		keep_byte(p, (char)(0x80 | (u >> 6 & 0x3f)));
		keep_byte(p, (char)(0x80 | (u & 0x3f)));
	} else {
		keep_byte(p, (char)(0xf0 | u >> 18));
		keep_byte(p, (char)(0x80 | (u >> 12 & 0x3f)));
		keep_byte(p, (char)(0x80 | (u >> 6 & 0x3f)));
		keep_byte(p, (char)(0x80 | (u & 0x3f)));
	}
}

static int hex4(struct jsonpull *p, unsigned *out, struct err *err)
{
	int i;

	*out = 0;
	for (i = 0; i < 4; i++) {
		int c = peek(p, err);

		if (c >= '0' && c <= '9')
			*out = *out << 4 | (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f' && c >= 0)
			*out = *out << 4 | (unsigned)((c | 0x20) - 'a' + 10);
		else
			return unexpected(p, c, "a hexadecimal digit", err);
		p->pos++;
	}
	return 0;
}

/* \uXXXX, and its second half when it is a surrogate pair (RFC 8259, section 7). */
static int read_rune(struct jsonpull *p, struct err *err)
{
	unsigned hi, lo;

	if (hex4(p, &hi, err))
		return -1;
	if (hi == 0)
		return jsonpull_error(p, err, "a string holds a NUL");
	if (hi >= 0xd800 && hi < 0xe000) {
		if (hi >= 0xdc00 || peek(p, err) != '\\')
			return jsonpull_error(p, err, "half a surrogate pair");
		p->pos++;
		if (peek(p, err) != 'u')
			return jsonpull_error(p, err, "half a surrogate pair");
		p->pos++;
		if (hex4(p, &lo, err))
			return -1;
		if (lo < 0xdc00 || lo >= 0xe000)
			return jsonpull_error(p, err, "half a surrogate pair");
		hi = 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
	}
	keep_rune(p, hi);
	return 0;
}

static int read_escape(struct jsonpull *p, struct err *err)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int c;

	p->pos++; /* the backslash */
	c = peek(p, err);
	if (c == 'u') {
		p->pos++;
		return read_rune(p, err);
	}
	at = c > 0 ? strchr(from, c) : NULL;
	if (!at)
		return unexpected(p, c, "an escape", err);
	p->pos++;
	keep_byte(p, to[at - from]);
	return 0;
}

/* One character beyond ASCII: shortest form, no surrogates, up to U+10FFFF (RFC 3629). */
static int read_utf8(struct jsonpull *p, int c, struct err *err)
{
	int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1, i;
	unsigned u = (unsigned)c & (0x3fu >> more);
	static const unsigned least[] = {0, 0x80, 0x800, 0x10000};

	if (c < 0xc2 || c > 0xf4)
		return jsonpull_error(p, err, "a string is not UTF-8");
	p->pos++;
	for (i = 0; i < more; i++) {
		c = peek(p, err);
		if (c == -2)
			return -1;
		if (c < 0x80 || c > 0xbf)
			return jsonpull_error(p, err, "a string is not UTF-8");
		u = u << 6 | ((unsigned)c & 0x3f);
		p->pos++;
	}
	if (u < least[more] || u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
		return jsonpull_error(p, err, "a string is not UTF-8");
	keep_rune(p, u);
	return 0;
}

/* The run of plain characters at the read position, within the chunk. */
static void take_plain(struct jsonpull *p)
{
	const char *s = p->pos;

	while (p->pos < p->end && *p->pos != '"' && *p->pos != '\\' && *p->pos >= 0x20 &&
	       (unsigned char)*p->pos < 0x80)
		p->pos++;
	if (p->keep)
		buf_add(&p->text, s, (size_t)(p->pos - s));
}

static int read_string(struct jsonpull *p, struct err *err)
{
	buf_clear(&p->text);
	buf_add(&p->text, "", 0); /* text.data is a string even when nothing follows */
	p->pos++;                 /* the quote */
	for (;;) {
		int c = peek(p, err);

		if (c == '"') {
			p->pos++;
			return 0;
		}
		if (c < 0)
			return unexpected(p, c, "the end of a string", err);
		if (c < 0x20)
			return jsonpull_error(p, err, "a control character in a string");
		if (c == '\\' ? read_escape(p, err) : c >= 0x80 ? read_utf8(p, c, err) : 0)
			return -1;
		take_plain(p);
		if (p->text.len > JSONPULL_STRING)
			return jsonpull_error(p, err, "a string is longer than %d bytes",
					      JSONPULL_STRING);
	}
}

/*
 * mantissa * 10^exp10 rounded as strtod rounds, or false when that is not certain. A mantissa below
 * 2^53 and a power up to 10^22 are exact doubles, so one operation rounds once (Clinger 1990). With
 * x87's 64-bit mantissa the same holds for 2^64 and 10^27, and rounding again to 53 bits is
 * harmless unless the longer result lies half-way between two doubles.
 */
static bool exact_decimal(uint64_t mantissa, int exp10, double *out)
{
	static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
				     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

	if (exp10 < -22 || exp10 > 22)
		return false;
	if (mantissa < 1ull << 53) {
		*out = exp10 < 0 ? (double)mantissa / ten[-exp10] : (double)mantissa * ten[exp10];
		return true;
	}
#if LDBL_MANT_DIG == 64
	{
		long double v = (long double)mantissa;
		uint64_t bits;

		v = exp10 < 0 ? v / (long double)ten[-exp10] : v * (long double)ten[exp10];
		memcpy(&bits, &v, sizeof(bits));
		*out = (double)v;
		return (bits & 0x7ff) != 0x400;
	}
#else
	return false;
#endif
}

struct decimal {
	uint64_t mantissa;
	int digits; /* significant ones in the mantissa */
	int exp10;
	bool inexact; /* digits did not fit */
};

static void add_digit(struct decimal *d, int c, bool point)
{
	if (d->digits == 19) {
		d->inexact = true;
		return;
	}
	d->mantissa = d->mantissa * 10 + (uint64_t)(c - '0');
	d->digits += d->mantissa != 0;
	d->exp10 -= point;
}

/* A run of digits; `point`: behind the decimal point. Returns how many, -1 on a reading error. */
static int read_digits(struct jsonpull *p, struct decimal *d, bool point, struct err *err)
{
	int n = 0, c;

	while ((c = peek(p, err)) >= '0' && c <= '9') {
		const char *s = p->pos;

		for (; p->pos < p->end && *p->pos >= '0' && *p->pos <= '9'; p->pos++)
			add_digit(d, *p->pos, point);
		buf_add(&p->text, s, (size_t)(p->pos - s));
		n += (int)(p->pos - s);
		if (n > 1000)
			return jsonpull_error(p, err, "a number has more than 1000 digits");
	}
	return c == -2 ? -1 : n;
}

static int take(struct jsonpull *p, struct err *err)
{
	buf_add(&p->text, p->pos++, 1);
	return peek(p, err);
}

static int read_exponent(struct jsonpull *p, struct decimal *d, struct err *err)
{
	struct decimal e = {0};
	int c = take(p, err), n;
	bool minus = c == '-';

	if (c == '-' || c == '+')
		take(p, err);
	n = read_digits(p, &e, false, err);
	if (n <= 0)
		return n ? -1 : unexpected(p, peek(p, err), "an exponent", err);
	if (e.mantissa > 1000 || e.inexact)
		d->inexact = true; /* strtod knows what that is */
	else
		d->exp10 += minus ? -(int)e.mantissa : (int)e.mantissa;
	return 0;
}

static enum pull read_number(struct jsonpull *p, int c, struct err *err)
{
	struct decimal d = {0};
	bool minus = c == '-', zero;
	int n;

	buf_clear(&p->text);
	if (minus)
		c = take(p, err);
	if (c == 'I')
		return jsonpull_error(p, err, "a number is not finite");
	zero = c == '0';
	n = read_digits(p, &d, false, err);
	if (n <= 0)
		return n ? PULL_BAD : unexpected(p, peek(p, err), "a digit", err);
	if (zero && n > 1)
		return jsonpull_error(p, err, "a number begins with a zero");
	c = peek(p, err);
	p->integer = c != '.' && c != 'e' && c != 'E' && !d.inexact && d.mantissa <= INT64_MAX;
	if (c == '.') {
		take(p, err);
		n = read_digits(p, &d, true, err);
		if (n <= 0)
			return n ? PULL_BAD : unexpected(p, peek(p, err), "a digit", err);
		c = peek(p, err);
	}
	if ((c == 'e' || c == 'E') && read_exponent(p, &d, err))
		return PULL_BAD;
	if (d.inexact || !exact_decimal(d.mantissa, d.exp10, &p->number))
		p->number = strtod(p->text.data + minus, NULL);
	if (!(p->number <= DBL_MAX))
		return jsonpull_error(p, err, "a number is out of range");
	p->whole = p->integer ? (minus ? -(int64_t)d.mantissa : (int64_t)d.mantissa) : 0;
	p->number = minus ? -p->number : p->number;
	return PULL_NUM;
}

static enum pull read_word(struct jsonpull *p, const char *word, enum pull token, struct err *err)
{
	for (; *word; word++, p->pos++) {
		int c = peek(p, err);

		if (c != *word)
			return unexpected(p, c, "a value", err);
	}
	return token;
}

static void after_value(struct jsonpull *p)
{
	p->state = p->depth ? WANT_COMMA_OR_END : WANT_NOTHING;
}

static enum pull open_nest(struct jsonpull *p, char kind, struct err *err)
{
	if (p->depth == JSONPULL_DEPTH)
		return jsonpull_error(p, err, "nested deeper than %d", JSONPULL_DEPTH);
	p->stack[p->depth++] = (unsigned char)kind;
	p->pos++;
	p->state = kind == '{' ? WANT_NAME_OR_END : WANT_VALUE_OR_END;
	return kind == '{' ? PULL_BEGIN_OBJECT : PULL_BEGIN_ARRAY;
}

static enum pull close_nest(struct jsonpull *p)
{
	char kind = (char)p->stack[--p->depth];

	p->pos++;
	after_value(p);
	return kind == '{' ? PULL_END_OBJECT : PULL_END_ARRAY;
}

static enum pull read_value(struct jsonpull *p, int c, struct err *err)
{
	if (c == '{' || c == '[')
		return open_nest(p, (char)c, err);
	after_value(p);
	if (c == '"')
		return read_string(p, err) ? PULL_BAD : PULL_TEXT;
	if (c == '-' || (c >= '0' && c <= '9'))
		return read_number(p, c, err);
	switch (c) {
	case 't':
		return read_word(p, "true", PULL_YES, err);
	case 'f':
		return read_word(p, "false", PULL_NO, err);
	case 'n':
		return read_word(p, "null", PULL_NOTHING, err);
	case 'N':
	case 'I':
		return jsonpull_error(p, err, "a number is not finite");
	}
	return unexpected(p, c, "a value", err);
}

static enum pull read_name(struct jsonpull *p, int c, struct err *err)
{
	if (c != '"')
		return unexpected(p, c, "a name", err);
	if (read_string(p, err))
		return PULL_BAD;
	c = skip_space(p, err);
	if (c != ':')
		return unexpected(p, c, "':'", err);
	p->pos++;
	p->state = WANT_VALUE;
	return PULL_NAME;
}

enum pull jsonpull_next(struct jsonpull *p, struct err *err)
{
	int c = skip_space(p, err);
	char closing;

	if (p->state == WANT_NOTHING)
		return c == -1 ? PULL_DONE : unexpected(p, c, "the end of the text", err);
	closing = p->depth && p->stack[p->depth - 1] == '{' ? '}' : ']';
	if (p->state == WANT_COMMA_OR_END) {
		if (c == closing)
			return close_nest(p);
		if (c != ',')
			return unexpected(p, c, closing == '}' ? "',' or '}'" : "',' or ']'", err);
		p->pos++;
		p->state = closing == '}' ? WANT_NAME : WANT_VALUE;
		c = skip_space(p, err);
	} else if (c == closing &&
		   (p->state == WANT_NAME_OR_END || p->state == WANT_VALUE_OR_END)) {
		return close_nest(p);
	}
	if (p->state == WANT_NAME || p->state == WANT_NAME_OR_END)
		return read_name(p, c, err);
	return read_value(p, c, err);
}

int jsonpull_skip(struct jsonpull *p, enum pull token, struct err *err)
{
	int depth = p->depth;

	if (token != PULL_BEGIN_OBJECT && token != PULL_BEGIN_ARRAY)
		return 0;
	p->keep = false;
	do {
		token = jsonpull_next(p, err);
	} while (token != PULL_BAD && p->depth >= depth);
	p->keep = true;
	return token == PULL_BAD ? -1 : 0;
}

int jsonpull_expect(struct jsonpull *p, enum pull want, struct err *err)
{
	static const char *const what[] = {[PULL_DONE] = "the end of the text",
					   [PULL_BEGIN_OBJECT] = "an object",
					   [PULL_END_OBJECT] = "the end of the object",
					   [PULL_BEGIN_ARRAY] = "an array",
					   [PULL_END_ARRAY] = "the end of the array",
					   [PULL_NAME] = "a name",
					   [PULL_TEXT] = "a string",
					   [PULL_NUM] = "a number",
					   [PULL_YES] = "true",
					   [PULL_NO] = "false",
					   [PULL_NOTHING] = "null"};
	enum pull got = jsonpull_next(p, err);

	if (got == want)
		return 0;
	if (got != PULL_BAD)
		jsonpull_error(p, err, "expected %s, found %s", what[want], what[got]);
	return -1;
}
