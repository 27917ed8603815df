#include "base/file.h"
#include "io/digest.h"
#include "io/json.h"
#include "io/tarstream.h"
#include "mist/features.h"
#include "unit.h"

#include <math.h>

static char *dir; /* scratch, made and removed by the group */

static int make_dir(void **state)
{
	(void)state;
	dir = unit_tmpdir();
	return 0;
}

static int remove_dir(void **state)
{
	struct err err;

	(void)state;
	dir_remove(dir, &err);
	free(dir);
	return 0;
}

static char *in_dir(const char *name)
{
	return path_join(dir, name);
}

/* A header of `tensors` tensors of 3 x 4 x 10 values. */
static struct features_header header_new(const char *client, enum encoding encoding, int tensors,
					 enum mechanism mechanism, double epsilon)
{
	struct features_header h = {.cut = 4, .img = 320, .ntensors = tensors};
	struct noise n;
	struct err err;
	int i;

	assert_int_equal(noise_init(&n, mechanism, epsilon, NULL, &err), 0);
	h.client = xstrdup(client);
	memset(h.extractor, 'a', 64);
	h.encoding = encoding;
	h.mechanism = mechanism;
	h.epsilon = n.epsilon;
	h.epsilon_effective = n.epsilon_effective;
	h.q = n.q;
	h.releases = 1;
	h.labels = xstrdup("clear");
	h.names = xcalloc(2, sizeof(*h.names));
	h.names[0] = xstrdup("person");
	h.names[1] = xstrdup("naïve \"cat\"");
	h.nnames = 2;
	h.program = xstrdup("t-features 1");
	h.gates = (struct gates){4, tensors, xcalloc((size_t)tensors, sizeof(struct gate))};
	for (i = 0; i < tensors; i++) {
		h.shape[i].c = 3;
		h.shape[i].h = 4;
		h.shape[i].w = 10;
		gate_init(&h.gates.gate[i], encoding, 3);
		gate_set_noise(&h.gates.gate[i], &n);
	}
	return h;
}

static struct features_sample sample_new(const struct features_header *h, const char *key, int seed,
					 unsigned char *payload)
{
	static const struct label labels[] = {{0, .5F, .25F, .125F, .0625F},
					      {1, .1F, .2F, .2F, .3F}};
	struct features_sample s = {.key = key, .labels = labels, .nlabels = seed % 3};
	size_t size = gate_bytes(&h->gates.gate[0], 4, 10), i;
	int t;

	for (t = 0; t < h->ntensors; t++) {
		s.data[t] = payload + (size_t)t * size;
		s.size[t] = size;
		for (i = 0; i < size; i++) /* as floats: small numbers */
			payload[(size_t)t * size + i] = (unsigned char)(((size_t)seed + i) % 60);
	}
	s.json = "{\"width\":640,\"height\":480}";
	return s;
}

/* Writes `samples` samples with keys PREFIX0, PREFIX1, … */
static void write_stream(const char *path, const struct features_header *h, const char *prefix,
			 int samples)
{
	unsigned char payload[4 * FEATURES_MAX_TENSORS * 120];
	struct features_writer *w;
	struct err err = ERR_INIT;
	int i;

	w = features_create(path, h, &err);
	assert_non_null(w);
	for (i = 0; i < samples; i++) {
		char *key = xasprintf("%s%d", prefix, i);
		struct features_sample s = sample_new(h, key, i, payload);

		assert_int_equal(features_write(w, &s, &err), 0);
		free(key);
	}
	features_end_number(w, "epsilon_per_client", 1.5);
	assert_int_equal(features_finish(w, &err), 0);
}

/* Reads to the end; how many samples, or -1 - samples after an error. */
static int drain(const char *path, struct err *err)
{
	struct features_reader *r = features_open(path, err);
	struct features_sample s;
	int rc, n = 0;

	if (!r)
		return -1;
	while ((rc = features_next(r, &s, err)) == 1)
		n++;
	assert_int_equal(features_count(r), n);
	features_close(r);
	return rc ? -1 - n : n;
}

static void a_stream_comes_back_as_it_went(void **state)
{
	static const enum encoding encodings[] = {ENCODING_BIT, ENCODING_U8, ENCODING_F16,
						  ENCODING_F32};
	unsigned char payload[4 * FEATURES_MAX_TENSORS * 120];
	struct err err = ERR_INIT;
	size_t e;
	int tensors, i;

	(void)state;
	for (e = 0; e < 2 * ARRAY_LEN(encodings); e++) {
		char *path = in_dir("round.tar");
		struct features_reader *r;
		struct features_header h;
		struct features_sample s, want;

		tensors = e & 1 ? 3 : 1;
		h = header_new("edge 1", encodings[e / 2], tensors,
			       e < 2 ? MECHANISM_RR : MECHANISM_NONE, 0.5);
		write_stream(path, &h, "img", 4);
		r = features_open(path, &err);
		assert_non_null(r);
		assert_int_equal(features_fit(&h, features_header(r), &err), 0);
		assert_string_equal(features_header(r)->client, "edge 1");
		assert_string_equal(features_header(r)->names[1], "naïve \"cat\"");
		assert_true(features_header(r)->q == h.q);
		assert_true(features_header(r)->epsilon_effective == h.epsilon_effective);
		for (i = 0; i < 4; i++) {
			char key[16];
			int t;

			snprintf(key, sizeof(key), "img%d", i);
			want = sample_new(&h, key, i, payload);
			assert_int_equal(features_next(r, &s, &err), 1);
			assert_string_equal(s.key, key);
			assert_int_equal(s.nlabels, want.nlabels);
			if (s.nlabels)
				assert_memory_equal(s.labels, want.labels,
						    (size_t)s.nlabels * sizeof(*s.labels));
			assert_string_equal(s.json, want.json);
			for (t = 0; t < tensors; t++) {
				assert_int_equal(s.size[t], want.size[t]);
				assert_memory_equal(s.data[t], want.data[t], s.size[t]);
			}
		}
		assert_int_equal(features_next(r, &s, &err), 0);
		features_close(r);
		features_header_release(&h);
		free(path);
	}
}

static void an_image_named_mist_does_not_become_a_header(void **state)
{
	struct features_header h = header_new("c", ENCODING_BIT, 1, MECHANISM_NONE, 0);
	unsigned char payload[480];
	struct features_sample s = sample_new(&h, "mist", 1, payload), back;
	struct features_writer *w;
	struct features_reader *r;
	char *path = in_dir("mist.tar");
	struct err err;

	(void)state;
	w = features_create(path, &h, &err);
	assert_int_equal(features_write(w, &s, &err), 0);
	assert_int_equal(features_finish(w, &err), 0);
	r = features_open(path, &err);
	assert_int_equal(features_next(r, &back, &err), 1);
	assert_string_equal(back.key, "%6Dist");
	assert_int_equal(features_next(r, &back, &err), 0);
	features_close(r);
	features_header_release(&h);
	free(path);
}

/* Concatenates files, each cut to `limit` bytes when that is not 0. */
static void join(const char *to, const char *a, const char *b, size_t limit)
{
	struct buf data = BUF_INIT;
	struct err err;

	assert_int_equal(file_read(a, SIZE_MAX - 1, &data, &err), 0);
	if (b)
		assert_int_equal(file_read(b, SIZE_MAX - 1, &data, &err), 0);
	assert_int_equal(file_write(to, data.data, limit ? limit : data.len, &err), 0);
	buf_release(&data);
}

static size_t size_of(const char *path)
{
	struct buf data = BUF_INIT;
	struct err err;
	size_t n;

	assert_int_equal(file_read(path, SIZE_MAX - 1, &data, &err), 0);
	n = data.len;
	buf_release(&data);
	return n;
}

static void streams_behind_each_other_are_a_stream(void **state)
{
	struct features_header h1 = header_new("a", ENCODING_BIT, 1, MECHANISM_RR, 1),
			       h2 = header_new("b", ENCODING_BIT, 1, MECHANISM_RR, 2);
	char *a = in_dir("a.tar"), *b = in_dir("b.tar"), *ab = in_dir("ab.tar");
	struct features_reader *r;
	struct features_sample s;
	struct err err;
	int i;

	(void)state;
	write_stream(a, &h1, "x", 3);
	write_stream(b, &h2, "x", 2);
	join(ab, a, b, 0);
	r = features_open(ab, &err);
	for (i = 0; i < 5; i++) {
		assert_int_equal(features_next(r, &s, &err), 1);
		assert_string_equal(features_header(r)->client, i < 3 ? "a" : "b");
		assert_true(features_header(r)->q == (i < 3 ? h1.q : h2.q));
	}
	assert_int_equal(features_next(r, &s, &err), 0);
	assert_int_equal(features_next(r, &s, &err), 0);
	features_close(r);
	features_header_release(&h1);
	features_header_release(&h2);
	free(a);
	free(b);
	free(ab);
}

/* Every length at which a member's header, data or padding is cut, and all lengths near them. */
static void a_stream_cut_anywhere_says_so_and_names_the_last_whole_sample(void **state)
{
	struct features_header h = header_new("a", ENCODING_BIT, 2, MECHANISM_RR, 1);
	char *a = in_dir("whole.tar"), *cut = in_dir("cut.tar");
	size_t size, limit, step;
	struct err err;
	int last = 0;

	(void)state;
	write_stream(a, &h, "img", 5);
	size = size_of(a);
	for (limit = 1; limit < size; limit += step) {
		int n;

		step = limit % 512 < 2 || limit % 512 > 509 ? 1 : 101;
		join(cut, a, NULL, limit);
		n = -1 - drain(cut, &err);
		assert_true(n >= last && n <= 5);
		last = n;
		assert_int_equal(err.status, STATUS_INPUT);
		if (limit > 2048) {
			char want[64];

			snprintf(want, sizeof(want),
				 n ? "truncated after sample img%d"
				   : "truncated before its first sample",
				 n - 1);
			if (!strstr(err.msg, want))
				fail_msg("at %zu of %zu: %s", limit, size, err.msg);
		}
	}
	assert_int_equal(last, 5);
	features_header_release(&h);
	free(a);
	free(cut);
}

static void record(void *ctx, const char *sentence)
{
	snprintf(ctx, 256, "%s", sentence);
}

static void what_is_whole_of_a_cut_stream_can_be_had(void **state)
{
	struct features_header h = header_new("a", ENCODING_BIT, 1, MECHANISM_RR, 1);
	char *a = in_dir("whole.tar"), *cut = in_dir("cut.tar"), said[256] = "";
	struct notices notices = {record, said};
	struct features_reader *r;
	struct features_sample s;
	struct err err;
	int n = 0;

	(void)state;
	write_stream(a, &h, "img", 5);
	join(cut, a, NULL, size_of(a) / 2);
	r = features_open(cut, &err);
	features_keep_going(r, &notices);
	while (features_next(r, &s, &err) == 1)
		n++;
	assert_true(n > 0 && n < 5);
	assert_non_null(strstr(said, "truncated after sample img"));
	assert_int_equal(features_next(r, &s, &err), 0);
	features_close(r);
	features_header_release(&h);
	free(a);
	free(cut);
}

/* Rewrites a stream with one member's text edited: FROM becomes TO, of the same length or not. */
static void edit(const char *from_path, const char *to_path, const char *member, const char *from,
		 const char *to)
{
	struct tarstream_writer w;
	struct tarstream_member m;
	struct tarstream *t;
	struct err err;

	t = tarstream_open(from_path, 1 << 20, &err);
	assert_non_null(t);
	assert_int_equal(tarstream_create(&w, to_path, &err), 0);
	while (tarstream_next(t, &m, &err) == 1) {
		struct buf text = BUF_INIT;
		const char *at = strcmp(m.name, member) ? NULL : strstr((const char *)m.data, from);

		if (!strcmp(m.name, member)) {
			assert_non_null(at);
			buf_add(&text, m.data, (size_t)(at - (const char *)m.data));
			buf_add_str(&text, to);
			buf_add_str(&text, at + strlen(from));
		} else {
			buf_add(&text, m.data, m.size);
		}
		assert_int_equal(tarstream_add(&w, m.name, text.data, text.len, &err), 0);
		buf_release(&text);
	}
	assert_int_equal(tarstream_finish(&w, &err), 0);
	tarstream_close(t);
}

/* Fewer bits than values: they lie in one row, and the header must say why, and not lie. */
static void a_thinned_stream_says_what_it_left_out(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} defect[] = {
		{"\"keep\":1073741824", "\"keep\":0", "'keep'"},
		{"\"keep\":1073741824", "\"keep\":4294967296", "'keep'"},
		{"\"keep\":1073741824", "\"keep\":1", "of which no bit is sent"},
		{"\"keep\":1073741824", "\"keep\":2147483648", "costs more"},
		{"\"keep\":1073741824,", "", "costs more"},
		{"\"subset\":6", "\"subset\":-1", "'subset'"},
		{"\"subset\":6", "\"subset\":99", "wrong digest"},
		{"\"pool\":2", "\"pool\":17", "'pool'"},
		{"\"pool\":2", "\"pool\":\"x\"", "'pool'"},
		{"\"epsilon_image\":16.0", "\"epsilon_image\":0.5", "costs more"},
		{"[3,40,100]", "[3,65536,65536]", "more than"},
		{"[3,40,100]", "[3,6000,6000]", "a subset of more than"},
	};
	struct features_header h = header_new("a", ENCODING_BIT, 1, MECHANISM_RR, .02);
	char *good = in_dir("thin.tar"), *bad = in_dir("bad.tar");
	unsigned char payload[512];
	struct features_sample s;
	struct features_reader *r;
	struct features_writer *w;
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	h.shape[0].h = 40;
	h.shape[0].w = 100;
	h.epsilon_image = 16;
	h.gates.gate[0].pool = 2;
	h.gates.gate[0].keep = 1u << 30;
	h.gates.gate[0].subset = 6;
	w = features_create(good, &h, &err);
	if (!w)
		fail_msg("%s", err.msg);
	s = sample_new(&h, "img0", 0, payload);
	s.size[0] = gate_bytes(&h.gates.gate[0], 40, 100);
	assert_int_equal(features_write(w, &s, &err), 0);
	assert_int_equal(features_finish(w, &err), 0);
	r = features_open(good, &err);
	assert_non_null(r);
	assert_int_equal(features_next(r, &s, &err), 1);
	assert_int_equal(features_values(features_header(r)), gate_sent(&h.gates.gate[0], 40, 100));
	assert_in_range(features_values(features_header(r)), 650, 850); /* of 3000 squares */
	assert_int_equal(s.size[0], (features_values(features_header(r)) + 7) / 8);
	assert_true(features_header(r)->epsilon_image == 16);
	features_close(r);
	for (i = 0; i < ARRAY_LEN(defect); i++) {
		edit(good, bad, "mist.json", defect[i].from, defect[i].to);
		assert_true(drain(bad, &err) < 0);
		if (!strstr(err.msg, defect[i].says) || !strstr(err.msg, "cannot read '"))
			fail_msg("%zu: %s", i, err.msg);
	}
	h.epsilon_image = .1; /* nor do we write what costs more than it may */
	assert_null(features_create(bad, &h, &err));
	features_header_release(&h);
	free(good);
	free(bad);
}

static void each_defect_has_its_own_sentence(void **state)
{
	static const struct {
		const char *member, *from, *to, *says;
	} defect[] = {
		{"mist.json", "\"1.2\"", "\"2.0\"", "format version 2.0 is newer"},
		{"mist.json", "\"1.2\"", "\"one\"", "not a version"},
		{"mist.json", "\"1.2\"", "\"1.7\"", "wrong digest"}, /* a newer minor is read */
		{"mist.json", "mist-features", "something", "not the header of a feature stream"},
		{"mist.json", "\"img\":320", "\"img\":-1", "'img'"},
		{"mist.json", "\"encoding\":\"bit\",\"epsilon\":1.0,\"epsilon_eff",
		 "\"encoding\":\"f32\",\"epsilon\":1.0,\"epsilon_eff", "contradicts"},
		{"mist.json", "[3,4,10]", "[3,4]", "shape"},
		{"mist.json", "[3,4,10]", "[3,4,40]", "img0.feat.npy: an array of u1 (3, 4, 2)"},
		{"mist.json", "[3,4,10]", "[5,4,10]", "the gate"},
		{"mist.json", "[3,4,10]", "[65536,65536,10]", "more than"},
		{"mist.json", "\"names\":[\"person\"", "\"names\":[7", "mist.json"},
		{"mist.json", "aaaa", "xyza", "SHA-256"},
		{"mist.json", "\"client\":\"a\"", "\"client\":\"\\u001b[2J\"", "control"},
		{"mist.json", "\"labels\":\"clear\"", "\"labels\":\"vague\"", "label policy"},
		{"mist.json", "\"seeded\":false", "\"seeded\":true", "wrong digest"},
		{"img1.txt", "0.5", "0.6", "wrong digest"},
		{"img1.txt", "0.5", "1.6", "img1.txt:1"},
		{"img1.txt", "0 0.5", "7 0.5", "img1.txt:1"},
		{"img1.json", "640", "{", "img1.json"},
		{"mist.end.json", "\"samples\":3", "\"samples\":4", "3 samples"},
		{"mist.end.json", "\"sha256\":\"", "\"sha256\":\"0", "wrong digest"},
		{"mist.end.json", "samples", "sample", "'samples' is missing"},
	};
	struct features_header h = header_new("a", ENCODING_BIT, 1, MECHANISM_RR, 1);
	char *good = in_dir("good.tar"), *bad = in_dir("bad.tar");
	struct err err;
	size_t i;

	(void)state;
	write_stream(good, &h, "img", 3);
	assert_int_equal(drain(good, &err), 3);
	for (i = 0; i < ARRAY_LEN(defect); i++) {
		edit(good, bad, defect[i].member, defect[i].from, defect[i].to);
		assert_true(drain(bad, &err) < 0);
		assert_int_equal(err.status, STATUS_INPUT);
		if (!strstr(err.msg, defect[i].says) || !strstr(err.msg, "cannot read '"))
			fail_msg("%zu: %s", i, err.msg);
	}
	features_header_release(&h);
	free(good);
	free(bad);
}

static void segments_of_another_kind_are_refused(void **state)
{
	struct features_header h = header_new("a", ENCODING_BIT, 1, MECHANISM_RR, 1), other;
	char *a = in_dir("a.tar"), *b = in_dir("b.tar"), *ab = in_dir("ab.tar");
	static const char *const says[] = {"cut layers 4 and 5",
					   "extractors",
					   "image sizes",
					   "encodings",
					   "shapes",
					   "class names",
					   "gates",
					   "policies",
					   "mechanisms 'rr' and 'none'",
					   "bits of all positions and of 25 % of the positions "
					   "(subset 6) do not mix",
					   "bits of all positions and of 2x2 squares, all of them"};
	struct err err;
	size_t i;

	(void)state;
	write_stream(a, &h, "x", 1);
	for (i = 0; i < ARRAY_LEN(says); i++) {
		other = header_new("b", i == 3 ? ENCODING_U8 : ENCODING_BIT, i == 4 ? 2 : 1,
				   i == 3 || i == 8 ? MECHANISM_NONE : MECHANISM_RR,
				   i == 3 || i == 8 ? 0 : 2);
		if (i == 0)
			other.cut = other.gates.cut = 5;
		if (i == 1)
			other.extractor[3] = 'b';
		if (i == 2)
			other.img = 640;
		if (i == 5)
			other.names[1][0] = 'N';
		if (i == 6)
			other.gates.gate[0].threshold = xcalloc(3, sizeof(float));
		if (i == 7)
			memcpy(other.labels, "none", 5);
		if (i == 9) {
			other.gates.gate[0].keep = 1u << 30;
			other.gates.gate[0].subset = 6;
		}
		if (i == 10)
			other.gates.gate[0].pool = 2;
		write_stream(b, &other, "y", 1);
		join(ab, a, b, 0);
		assert_int_equal(drain(ab, &err), -2);
		if (!strstr(err.msg, says[i]))
			fail_msg("%zu: %s", i, err.msg);
		features_header_release(&other);
	}
	features_header_release(&h);
	free(a);
	free(b);
	free(ab);
}

static void a_value_that_is_not_finite_is_refused(void **state)
{
	struct features_header h = header_new("a", ENCODING_F32, 1, MECHANISM_NONE, 0);
	unsigned char payload[480];
	struct features_sample s = sample_new(&h, "k", 0, payload);
	char *path = in_dir("nan.tar");
	struct features_writer *w;
	const float nan = NAN;
	struct err err;

	(void)state;
	memcpy(payload + 4 * 17, &nan, 4);
	w = features_create(path, &h, &err);
	assert_int_equal(features_write(w, &s, &err), 0);
	assert_int_equal(features_finish(w, &err), 0);
	assert_int_equal(drain(path, &err), -1);
	assert_int_equal(err.status, STATUS_NONFINITE);
	assert_non_null(strstr(err.msg, "k.feat.npy: value 17"));
	features_header_release(&h);
	free(path);
}

static void other_files_are_not_streams(void **state)
{
	static const char *const texts[] = {"", "x", "{}\n"};
	char *path = in_dir("foreign");
	struct tarstream_writer w;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(file_write(path, texts[i], strlen(texts[i]), &err), 0);
		assert_int_equal(drain(path, &err), -1);
		assert_int_equal(err.status, STATUS_INPUT);
		assert_non_null(strstr(err.msg, "cannot read '"));
	}
	assert_int_equal(tarstream_create(&w, path, &err), 0);
	assert_int_equal(tarstream_finish(&w, &err), 0);
	assert_int_equal(drain(path, &err), -1);
	assert_non_null(strstr(err.msg, "not a feature stream"));
	assert_int_equal(tarstream_create(&w, path, &err), 0);
	assert_int_equal(tarstream_add(&w, "README", "hello", 5, &err), 0);
	assert_int_equal(tarstream_finish(&w, &err), 0);
	assert_int_equal(drain(path, &err), -1);
	assert_non_null(strstr(err.msg, "not a feature stream"));
	free(path);
}

static void a_tee_copies_byte_for_byte(void **state)
{
	struct features_header h = header_new("a", ENCODING_F16, 2, MECHANISM_NONE, 0);
	char *a = in_dir("a.tar"), *copy = in_dir("copy.tar");
	struct buf want = BUF_INIT, got = BUF_INIT;
	struct tarstream_writer w;
	struct features_reader *r;
	struct features_sample s;
	struct err err;

	(void)state;
	write_stream(a, &h, "img", 7);
	assert_int_equal(tarstream_create(&w, copy, &err), 0);
	r = features_open(a, &err);
	features_tee(r, &w);
	while (features_next(r, &s, &err) == 1)
		;
	features_close(r);
	assert_int_equal(tarstream_finish(&w, &err), 0);
	file_read(a, SIZE_MAX - 1, &want, &err);
	file_read(copy, SIZE_MAX - 1, &got, &err);
	assert_int_equal(want.len, got.len);
	assert_memory_equal(want.data, got.data, want.len);
	buf_release(&want);
	buf_release(&got);
	features_header_release(&h);
	free(a);
	free(copy);
}

/* The digest is what features.h says it is, computed here by other means. */
static void the_digest_is_as_documented(void **state)
{
	struct features_header h = header_new("a", ENCODING_BIT, 1, MECHANISM_NONE, 0);
	struct buf all = BUF_INIT;
	struct tarstream_member m;
	struct tarstream *t;
	char *path = in_dir("digest.tar"), hex[DIGEST_HEX];
	struct err err;

	(void)state;
	write_stream(path, &h, "img", 2);
	t = tarstream_open(path, 1 << 20, &err);
	while (tarstream_next(t, &m, &err) == 1 && strcmp(m.name, "mist.end.json")) {
		buf_printf(&all, "%s", m.name);
		buf_add_zeros(&all, 1);
		buf_printf(&all, "%zu", m.size);
		buf_add_zeros(&all, 1);
		buf_add(&all, m.data, m.size);
	}
	digest_bytes(all.data, all.len, hex);
	assert_non_null(strstr((const char *)m.data, hex));
	assert_non_null(strstr((const char *)m.data, "\"epsilon_per_client\":1.5"));
	tarstream_close(t);
	buf_release(&all);
	features_header_release(&h);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_comes_back_as_it_went),
		cmocka_unit_test(an_image_named_mist_does_not_become_a_header),
		cmocka_unit_test(streams_behind_each_other_are_a_stream),
		cmocka_unit_test(a_stream_cut_anywhere_says_so_and_names_the_last_whole_sample),
		cmocka_unit_test(what_is_whole_of_a_cut_stream_can_be_had),
		cmocka_unit_test(a_thinned_stream_says_what_it_left_out),
		cmocka_unit_test(each_defect_has_its_own_sentence),
		cmocka_unit_test(segments_of_another_kind_are_refused),
		cmocka_unit_test(a_value_that_is_not_finite_is_refused),
		cmocka_unit_test(other_files_are_not_streams),
		cmocka_unit_test(a_tee_copies_byte_for_byte),
		cmocka_unit_test(the_digest_is_as_documented),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
