#include "io/torchpt.h"

#include "base/file.h"
#include "io/half.h"
#include "io/libarchive.h"
#include "io/pickle.h"
#include "io/yaml.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE    ((size_t)4 << 30) /* YOLOv5x6 in float with its optimiser takes 1.2 GB */
#define MAX_PICKLE  ((size_t)32 << 20)
#define MAX_MEMBERS 65536
#define MAX_TENSORS 65536
#define MAX_DEPTH   64         /* of modules in modules, lists in lists */
#define MAX_YAML    (1u << 20) /* of text */
#define MAX_NAMES   65536

/* Storage classes of torch, and what their elements are. */
enum type { HALF, BFLOAT16, FLOAT, DOUBLE, LONG, INT, SHORT, CHAR, BYTE, BOOL };
static const struct {
	const char *global;
	size_t size;
	bool integer;
} types[] = {
	[HALF] = {"torch HalfStorage", 2, false},
	[BFLOAT16] = {"torch BFloat16Storage", 2, false},
	[FLOAT] = {"torch FloatStorage", 4, false},
	[DOUBLE] = {"torch DoubleStorage", 8, false},
	[LONG] = {"torch LongStorage", 8, true},
	[INT] = {"torch IntStorage", 4, true},
	[SHORT] = {"torch ShortStorage", 2, true},
	[CHAR] = {"torch CharStorage", 1, true},
	[BYTE] = {"torch ByteStorage", 1, true},
	[BOOL] = {"torch BoolStorage", 1, true},
};

struct member {
	char *name; /* without the archive's own folder */
	struct buf data;
};

struct torchpt_archive {
	struct member *members; /* sorted by name */
	size_t n, cap;
};

struct reading {
	const char *name; /* for sentences */
	struct torchpt *pt;
	struct libarchive lib;
	size_t cap;    /* of the tensor list */
	size_t visits; /* of modules, which may be shared or cyclic */
	struct err *err;
};

static int bad(const struct reading *r, const char *why)
{
	return err_set(r->err, STATUS_INPUT, "cannot read '%s': %s", r->name, why);
}

static int bad_tensor(const struct reading *r, const char *name, const char *why)
{
	return err_set(r->err, STATUS_INPUT, "cannot read '%s': tensor '%s' %s", r->name, name,
		       why);
}

static int by_member(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static const struct member *find_member(const struct torchpt_archive *a, const char *name)
{
	struct member key = {.name = (char *)name};

	return a->n ? bsearch(&key, a->members, a->n, sizeof(key), by_member) : NULL;
}

/* One member of the zip; *left is what all members together may still hold. */
static int take_member(const struct reading *r, struct archive *zip, struct archive_entry *entry,
		       size_t *left)
{
	struct torchpt_archive *a = r->pt->archive;
	const char *path = r->lib.archive_entry_pathname(entry),
		   *slash = path ? strchr(path, '/') : NULL;
	struct member *m;
	char block[1 << 15];
	la_ssize_t n;

	if (!slash || r->lib.archive_entry_filetype(entry) != AE_IFREG)
		return 0;
	if (a->n == MAX_MEMBERS)
		return bad(r, "too many members");
	GROW(a->members, a->n, a->cap);
	m = &a->members[a->n++];
	*m = (struct member){.name = xstrdup(slash + 1)};
	buf_add(&m->data, "", 0);
	while ((n = r->lib.archive_read_data(zip, block, sizeof(block))) > 0) {
		if ((size_t)n > *left)
			return bad(r,
				   "its members are longer than the file: not stored by PyTorch");
		*left -= (size_t)n;
		buf_add(&m->data, block, (size_t)n);
	}
	return n < 0 ? bad(r, "damaged or truncated zip archive") : 0;
}

static int take_members(const struct reading *r, struct archive *zip, size_t size)
{
	struct archive_entry *entry;
	int rc;

	while ((rc = r->lib.archive_read_next_header(zip, &entry)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN)
		if (take_member(r, zip, entry, &size))
			return -1;
	return rc == ARCHIVE_EOF ? 0 : bad(r, "damaged or truncated zip archive");
}

static int unzip(struct reading *r, const void *data, size_t size)
{
	struct torchpt_archive *a = r->pt->archive;
	struct archive *zip;
	size_t i;
	int rc;

	if (size == 0)
		return bad(r, "it is empty");
	if (size >= 2 && !memcmp(data, "\x80\x02", 2))
		return bad(r,
			   "the format of PyTorch before 1.6: load and save it with a later one");
	if (size < 4 || memcmp(data, "PK\3\4", 4))
		return bad(r, "not a PyTorch checkpoint");
	if (libarchive_load(&r->lib, r->err))
		return -1;
	zip = r->lib.archive_read_new();
	BUG_IF(!zip);
	r->lib.archive_read_support_format_zip_seekable(zip);
	rc = r->lib.archive_read_open_memory(zip, data, size);
	rc = rc == ARCHIVE_OK ? take_members(r, zip, size)
			      : bad(r, "damaged or truncated zip archive");
	r->lib.archive_read_free(zip);
	if (rc)
		return rc;
	if (a->n)
		qsort(a->members, a->n, sizeof(*a->members), by_member);
	for (i = 1; i < a->n; i++)
		if (!strcmp(a->members[i - 1].name, a->members[i].name))
			return bad(r, "a member is there twice");
	return 0;
}

static void free_archive(struct torchpt_archive *a)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		free(a->members[i].name);
		buf_release(&a->members[i].data);
	}
	free(a->members);
	free(a);
}

static const struct pickle_value *at(const struct pickle_value *v, size_t i)
{
	return v && (v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST) && i < v->n ? v->item[i]
										    : NULL;
}

/* ('storage', torch.HalfStorage, '17', 'cpu', 1728) */
static int take_storage(const struct reading *r, const char *name, const struct pickle_value *v,
			struct torchpt_tensor *t, size_t *elements)
{
	const struct pickle_value *type = NULL, *key = NULL;
	const struct member *m;
	char *path;
	size_t i;

	if (v && v->kind == PICKLE_PERSISTENT) {
		type = at(v->args, 1);
		key = at(v->args, 2);
	}
	if (!type || type->kind != PICKLE_GLOBAL || !key || key->kind != PICKLE_STRING)
		return bad_tensor(r, name, "has no storage");
	for (i = 0; i < ARRAY_LEN(types) && strcmp(type->text, types[i].global); i++)
		;
	if (i == ARRAY_LEN(types))
		return bad_tensor(r, name, "has elements of a type that is not read");
	t->type = (int)i;
	t->integer = types[i].integer;
	path = xasprintf("data/%s", key->text);
	m = find_member(r->pt->archive, path);
	free(path);
	if (!m)
		return bad_tensor(r, name, "has a storage that is not in the file");
	t->storage = (const unsigned char *)m->data.data;
	*elements = m->data.len / types[i].size;
	return 0;
}

/* A tuple of sizes, also as torch.Size(tuple); the number of them, or -1. */
static int take_sizes(const struct pickle_value *v, size_t out[TORCHPT_MAX_DIMS])
{
	size_t i;

	if (pickle_is_call(v, "torch Size"))
		v = at(v->args, 0);
	if (!v || (v->kind != PICKLE_TUPLE && v->kind != PICKLE_LIST) || v->n > TORCHPT_MAX_DIMS)
		return -1;
	for (i = 0; i < v->n; i++) {
		if (v->item[i]->kind != PICKLE_INT || v->item[i]->i < 0)
			return -1;
		out[i] = (size_t)v->item[i]->i;
	}
	return (int)v->n;
}

/* Everything an index can reach lies in the storage, and no element is used twice. */
static int check_reach(const struct reading *r, const char *name, struct torchpt_tensor *t,
		       size_t offset, size_t elements)
{
	size_t last = offset, step;
	int i;

	t->count = 1;
	for (i = 0; i < t->ndim; i++)
		if (size_mul(t->count, t->dim[i], &t->count))
			return bad_tensor(r, name, "is too large");
	if (t->count > elements)
		return bad_tensor(r, name, "is larger than its storage");
	for (i = 0; i < t->ndim && t->count; i++)
		if (size_mul(t->dim[i] - 1, t->stride[i], &step) || size_add(last, step, &last))
			return bad_tensor(r, name, "is too large");
	if (t->count && last >= elements)
		return bad_tensor(r, name, "reaches beyond its storage");
	if (t->count)
		t->storage += offset * types[t->type].size;
	return 0;
}

/* torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …), or _rebuild_parameter of one.
 */
static const struct pickle_value *tensor_args(const struct pickle_value *v)
{
	if (pickle_is_call(v, "torch._utils _rebuild_parameter") ||
	    pickle_is_call(v, "torch._utils _rebuild_parameter_with_state"))
		v = at(v->args, 0);
	if (pickle_is_call(v, "torch._utils _rebuild_tensor_v2") ||
	    pickle_is_call(v, "torch._utils _rebuild_tensor"))
		return v->args;
	return NULL;
}

static int take_tensor(struct reading *r, const char *name, const struct pickle_value *args)
{
	const struct pickle_value *offset = at(args, 1);
	struct torchpt_tensor *t;
	size_t elements = 0;

	if (r->pt->ntensors == MAX_TENSORS)
		return bad(r, "too many tensors");
	GROW(r->pt->tensors, r->pt->ntensors, r->cap);
	t = &r->pt->tensors[r->pt->ntensors++];
	*t = (struct torchpt_tensor){.name = xstrdup(name)};
	if (take_storage(r, name, at(args, 0), t, &elements))
		return -1;
	t->ndim = take_sizes(at(args, 2), t->dim);
	if (t->ndim < 0 || take_sizes(at(args, 3), t->stride) != t->ndim || !offset ||
	    offset->kind != PICKLE_INT || offset->i < 0)
		return bad_tensor(r, name, "has no size, stride and offset");
	return check_reach(r, name, t, (size_t)offset->i, elements);
}

/* The tensors among the values of a dict; what is no tensor (None) is passed over. */
static int take_tensors(struct reading *r, const char *prefix, const struct pickle_value *dict,
			const struct pickle_value *skip)
{
	size_t i, k;
	int rc = 0;

	for (i = 0; dict && dict->kind == PICKLE_DICT && i < dict->n && !rc; i++) {
		const struct pickle_value *key = dict->item[2 * i];
		const struct pickle_value *args = tensor_args(dict->item[2 * i + 1]);
		bool skipped = false;
		char *name;

		if (!args || key->kind != PICKLE_STRING)
			continue;
		for (k = 0; at(skip, k); k++)
			skipped |= at(skip, k)->kind == PICKLE_STRING &&
				   !strcmp(at(skip, k)->text, key->text);
		if (skipped)
			continue;
		name = xasprintf("%s%s", prefix, key->text);
		rc = take_tensor(r, name, args);
		free(name);
	}
	return rc;
}

/* As torch.nn.Module.state_dict: parameters, buffers, then the modules inside, each in order. */
static int take_module(struct reading *r, const char *prefix, const struct pickle_value *module,
		       int depth)
{
	const struct pickle_value *children = pickle_attr(module, "_modules");
	size_t i;
	int rc;

	if (depth > MAX_DEPTH || r->visits++ > MAX_TENSORS)
		return bad(r, "modules inside modules without end");
	rc = take_tensors(r, prefix, pickle_attr(module, "_parameters"), NULL);
	if (!rc)
		rc = take_tensors(r, prefix, pickle_attr(module, "_buffers"),
				  pickle_attr(module, "_non_persistent_buffers_set"));
	for (i = 0; children && children->kind == PICKLE_DICT && i < children->n && !rc; i++) {
		const struct pickle_value *key = children->item[2 * i];
		char *inner;

		if (key->kind != PICKLE_STRING)
			continue;
		inner = xasprintf("%s%s.", prefix, key->text);
		rc = strlen(inner) > 4096
			     ? bad(r, "modules inside modules without end")
			     : take_module(r, inner, children->item[2 * i + 1], depth + 1);
		free(inner);
	}
	return rc;
}

/* The shortest decimal that reads back as this double, as Python's repr. */
static void add_float(struct buf *out, double f)
{
	char text[40];
	int digits;

	for (digits = 1; digits < 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, f);
		if (strtod(text, NULL) == f)
			break;
	}
	snprintf(text, sizeof(text), "%.*g", digits, f);
	buf_add_str(out, text);
	if (!strpbrk(text, ".en"))
		buf_add_str(out, ".0");
}

static int add_yaml_value(const struct reading *r, struct buf *out, const struct pickle_value *v,
			  int depth);

static int add_yaml_list(const struct reading *r, struct buf *out, const struct pickle_value *v,
			 int depth)
{
	bool map = v->kind == PICKLE_DICT;
	size_t i, n = v->n * (map ? 2 : 1);
	int rc = 0;

	buf_add_str(out, map ? "{" : "[");
	for (i = 0; i < n && !rc; i++) {
		if (i)
			buf_add_str(out, map && i % 2 ? ": " : ", ");
		rc = add_yaml_value(r, out, v->item[i], depth + 1);
	}
	buf_add_str(out, map ? "}" : "]");
	return rc;
}

static int add_yaml_value(const struct reading *r, struct buf *out, const struct pickle_value *v,
			  int depth)
{
	if (depth > MAX_DEPTH || out->len > MAX_YAML)
		return bad(r, "the model's yaml has no end");
	switch (v->kind) {
	case PICKLE_NONE:
		buf_add_str(out, "null");
		return 0;
	case PICKLE_BOOL:
		buf_add_str(out, v->i ? "True" : "False");
		return 0;
	case PICKLE_INT:
		buf_printf(out, "%lld", (long long)v->i);
		return 0;
	case PICKLE_FLOAT:
		add_float(out, v->f);
		return 0;
	case PICKLE_STRING:
		yaml_add_string(out, v->text);
		return 0;
	case PICKLE_LIST:
	case PICKLE_TUPLE:
	case PICKLE_DICT:
		return add_yaml_list(r, out, v, depth);
	default:
		return bad(r, "the model's yaml holds more than texts, numbers and lists");
	}
}

/* "  - [-1, 1, Conv, [64, 6, 2, 2]]" a line, as Ultralytics writes its lists of lists. */
static int add_yaml_rows(const struct reading *r, struct buf *out, const struct pickle_value *v)
{
	size_t i;
	int rc = 0;

	buf_add_str(out, "\n");
	for (i = 0; i < v->n && !rc; i++) {
		buf_add_str(out, "  - ");
		rc = add_yaml_value(r, out, v->item[i], 0);
		buf_add_str(out, "\n");
	}
	return rc;
}

static int make_yaml(const struct reading *r, const struct pickle_value *dict)
{
	struct buf out = BUF_INIT;
	size_t i;
	int rc = 0;

	for (i = 0; i < dict->n && !rc; i++) {
		const struct pickle_value *key = dict->item[2 * i], *v = dict->item[2 * i + 1];

		if (key->kind != PICKLE_STRING || v->kind >= PICKLE_GLOBAL)
			continue; /* a path or another object that is no part of the architecture */
		yaml_add_string(&out, key->text);
		buf_add_str(&out, ":");
		if (v->kind == PICKLE_LIST && v->n && v->item[0]->kind == PICKLE_LIST) {
			rc = add_yaml_rows(r, &out, v);
		} else {
			buf_add_str(&out, " ");
			rc = add_yaml_value(r, &out, v, 0);
			buf_add_str(&out, "\n");
		}
	}
	if (rc)
		buf_release(&out);
	else
		r->pt->yaml = buf_detach(&out);
	return rc;
}

/* A list of strings, or a dict from 0, 1, … to strings. */
static const struct pickle_value *class_name(const struct pickle_value *names, size_t i)
{
	size_t k;

	if (names->kind != PICKLE_DICT)
		return at(names, i);
	for (k = 0; k < names->n; k++)
		if (names->item[2 * k]->kind == PICKLE_INT && names->item[2 * k]->i == (int64_t)i)
			return names->item[2 * k + 1];
	return NULL;
}

static int take_names(const struct reading *r, const struct pickle_value *names)
{
	size_t i, n = names ? names->n : 0;

	if (!n)
		return 0;
	if (n > MAX_NAMES)
		return bad(r, "too many class names");
	r->pt->names = xcalloc(n, sizeof(*r->pt->names));
	for (i = 0; i < n; i++) {
		const struct pickle_value *name = class_name(names, i);

		if (!name || name->kind != PICKLE_STRING)
			return bad(r, "the class names are neither a list nor numbered from 0");
		r->pt->names[r->pt->nnames++] = xstrdup(name->text);
	}
	return 0;
}

static bool is_module(const struct pickle_value *v)
{
	return pickle_attr(v, "_modules") || pickle_attr(v, "_parameters");
}

static bool is_state_dict(const struct pickle_value *v)
{
	size_t i;

	for (i = 0; v && v->kind == PICKLE_DICT && i < v->n; i++)
		if (tensor_args(v->item[2 * i + 1]))
			return true;
	return false;
}

/* What holds the weights: the value itself, or what the usual keys name. */
static const struct pickle_value *find_weights(const struct pickle_value *root)
{
	static const char *const keys[] = {"ema", "model", "state_dict", "model_state_dict"};
	size_t i;

	if (is_module(root) || is_state_dict(root))
		return root;
	for (i = 0; i < ARRAY_LEN(keys); i++) {
		const struct pickle_value *v = pickle_get(root, keys[i]);

		if (is_module(v) || is_state_dict(v))
			return v;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_names(const struct reading *r)
{
	size_t i, n = (size_t)r->pt->ntensors;
	char **names = xcalloc(n + 1, sizeof(*names));
	int rc = n ? 0 : bad(r, "it holds no tensors");

	for (i = 0; i < n; i++)
		names[i] = r->pt->tensors[i].name;
	qsort(names, n, sizeof(*names), by_name);
	for (i = 1; i < n && !rc; i++)
		if (!strcmp(names[i - 1], names[i]))
			rc = bad_tensor(r, names[i], "is there twice");
	free(names);
	return rc;
}

static int take_weights(struct reading *r, const struct pickle_value *root)
{
	const struct pickle_value *v = find_weights(root), *yaml;

	if (!v)
		return bad(r, "neither a model nor a state_dict is in it");
	if (!is_module(v))
		return take_tensors(r, "", v, NULL) ? -1 : check_names(r);
	if (take_module(r, "", v, 0) || check_names(r))
		return -1;
	yaml = pickle_attr(v, "yaml");
	if (yaml && yaml->kind == PICKLE_DICT && make_yaml(r, yaml))
		return -1;
	return take_names(r, pickle_attr(v, "names"));
}

static int read_archive(struct reading *r, const void *data, size_t size)
{
	const struct member *pkl, *order;
	struct pickle pickle;
	char *name;
	int rc;

	if (unzip(r, data, size))
		return -1;
	pkl = find_member(r->pt->archive, "data.pkl");
	order = find_member(r->pt->archive, "byteorder");
	if (!pkl)
		return bad(r, "not a PyTorch checkpoint: there is no data.pkl in it");
	if (find_member(r->pt->archive, "constants.pkl"))
		return bad(r, "a TorchScript archive, not a checkpoint");
	if (order && strcmp(order->data.data, "little"))
		return bad(r, "its byte order is not little");
	if (pkl->data.len > MAX_PICKLE)
		return bad(r, "its data.pkl is too long");
	name = xasprintf("cannot read '%s': data.pkl", r->name);
	rc = pickle_parse(name, pkl->data.data, pkl->data.len, &pickle, r->err);
	free(name);
	if (rc)
		return rc;
	rc = take_weights(r, pickle.root);
	pickle_release(&pickle);
	return rc;
}

struct torchpt *torchpt_parse(const char *name, const void *data, size_t size, struct err *err)
{
	struct torchpt *pt = xcalloc(1, sizeof(*pt));
	struct reading r = {.name = name, .pt = pt, .err = err};

	pt->archive = xcalloc(1, sizeof(*pt->archive));
	if (read_archive(&r, data, size)) {
		torchpt_free(pt);
		return NULL;
	}
	return pt;
}

struct torchpt *torchpt_read(const char *path, struct err *err)
{
	struct buf data = BUF_INIT;
	struct torchpt *pt = NULL;

	if (!file_read(path, MAX_FILE, &data, err))
		pt = torchpt_parse(path, data.data, data.len, err);
	buf_release(&data);
	return pt;
}

void torchpt_free(struct torchpt *pt)
{
	int i;

	if (!pt)
		return;
	for (i = 0; i < pt->ntensors; i++)
		free(pt->tensors[i].name);
	free(pt->tensors);
	names_free(pt->names, (size_t)pt->nnames);
	free(pt->yaml);
	free_archive(pt->archive);
	free(pt);
}

const struct torchpt_tensor *torchpt_find(const struct torchpt *pt, const char *name)
{
	int i;

	for (i = 0; i < pt->ntensors; i++)
		if (!strcmp(pt->tensors[i].name, name))
			return &pt->tensors[i];
	return NULL;
}

static uint64_t load(const unsigned char *p, size_t size)
{
	uint64_t v = 0;

	while (size--)
		v = v << 8 | p[size];
	return v;
}

static int64_t load_int(int type, const unsigned char *p)
{
	uint64_t v = load(p, types[type].size);

	switch ((enum type)type) {
	case INT:
		return (int32_t)(uint32_t)v;
	case SHORT:
		return (int16_t)(uint16_t)v;
	case CHAR:
		return (int8_t)(uint8_t)v;
	default:
		return (int64_t)v;
	}
}

static float load_float(int type, const unsigned char *p)
{
	uint64_t bits = load(p, types[type].size);
	uint32_t word = (uint32_t)bits;
	double d;
	float f;

	switch ((enum type)type) {
	case HALF:
		return half_to_float((uint16_t)bits);
	case BFLOAT16:
		return half_to_float_bf16((uint16_t)bits);
	case FLOAT:
		memcpy(&f, &word, sizeof(f));
		return f;
	case DOUBLE:
		memcpy(&d, &bits, sizeof(d));
		return fabs(d) > (double)FLT_MAX ? (float)copysign(INFINITY, d) : (float)d;
	default:
		return (float)load_int(type, p);
	}
}

/* The place of element number `i` in C order. */
static const unsigned char *element(const struct torchpt_tensor *t, size_t i)
{
	size_t offset = 0;
	int d;

	for (d = t->ndim; d--; i /= t->dim[d])
		offset += i % t->dim[d] * t->stride[d];
	return t->storage + offset * types[t->type].size;
}

void torchpt_floats(const struct torchpt_tensor *t, float *out)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		out[i] = load_float(t->type, element(t, i));
}

void torchpt_ints(const struct torchpt_tensor *t, int64_t *out)
{
	size_t i;

	BUG_IF(!t->integer);
	for (i = 0; i < t->count; i++)
		out[i] = load_int(t->type, element(t, i));
}
