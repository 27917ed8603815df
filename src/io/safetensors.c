#include "io/safetensors.h"

#include "io/half.h"
#include "io/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	size_t size;
	bool integer;
} types[] = {
	[SAFETENSORS_F32] = {"F32", 4, false},   [SAFETENSORS_F16] = {"F16", 2, false},
	[SAFETENSORS_BF16] = {"BF16", 2, false}, [SAFETENSORS_F64] = {"F64", 8, false},
	[SAFETENSORS_I64] = {"I64", 8, true},    [SAFETENSORS_I32] = {"I32", 4, true},
	[SAFETENSORS_U8] = {"U8", 1, true},
};

size_t safetensors_size(enum safetensors_type type)
{
	return types[type].size;
}

const char *safetensors_type_name(enum safetensors_type type)
{
	return types[type].name;
}

char *safetensors_shape(const struct safetensors_tensor *t, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "(");
	int i;

	for (i = 0; i < t->ndim && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%zu", i ? ", " : "", t->dim[i]);
	if (n < size)
		snprintf(out + n, size - n, t->ndim == 1 ? ",)" : ")");
	return out;
}

size_t safetensors_finite(const float *values, size_t n)
{
	size_t i;

	for (i = 0; i < n && isfinite(values[i]); i++)
		;
	return i;
}

static int bad(const struct safetensors *s, const char *why, struct err *err)
{
	return err_set(err, STATUS_INPUT, "cannot read '%s': %s", s->path, why);
}

static int bad_tensor(const struct safetensors *s, const char *name, const char *why,
		      struct err *err)
{
	return err_set(err, STATUS_INPUT, "cannot read '%s': tensor '%s' %s", s->path, name, why);
}

/* count and bytes from type and shape; false when they do not fit. */
static bool measure(struct safetensors_tensor *t)
{
	int i;

	t->count = 1;
	for (i = 0; i < t->ndim; i++)
		if (size_mul(t->count, t->dim[i], &t->count))
			return false;
	return !size_mul(t->count, safetensors_size(t->type), &t->bytes);
}

static int parse_type(const struct safetensors *s, struct safetensors_tensor *t, const json_t *v,
		      struct err *err)
{
	const char *text = json_string_value(v);
	size_t i;

	if (!text)
		return bad_tensor(s, t->name, "has no dtype", err);
	for (i = 0; i < ARRAY_LEN(types); i++) {
		if (!strcmp(text, types[i].name)) {
			t->type = (enum safetensors_type)i;
			return 0;
		}
	}
	return err_set(err, STATUS_INPUT,
		       "cannot read '%s': tensor '%s' has the unknown dtype '%s'", s->path, t->name,
		       text);
}

static int parse_shape(const struct safetensors *s, struct safetensors_tensor *t,
		       const json_t *shape, struct err *err)
{
	size_t i, n = json_array_size(shape);

	if (!json_is_array(shape))
		return bad_tensor(s, t->name, "has no shape", err);
	if (n > SAFETENSORS_MAX_DIMS)
		return bad_tensor(s, t->name, "has more than 8 dimensions", err);
	t->ndim = (int)n;
	for (i = 0; i < n; i++) {
		const json_t *v = json_array_get(shape, i);

		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return bad_tensor(s, t->name, "has a dimension that is not a size", err);
		t->dim[i] = (size_t)json_integer_value(v);
	}
	if (!measure(t))
		return bad_tensor(s, t->name, "is too large", err);
	return 0;
}

static int parse_offsets(const struct safetensors *s, struct safetensors_tensor *t,
			 const json_t *pair, struct err *err)
{
	const json_t *b = json_array_get(pair, 0), *e = json_array_get(pair, 1);

	if (json_array_size(pair) != 2 || !json_is_integer(b) || !json_is_integer(e))
		return bad_tensor(s, t->name, "has no data_offsets", err);
	if (json_integer_value(b) < 0 || json_integer_value(e) < json_integer_value(b))
		return bad_tensor(s, t->name, "ends before it begins", err);
	t->begin = (uint64_t)json_integer_value(b);
	if ((uint64_t)json_integer_value(e) - t->begin != t->bytes)
		return bad_tensor(s, t->name, "is not as long as its shape and dtype say", err);
	return 0;
}

static int parse_tensor(struct safetensors *s, const char *name, const json_t *v, struct err *err)
{
	struct safetensors_tensor *t = &s->tensors[s->ntensors++];

	t->name = xstrdup(name);
	if (!json_is_object(v) || json_object_size(v) != 3)
		return bad_tensor(s, name, "is not described by dtype, shape and data_offsets",
				  err);
	if (parse_type(s, t, json_object_get(v, "dtype"), err) ||
	    parse_shape(s, t, json_object_get(v, "shape"), err))
		return -1;
	return parse_offsets(s, t, json_object_get(v, "data_offsets"), err);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct safetensors_meta *)a)->key,
		      ((const struct safetensors_meta *)b)->key);
}

static int parse_meta(struct safetensors *s, json_t *meta, struct err *err)
{
	const char *key;
	json_t *v;

	if (!json_is_object(meta))
		return bad(s, "__metadata__ is not a map", err);
	s->meta = xcalloc(json_object_size(meta) + 1, sizeof(*s->meta));
	json_object_foreach(meta, key, v)
	{
		if (!json_is_string(v))
			return err_set(err, STATUS_INPUT,
				       "cannot read '%s': metadata '%s' is not a string", s->path,
				       key);
		s->meta[s->nmeta].key = xstrdup(key);
		s->meta[s->nmeta++].value = xstrdup(json_string_value(v));
	}
	qsort(s->meta, (size_t)s->nmeta, sizeof(*s->meta), by_key);
	return 0;
}

static int by_begin(const void *a, const void *b)
{
	const struct safetensors_tensor *s = a, *t = b;

	if (s->begin != t->begin)
		return s->begin < t->begin ? -1 : 1;
	if (s->bytes != t->bytes) /* the empty ones first, or they would seem to overlap */
		return s->bytes < t->bytes ? -1 : 1;
	return strcmp(s->name, t->name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct safetensors_tensor *const *)a)->name,
		      (*(struct safetensors_tensor *const *)b)->name);
}

static int check_cover(const struct safetensors *s, uint64_t size, struct err *err)
{
	uint64_t end = 0;
	int i;

	for (i = 0; i < s->ntensors; i++) {
		const struct safetensors_tensor *t = &s->tensors[i];

		if (t->begin < end)
			return bad_tensor(s, t->name, "overlaps the one before it", err);
		if (t->begin > end)
			return bad_tensor(s, t->name, "leaves a hole before it", err);
		if (t->bytes > size - end)
			return bad_tensor(s, t->name, "is truncated", err);
		end += t->bytes;
	}
	return end == size ? 0 : bad(s, "bytes follow the last tensor", err);
}

static int parse_header(struct safetensors *s, const char *text, size_t len, struct err *err)
{
	json_t *top = json_parse("header", text, len, err), *v;
	const char *name;
	int rc = 0, i;

	if (!top)
		return err_prefix(err, "cannot read '%s'", s->path);
	if (!json_is_object(top))
		rc = bad(s, "not a safetensors file: the header is not a map", err);
	s->tensors = xcalloc(json_object_size(top) + 1, sizeof(*s->tensors));
	json_object_foreach(top, name, v)
	{
		if (rc)
			break;
		rc = strcmp(name, "__metadata__") ? parse_tensor(s, name, v, err)
						  : parse_meta(s, v, err);
	}
	json_decref(top);
	if (rc)
		return -1;
	qsort(s->tensors, (size_t)s->ntensors, sizeof(*s->tensors), by_begin);
	s->by_name = xcalloc((size_t)s->ntensors + 1, sizeof(*s->by_name));
	for (i = 0; i < s->ntensors; i++)
		s->by_name[i] = &s->tensors[i];
	qsort(s->by_name, (size_t)s->ntensors, sizeof(*s->by_name), by_name);
	return 0;
}

/* Exactly `size` bytes at `offset` from the file's beginning. */
static int read_at(const struct safetensors *s, void *out, size_t size, uint64_t offset,
		   struct err *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(s->fd, (char *)out + done, size - done,
				  (off_t)(s->base + offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot read '%s'", s->path);
		if (n == 0)
			return bad(s, "truncated", err);
		done += (size_t)n;
	}
	return 0;
}

/* Copies what cannot seek to a file without a name, which becomes s->fd. */
static int spool(struct safetensors *s, struct err *err)
{
	const char *dir = getenv("TMPDIR");
	char *temp = xasprintf("%s/mist.XXXXXX", dir && *dir ? dir : "/tmp");
	int fd = mkostemp(temp, O_CLOEXEC), rc = 0;
	char block[1 << 16];
	long n = 0;

	if (fd < 0)
		rc = err_errno(err, "cannot make a temporary file in '%s'", temp);
	else
		unlink(temp);
	free(temp);
	while (!rc && (n = file_read_some(s->fd, block, sizeof(block), s->path, err)) > 0)
		if (write(fd, block, (size_t)n) != n)
			rc = err_errno(err, "cannot write to a temporary file");
	file_close(s->fd);
	s->fd = fd;
	s->spooled = true;
	return rc || n < 0 ? -1 : 0;
}

/* Makes s->fd seekable; *size is what there is to read. */
static int settle(struct safetensors *s, uint64_t *size, struct err *err)
{
	struct stat st;
	off_t here;

	if (fstat(s->fd, &st))
		return err_errno(err, "cannot read '%s'", s->path);
	if (!S_ISREG(st.st_mode)) {
		if (spool(s, err))
			return -1;
		if (fstat(s->fd, &st))
			return err_errno(err, "cannot read '%s'", s->path);
	}
	here = s->spooled ? 0 : lseek(s->fd, 0, SEEK_CUR);
	s->base = here > 0 ? (uint64_t)here : 0;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	*size = (uint64_t)st.st_size > s->base ? (uint64_t)st.st_size - s->base : 0;
	return 0;
}

static int read_header(struct safetensors *s, struct err *err)
{
	uint64_t size = 0, len = 0;
	unsigned char lead[8];
	char *text;
	int rc, i;

	if (settle(s, &size, err))
		return -1;
	if (size == 0)
		return bad(s, "it is empty", err);
	if (size < sizeof(lead))
		return bad(s, "not a safetensors file", err);
	if (read_at(s, lead, sizeof(lead), 0, err))
		return -1;
	for (i = 7; i >= 0; i--)
		len = len << 8 | lead[i];
	if (len > SAFETENSORS_MAX_HEADER || len < 2)
		return bad(s, "not a safetensors file: the header's length is out of range", err);
	if (len > size - sizeof(lead))
		return bad(s, "truncated in the header, or not a safetensors file", err);
	s->data = sizeof(lead) + len;
	text = xmalloc(len);
	rc = read_at(s, text, len, sizeof(lead), err);
	if (!rc && text[0] != '{')
		rc = bad(s, "not a safetensors file: the header is not a map", err);
	if (!rc)
		rc = parse_header(s, text, len, err);
	free(text);
	return rc ? rc : check_cover(s, size - s->data, err);
}

int safetensors_open(struct safetensors *s, const char *path, struct err *err)
{
	int fd = file_open(path, err);

	*s = (struct safetensors){.fd = fd};
	if (fd < 0)
		return -1;
	s->path = xstrdup(path);
	if (read_header(s, err)) {
		safetensors_close(s);
		return -1;
	}
	return 0;
}

static void free_lists(struct safetensors_tensor *tensors, int n, struct safetensors_meta *meta,
		       int nmeta)
{
	int i;

	for (i = 0; i < n; i++)
		free(tensors[i].name);
	for (i = 0; i < nmeta; i++) {
		free(meta[i].key);
		free(meta[i].value);
	}
	free(tensors);
	free(meta);
}

void safetensors_close(struct safetensors *s)
{
	file_close(s->fd);
	if (!s->shared) {
		free_lists(s->tensors, s->ntensors, s->meta, s->nmeta);
		free(s->by_name);
	}
	free(s->path);
	*s = (struct safetensors){.fd = -1};
}

void safetensors_park(struct safetensors *s)
{
	if (s->spooled || !strcmp(s->path, "-") || s->fd < 0)
		return;
	file_close(s->fd);
	s->fd = -1;
}

static bool same_place(const struct safetensors_tensor *a, const struct safetensors_tensor *b)
{
	return !strcmp(a->name, b->name) && a->type == b->type && a->begin == b->begin &&
	       a->ndim == b->ndim && !memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof(*a->dim));
}

bool safetensors_share(struct safetensors *s, const struct safetensors *like)
{
	int i;

	if (s->shared || s->ntensors != like->ntensors)
		return false;
	for (i = 0; i < s->ntensors; i++)
		if (!same_place(&s->tensors[i], &like->tensors[i]))
			return false;
	free_lists(s->tensors, s->ntensors, s->meta, s->nmeta);
	free(s->by_name);
	s->tensors = like->tensors;
	s->by_name = like->by_name;
	s->meta = like->meta;
	s->nmeta = like->nmeta;
	s->shared = true;
	return true;
}

/* Opens a parked file again; it must still be the one whose header was read. */
static int unpark(struct safetensors *s, struct err *err)
{
	struct stat st;

	if (s->fd >= 0)
		return 0;
	s->fd = file_open(s->path, err);
	if (s->fd < 0)
		return -1;
	if (fstat(s->fd, &st))
		return err_errno(err, "cannot read '%s'", s->path);
	if (st.st_dev != s->dev || st.st_ino != s->ino)
		return bad(s, "it was replaced while it was read", err);
	return 0;
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
	struct safetensors_tensor key = {.name = (char *)name}, *p = &key, **found;

	found = bsearch(&p, s->by_name, (size_t)s->ntensors, sizeof(*s->by_name), by_name);
	return found ? *found : NULL;
}

static const char *find_meta(const struct safetensors_meta *meta, int n, const char *key)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(meta[i].key, key))
			return meta[i].value;
	return NULL;
}

const char *safetensors_meta(const struct safetensors *s, const char *key)
{
	return find_meta(s->meta, s->nmeta, key);
}

int safetensors_read(struct safetensors *s, const struct safetensors_tensor *t, void *out,
		     struct err *err)
{
	return unpark(s, err) ? -1 : read_at(s, out, t->bytes, s->data + t->begin, err);
}

static uint64_t load(const unsigned char *p, size_t size)
{
	uint64_t v = 0;

	while (size--)
		v = v << 8 | p[size];
	return v;
}

static int64_t load_int(enum safetensors_type type, const unsigned char *p)
{
	uint64_t v = load(p, safetensors_size(type));

	return type == SAFETENSORS_I32 ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v;
}

static float load_float(enum safetensors_type type, const unsigned char *p)
{
	uint64_t bits = load(p, safetensors_size(type));
	uint32_t word = (uint32_t)bits;
	double d;
	float f;

	switch (type) {
	case SAFETENSORS_F32:
		memcpy(&f, &word, sizeof(f));
		return f;
	case SAFETENSORS_F16:
		return half_to_float((uint16_t)bits);
	case SAFETENSORS_BF16:
		return half_to_float_bf16((uint16_t)bits);
	case SAFETENSORS_F64:
		memcpy(&d, &bits, sizeof(d));
		return fabs(d) > (double)__FLT_MAX__ ? (float)copysign(INFINITY, d) : (float)d;
	default:
		return (float)load_int(type, p);
	}
}

#define CHUNK 65536 /* bytes converted at a time */

/* Converts `n` values of a type. */
typedef void load_fn(enum safetensors_type type, const unsigned char *from, size_t n, void *to);

static void load_floats(enum safetensors_type type, const unsigned char *from, size_t n, void *to)
{
	size_t size = safetensors_size(type), i;
	float *out = to;

	for (i = 0; i < n; i++)
		out[i] = load_float(type, from + i * size);
}

static void load_ints(enum safetensors_type type, const unsigned char *from, size_t n, void *to)
{
	size_t size = safetensors_size(type), i;
	int64_t *out = to;

	for (i = 0; i < n; i++)
		out[i] = load_int(type, from + i * size);
}

/* `count` values of `t` from `first` on, converted a chunk at a time; `step` bytes each in `out`. */
static int read_converted(struct safetensors *s, const struct safetensors_tensor *t, size_t first,
			  size_t count, load_fn *convert, size_t step, char *out, struct err *err)
{
	const size_t size = safetensors_size(t->type), most = CHUNK / size;
	unsigned char chunk[CHUNK];
	size_t done, n;

	for (done = 0; done < count; done += n) {
		n = count - done < most ? count - done : most;
		if (read_at(s, chunk, n * size, s->data + t->begin + (first + done) * size, err))
			return -1;
		convert(t->type, chunk, n, out + done * step);
	}
	return 0;
}

int safetensors_read_range(struct safetensors *s, const struct safetensors_tensor *t, size_t first,
			   size_t n, float *out, struct err *err)
{
	const size_t size = sizeof(*out);

	BUG_IF(first > t->count || n > t->count - first);
	if (unpark(s, err))
		return -1;
	if (t->type == SAFETENSORS_F32)
		return read_at(s, out, n * size, s->data + t->begin + first * size, err);
	return read_converted(s, t, first, n, load_floats, size, (char *)out, err);
}

int safetensors_read_floats(struct safetensors *s, const struct safetensors_tensor *t, float *out,
			    struct err *err)
{
	return safetensors_read_range(s, t, 0, t->count, out, err);
}

int safetensors_read_ints(struct safetensors *s, const struct safetensors_tensor *t, int64_t *out,
			  struct err *err)
{
	if (!types[t->type].integer)
		return bad_tensor(s, t->name, "is not of integers", err);
	if (unpark(s, err))
		return -1;
	return read_converted(s, t, 0, t->count, load_ints, sizeof(*out), (char *)out, err);
}

int safetensors_digest(struct safetensors *s, char hex[DIGEST_HEX], struct err *err)
{
	if (unpark(s, err))
		return -1;
	if (lseek(s->fd, (off_t)s->base, SEEK_SET) < 0)
		return err_errno(err, "cannot read '%s'", s->path);
	return digest_fd(s->fd, s->path, hex, err);
}

void safetensors_writer_meta(struct safetensors_writer *w, const char *key, const char *value)
{
	int i;

	for (i = 0; i < w->nmeta && strcmp(w->meta[i].key, key); i++)
		;
	if (i < w->nmeta) {
		free(w->meta[i].key);
		free(w->meta[i].value);
		w->meta[i] = w->meta[--w->nmeta];
	}
	if (!value)
		return;
	GROW(w->meta, w->nmeta, w->metacap);
	w->meta[w->nmeta].key = xstrdup(key);
	w->meta[w->nmeta++].value = xstrdup(value);
}

int safetensors_writer_add(struct safetensors_writer *w, const char *name,
			   enum safetensors_type type, int ndim, const size_t *dim)
{
	struct safetensors_tensor *t;

	BUG_IF(ndim < 0 || ndim > SAFETENSORS_MAX_DIMS || w->order);
	GROW(w->tensors, w->ntensors, w->cap);
	t = &w->tensors[w->ntensors];
	*t = (struct safetensors_tensor){.name = xstrdup(name), .type = type, .ndim = ndim};
	if (ndim)
		memcpy(t->dim, dim, (size_t)ndim * sizeof(*dim));
	BUG_IF(!measure(t));
	return w->ntensors++;
}

/* Wide types first, else as declared; then every buffer begins at a multiple of its element size.
 */
static void lay_out(struct safetensors_writer *w)
{
	uint64_t end = 0;
	size_t size;
	int i, n = 0;

	w->order = xcalloc((size_t)w->ntensors + 1, sizeof(*w->order));
	for (size = 8; size; size /= 2) {
		for (i = 0; i < w->ntensors; i++) {
			if (safetensors_size(w->tensors[i].type) != size)
				continue;
			w->tensors[i].begin = end;
			end += w->tensors[i].bytes;
			w->order[n++] = i;
		}
	}
}

static void add_meta(struct safetensors_writer *w, struct buf *out)
{
	int i;

	if (!w->nmeta)
		return;
	qsort(w->meta, (size_t)w->nmeta, sizeof(*w->meta), by_key);
	buf_add_str(out, "\"__metadata__\":{");
	for (i = 0; i < w->nmeta; i++) {
		buf_add_str(out, i ? "," : "");
		json_add_string(out, w->meta[i].key);
		buf_add_str(out, ":");
		json_add_string(out, w->meta[i].value);
	}
	buf_add_str(out, w->ntensors ? "}," : "}");
}

static void add_tensor(const struct safetensors_tensor *t, struct buf *out)
{
	int i;

	json_add_string(out, t->name);
	buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_type_name(t->type));
	for (i = 0; i < t->ndim; i++)
		buf_printf(out, "%s%zu", i ? "," : "", t->dim[i]);
	buf_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)t->begin,
		   (unsigned long long)(t->begin + t->bytes));
}

int safetensors_writer_begin(struct safetensors_writer *w, const char *path, struct err *err)
{
	struct buf header = BUF_INIT;
	unsigned char lead[8];
	int i, rc;

	lay_out(w);
	buf_add_str(&header, "{");
	add_meta(w, &header);
	for (i = 0; i < w->ntensors; i++) {
		buf_add_str(&header, i ? "," : "");
		add_tensor(&w->tensors[w->order[i]], &header);
	}
	buf_add_str(&header, "}");
	while (header.len % 8)
		buf_add(&header, " ", 1);
	for (i = 0; i < 8; i++)
		lead[i] = (unsigned char)((uint64_t)header.len >> (8 * i));
	rc = outfile_open(&w->out, path, true, err);
	if (!rc)
		rc = outfile_write(&w->out, lead, sizeof(lead), err);
	if (!rc)
		rc = outfile_write(&w->out, header.data, header.len, err);
	buf_release(&header);
	if (rc)
		safetensors_writer_discard(w);
	return rc;
}

int safetensors_writer_next(const struct safetensors_writer *w)
{
	return w->next < w->ntensors ? w->order[w->next] : -1;
}

static const struct safetensors_tensor *put_next(struct safetensors_writer *w)
{
	BUG_IF(!w->order || w->next >= w->ntensors);
	return &w->tensors[w->order[w->next++]];
}

int safetensors_writer_raw(struct safetensors_writer *w, const void *bytes, struct err *err)
{
	const struct safetensors_tensor *t = put_next(w);

	return outfile_write(&w->out, bytes, t->bytes, err);
}

static void store(unsigned char *p, uint64_t v, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static void store_float(enum safetensors_type type, unsigned char *p, float f)
{
	double d = (double)f;
	uint64_t bits = 0;

	switch (type) {
	case SAFETENSORS_F16:
		bits = half_from_float(f);
		break;
	case SAFETENSORS_BF16:
		bits = half_from_float_bf16(f);
		break;
	case SAFETENSORS_F64:
		memcpy(&bits, &d, sizeof(bits));
		break;
	default:
		memcpy(&bits, &f, sizeof(f));
	}
	store(p, bits, safetensors_size(type));
}

int safetensors_writer_floats(struct safetensors_writer *w, const float *values, struct err *err)
{
	const struct safetensors_tensor *t = put_next(w);
	size_t size = safetensors_size(t->type), at, i;
	unsigned char chunk[CHUNK];

	BUG_IF(types[t->type].integer);
	if (t->type == SAFETENSORS_F32)
		return outfile_write(&w->out, values, t->bytes, err);
	for (at = 0; at < t->count; at += CHUNK / size) {
		size_t n = t->count - at < CHUNK / size ? t->count - at : CHUNK / size;

		for (i = 0; i < n; i++)
			store_float(t->type, chunk + i * size, values[at + i]);
		if (outfile_write(&w->out, chunk, n * size, err))
			return -1;
	}
	return 0;
}

int safetensors_writer_ints(struct safetensors_writer *w, const int64_t *values, struct err *err)
{
	const struct safetensors_tensor *t = put_next(w);
	size_t size = safetensors_size(t->type), i;
	unsigned char bytes[8];

	BUG_IF(!types[t->type].integer);
	for (i = 0; i < t->count; i++) {
		store(bytes, (uint64_t)values[i], size);
		if (outfile_write(&w->out, bytes, size, err))
			return -1;
	}
	return 0;
}

static void writer_release(struct safetensors_writer *w)
{
	free_lists(w->tensors, w->ntensors, w->meta, w->nmeta);
	free(w->order);
	*w = (struct safetensors_writer)SAFETENSORS_WRITER_INIT;
}

int safetensors_writer_finish(struct safetensors_writer *w, struct err *err)
{
	int rc;

	BUG_IF(!w->order || w->next != w->ntensors);
	rc = outfile_commit(&w->out, err);
	writer_release(w);
	return rc;
}

void safetensors_writer_discard(struct safetensors_writer *w)
{
	outfile_abort(&w->out);
	writer_release(w);
}
