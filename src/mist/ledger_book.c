#include "mist/ledger_book.h"

#include "io/json.h"
#include "mist/privacy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT         "mist-ledger"
#define MAJOR          2
#define FORMAT_VERSION "2.0" /* 1.0 named pictures otherwise (ledger_key.h), and goes on so */
/* ,"sha256":"64 digits"} */
#define SUM_PREFIX ",\"sha256\":\""
#define SUM_LEN    (sizeof(SUM_PREFIX) - 1 + DIGEST_HEX - 1 + 2)
/* Above any cost, and below what the sum of many could make infinite. */
#define MAX_EPSILON 1e300

/* ------------------------------------------------------------------ tables */

/* Rows found by their first bytes: a key, and behind it a number. Open addressing, half full. */
struct row {
	uint32_t client; /* + 1; 0: the slot is free */
	uint8_t image[LEDGER_ID], tag[LEDGER_ID];
	double epsilon;
};

struct table {
	struct row *rows;
	size_t n, cap; /* a power of two */
	uint8_t key[crypto_shorthash_KEYBYTES];
};

static struct row *table_slot(const struct table *t, const struct row *want)
{
	uint64_t hash;
	size_t i;

	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)want,
			 offsetof(struct row, tag) + LEDGER_ID, t->key);
	for (i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
		struct row *r = &t->rows[i];

		if (!r->client ||
		    (r->client == want->client && !memcmp(r->image, want->image, LEDGER_ID) &&
		     !memcmp(r->tag, want->tag, LEDGER_ID)))
			return r;
	}
}

static void table_grow(struct table *t)
{
	struct table old = *t;
	size_t i;

	t->cap = old.cap ? 2 * old.cap : 64;
	t->rows = xcalloc(t->cap, sizeof(*t->rows));
	for (i = 0; i < old.cap; i++)
		if (old.rows[i].client)
			*table_slot(t, &old.rows[i]) = old.rows[i];
	free(old.rows);
}

/* The row of that key, made where it was not there; *fresh says which. */
static struct row *table_add(struct table *t, const struct row *want, bool *fresh)
{
	struct row *r;

	if (2 * (t->n + 1) > t->cap)
		table_grow(t);
	r = table_slot(t, want);
	*fresh = !r->client;
	if (*fresh) {
		*r = *want;
		t->n++;
	}
	return r;
}

static const struct row *table_find(const struct table *t, const struct row *want)
{
	const struct row *r = t->cap ? table_slot(t, want) : NULL;

	return r && r->client ? r : NULL;
}

/* ------------------------------------------------------------------ the book */

struct book {
	char key[LEDGER_FINGERPRINT];
	char sum[DIGEST_HEX]; /* of the last line */
	int major;            /* of its format */
	long lines;
	struct book_client *clients;
	int nclients, cap;
	struct table releases, images;
};

struct book *book_new(void)
{
	struct book *b = xcalloc(1, sizeof(*b));

	randombytes_buf(b->releases.key, sizeof(b->releases.key));
	randombytes_buf(b->images.key, sizeof(b->images.key));
	return b;
}

void book_free(struct book *b)
{
	int i;

	if (!b)
		return;
	for (i = 0; i < b->nclients; i++)
		free(b->clients[i].name);
	free(b->clients);
	free(b->releases.rows);
	free(b->images.rows);
	free(b);
}

const char *book_key(const struct book *b)
{
	return b->key;
}

int book_major(const struct book *b)
{
	return b->major;
}

static int find_client(const struct book *b, const char *name)
{
	int i;

	for (i = 0; i < b->nclients && strcmp(b->clients[i].name, name); i++)
		;
	return i;
}

const struct book_client *book_client(const struct book *b, const char *name)
{
	int i = find_client(b, name);

	return i < b->nclients ? &b->clients[i] : NULL;
}

const struct book_client *book_clients(const struct book *b, int *n)
{
	*n = b->nclients;
	return b->clients;
}

static struct row make_row(int client, const uint8_t *image, const uint8_t *tag)
{
	struct row row = {.client = (uint32_t)client + 1};

	memcpy(row.image, image, LEDGER_ID);
	if (tag)
		memcpy(row.tag, tag, LEDGER_ID);
	return row;
}

bool book_has(const struct book *b, const char *client, const struct book_release *r)
{
	const struct row row = make_row(find_client(b, client), r->image, r->tag);

	return table_find(&b->releases, &row) != NULL;
}

double book_image(const struct book *b, const char *client, const uint8_t image[LEDGER_ID])
{
	const struct row want = make_row(find_client(b, client), image, NULL), *row;

	row = table_find(&b->images, &want);
	return row ? row->epsilon : 0;
}

static void count_release(struct book *b, int client, const struct book_release *r)
{
	const struct row release = make_row(client, r->image, r->tag);
	const struct row image = make_row(client, r->image, NULL);
	struct book_client *c = &b->clients[client];
	struct row *sum;
	bool fresh;

	table_add(&b->releases, &release, &fresh);
	if (!fresh)
		return;
	c->releases++;
	c->epsilon = privacy_add(c->epsilon, r->epsilon);
	sum = table_add(&b->images, &image, &fresh);
	c->images += fresh;
	sum->epsilon = privacy_add(sum->epsilon, r->epsilon);
	c->image_max = fmax(c->image_max, sum->epsilon);
}

static int take_client(struct book *b, const char *name, const char *time)
{
	int i = find_client(b, name);

	if (i == b->nclients) {
		GROW(b->clients, b->nclients, b->cap);
		b->clients[b->nclients++] = (struct book_client){.name = xstrdup(name)};
		memcpy(b->clients[i].first, time, sizeof(b->clients[i].first));
	}
	memcpy(b->clients[i].last, time, sizeof(b->clients[i].last));
	return i;
}

/* ------------------------------------------------------------------ reading */

static int get_text(const char *name, const json_t *o, const char *key, const char **out,
		    struct err *err)
{
	const char *p;

	if (json_get_string(name, o, key, out, err))
		return -1;
	if (strlen(*out) > 255)
		return err_set(err, STATUS_INPUT, "%s: '%s' is too long", name, key);
	for (p = *out; *p; p++) /* it will be shown on a terminal */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, STATUS_INPUT, "%s: control characters in '%s'", name,
				       key);
	return 0;
}

static int get_header(struct book *b, const char *name, const json_t *o, struct err *err)
{
	const char *format = json_string_value(json_object_get(o, "format")), *version, *key;
	char *end;
	long major;

	if (!format || strcmp(format, FORMAT))
		return err_set(err, STATUS_INPUT, "%s: not a ledger", name);
	if (get_text(name, o, "version", &version, err))
		return -1;
	major = strtol(version, &end, 10);
	if (end == version || *end != '.' || major < 1)
		return err_set(err, STATUS_INPUT, "%s: '%.20s' is not a version", name, version);
	if (major > MAJOR)
		return err_set(
			err, STATUS_INPUT,
			"%s: format version %.20s is newer than this program, which reads %d", name,
			version, MAJOR);
	if (get_text(name, o, "key", &key, err))
		return -1;
	if (strlen(key) != LEDGER_FINGERPRINT - 1 || strspn(key, "0123456789abcdef") != strlen(key))
		return err_set(err, STATUS_INPUT, "%s: 'key' is not a fingerprint", name);
	memcpy(b->key, key, sizeof(b->key));
	b->major = (int)major;
	return 0;
}

static bool get_id(const json_t *v, uint8_t id[LEDGER_ID])
{
	const char *text = json_string_value(v);
	size_t size;

	return text && strlen(text) == 2 * LEDGER_ID &&
	       !sodium_hex2bin(id, LEDGER_ID, text, 2 * LEDGER_ID, NULL, &size, NULL) &&
	       size == LEDGER_ID;
}

static int get_release(const char *name, const json_t *list, struct book_release *r,
		       struct err *err)
{
	const json_t *epsilon = json_array_get(list, 2);

	r->epsilon = json_is_null(epsilon) ? INFINITY : json_number_value(epsilon);
	if (json_array_size(list) != 3 || !get_id(json_array_get(list, 0), r->image) ||
	    !get_id(json_array_get(list, 1), r->tag) ||
	    !(json_is_null(epsilon) || json_is_number(epsilon)) || !(r->epsilon >= 0) ||
	    (isfinite(r->epsilon) && r->epsilon > MAX_EPSILON))
		return err_set(err, STATUS_INPUT, "%s: a release is not [picture, tag, epsilon]",
			       name);
	return 0;
}

/* All of the line is looked at before any of it counts. */
static int get_entry(struct book *b, const char *name, const json_t *o, struct err *err)
{
	const json_t *list = json_get_array(name, o, "releases", err);
	struct book_entry e = {.n = json_array_size(list)};
	struct book_release r;
	int client;
	size_t i;

	if (!list || get_text(name, o, "client", &e.client, err) ||
	    get_text(name, o, "model", &e.model, err) ||
	    get_text(name, o, "mechanism", &e.mechanism, err) ||
	    get_text(name, o, "labels", &e.labels, err) ||
	    get_text(name, o, "time", &e.time, err) ||
	    json_get_bool(name, o, "seeded", &e.seeded, err))
		return -1;
	if (e.n < 1 || e.n > BOOK_LINE_RELEASES)
		return err_set(err, STATUS_INPUT, "%s: %zu releases in a line", name, e.n);
	if (!digest_is_hex(e.model) || strlen(e.time) != sizeof(b->clients->first) - 1)
		return err_set(err, STATUS_INPUT, "%s: '%s' is not what it should be", name,
			       digest_is_hex(e.model) ? "time" : "model");
	for (i = 0; i < e.n; i++)
		if (get_release(name, json_array_get(list, i), &r, err))
			return -1;
	client = take_client(b, e.client, e.time);
	for (i = 0; i < e.n; i++) {
		get_release(name, json_array_get(list, i), &r, err);
		count_release(b, client, &r);
	}
	return 0;
}

/* SHA-256 of the line before's digest and this line without its own. */
static void sum_line(const struct book *b, const char *text, size_t len, char hex[DIGEST_HEX])
{
	struct digest d;

	digest_init(&d);
	digest_add(&d, b->sum, strlen(b->sum));
	digest_add(&d, text, len);
	digest_hex(&d, hex);
}

static int check_sum(struct book *b, const char *name, const char *line, size_t len,
		     struct err *err)
{
	char hex[DIGEST_HEX];

	if (len > SUM_LEN && !memcmp(line + len - SUM_LEN, SUM_PREFIX, sizeof(SUM_PREFIX) - 1)) {
		sum_line(b, line, len - SUM_LEN, hex);
		if (!memcmp(line + len - 2 - (DIGEST_HEX - 1), hex, DIGEST_HEX - 1)) {
			memcpy(b->sum, hex, sizeof(b->sum));
			return 0;
		}
	}
	return err_set(err, STATUS_INPUT, "%s: wrong digest: the ledger was damaged or changed",
		       name);
}

/* Kind and version come before the digest: what is no ledger, or a newer one, is told as that. */
static int read_line(struct book *b, const char *name, const char *line, size_t len,
		     struct err *err)
{
	json_t *o = json_parse(name, line, len, err);
	int rc = -1;

	if (!o)
		return err->status = STATUS_INPUT, -1;
	if (!json_is_object(o))
		err_set(err, STATUS_INPUT, "%s: not a ledger", name);
	else if (b->lines == 0)
		rc = get_header(b, name, o, err) || check_sum(b, name, line, len, err) ? -1 : 0;
	else
		rc = check_sum(b, name, line, len, err) || get_entry(b, name, o, err) ? -1 : 0;
	json_decref(o);
	return rc;
}

int book_read(struct book *b, const char *name, const char *text, size_t len, size_t *used,
	      struct err *err)
{
	const char *end;
	int rc = 0;

	for (*used = 0; !rc && (end = memchr(text + *used, '\n', len - *used));) {
		char *where = xasprintf("line %ld", b->lines + 1);

		rc = read_line(b, where, text + *used, (size_t)(end - text) - *used, err);
		free(where);
		*used = (size_t)(end - text) + 1;
		b->lines++;
	}
	return rc ? err_prefix(err, "cannot use the ledger '%s'", name) : 0;
}

/* ------------------------------------------------------------------ writing */

static void close_line(const struct book *b, const json_t *o, struct buf *out)
{
	char *text = json_text(o), hex[DIGEST_HEX];
	const size_t len = strlen(text) - 1; /* without its last brace */

	sum_line(b, text, len, hex);
	buf_add(out, text, len);
	buf_printf(out, SUM_PREFIX "%s\"}", hex);
	free(text);
}

void book_format_header(const char *key, struct buf *out)
{
	const struct book none = {.lines = 0};
	json_t *o = json_object();

	json_object_set_new(o, "format", json_string(FORMAT));
	json_object_set_new(o, "key", json_string(key));
	json_object_set_new(o, "version", json_string(FORMAT_VERSION));
	close_line(&none, o, out);
	json_decref(o);
}

static json_t *release_to_json(const struct book_release *r)
{
	char image[2 * LEDGER_ID + 1], tag[2 * LEDGER_ID + 1];
	json_t *list = json_array();

	sodium_bin2hex(image, sizeof(image), r->image, LEDGER_ID);
	sodium_bin2hex(tag, sizeof(tag), r->tag, LEDGER_ID);
	json_array_append_new(list, json_string(image));
	json_array_append_new(list, json_string(tag));
	json_array_append_new(list, isfinite(r->epsilon) ? json_real(r->epsilon) : json_null());
	return list;
}

void book_format(const struct book *b, const struct book_entry *e, struct buf *out)
{
	json_t *o = json_object(), *list = json_array();
	size_t i;

	BUG_IF(e->n < 1 || e->n > BOOK_LINE_RELEASES);
	for (i = 0; i < e->n; i++)
		json_array_append_new(list, release_to_json(&e->releases[i]));
	json_object_set_new(o, "client", json_string(e->client));
	json_object_set_new(o, "labels", json_string(e->labels));
	json_object_set_new(o, "mechanism", json_string(e->mechanism));
	json_object_set_new(o, "model", json_string(e->model));
	json_object_set_new(o, "releases", list);
	json_object_set_new(o, "seeded", json_boolean(e->seeded));
	json_object_set_new(o, "time", json_string(e->time));
	close_line(b, o, out);
	json_decref(o);
}
